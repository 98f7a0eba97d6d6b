"""A learning rate found by trying: the range test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygraph.errors import NonFiniteError
from tinygraph.nn.module import Module
from tinygraph.optim.average import ewma
from tinygraph.optim.lr_scheduler.base import rates_of
from tinygraph.optim.optimizer import Optimizer
from tinygraph.random import get_state, set_state
from tinygraph.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LRFinder", "RangeTest", "find_lr"]

Loss = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class RangeTest:
    """What a range test saw: the loss before each step, as the rate rose.

    rates: those tried, rising. losses: of each step. smoothed: their running mean, made up for
    its start from 0. diverged: whether the loss went up so far that the test was ended.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool

    @property
    def suggestion(self) -> float:
        """The rate to begin with: where the loss falls fastest, `steepest()`."""
        return self.steepest()

    def steepest(self) -> float:
        """The rate where the smoothed loss falls fastest, per factor of the rate.

        What may be noise is left out: the first tenth of the steps, in which the mean is of few
        losses, and the first tenth of the fall from there. Raises ValueError if the loss fell
        nowhere.
        """
        skipped = len(self.rates) // 10
        losses = np.array(self.smoothed[skipped:])
        losses = losses[: int(np.argmin(losses)) + 1] if losses.size else losses
        if losses.size < 2 or losses.max() == losses[-1]:
            raise ValueError(_fell_nowhere(self.rates))
        rates = self.rates[skipped : skipped + losses.size]
        slopes = np.gradient(losses, np.log(rates))
        fallen = losses.max() - losses >= 0.1 * (losses.max() - losses[-1])
        return rates[int(np.argmin(np.where(fallen, slopes, np.inf)))]

    def valley(self) -> float:
        """The rate in the middle of the longest fall of the smoothed loss, rises left out.

        It is smaller than `steepest()` as a rule, and depends less on noise. Raises ValueError if
        the loss fell nowhere.
        """
        lengths, begins = [1] * len(self.smoothed), list(range(len(self.smoothed)))
        for end, loss in enumerate(self.smoothed):
            for place in range(end):
                if self.smoothed[place] > loss and lengths[place] >= lengths[end]:
                    lengths[end], begins[end] = lengths[place] + 1, begins[place]
        end = int(np.argmax(lengths)) if lengths else 0
        if not lengths or lengths[end] == 1:
            raise ValueError(_fell_nowhere(self.rates))
        return self.rates[(begins[end] + end) // 2]

    def minimum(self) -> float:
        """A tenth of the rate with the least smoothed loss, where the fall is about to end."""
        return self.rates[int(np.argmin(self.smoothed))] / 10.0

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """Draw the losses over the rates, with the suggestion; see `tg.viz.plot_range_test`."""
        from tinygraph.viz.range_test import plot_range_test

        return plot_range_test(self, path)


class LRFinder:
    """The range test of a training function: one step each at rising rates, then all is put back.

    step: makes a training step on a batch, optimizer and all, and returns its loss. A batch that
    is a tuple or list is spread over its arguments. It may be a function that `tg.jit` traced, or
    a `tg.function` with updates. optimizer: the one whose rates are raised. model: a Module whose
    parameters and buffers are put back too; without it, the parameters of the optimizer alone
    are.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.SGD([w])
    >>> @tg.jit
    ... def step(x):
    ...     loss = tg.mean((w * x) ** 2)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> test = tg.optim.LRFinder(step, optimizer).run([tg.ones(4)], 1e-3, 1e3, num_iter=50)
    >>> test.diverged, 0.01 < test.suggestion < 1.0, w.item()
    (True, True, 1.0)
    """

    def __init__(
        self, step: Callable[..., Any], optimizer: Optimizer, model: Module | None = None
    ) -> None:
        if not callable(step):
            raise TypeError(
                "LRFinder: expected a function that makes a training step, got a "
                f"{type(step).__name__}"
            )
        self.step = step
        self.optimizer = optimizer
        self.model = model

    def run(
        self,
        loader: Iterable[Any],
        min_lr: float = 1e-7,
        max_lr: float = 10.0,
        num_iter: int = 100,
        mode: str = "exponential",
        smoothing: float = 0.98,
        divergence: float = 4.0,
    ) -> RangeTest:
        """Try the rates from min_lr to max_lr; see `find_lr` for the arguments."""
        rates = _ramp(min_lr, max_lr, num_iter, mode)
        shares = _shares(self.optimizer)
        before = _Snapshot(self.optimizer, self.model, loader)
        course = _Course(smoothing, divergence)
        try:
            for rate, batch in zip(rates, _batches(loader, num_iter), strict=False):
                for group, share in zip(self.optimizer.param_groups, shares, strict=True):
                    group["lr"] = rate * share
                if not course.goes_on(rate, self._loss(batch)):
                    break
        finally:
            before.put_back()
        if not course.rates and not course.diverged:
            raise ValueError("LRFinder.run: the loader gives no batches")
        return RangeTest(course.rates, course.losses, course.smoothed, course.diverged)

    def _loss(self, batch: Any) -> float:
        """The loss of a step on `batch`; not finite where a check for that failed."""
        try:
            loss = self.step(*batch) if isinstance(batch, (tuple, list)) else self.step(batch)
        except NonFiniteError:
            return math.nan
        if not hasattr(loss, "__float__"):
            raise TypeError(
                "LRFinder.run: expected the step to return its loss, a number or a Tensor of one "
                f"element, got a {type(loss).__name__}"
            )
        return float(loss)


def find_lr(
    model: Module,
    optimizer: Optimizer,
    loss: Loss,
    loader: Iterable[Any],
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    num_iter: int = 100,
    mode: str = "exponential",
    smoothing: float = 0.98,
    divergence: float = 4.0,
) -> RangeTest:
    """Learning-rate finder: lr_i = min_lr * (max_lr / min_lr)^(i / (num_iter - 1)), one step each.

    The loss first stays, then falls, then blows up: a rate before that is a good one. Afterwards
    the model, the optimizer, the random numbers and the loader's count of epochs are as before.

    model: in training mode during the test. optimizer: of its parameters. Groups keep the ratios
    of their rates; the largest is the one given here. loss: of model(inputs) and target. loader:
    batches (inputs, ..., target), begun anew where it ends. min_lr, max_lr: the first and the
    last rate. num_iter: how many steps. mode: "exponential", or "linear" for equal distances.
    smoothing: how much of the running mean of the loss is kept from step to step; the mean lags
    behind, so that less smoothing makes for a smaller suggestion. divergence: the test ends where
    the mean is this many times the least so far, or the loss is not finite.

    Returns a `RangeTest`: `suggestion` is the rate where the loss fell fastest, `valley()` a more
    careful one, `plot()` a picture. For a step of your own see `LRFinder`.

    Sources: Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3;
    the mean, its defaults and the two suggestions are those of fastai (Howard and Gugger, 2020).

    >>> import tinygraph as tg
    >>> _ = tg.manual_seed(0)
    >>> model = tg.nn.Linear(2, 1)
    >>> optimizer = tg.optim.SGD(model.parameters())
    >>> batch = tg.tensor([[1.0, 0.0], [0.0, 1.0]]), tg.tensor([[3.0], [2.0]])
    >>> test = tg.optim.find_lr(
    ...     model, optimizer, tg.nn.functional.mse_loss, [batch], min_lr=1e-4, num_iter=50
    ... )
    >>> 0.01 < test.suggestion < 1.0, test.diverged
    (True, True)
    """
    modes = [(module, module.training) for module in model.modules()]
    model.train()

    def step(*batch: Any) -> Tensor:
        *inputs, target = batch
        optimizer.zero_grad()
        found = loss(model(*inputs), target)
        found.backward()
        optimizer.step()
        return found

    try:
        return LRFinder(step, optimizer, model).run(
            loader, min_lr, max_lr, num_iter, mode, smoothing, divergence
        )
    finally:
        for module, training in modes:
            module.training = training


class _Course:
    """The losses so far, and whether the test goes on."""

    def __init__(self, smoothing: float, divergence: float) -> None:
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"find_lr: expected smoothing from 0 to below 1, got {smoothing}")
        self.smoothing, self.divergence = smoothing, divergence
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.diverged = False
        self._mean = 0.0

    def goes_on(self, rate: float, loss: float) -> bool:
        """Take the loss of the next step."""
        if not math.isfinite(loss):
            self.diverged = True
            return False
        self._mean = ewma(loss, self._mean, self.smoothing)
        smoothed = self._mean / (1.0 - self.smoothing ** (len(self.losses) + 1))
        self.rates.append(rate)
        self.losses.append(loss)
        self.smoothed.append(smoothed)
        least = min(self.smoothed)
        self.diverged = smoothed - least > (self.divergence - 1.0) * abs(least)
        return not self.diverged


class _Snapshot:
    """All that a test changes, to be put back."""

    def __init__(self, optimizer: Optimizer, model: Module | None, loader: Any) -> None:
        held = [param for group in optimizer.param_groups for param in group.params]
        if model is not None:
            held += [*model.parameters(), *model.buffers()]
        self._values = [(tensor, tensor.numpy()) for tensor in dict.fromkeys(held)]
        self._grads = [(tensor, tensor.grad) for tensor in dict.fromkeys(held)]
        for tensor, _ in self._grads:
            tensor.grad = None  # or steps would add to it
        self._optimizer, self._state = optimizer, optimizer.state_dict()
        self._random = get_state()
        self._loader, self._epoch = loader, getattr(loader, "epoch", None)

    def put_back(self) -> None:
        """Let all be as it was."""
        for tensor, value in self._values:
            tensor.set(value)
        for tensor, grad in self._grads:
            tensor.grad = grad
        self._optimizer.load_state_dict(self._state)
        set_state(self._random)
        if self._epoch is not None:
            self._loader.epoch = self._epoch


def _ramp(min_lr: float, max_lr: float, num_iter: int, mode: str) -> list[float]:
    """The rates to try."""
    if not 0.0 < min_lr < max_lr:
        raise ValueError(f"find_lr: expected 0 < min_lr < max_lr, got {min_lr} and {max_lr}")
    if num_iter < 2:
        raise ValueError(f"find_lr: expected num_iter of at least 2, got {num_iter}")
    if mode not in ("exponential", "linear"):
        raise ValueError(f"find_lr: expected mode 'exponential' or 'linear', got {mode!r}")
    spaced = np.geomspace if mode == "exponential" else np.linspace
    return [float(rate) for rate in spaced(min_lr, max_lr, num_iter)]


def _shares(optimizer: Optimizer) -> list[float]:
    """The rate of each group over the largest."""
    rates = rates_of(optimizer)
    largest = max(rates)
    return [rate / largest if largest else 1.0 for rate in rates]


def _batches(loader: Iterable[Any], count: int) -> Iterator[Any]:
    """`count` batches, from as many loops over the loader as it takes."""
    while count > 0:
        before = count
        for batch in loader:
            yield batch
            count -= 1
            if not count:
                return
        if count == before:
            return


def _fell_nowhere(rates: list[float]) -> str:
    tried = f"from {rates[0]:g} to {rates[-1]:g}" if rates else "at all"
    return f"the loss fell at no rate {tried}: try others, or look at the data and the loss"
