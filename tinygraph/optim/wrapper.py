"""Wrapper: what all that stands around an optimizer has in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygraph.array.elementwise import where
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import int64
from tinygraph.errors import StateError
from tinygraph.graph.graph import rebuild, topological
from tinygraph.graph.node import STATE, Node
from tinygraph.optim.optimizer import Gradients, Optimizer, Transform
from tinygraph.optim.saved import fitting
from tinygraph.optim.slot import Slot
from tinygraph.runtime.guards import same_settings, settings
from tinygraph.runtime.lazy import has_value
from tinygraph.tensor import Tensor, realize, state

__all__ = ["Transformed", "Wrapper"]

Updates = dict[Tensor, Tensor]


class Wrapper(Optimizer):
    """The base of what stands around an optimizer, and is one: it changes what a step does.

    optimizer: any but one whose `step` evaluates the loss itself (`LBFGS`, `SAM`): those stand
    outermost, or alone. Groups and their options, the state and the defaults are those of
    `optimizer`; a schedule of the rate takes either.

    A subclass says how often it counts (`counters`, names of numbers from 0), what it keeps for a
    parameter (`own_slots`), and what becomes of the gradients (`around`). `counts` and `kept` hold
    the Tensors. What a subclass does is one pure rule, so that it works in `step`, lazily or
    traced, and in `minimize`, and no step compiles but the first.

    >>> import tinygraph as tg
    >>> class Counted(tg.optim.Wrapper):
    ...     counters = ("steps",)
    ...     def around(self, grads):
    ...         steps = self.counts["steps"]
    ...         return {**self.optimizer.updates(grads), steps: steps + 1}
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = Counted(tg.optim.SGD([w], lr=0.25))
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.item(), optimizer.counts["steps"].item()
    (0.5, 1)
    """

    counters: tuple[str, ...] = ()

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = self._checked(optimizer)
        self.defaults = optimizer.defaults
        self.param_groups = optimizer.param_groups
        self.state = optimizer.state
        self._old_grads = []
        self._transforms = {}
        self.counts = {
            name: state(np.zeros((), int64), name=f"{self.kind} {name}") for name in self.counters
        }
        self.kept: dict[Tensor, dict[str, Tensor]] = {}
        self.keep()

    def _checked(self, optimizer: Any) -> Optimizer:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self.kind}: expected an optimizer, got a {type(optimizer).__name__}")
        if type(optimizer).step is not Optimizer.step:
            raise TypeError(
                f"{self.kind}: expected an optimizer that makes a step of one gradient; "
                f"{optimizer.kind}.step evaluates the loss itself, so nothing can stand around it"
            )
        return optimizer

    # ------------------------------------------------------------------ what a subclass defines

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        """What is kept for `param` beside the optimizer's own state, by name."""
        return {}

    def around(self, grads: Gradients) -> Updates:
        """The updates of a step with these gradients."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------- steps

    def updates(self, grads: Gradients) -> Updates:
        """The next values of parameters, of their state, and of what is kept here."""
        if STATE.trace is not None:
            STATE.trace.guards.append(same_settings(self, settings(self)))
        with no_grad():
            self.keep()
            return self.around(grads)

    def keep(self) -> None:
        """Make what is kept for the parameters, where it is not there yet."""
        for param in self.ordered():
            if param not in self.kept:
                self.kept[param] = {
                    name: slot.make(f"{self.kind} {name}", param)
                    for name, slot in self.own_slots(param).items()
                }

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own, as to the optimizer itself."""
        self.optimizer.add_param_group(param_group)
        self.keep()

    # ------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """A copy of the optimizer's state, and of what is kept here.

        {"optimizer": its state_dict(), "counts": {name: array}, "kept": {number: {name: array}}}
        """
        tensors = [tensor for kept in self.kept.values() for tensor in kept.values()]
        realize(*self.counts.values(), *tensors)
        return {
            "optimizer": self.optimizer.state_dict(),
            "counts": {name: count.numpy() for name, count in self.counts.items()},
            "kept": {
                number: {name: tensor.numpy() for name, tensor in self.kept[param].items()}
                for number, param in enumerate(self.ordered())
                if self.kept[param]
            },
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned. StateError if it does not fit; then nothing has
        been loaded."""
        self.keep()
        own = self._fitting(state_dict)
        self.optimizer.load_state_dict(state_dict["optimizer"])
        for tensor, array in own:
            tensor.set(array)

    def _fitting(self, state_dict: Any) -> list[tuple[Tensor, np.ndarray]]:
        """Each Tensor that is kept here, with the array for it."""
        expected = f"{self.kind}.load_state_dict: expected what state_dict() returns"
        if not isinstance(state_dict, Mapping):
            raise StateError(f"{expected}, got a {type(state_dict).__name__}")
        missing = [name for name in ("optimizer", "counts", "kept") if name not in state_dict]
        if missing:
            raise StateError(
                f"{expected}; missing: {', '.join(missing)}; is it the state of the optimizer "
                "within?"
            )
        counts, kept = state_dict["counts"], state_dict["kept"]
        if not all(isinstance(part, Mapping) for part in (counts, kept, *_values(kept))):
            raise StateError(f"{expected}: mappings as 'counts', as 'kept', and in that")
        wanted: dict[tuple[Any, str], Tensor] = {
            ("counts", name): count for name, count in self.counts.items()
        }
        for number, param in enumerate(self.ordered()):
            wanted |= {(number, name): tensor for name, tensor in self.kept[param].items()}
        found: dict[tuple[Any, str], Any] = {
            ("counts", name): value for name, value in counts.items()
        }
        for number, entries in kept.items():
            found |= {(number, name): value for name, value in entries.items()}
        if wanted.keys() != found.keys():
            raise StateError(f"{expected}, of the same parameters; got another number of them")
        return [
            (tensor, fitting(f"{self.kind}: {key[1]} of {key[0]}", found[key], tensor.shape,
                             tensor.dtype))
            for key, tensor in wanted.items()
        ]  # fmt: skip

    def __repr__(self) -> str:
        inner = repr(self.optimizer).replace("\n", "\n  ")
        return f"{self.kind} (\n  {inner}\n)"


class Transformed(Wrapper):
    """An optimizer whose every step first passes the gradients through `transform`.

    For a lazy or traced loop what `minimize(loss, transform=...)` is for a defined graph. If the
    transform has a state, as `GradientNoise` has, `state_dict` saves it too.

    optimizer: the one that makes the step. transform: makes of a mapping from parameters to
    gradients another one: `tg.optim.clip_by_global_norm(1.0)`, or several by `tg.optim.chain`.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([3.0])
    >>> optimizer = tg.optim.Transformed(tg.optim.SGD([w], lr=1.0), tg.optim.clip_by_value(0.5))
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.item()
    2.5
    """

    def __init__(self, optimizer: Optimizer, transform: Transform) -> None:
        if not callable(transform):
            raise TypeError(
                "Transformed: expected a function of the gradients as transform, got a "
                f"{type(transform).__name__}"
            )
        self.transform = transform
        super().__init__(optimizer)

    def around(self, grads: Gradients) -> Updates:
        return self.optimizer.updates(self.transformed(grads, self.transform))

    def state_dict(self) -> dict[str, Any]:
        """A copy of the optimizer's state, and of the transform's, if it has one."""
        saved = super().state_dict()
        dump = getattr(self.transform, "state_dict", None)
        return saved if dump is None else {**saved, "transform": dump()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._fitting(state_dict)
        load = getattr(self.transform, "load_state_dict", None)
        if load is None:
            super().load_state_dict(state_dict)
            return
        if "transform" not in state_dict:
            raise StateError(
                "Transformed.load_state_dict: expected what state_dict() returns; missing: "
                "transform, which has a state here"
            )
        before = self.transform.state_dict()  # type: ignore[attr-defined]
        load(state_dict["transform"])
        try:
            super().load_state_dict(state_dict)
        except StateError:
            load(before)
            raise


def _values(mapping: Any) -> list[Any]:
    return list(mapping.values()) if isinstance(mapping, Mapping) else []


def chosen(condition: Tensor, updates: Mapping[Tensor, Tensor]) -> Updates:
    """`updates` where `condition` holds; else each Tensor keeps its value.

    What is computed from the next value of another Tensor is computed from what that one will
    hold: where `condition` holds these are equal, and else it is not used. So both are made in
    one kernel, and the value that may be dropped is never in memory.
    """
    owners: dict[int, list[Tensor]] = {}
    for tensor, value in updates.items():
        owners.setdefault(id(value.node), []).append(tensor)
    found: Updates = {}
    new: dict[int, Node] = {}
    for node in topological([value.node for value in updates.values()], has_value):
        here = node
        if not has_value(node):
            here = rebuild(node, tuple([new[id(child)] for child in node.inputs]))
        mine = owners.get(id(node), [])
        found |= {tensor: where(condition, Tensor(here), tensor) for tensor in mine}
        new[id(node)] = found[mine[0]].node if len(mine) == 1 and node.inputs else here
    return {tensor: found[tensor] for tensor in updates}


@contextmanager
def standing_in(values: Mapping[Tensor, Tensor]) -> Iterator[None]:
    """What is built within the `with` block finds each Tensor to be what `values` has for it."""
    before = {tensor: tensor.node for tensor in values}
    for tensor, value in values.items():
        tensor.node = value.node
    try:
        yield
    finally:
        for tensor, node in before.items():
            tensor.node = node
