"""Optimizer: what all optimizers have in common.

An optimizer is one pure rule, from a parameter and its gradient to the next parameter. `step`
assigns what the rule gives; `minimize` hands it over as the updates of a `tg.function`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.autodiff.reverse import gradients
from tinygraph.errors import GraphError, ShapeError, StateError
from tinygraph.graph.node import STATE, Node
from tinygraph.nn.parameter import as_array, clear_grad
from tinygraph.ops.registry import cast
from tinygraph.ops.rules import ones_like, show_shape
from tinygraph.optim.group import Options, ParamGroup
from tinygraph.tensor import Tensor, realize, state

__all__ = ["Optimizer"]

Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]
State = Mapping[str, Tensor]


class Optimizer:
    """The base of all optimizers.

    params: the parameters to change, or dictionaries, each with "params" and options of its
    own. defaults: the options of a group that does not give them.

    param_groups: the options in force, one dictionary-like group each: set
    `optimizer.param_groups[0]["lr"]` to change one. state: what is kept for each parameter, as
    Tensors.

    A subclass checks the options (`_check`), says which numbers the rule reads (`_numbers`),
    what is kept for a parameter (`_buffers`, `_counts`), and the rule (`_update`).
    """

    def __init__(self, params: Params, defaults: Options) -> None:
        if isinstance(params, (Tensor, Mapping, str)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: expected parameters in a list or another iterable, such as "
                f"model.parameters(), got a {type(params).__name__}"
            )
        self.defaults = dict(defaults)
        self.param_groups: list[ParamGroup] = []
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._old_grads: list[weakref.ref[Node]] = []
        given = list(params)
        if not given:
            raise ValueError(
                f"{self._name}: expected at least one parameter, got none (an iterator such as "
                "model.parameters() can be used up only once)"
            )
        groups: list[Any] = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    # ------------------------------------------------------------------ what a subclass defines

    def _check(self, options: Options) -> None:
        """Raise ValueError if an option has a wrong value."""
        raise NotImplementedError

    def _numbers(self, options: Options) -> Mapping[str, float]:
        """The numbers that the rule reads, from the options of a group."""
        raise NotImplementedError

    def _buffers(self, options: Options) -> tuple[str, ...]:
        """The names of what is kept for a parameter in its own shape, from zeros."""
        return ()

    def _counts(self, options: Options) -> bool:
        """Whether the steps of each parameter are counted, as `step`."""
        return False

    def _update(
        self, group: ParamGroup, param: Tensor, grad: Tensor, state: State
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The rule: the next value of `param`, and of all that is kept for it, by name."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------ groups

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own: {"params": [...], "lr": ...}.

        Raises TypeError or ValueError for what is no parameter, no leaf, or there already, and
        for options that are unknown or wrong.
        """
        given = dict(param_group)
        params = given.pop("params", [])
        params = [params] if isinstance(params, Tensor) else list(params)
        unknown = sorted(given.keys() - self.defaults.keys())
        if unknown:
            raise ValueError(
                f"{self._name}: expected options out of {', '.join(self.defaults)}, "
                f"got {', '.join(unknown)}"
            )
        if not params:
            raise ValueError(
                f"{self._name}: expected at least one parameter in each group, under "
                "'params', got none"
            )
        self._check_params(params)
        group = ParamGroup(params, {**self.defaults, **given}, self._numbers, self._check)
        for param in params:
            param.is_state = True
            param.node.belong(param)
        self.param_groups.append(group)
        self._prepare(group)

    def _check_params(self, params: Sequence[Any]) -> None:
        known = set(map(id, self.state))
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{self._name}: expected parameters, got a {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(
                    f"{self._name}: expected leaves, got the result of {param.node.op.name}, which "
                    f"is computed from other Tensors\n  at {param.node.origin.where()}"
                )
            if id(param) in known:
                raise ValueError(
                    f"{self._name}: a parameter of shape {show_shape(param.shape)} is "
                    "given twice, or is in another group already"
                )
            known.add(id(param))

    def _prepare(self, group: ParamGroup) -> None:
        """Make what is kept for the parameters of `group`, where it is not there yet."""
        for param in group.params:
            kept = self.state.setdefault(param, {})
            if self._counts(group) and "step" not in kept:
                kept["step"] = state(0.0, name="step")
            for name in self._buffers(group):
                if name not in kept:
                    kept[name] = state(np.zeros(param.shape, param.dtype), name=name)

    # -------------------------------------------------------------------------------- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a gradient; the others stay as they are.

        closure: computes the loss and its gradients first. Returns what it returned, else None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        grads = {param: param.grad for param in self.state if param.grad is not None}
        self._commit(self._updates(grads), list(grads.values()))
        return loss

    def minimize(
        self, loss: Tensor, parameters: Iterable[Tensor] | None = None
    ) -> dict[Tensor, Tensor]:
        """The updates that one step on `loss` makes, for `tg.function(..., updates=...)`.

        loss: a Tensor of one element. parameters: those to change; all of this optimizer's by
        default. Returns {parameter or state: its next value}; nothing is changed.

        Raises GraphError if `loss` depends on none of the parameters.
        """
        if loss.size != 1:
            raise ShapeError(
                f"{self._name}.minimize: expected a loss of one element, got shape "
                f"{show_shape(loss.shape)}\n  at {loss.node.origin.where()}"
            )
        wanted = [param for param in self._chosen(parameters) if param.requires_grad]
        with no_grad():
            found = gradients([loss.node], [ones_like(loss.node)], [p.node for p in wanted])
        grads = {p: Tensor(g) for p, g in zip(wanted, found, strict=True) if g is not None}
        if not grads:
            raise GraphError(
                f"{self._name}.minimize: the loss depends on none of the parameters\n"
                f"  at {loss.node.origin.where()}"
            )
        return self._updates(grads)

    def _chosen(self, parameters: Iterable[Tensor] | None) -> list[Tensor]:
        if parameters is None:
            return list(self.state)
        chosen = list(parameters)
        if any(param not in self.state for param in chosen):
            raise ValueError(
                f"{self._name}.minimize: expected parameters of this optimizer, got another Tensor"
            )
        return chosen

    def _updates(self, grads: Mapping[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        """The next value of every parameter with a gradient, and of what is kept for it."""
        updates: dict[Tensor, Tensor] = {}
        if STATE.trace is not None:
            STATE.trace.guards.append(self._same_form())
        with no_grad():
            for group in self.param_groups:
                self._prepare(group)
                for param in group.params:
                    if param in grads:
                        kept = self.state[param]
                        value, new = self._update(group, param, grads[param], kept)
                        updates[param] = _like(value, param)
                        for name, tensor in new.items():
                            updates[kept[name]] = _like(tensor, kept[name])
        return updates

    def _same_form(self) -> Callable[[], bool]:
        """The condition under which a traced step holds: no option has been turned on or off."""
        owner = weakref.ref(self)
        forms = [group.form for group in self.param_groups]

        def holds() -> bool:
            present = owner()
            return present is not None and [g.form for g in present.param_groups] == forms

        return holds

    def _commit(self, updates: Mapping[Tensor, Tensor], grads: Sequence[Tensor]) -> None:
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
        for param in self.state:
            clear_grad(param, set_to_none)

    # ------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state and the options, parameters counted from 0 over all groups.

        {"state": {number: {name: array}}, "param_groups": [{option: value, "params": numbers}]}

        To go on later: `tg.io.save(optimizer.state_dict(), path)`, and then
        `optimizer.load_state_dict(tg.io.load(path))`.
        """
        number = {id(param): index for index, param in enumerate(self._ordered())}
        realize(*[tensor for kept in self.state.values() for tensor in kept.values()])
        return {
            "state": {
                number[id(param)]: {name: tensor.numpy() for name, tensor in kept.items()}
                for param, kept in self.state.items()
            },
            "param_groups": [
                {**group.options, "params": [number[id(param)] for param in group.params]}
                for group in self.param_groups
            ],
        }

    def _ordered(self) -> list[Tensor]:
        return [param for group in self.param_groups for param in group.params]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch.

        Options that are not known here are passed over. Raises StateError if groups, parameters
        or shapes do not fit; then nothing has been loaded.
        """
        groups, saved = self._parts(state_dict)
        got = [len(group["params"]) for group in groups]
        expected = [len(group.params) for group in self.param_groups]
        if got != expected:
            raise StateError(f"{self._name}: expected groups of {expected} parameters, got {got}")
        numbers = [number for group in groups for number in group["params"]]
        arrays = [
            self._fitting(number, param, saved.get(number, {}))
            for number, param in zip(numbers, self._ordered(), strict=True)
        ]
        self._check_kept(arrays)
        options = [
            {name: entries[name] for name in group.options if name in entries}
            for group, entries in zip(self.param_groups, groups, strict=True)
        ]
        for group, new in zip(self.param_groups, options, strict=True):
            self._check({**group.options, **new})
        for group, new in zip(self.param_groups, options, strict=True):
            group.update(new)
            self._prepare(group)
        for param, found in zip(self._ordered(), arrays, strict=True):
            _take_over(self.state[param], found)

    def _parts(self, state_dict: Any) -> tuple[Any, Any]:
        """The groups and the state in `state_dict`. StateError if it has another form."""
        expected = f"{self._name}.load_state_dict: expected what state_dict() returns"
        if not isinstance(state_dict, Mapping):
            raise StateError(f"{expected}, got a {type(state_dict).__name__}")
        missing = [name for name in ("state", "param_groups") if name not in state_dict]
        if missing:
            raise StateError(
                f"{expected}, with 'state' and 'param_groups'; missing: {', '.join(missing)}"
            )
        groups, saved = state_dict["param_groups"], state_dict["state"]
        if not isinstance(saved, Mapping) or not isinstance(groups, (list, tuple)):
            raise StateError(
                f"{expected}: a mapping as 'state' and a list as 'param_groups', got "
                f"{type(saved).__name__} and {type(groups).__name__}"
            )
        return groups, saved

    def _check_kept(self, arrays: Sequence[Mapping[str, Any]]) -> None:
        """StateError if `arrays` has what this kind of optimizer never keeps."""
        # what is kept with every option on: an option may have been turned off since
        on = {name: value or True for name, value in self.defaults.items()}
        known = {"step", *self._buffers(on)}
        for number, found in enumerate(arrays):
            unknown = sorted(found.keys() - known)
            if unknown:
                raise StateError(
                    f"{self._name}: parameter {number} comes with {', '.join(unknown)}, which "
                    f"{self._name} does not keep; is it the state of another optimizer?"
                )

    def _fitting(
        self, number: int, param: Tensor, saved: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        arrays = {name: as_array(value) for name, value in saved.items() if value is not None}
        for name, array in arrays.items():
            shape = () if name == "step" else param.shape
            if array.shape != shape:
                raise StateError(
                    f"{self._name}: {name} of parameter {number}: expected shape "
                    f"{shape}, got {array.shape}"
                )
        return arrays

    def __repr__(self) -> str:
        groups = "\n".join(map(repr, self.param_groups)).replace("\n", "\n  ")
        return f"{self._name} (\n  {groups}\n)"


def _take_over(kept: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> None:
    for name, tensor in kept.items():
        # where buffers come without a count, at least one step has been made
        absent = 1.0 if name == "step" and arrays else 0.0
        tensor.set(arrays.get(name, np.full(tensor.shape, absent, tensor.dtype)))


def _like(new: Tensor, old: Tensor) -> Tensor:
    return new if new.dtype == old.dtype else Tensor(cast(new.node, dtype=old.dtype))
