"""Regularizers: penalties on the size of weights, to be added to a loss.

    loss = F.cross_entropy(model(x), t) + regularizers.L2(1e-4)(model.parameters())

Each is called with a Tensor or with several, and returns the sum of their penalties. (The option
`weight_decay` of an optimizer with the number d adds d * w to each gradient: for plain SGD that is
L2(d / 2). AdamW decays apart from the gradient, which no penalty does.)
"""

from __future__ import annotations

from collections.abc import Iterable

from tinygraph.array.creation import eye
from tinygraph.array.elementwise import abs, square
from tinygraph.array.linear import matmul
from tinygraph.array.reduce import sum, widened
from tinygraph.array.shape import reshape
from tinygraph.array.sizes import known
from tinygraph.errors import ShapeError
from tinygraph.linalg import vector_norm
from tinygraph.nn.module import Module
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor, tensor

__all__ = ["L1", "L1L2", "L2", "ElasticNet", "Orthogonal", "OrthogonalRegularizer", "activity"]


class Regularizer:
    """The base of regularizers: a subclass says what one weight costs."""

    def __call__(self, weights: Tensor | Iterable[Tensor]) -> Tensor:
        if isinstance(weights, Module):
            raise TypeError(
                f"{type(self).__name__}: expected Tensors, got a {type(weights).__name__}; say "
                "which of its parameters count, such as module.parameters()"
            )
        several = [weights] if isinstance(weights, Tensor) else list(weights)
        total = tensor(0.0)
        for number, weight in enumerate(several):
            if not isinstance(weight, Tensor):
                raise TypeError(
                    f"{type(self).__name__}: expected Tensors, got a {type(weight).__name__}"
                )
            cost = self.penalty(Tensor(widened(weight.node)))
            total = cost if number == 0 else total + cost
        return total

    def penalty(self, weight: Tensor) -> Tensor:
        """What `weight` costs: a Tensor without dimensions."""
        raise NotImplementedError(f"{type(self).__name__} has no `penalty`; define it")


class ElasticNet(Regularizer):
    """l1 * sum |w| + l2 * sum w²: the penalties of `L1` and `L2` together.

    (Keras: L1L2.) Source: Zou and Hastie, "Regularization and variable selection via the elastic
    net" (2005).

    >>> import tinygraph as tg
    >>> tg.nn.regularizers.ElasticNet(0.5, 0.25)(tg.tensor([1.0, -2.0])).item()
    2.75
    """

    def __init__(self, l1: float = 0.01, l2: float = 0.01) -> None:
        for name, factor in (("l1", l1), ("l2", l2)):
            if not factor >= 0:
                raise ValueError(f"{type(self).__name__}: expected {name} from 0, got {factor}")
        self.l1, self.l2 = float(l1), float(l2)

    def penalty(self, weight: Tensor) -> Tensor:
        if not self.l1:
            return self.l2 * sum(square(weight))
        absolute = self.l1 * sum(abs(weight))
        return absolute + self.l2 * sum(square(weight)) if self.l2 else absolute

    def __repr__(self) -> str:
        return f"{type(self).__name__}(l1={self.l1:g}, l2={self.l2:g})"


L1L2 = ElasticNet


class L1(ElasticNet):
    """l1 * sum |w|, of slope l1 * sign(w) (0 at 0): drives useless weights to 0. Also lasso.

    Source: Tibshirani, "Regression shrinkage and selection via the lasso" (1996).

    >>> import tinygraph as tg
    >>> tg.nn.regularizers.L1(0.5)(tg.tensor([1.0, -2.0])).item()
    1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1, 0.0)


class L2(ElasticNet):
    """l2 * sum w², of slope 2 * l2 * w: shrinks large weights most, makes none 0. Also ridge.

    Twice what some textbooks call it, who write l2 / 2: halve the number for theirs.

    Source: Hoerl and Kennard, "Ridge regression" (1970).

    >>> import tinygraph as tg
    >>> tg.nn.regularizers.L2(0.5)(tg.tensor([1.0, -2.0])).item()
    2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(0.0, l2)


class Orthogonal(Regularizer):
    """factor * sum (W Wᵀ - I)²: the rows of a weight want length 1 and right angles.

    A weight (out, in, ...) counts as a matrix of `out` rows; where it has more rows than columns,
    they cannot all be orthogonal, and the columns are taken.

    Source: Brock et al., "Neural Photo Editing with Introspective Adversarial Networks" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.regularizers.Orthogonal(1.0)(tg.tensor([[1.0, 0.0], [0.0, 2.0]])).item()
    9.0
    """

    def __init__(self, factor: float = 0.01) -> None:
        if not factor >= 0:
            raise ValueError(f"{type(self).__name__}: expected factor from 0, got {factor}")
        self.factor = float(factor)

    def penalty(self, weight: Tensor) -> Tensor:
        rows = _matrix(weight)
        if rows.shape[0] > rows.shape[1]:
            rows = rows.T
        off = matmul(rows, rows.T) - eye(rows.shape[0], dtype=rows.dtype)
        return self.factor * sum(square(off))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.factor:g})"


class OrthogonalRegularizer(Orthogonal):
    """factor * mean |cos(wᵢ, wⱼ)| over the pairs i < j of rows of a weight, as Keras has it.

    mode: "rows", or "columns" for those instead.

    >>> import tinygraph as tg
    >>> weight = tg.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]])
    >>> round(tg.nn.regularizers.OrthogonalRegularizer(3.0)(weight).item(), 5)
    1.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        super().__init__(factor)
        if mode not in ("rows", "columns"):
            raise ValueError(
                f"OrthogonalRegularizer: expected mode 'rows' or 'columns', got {mode!r}"
            )
        self.mode = mode

    def penalty(self, weight: Tensor) -> Tensor:
        rows = _matrix(weight) if self.mode == "rows" else _matrix(weight).T
        unit = rows / (vector_norm(rows, axis=1, keepdims=True) + 1e-12)
        count = known(rows.shape[0])
        cosines = abs(matmul(unit, unit.T)) * (1.0 - eye(count, dtype=rows.dtype))
        return sum(cosines) * (self.factor / max(count * (count - 1), 1))


def _matrix(weight: Tensor) -> Tensor:
    if weight.ndim < 2:
        raise ShapeError(
            f"expected a weight with at least 2 dimensions, got shape {show_shape(weight.shape)}"
        )
    return reshape(weight, (weight.shape[0], product(weight.shape[1:])))


def activity(module: Module) -> Tensor:
    """The penalties of all `nn.ActivityRegularization` in `module`, of its last call.

    >>> import tinygraph as tg
    >>> net = tg.nn.Sequential(tg.nn.Identity(), tg.nn.ActivityRegularization(l1=0.5))
    >>> x = net(tg.tensor([[1.0, -2.0]]))
    >>> tg.nn.regularizers.activity(net).item()
    1.5
    """
    total = tensor(0.0)
    for part in module.modules():
        cost: Tensor | None = getattr(part, "activity_penalty", None)
        total = total if cost is None else total + cost
    return total
