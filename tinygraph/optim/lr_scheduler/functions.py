"""Schedules by a function of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from tinygraph.optim.lr_scheduler.base import LRScheduler, per_group, rates_of
from tinygraph.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]

Factor = Callable[[int], float]


class ByFunction(LRScheduler):
    """A schedule by functions, one for each group.

    optimizer: whose rates are set. lr_lambda: a function of the step's number, or a list with
    one for each group. last_epoch: see `LRScheduler`.
    """

    progress = (*LRScheduler.progress, "lr_lambdas")
    unsaved = (*LRScheduler.unsaved, "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.optimizer = self._checked(optimizer)
        self.lr_lambdas: list[Factor] = per_group(self, "lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(
                    f"{self.kind}: expected lr_lambda to be a function, or a list of functions, "
                    f"got a {type(function).__name__}"
                )
        super().__init__(optimizer, last_epoch)

    def factors(self) -> list[float]:
        """What the functions say of step `last_epoch`."""
        return [function(self.last_epoch) for function in self.lr_lambdas]

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule; of callable objects their attributes, of functions nothing."""
        return {**super().state_dict(), "lr_lambdas": [*map(dump_function, self.lr_lambdas)]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            load_function(function, attributes)


class LambdaLR(ByFunction):
    """Any schedule: lr(t) = lr0 * lr_lambda(t).

    optimizer: whose rates are set. lr_lambda: a function of the step's number, or a list with
    one for each group. last_epoch: see `LRScheduler`.

    A saved state has no functions in it: give the same ones again. What is callable and has
    attributes of its own has these saved.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[float]:
        return [a * b for a, b in zip(self.base_lrs, self.factors(), strict=True)]


class MultiplicativeLR(ByFunction):
    """Any schedule by factors: lr(t) = lr(t - 1) * lr_lambda(t).

    optimizer: whose rates are set. lr_lambda: a function of the step's number, or a list with
    one for each group. last_epoch: see `LRScheduler`. Functions are not saved, as in `LambdaLR`.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda t: 0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[float]:
        rates = rates_of(self.optimizer)
        if self._is_initial:
            return rates
        return [a * b for a, b in zip(rates, self.factors(), strict=True)]


def dump_function(function: Callable[..., Any] | None) -> dict[str, Any] | None:
    """What of a function is saved: the attributes of a callable object."""
    if isinstance(function, (FunctionType, type)) or not hasattr(function, "__dict__"):
        return None
    return dict(vars(function))


def load_function(function: Any, attributes: Mapping[str, Any] | None) -> None:
    """Take over what `dump_function` returned."""
    if attributes is not None and dump_function(function) is not None:
        vars(function).update(attributes)
