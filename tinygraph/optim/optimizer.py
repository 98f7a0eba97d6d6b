"""Optimizer: what all optimizers have in common.

An optimizer is one pure rule, from a parameter and its gradient to the next parameter. `step`
assigns what the rule gives; `minimize` hands it over as the updates of a `tg.function`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.autodiff.reverse import gradients
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.node import STATE, Node
from tinygraph.nn.constraints import constrained
from tinygraph.nn.parameter import clear_grad
from tinygraph.ops.registry import cast
from tinygraph.ops.rules import ones_like, show_shape
from tinygraph.optim import saved
from tinygraph.optim.group import SCHEDULED, Number, Options, ParamGroup
from tinygraph.optim.slot import Slot, working_dtype
from tinygraph.tensor import Tensor, gradient_leaves, realize

__all__ = ["Optimizer"]

Params = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Mapping[str, Any]]
State = Mapping[str, Tensor]
Updated = tuple[Tensor, dict[str, Tensor]]
Gradients = Mapping[Tensor, Tensor]
Transform = Callable[[Gradients], Gradients]

# What PyTorch has for its own ways to run a step, which makes no difference here.
IGNORED = ("foreach", "fused", "capturable", "differentiable")


class Optimizer:
    """The base of all optimizers.

    params: the parameters to change, or pairs of a name and a parameter, or dictionaries, each
    with "params" and options of its own. defaults: the options of a group that does not give
    them.

    param_groups: the options in force, one dictionary-like group each: set
    `optimizer.param_groups[0]["lr"]` to change one. state: what is kept for each parameter, as
    Tensors.

    A subclass checks the options (`check`), says which numbers the rule reads (`derive`), what
    is kept for a parameter (`slots`), and the rule (`rule`). With the option "maximize" the rule
    gets the negative gradient. After the rule, a parameter's `constraint` is applied. The rule
    for a 16-bit parameter is computed, and its state kept, in float32.

    >>> import tinygraph as tg
    >>> class Halving(tg.optim.Optimizer):
    ...     def rule(self, group, param, grad, state):
    ...         return param - group.numbers["lr"] * grad / 2, {}
    ...     def derive(self, options):
    ...         return {"lr": options["lr"]}
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = Halving([w], {"lr": 0.5})
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    # Options whose very value decides the form of the rule, not only whether they are 0, and
    # names of numbers that the rule needs in double precision.
    structural: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()

    def __init__(self, params: Params, defaults: Options) -> None:
        _check_ordered(self.kind, params, (Tensor, Mapping, str))
        self.defaults = dict(defaults)
        self.param_groups: list[ParamGroup] = []
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._old_grads: list[weakref.ref[Node]] = []
        self._transforms: dict[int, Transform] = {}  # kept, for they may have state
        given = list(params)
        if not given:
            raise ValueError(
                f"{self.kind}: expected at least one parameter, got none (an iterator such as "
                "model.parameters() can be used up only once)"
            )
        groups: list[Any] = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    @property
    def kind(self) -> str:
        """The name of the rule."""
        return type(self).__name__

    # ------------------------------------------------------------------ what a subclass defines

    def check(self, options: Options) -> None:
        """Raise ValueError if an option has a wrong value."""

    def derive(self, options: Options) -> Mapping[str, Number]:
        """The numbers that the rule reads, from the options of a group."""
        raise NotImplementedError

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        """What is kept for `param`, by name."""
        return {}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        """The next value of `param`, and of all that is kept for it, by name."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------ groups

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own: {"params": [...], "lr": ...}.

        Raises TypeError or ValueError for what is no parameter, no leaf, or there already, and
        for options that are unknown or wrong.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(
                f"{self.kind}: expected a group as a mapping with 'params', got a "
                f"{type(param_group).__name__}"
            )
        given = {name: value for name, value in param_group.items() if name not in IGNORED}
        found = given.pop("params", [])
        if not isinstance(found, Tensor):
            _check_ordered(self.kind, found, (Mapping, str))
        params = [found] if isinstance(found, Tensor) else _without_names(found)
        unknown = sorted(given.keys() - self.defaults.keys() - set(SCHEDULED))
        if unknown:
            raise ValueError(
                f"{self.kind}: expected options out of {', '.join(self.defaults)}, "
                f"got {', '.join(unknown)}"
            )
        if not params:
            raise ValueError(
                f"{self.kind}: expected at least one parameter in each group, under "
                "'params', got none"
            )
        self._check_params(params)
        group = ParamGroup(
            params, {**self.defaults, **given}, self.derive, self.check, self.structural, self.exact
        )
        for param in params:
            param.is_state = True
            param.node.belong(param)
        self.param_groups.append(group)
        self.prepare(group)

    def _check_params(self, params: Sequence[Any]) -> None:
        known = set(map(id, self.ordered()))
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{self.kind}: expected parameters, got a {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(
                    f"{self.kind}: expected leaves, got the result of {param.node.op.name}, which "
                    f"is computed from other Tensors\n  at {param.node.origin.where()}"
                )
            if id(param) in known:
                raise ValueError(
                    f"{self.kind}: a parameter of shape {show_shape(param.shape)} is "
                    "given twice, or is in another group already"
                )
            known.add(id(param))

    def ordered(self) -> list[Tensor]:
        """The parameters of all groups."""
        return [param for group in self.param_groups for param in group.params]

    def prepare(self, group: ParamGroup) -> None:
        """Make what is kept for the parameters of `group`, where it is not there yet."""
        for param in group.params:
            kept = self.state.get(param)
            if kept is not None and group.prepared == group.form:
                continue
            kept = self.state.setdefault(param, {})
            for name, slot in self.slots(group.options, param).items():
                if name not in kept:
                    kept[name] = slot.make(name, param)
        group.prepared = group.form

    # -------------------------------------------------------------------------------- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a gradient; the others stay as they are.

        closure: computes the loss and its gradients first. Returns what it returned, else None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        grads = {param: param.grad for param in self.ordered() if param.grad is not None}
        self.commit(self.updates(grads), list(grads.values()))
        return loss

    def minimize(
        self,
        loss: Tensor,
        parameters: Iterable[Tensor] | None = None,
        transform: Transform | None = None,
    ) -> dict[Tensor, Tensor]:
        """The updates that one step on `loss` makes, for `tg.function(..., updates=...)`.

        loss: a Tensor of one element. parameters: those to change; all of this optimizer's by
        default. transform: makes of the gradients those that the step is to use, as a mapping
        from each parameter to its gradient, both on the way in and on the way out; a parameter
        that it leaves out is not changed. Returns {parameter or state: its next value}; nothing
        is changed.

        Raises GraphError if `loss` depends on none of the parameters.

        >>> import tinygraph as tg
        >>> w = tg.nn.Parameter([1.0, 2.0])
        >>> optimizer = tg.optim.SGD([w], lr=1.0)
        >>> def halved(grads):
        ...     return {param: grad / 2 for param, grad in grads.items()}
        >>> optimizer.minimize(tg.sum(w * w), transform=halved)[w].tolist()
        [0.0, 0.0]
        """
        grads = self.gradients(loss, parameters)
        return self.updates(grads if transform is None else self.transformed(grads, transform))

    def gradients(
        self, loss: Tensor, parameters: Iterable[Tensor] | None = None
    ) -> dict[Tensor, Tensor]:
        """The gradient of `loss` for each parameter that it depends on: see `minimize`."""
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"{self.kind}.minimize: expected a Tensor as loss, got a {type(loss).__name__}"
            )
        if loss.size != 1:
            raise ShapeError(
                f"{self.kind}.minimize: expected a loss of one element, got shape "
                f"{show_shape(loss.shape)}\n  at {loss.node.origin.where()}"
            )
        grads = self._summed(loss.node, [p for p in self._chosen(parameters) if p.requires_grad])
        if not grads:
            raise GraphError(
                f"{self.kind}.minimize: the loss depends on none of the parameters\n"
                f"  at {loss.node.origin.where()}"
            )
        return grads

    @staticmethod
    def _summed(loss: Node, parameters: Sequence[Tensor]) -> dict[Tensor, Tensor]:
        """The gradients for those of the parameters that `loss` depends on. As `backward` does,
        all values are counted that one has had: an embedding with a `max_norm` changes its own."""
        owned = {id(param): param for param in parameters}
        leaves = [
            n for n in gradient_leaves([loss]) if n.cell is not None and id(n.cell()) in owned
        ]
        slopes: dict[int, Node] = {}
        with no_grad():
            found = gradients([loss], [ones_like(loss)], leaves)
            for leaf, g in zip(leaves, found, strict=True):
                if leaf.cell is not None and g is not None:
                    key = id(leaf.cell())
                    slopes[key] = slopes[key] + g if key in slopes else g
        return {param: Tensor(slopes[key]) for key, param in owned.items() if key in slopes}

    def _chosen(self, parameters: Iterable[Tensor] | None) -> list[Tensor]:
        if parameters is None:
            return self.ordered()
        chosen = list(parameters)
        if any(param not in self.state for param in chosen):
            raise ValueError(
                f"{self.kind}.minimize: expected parameters of this optimizer, got another Tensor"
            )
        return chosen

    def transformed(self, grads: Gradients, transform: Transform) -> Gradients:
        """What `transform` makes of the gradients. TypeError or ShapeError if it is no such."""
        self._transforms[id(transform)] = transform
        with no_grad():
            found = transform(grads)
        if not isinstance(found, Mapping) or not grads.keys() >= found.keys():
            raise TypeError(
                f"{self.kind}.minimize: expected the transform to return a mapping from "
                f"parameters to their gradients, as it gets one, got a {type(found).__name__}"
            )
        for param, grad in found.items():
            if grad.shape != param.shape:
                raise ShapeError(
                    f"{self.kind}.minimize: the transform made a gradient of shape "
                    f"{show_shape(grad.shape)} for a parameter of shape {show_shape(param.shape)}"
                )
        return found

    def updates(self, grads: Gradients) -> dict[Tensor, Tensor]:
        """The next value of every parameter with a gradient in `grads`, and of what is kept for it;
        nothing is changed."""
        updates: dict[Tensor, Tensor] = {}
        if STATE.trace is not None:
            STATE.trace.guards.append(self._same_form())
        with no_grad():
            for group in self.param_groups:
                self.prepare(group)
                group.read()
                for param in group.params:
                    if param in grads:
                        updates.update(self._updated(group, param, grads[param]))
        return updates

    def _updated(self, group: ParamGroup, param: Tensor, grad: Tensor) -> dict[Tensor, Tensor]:
        """The next value of `param`, and of what is kept for it."""
        dtype, kept = working_dtype(param), self.state[param]
        grad = _as_type(grad, dtype)
        if group.get("maximize"):
            grad = -grad
        value, new = self.rule(group, _as_type(param, dtype), grad, kept)
        return {
            param: settled(param, value),
            **{kept[n]: _as_type(t, kept[n].dtype) for n, t in new.items()},
        }

    def _same_form(self) -> Callable[[], bool]:
        """The condition under which a traced step holds: no option has been turned on or off, no
        constraint is another one."""
        owner, forms = weakref.ref(self), self._forms()

        def holds() -> bool:
            present = owner()
            return present is not None and present._forms() == forms

        return holds

    def _forms(self) -> list[Any]:
        return [
            *[group.form for group in self.param_groups],
            *[getattr(param, "constraint", None) for param in self.ordered()],
        ]

    def commit(self, updates: Mapping[Tensor, Tensor], grads: Sequence[Tensor]) -> None:
        """Assign the updates, and run them along with what led to them as one tape."""
        before = [(tensor, tensor.node) for tensor in updates]
        for tensor, value in updates.items():
            tensor.assign(value)
        if STATE.trace is not None:
            return
        # A gradient that outlived the last step is being added to: it needs a value now, or the
        # graph behind it would grow from step to step.
        added_to = any(ref() is not None for ref in self._old_grads)
        self._old_grads = [weakref.ref(grad.node) for grad in grads]
        try:
            realize(*updates, *(grads if added_to else ()))
        except BaseException:  # a step is made whole or not at all
            for tensor, node in before:
                tensor.node = node
            raise

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with `set_to_none=False` make them 0."""
        for param in self.ordered():
            clear_grad(param, set_to_none)

    # ------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state and the options, parameters counted from 0 over all groups; there is
        no state of a parameter that has made no step.

        {"state": {number: {name: array}}, "param_groups": [{option: value, "params": numbers}]}

        To go on later: `tg.io.save(optimizer.state_dict(), path)`, and then
        `optimizer.load_state_dict(tg.io.load(path))`.
        """
        return saved.dump(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch.

        Options that are not known here are passed over. Raises StateError if groups, parameters
        or shapes do not fit; then nothing has been loaded.
        """
        saved.load(self, state_dict)

    def __repr__(self) -> str:
        groups = "\n".join(map(repr, self.param_groups)).replace("\n", "\n  ")
        return f"{self.kind} (\n  {groups}\n)"


def _check_ordered(kind: str, params: Any, wrong: tuple[type, ...]) -> None:
    """TypeError unless `params` are several, in an order: saved state goes by that."""
    if isinstance(params, Set):
        raise TypeError(f"{kind}: expected parameters in an order, which a set has not: use a list")
    if isinstance(params, wrong) or not isinstance(params, Iterable):
        raise TypeError(
            f"{kind}: expected parameters in a list or another iterable, such as "
            f"model.parameters(), got a {type(params).__name__}"
        )


def _without_names(params: Iterable[Any]) -> list[Any]:
    """The parameters of a group, which may come as pairs with their names."""
    return [p[1] if isinstance(p, tuple) and len(p) == 2 else p for p in params]


def _as_type(tensor: Tensor, dtype: Any) -> Tensor:
    return tensor if tensor.dtype == dtype else Tensor(cast(tensor.node, dtype=dtype))


def settled(param: Tensor, value: Tensor) -> Tensor:
    """`value` in the dtype of `param`, and as its constraint lets it be."""
    return constrained(param, _as_type(value, param.dtype))
