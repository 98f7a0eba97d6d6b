"""Averaged models, under PyTorch's names: SWA and EMA of a whole module."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from tinygraph.array.elementwise import where
from tinygraph.autodiff.mode import no_grad
from tinygraph.graph.node import STATE
from tinygraph.nn.layers.norm import _BatchNorm
from tinygraph.nn.module import Module
from tinygraph.optim.averaging import AverageFunction, get_ema_avg_fn, get_swa_avg_fn
from tinygraph.optim.lr_scheduler.base import LRScheduler, per_group, rate_of
from tinygraph.optim.optimizer import Optimizer
from tinygraph.tensor import Tensor, realize, state, tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Tensors = Sequence[Tensor]
MultiAverageFunction = Callable[[Tensors, Tensors, Tensor], Tensors]


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverageFunction:
    """The function average ← decay * average + (1 - decay) * w, for lists of parameters.

    It returns the list of the next averages, where PyTorch's changes the first list.

    >>> import tinygraph as tg
    >>> average = tg.optim.swa_utils.get_ema_multi_avg_fn(0.75)
    >>> [each.item() for each in average([tg.tensor(1.0)], [tg.tensor(5.0)], 0)]
    [2.0]
    """
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAverageFunction:
    """The function average ← average + (w - average) / (n + 1), for lists of parameters.

    It returns the list of the next averages, where PyTorch's changes the first list.
    """
    return _for_lists(get_swa_avg_fn())


def _for_lists(avg_fn: AverageFunction) -> MultiAverageFunction:
    def update(averaged: Tensors, current: Tensors, num_averaged: Any) -> Tensors:
        pairs = zip(averaged, current, strict=True)
        return [avg_fn(before, value, num_averaged) for before, value in pairs]

    return update


class AveragedModel(Module):
    """A copy of a model whose parameters are an average: a ← a + (w - a) / (n + 1), or avg_fn.

    The first `update_parameters` copies the parameters, each further one takes the present ones
    into the average; call it after each step for an EMA, after each epoch for SWA. It works in a
    function under `tg.jit` as well. For a defined graph see `tg.optim.EMA` and `tg.optim.SWA`,
    which stand around the optimizer.

    model: what is copied. device: ignored. avg_fn: the next average of one parameter, from the
    average, the parameter and n, an integer Tensor. multi_avg_fn: that of lists of them: it
    returns a list. use_buffers: average the buffers too, integers rounded towards 0; else they are
    copied at each update.

    module: the averaged model. n_averaged: n. The functions are not part of the state dict.

    Raises ValueError if both functions are given (PyTorch: AssertionError).

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization"
    (2018).

    >>> import tinygraph as tg
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> averaged = tg.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 4.0):
    ...     _ = model.weight.set([[value]])
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight.item(), averaged.n_averaged.item()
    (2.5, 2)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageFunction | None = None,
        multi_avg_fn: MultiAverageFunction | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: expected a Module, got a {type(model).__name__}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: expected avg_fn or multi_avg_fn, got both")
        self.register_buffer("n_averaged", state(0))
        self.module = copy.deepcopy(model)
        self.avg_fn, self.multi_avg_fn = avg_fn, multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of `model` into the average."""
        averaged: list[Tensor] = list(self.module.parameters())
        current: list[Tensor] = list(model.parameters())
        mine, theirs = list(self.module.buffers()), list(model.buffers())
        _check_alike(averaged, current)
        _check_alike(mine, theirs)
        copied = {} if self.use_buffers else dict(zip(mine, theirs, strict=True))
        if self.use_buffers:
            averaged, current = averaged + mine, current + theirs
        with no_grad():
            updates = {**self._averages(averaged, current), **copied}
            updates[self.n_averaged] = self.n_averaged + 1
        for target, value in updates.items():
            target.assign(value)
        if STATE.trace is None:
            realize(*updates)

    def _averages(self, averaged: Tensors, current: Tensors) -> dict[Tensor, Tensor]:
        """The next value of each average."""
        n = self.n_averaged
        if self.multi_avg_fn is not None:
            new: Tensors = self.multi_avg_fn(averaged, current, n)
            if new is None or len(new) != len(averaged):
                raise TypeError(
                    "AveragedModel: expected multi_avg_fn to return a list with the next average "
                    f"of each of {len(averaged)} parameters, got {type(new).__name__}"
                )
        else:
            new = _for_lists(self.avg_fn or get_swa_avg_fn())(averaged, current, n)
        triples = zip(averaged, current, new, strict=True)
        return {before: where(n == 0, value, next_) for before, value, next_ in triples}


def _check_alike(averaged: Tensors, current: Tensors) -> None:
    shapes, others = [t.shape for t in averaged], [t.shape for t in current]
    if shapes != others:
        raise ValueError(
            "AveragedModel.update_parameters: expected the model that was averaged, with tensors "
            f"of shapes {shapes}, got {others}"
        )


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Make the running mean and variance of each batch norm anew, as means over the batches.

    What an averaged model needs before it is used: its layers have never seen its own activations.

    loader: batches, Tensors or arrays, or tuples and lists with the input in the first place.
    model: called with each of them in training mode; afterwards its mode is what it was. device:
    ignored.

    >>> import tinygraph as tg
    >>> model = tg.nn.BatchNorm1d(1)
    >>> tg.optim.swa_utils.update_bn([tg.tensor([[1.0], [3.0]]), tg.tensor([[5.0], [7.0]])], model)
    >>> model.running_mean.tolist()
    [4.0]
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    try:
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            with no_grad():
                model(x if isinstance(x, Tensor) else tensor(x))
            realize(*[buffer for layer in layers for buffer in layer.buffers()])
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training


class SWALR(LRScheduler):
    """lr ← (1 - a) * lr + a * swa_lr, with a from 0 to 1 over anneal_epochs, and swa_lr then.

    a = t / anneal_epochs, or (1 - cos(π t / anneal_epochs)) / 2. It takes over at whatever rate
    the optimizer has: step another schedule first, this one from where the averaging begins.

    optimizer: whose groups' rates are set. swa_lr: the last rate, one or one for each group.
    anneal_epochs: steps on the way. anneal_strategy: "cos" or "linear". last_epoch: as in
    `LRScheduler`.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.75]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = self._checked(optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"SWALR: expected anneal_strategy to be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"SWALR: expected anneal_epochs to be an integer from 0, got {anneal_epochs!r}"
            )
        rates = per_group(self, "swa_lr", swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if not self.anneal_epochs:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        return [
            group["swa_lr"] * now + self._first(rate_of(group), group["swa_lr"], before) * (1 - now)
            for group in self.optimizer.param_groups
        ]

    def _share(self, step: int) -> float:
        """How far on the way to swa_lr the rate is at a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    @staticmethod
    def _first(lr: float, swa_lr: float, share: float) -> float:
        """The rate at which the way began, from that at a share of it."""
        return swa_lr if share == 1 else (lr - share * swa_lr) / (1 - share)
