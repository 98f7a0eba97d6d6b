"""The perceptron's learning rule: no gradient, one sample at a time."""

from __future__ import annotations

from collections.abc import Iterable

from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import where
from tinygraph.array.linear import matmul
from tinygraph.array.reduce import sum
from tinygraph.array.shape import reshape
from tinygraph.autodiff.mode import no_grad
from tinygraph.control import scan
from tinygraph.errors import ShapeError
from tinygraph.graph.node import STATE
from tinygraph.ops.rules import show_shape
from tinygraph.optim.check import at_least
from tinygraph.tensor import Tensor, realize, state

__all__ = ["PerceptronRule"]


class PerceptronRule:
    """The perceptron's rule: w ← w + lr * (y - step(w·x + b)) * x for each sample in order.

    The bias b goes up by lr * (y - step(w·x + b)). Samples that are classified right change
    nothing; if a plane separates the classes, epochs after epochs come to one that does.

    params: the weight, of shape (features,) or (units, features), and, where there is one, the
    bias, of shape () or (units,): `nn.Linear(features, units).parameters()` are such. lr: the
    step size. bipolar: the classes are -1 and 1 instead of 0 and 1. step(0) is 1.

    Source: Rosenblatt, "The Perceptron" (1958).

    >>> import tinygraph as tg
    >>> layer = tg.nn.Linear(2, 1)
    >>> x = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = tg.tensor([0.0, 0.0, 0.0, 1.0])  # and
    >>> rule = tg.optim.PerceptronRule(layer.parameters(), lr=0.5)
    >>> mistakes = [int(rule.step(x, y)) for _ in range(20)]
    >>> mistakes[-1]
    0
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1.0, bipolar: bool = False) -> None:
        given = list(params)
        if not 1 <= len(given) <= 2 or not all(isinstance(p, Tensor) for p in given):
            raise TypeError(
                "PerceptronRule: expected one or two parameters, the weight and the bias, got "
                f"{len(given)} values"
            )
        at_least("PerceptronRule", {"lr": lr}, 0.0, "lr")
        self.params, self.bipolar = given, bipolar
        _check_shapes(given)
        for param in given:
            param.is_state = True
            param.node.belong(param)
        self._lr = state(float(lr), given[0].dtype, "lr")

    @property
    def lr(self) -> float:
        """The step size. A new one compiles nothing anew."""
        return float(self._lr)

    @lr.setter
    def lr(self, value: float) -> None:
        at_least("PerceptronRule", {"lr": value}, 0.0, "lr")
        self._lr.set(float(value))

    def step(self, x: TensorLike, y: TensorLike) -> Tensor:
        """Go through the samples once; returns how many outputs were wrong, each as it was met.

        x: (samples, features). y: their classes, (samples,) or (samples, units).
        """
        updates, mistakes = self.updates(x, y)
        for param, value in updates.items():
            param.assign(value)
        if STATE.trace is None:
            realize(*updates, mistakes)
        return mistakes

    def updates(self, x: TensorLike, y: TensorLike) -> tuple[dict[Tensor, Tensor], Tensor]:
        """What `step` would assign, for `tg.function(..., updates=...)`, and the mistakes."""
        weight = self.params[0]
        x, y = to_tensor(x, weight.dtype), to_tensor(y, weight.dtype)
        if x.ndim != 2 or x.shape[1] != weight.shape[-1]:
            raise ShapeError(
                f"PerceptronRule: expected samples of shape (samples, {weight.shape[-1]}), got "
                f"{show_shape(x.shape)}"
            )
        outputs = (x.shape[0], *weight.shape[:-1])
        if y.shape not in (outputs, (x.shape[0],)):
            raise ShapeError(
                f"PerceptronRule: expected classes of shape {show_shape(outputs)}, got "
                f"{show_shape(y.shape)}"
            )
        with no_grad():
            last, wrong = scan(self._sample, tuple(self.params), (x, reshape(y, outputs)))
            return dict(zip(self.params, last, strict=True)), sum(wrong)

    def _sample(
        self, params: tuple[Tensor, ...], sample: tuple[Tensor, Tensor]
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """The parameters after one sample, and the number of wrong outputs for it."""
        weight, *bias = params
        x, y = sample
        total = matmul(weight, x)
        for each in bias:
            total = total + reshape(each, total.shape)
        error = y - where(total >= 0, 1.0, -1.0 if self.bipolar else 0.0)
        change = self._lr * error
        new = [weight + reshape(change, (*change.shape, 1)) * x]
        new += [each + reshape(change, each.shape) for each in bias]
        return tuple(new), sum(error != 0)


def _check_shapes(params: list[Tensor]) -> None:
    """ShapeError unless these are a weight and a bias that go together."""
    shapes = [param.shape for param in params]
    if shapes[0] and len(shapes[0]) <= 2:
        fitting = {shapes[0][:-1], shapes[0][:-1] or (1,)}
        if all(shape in fitting for shape in shapes[1:]):
            return
    raise ShapeError(
        "PerceptronRule: expected a weight of shape (features,) or (units, features) and a bias "
        f"of shape () or (units,), got {' and '.join(map(show_shape, shapes))}"
    )
