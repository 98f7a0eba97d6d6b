"""The state of an optimizer as plain arrays, in PyTorch's layout, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygraph.dtypes import DType
from tinygraph.errors import DTypeError, StateError
from tinygraph.graph.node import Shape
from tinygraph.nn.parameter import as_array
from tinygraph.optim.group import SCHEDULED, Options, ParamGroup, is_on
from tinygraph.optim.slot import STEP, Slot, working_dtype
from tinygraph.tensor import Tensor, host_array, realize

if TYPE_CHECKING:
    from tinygraph.optim.optimizer import Optimizer

Arrays = dict[str, np.ndarray]


def dump(optimizer: Optimizer) -> dict[str, Any]:
    """What `Optimizer.state_dict` returns."""
    for group in optimizer.param_groups:
        optimizer.prepare(group)  # an option may have been turned on since the last step
    realize(*[tensor for kept in optimizer.state.values() for tensor in kept.values()])
    state = {}
    for number, param in enumerate(optimizer.ordered()):
        kept = optimizer.state.get(param, {})
        if kept and ("step" not in kept or kept["step"].item()):
            state[number] = {name: tensor.numpy() for name, tensor in kept.items()}
    return {"state": state, "param_groups": dump_groups(optimizer)}


def dump_groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The options of each group, with the numbers of its parameters."""
    numbers = iter(range(len(optimizer.ordered())))
    return [
        {
            **{name: _plain(value) for name, value in group.options.items()},
            "params": [next(numbers) for _ in group.params],
        }
        for group in optimizer.param_groups
    ]


def load(optimizer: Optimizer, state_dict: Any) -> None:
    """What `Optimizer.load_state_dict` does."""
    groups, saved = parts(optimizer, state_dict)
    options = checked_options(optimizer, groups)
    arrays = []
    for group, saved_group, new in zip(optimizer.param_groups, groups, options, strict=True):
        whole = {**group.options, **new}
        for number, param in zip(saved_group["params"], group.params, strict=True):
            arrays.append(_fitting(optimizer, whole, number, param, saved.get(number, {})))
    take_options(optimizer, options)
    for (group, param), found in zip(_placed(optimizer), arrays, strict=True):
        optimizer.prepare(group)
        _take_over(optimizer.state[param], found, optimizer.slots(group.options, param))


def _placed(optimizer: Optimizer) -> list[tuple[ParamGroup, Tensor]]:
    """All parameters in order, each with its group."""
    return [(group, param) for group in optimizer.param_groups for param in group.params]


def parts(optimizer: Optimizer, state_dict: Any) -> tuple[Any, Any]:
    """The groups and the state in `state_dict`. StateError if they do not fit the optimizer."""
    expected = f"{optimizer.kind}.load_state_dict: expected what state_dict() returns"
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
    for number, group in enumerate(groups):
        if not isinstance(group, Mapping) or not isinstance(group.get("params"), (list, tuple)):
            raise StateError(f"{expected}: group {number} is no mapping with a list as 'params'")
        if not all(isinstance(entry, int) for entry in group["params"]):
            raise StateError(f"{expected}: the 'params' of group {number} are no numbers")
    others = saved.keys() - {number for group in groups for number in group["params"]}
    if others:
        raise StateError(f"{expected}: {sorted(map(str, others))} in 'state' is in no group")
    sizes = [len(group["params"]) for group in groups]
    wanted = [len(group.params) for group in optimizer.param_groups]
    if sizes != wanted:
        raise StateError(f"{optimizer.kind}: expected groups of {wanted} parameters, got {sizes}")
    return groups, saved


def checked_options(optimizer: Optimizer, groups: Sequence[Mapping[str, Any]]) -> list[Options]:
    """The options in `groups` that are known here. StateError where one is wrong."""
    known = {*optimizer.defaults, *SCHEDULED}
    try:
        options: list[Options] = [
            {name: _plain(value) for name, value in group.items() if name in known}
            for group in groups
        ]
        for group, new in zip(optimizer.param_groups, options, strict=True):
            optimizer.check({**group.options, **new})
    except (TypeError, ValueError) as error:
        raise StateError(f"{optimizer.kind}.load_state_dict: {error}") from error
    return options


def take_options(optimizer: Optimizer, options: Sequence[Options]) -> None:
    """Set what `checked_options` found."""
    for group, new in zip(optimizer.param_groups, options, strict=True):
        group.update(new)


def _plain(option: Any) -> Any:
    """An option as plain data: of a Tensor, or an array of one element, its number."""
    if isinstance(option, (list, tuple)):
        return type(option)(map(_plain, option))
    return as_array(option).item() if hasattr(option, "shape") else option


def _fitting(
    optimizer: Optimizer, options: Options, number: int, param: Tensor, saved: Mapping[str, Any]
) -> Arrays:
    """What `saved` has for `param`, as arrays. StateError for what is never kept, for another
    shape, and where a part is missing."""
    if not isinstance(saved, Mapping):
        raise StateError(
            f"{optimizer.kind}: parameter {number}: expected a mapping with what is kept for it, "
            f"got a {type(saved).__name__}"
        )
    # what is kept with every option on: an option may have been turned off since
    on = {name: value if is_on(value) else True for name, value in options.items()}
    known = {"step": STEP, **optimizer.slots(on, param)}
    unknown = sorted(str(name) for name in saved if name not in known)
    if unknown:
        raise StateError(
            f"{optimizer.kind}: parameter {number} comes with {', '.join(unknown)}, which "
            f"{optimizer.kind} does not keep; is it the state of another optimizer?"
        )
    missing = sorted(optimizer.slots(options, param).keys() - saved.keys() - {"step"})
    if saved and missing:
        raise StateError(
            f"{optimizer.kind}: parameter {number} comes without {', '.join(missing)}, which "
            "these options need"
        )
    return {
        name: fitting(
            f"{optimizer.kind}: {name} of parameter {number}", value,
            known[name].shape_for(param), known[name].dtype or working_dtype(param),
        )
        for name, value in saved.items() if value is not None
    }  # fmt: skip


def fitting(name: str, value: Any, shape: Shape, dtype: DType) -> np.ndarray:
    """A saved array in `dtype`. StateError if it has another shape, or is none of numbers."""
    array = as_array(value)
    if array.shape != shape:
        raise StateError(f"{name}: expected shape {shape}, got {array.shape}")
    try:
        return host_array(array, dtype)
    except (DTypeError, TypeError, ValueError) as error:
        raise StateError(f"{name}: expected numbers, got {value!r}") from error


def _take_over(kept: Mapping[str, Tensor], arrays: Arrays, known: Mapping[str, Slot]) -> None:
    """Set what is kept to `arrays`, and to the start what is not among them."""
    for name, tensor in kept.items():
        start = known[name].start if name in known else 0.0
        # where buffers come without a count, at least one step has been made
        absent = 1.0 if name == "step" and arrays else start
        tensor.set(arrays.get(name, np.full(tensor.shape, absent, tensor.dtype)))
