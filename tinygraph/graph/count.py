"""The number of elements of an array, which can be called for its sizes.

In the Array API `x.size` is a number; in PyTorch `x.size()` is the shape and `x.size(0)` one size.
"""

from __future__ import annotations

from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.node import Shape


class _OfShape:
    """What is called for the sizes that it is the product of."""

    __slots__ = ()
    shape: Shape

    def __call__(self, dim: int | None = None) -> Shape | Size:
        """The shape, or its size number `dim`. IndexError if there is none."""
        if dim is None:
            return self.shape
        if not -len(self.shape) <= dim < len(self.shape):
            raise IndexError(f"dimension {dim} of an array with {len(self.shape)} dimensions")
        return self.shape[dim]


class Count(_OfShape, int):
    """A number of elements that is known."""


class OpenCount(_OfShape, Dim):
    """A number of elements that a later call will give."""

    __slots__ = ("shape",)


def count(shape: Shape, product: Size) -> Count | OpenCount:
    """`product`, the number of elements of an array of this shape, to be called for the shape."""
    found = OpenCount(product.terms) if isinstance(product, Dim) else Count(product)
    found.shape = shape
    return found
