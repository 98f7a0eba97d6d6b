"""For tests: gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygraph import tree
from tinygraph.errors import GraphError
from tinygraph.tensor import Tensor, tensor
from tinygraph.transforms import jvp, vjp

Function = Callable[..., Any]


def check_grads(
    function: Function,
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("rev", "fwd"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Check the gradients of `function` at `args` against central differences.

    args: float arrays or Tensors, or pytrees of them; float64 is advised. order: 2 checks the
    gradients of gradients too, and so on. modes: "rev" for reverse, "fwd" for forward mode.
    Raises AssertionError with both values where they differ.

    >>> import numpy as np
    >>> import tinygraph as tg
    >>> tg.testing.check_grads(tg.sin, [np.array([0.3, 1.0])], order=2)
    """
    rng = np.random.default_rng(seed)
    wrong = set(modes) - {"rev", "fwd"}
    if wrong or order < 1:
        raise GraphError(
            f"check_grads: modes are 'rev' and 'fwd', order from 1; got {modes}, {order}"
        )
    arrays, structure = tree.flatten(tuple(args))
    values = [np.asarray(a) for a in arrays]
    narrow = any(v.dtype.itemsize < 8 for v in values)
    usual = 2e-2 if narrow else 1e-5
    limits = Limits(
        eps or (1e-3 if narrow else 1e-6),
        usual if atol is None else atol,
        usual if rtol is None else rtol,
    )
    _check(_Flat(function, structure), values, order, modes, rng, limits)


class Limits(NamedTuple):
    """The step of the differences, and how far the two sides may be apart."""

    eps: float
    atol: float
    rtol: float

    def compare(self, got: Any, want: Any, what: str) -> None:
        """AssertionError that shows both where they are too far apart."""
        np.testing.assert_allclose(got, want, atol=self.atol, rtol=self.rtol, err_msg=what)


class _Flat:
    """A function of a flat list of arrays, with a flat list of results."""

    def __init__(self, function: Function, structure: tree.TreeDef) -> None:
        self.function = function
        self.structure = structure

    def __call__(self, *leaves: Any) -> list[Tensor]:
        result = self.function(*tree.unflatten(self.structure, list(leaves)))
        return [leaf for leaf in tree.flatten(result)[0] if isinstance(leaf, Tensor)]

    def values(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [out.numpy() for out in self(*[tensor(a) for a in arrays])]


def _dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Any:
    return sum(np.sum(x * y, dtype=np.float64) for x, y in zip(a, b, strict=True))


def _check(
    flat: _Flat,
    values: list[np.ndarray],
    order: int,
    modes: Sequence[str],
    rng: np.random.Generator,
    limits: Limits,
) -> None:
    eps = limits.eps
    directions = [rng.standard_normal(v.shape).astype(v.dtype) for v in values]
    plus = flat.values([v + eps * d for v, d in zip(values, directions, strict=True)])
    minus = flat.values([v - eps * d for v, d in zip(values, directions, strict=True)])
    slopes = [(p - m) / (2 * eps) for p, m in zip(plus, minus, strict=True)]
    weights = [rng.standard_normal(s.shape).astype(s.dtype) for s in slopes]
    if "fwd" in modes:
        _, tangents = jvp(flat, values, directions)
        for got, want in zip(tangents, slopes, strict=True):
            limits.compare(got.numpy(), want, "forward mode against differences")
    pulled = vjp(flat, *values)[1]([tensor(w) for w in weights])
    if "rev" in modes:
        limits.compare(
            _dot([p.numpy() for p in pulled], directions),
            _dot(weights, slopes),
            "reverse mode against differences",
        )
    if order > 1:

        def gradient(*leaves: Any) -> Any:
            return vjp(flat, *leaves)[1]([tensor(w) for w in weights])

        flatter = _Flat(gradient, tree.flatten(tuple(values))[1])
        loose = Limits(eps, limits.atol * 10, limits.rtol * 10)
        _check(flatter, values, order - 1, modes, rng, loose)
