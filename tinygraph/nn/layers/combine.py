"""Modules that say how others are put together: side by side, around a skip, or by a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add, mul
from typing import Any

from tinygraph.array.elementwise import maximum
from tinygraph.array.join import concat, stack
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.module import Module
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["Lambda", "Parallel", "Residual"]


class Lambda(Module):
    """function(*args): a function as a layer, for use in a Sequential.

    function: takes and returns Tensors; it has no parameters of its own. (Keras: Lambda.)

    >>> import tinygraph as tg
    >>> tg.nn.Lambda(lambda x: x * 2)(tg.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        if not callable(function):
            raise TypeError(f"Lambda: expected a function, got a {type(function).__name__}")
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


class Residual(Module):
    """module(x) + shortcut(x): a way around a module, on which the gradient goes straight back.

    module: what is learned beside the identity. shortcut: what x goes through instead, where the
    module changes its shape (a 1x1 convolution, say); as it is by default. The two are added as
    they are: shapes that differ are an error, and do not broadcast.

    Source: He et al., "Deep Residual Learning for Image Recognition" (2016): H(x) = F(x) + x.

    >>> import tinygraph as tg
    >>> block = tg.nn.Residual(tg.nn.Lambda(lambda x: x * 10))
    >>> block(tg.tensor([1.0, 2.0]))
    tensor([11., 22.])
    """

    shortcut: Module | None

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.module = module
        self.shortcut = shortcut

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result: Tensor = self.module(input, *args, **kwargs)
        around = input if self.shortcut is None else self.shortcut(input)
        shapes = result.shape, around.shape
        if shapes[0] != shapes[1] and is_known(*shapes[0], *shapes[1]):
            raise ShapeError(
                f"Residual: expected a module that keeps the shape {show_shape(around.shape)}, "
                f"got {show_shape(result.shape)}; a shortcut can change that of the input"
            )
        return result + around


class Parallel(Module):
    """merge(module1(x), module2(x), ...): branches that see the same input, side by side.

    modules: the branches. merge: "concat" along `dim` (for images the channels), "sum", "mean",
    "max", "product", "stack" along a new `dim`, None for the tuple of results, or a function of
    the list of results.

    >>> import tinygraph as tg
    >>> branches = tg.nn.Parallel(tg.nn.Linear(3, 2), tg.nn.Linear(3, 4))
    >>> branches(tg.ones((5, 3))).shape
    (5, 6)
    """

    def __init__(
        self,
        *modules: Module,
        merge: str | Callable[[Sequence[Any]], Any] | None = "concat",
        dim: int = 1,
    ) -> None:
        super().__init__()
        if not modules:
            raise ValueError("Parallel: expected at least one module, got none")
        if isinstance(merge, str) and merge not in (*_MERGES, "concat", "stack"):
            names = ", ".join(["concat", "stack", *_MERGES])
            raise ValueError(f"Parallel: expected merge out of {names}, got {merge!r}")
        for number, module in enumerate(modules):
            self.add_module(str(number), module)
        self.merge, self.dim = merge, dim

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        # not `children()`, which names a module once even where it is two branches
        branches = [module for module in self._modules.values() if module is not None]
        results = [module(*args, **kwargs) for module in branches]
        if self.merge is None:
            return tuple(results)
        if callable(self.merge):
            return self.merge(results)
        if self.merge in _MERGES:
            return _MERGES[self.merge](results)
        return (concat if self.merge == "concat" else stack)(results, axis=self.dim)

    def extra_repr(self) -> str:
        name = self.merge if isinstance(self.merge, str) else getattr(self.merge, "__name__", None)
        return f"merge={name!r}" + (f", dim={self.dim}" if name in ("concat", "stack") else "")


def _mean(results: Sequence[Tensor]) -> Tensor:
    return reduce(add, results) / len(results)


_MERGES: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "sum": partial(reduce, add),
    "mean": _mean,
    "max": partial(reduce, maximum),
    "product": partial(reduce, mul),
}
