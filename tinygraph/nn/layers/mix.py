"""Layers that mix the samples of a batch in training; they take and return input and target."""

from __future__ import annotations

from tinygraph.array.convert import to_tensor
from tinygraph.array.elementwise import astype
from tinygraph.dtypes import is_float
from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["CutMix", "MixUp"]


class MixUp(Module):
    """w x + (1 - w) x' and w y + (1 - w) y' in training; see `nn.functional.mixup`.

    alpha: w comes from Beta(alpha, alpha). num_classes: needed where targets are class numbers.
    In evaluation inputs pass as they are, and targets become probabilities.

    >>> import tinygraph as tg
    >>> mix = tg.nn.MixUp(num_classes=3).eval()
    >>> mix(tg.ones((1, 2)), tg.tensor([2]))[1].tolist()
    [[0.0, 0.0, 1.0]]
    """

    def __init__(self, alpha: float = 1.0, num_classes: int | None = None) -> None:
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__}: expected alpha above 0, got {alpha}")
        self.alpha, self.num_classes = alpha, num_classes

    def forward(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training:
            given = to_tensor(target)
            y = F.smooth_labels(given, 0.0, self.num_classes)
            x = to_tensor(input)
            return x, y if is_float(given.dtype) else astype(y, x.dtype)
        return self.mix(input, target)

    def mix(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What is done in training."""
        return F.mixup(input, target, self.alpha, self.num_classes)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, num_classes={self.num_classes}"


class CutMix(MixUp):
    """A box out of another image of the batch, in training; see `nn.functional.cutmix`.

    The arguments are those of `MixUp`.

    >>> import tinygraph as tg
    >>> tg.nn.CutMix(num_classes=3)(tg.ones((4, 1, 8, 8)), tg.tensor([0, 1, 2, 0]))[1].shape
    (4, 3)
    """

    def mix(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What is done in training."""
        return F.cutmix(input, target, self.alpha, self.num_classes)
