"""SAM: the gradient is taken where the loss near by is highest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.autodiff.reverse import gradients
from tinygraph.graph.graph import rebuild, topological
from tinygraph.graph.node import Node
from tinygraph.nn.utils.clip import get_total_norm
from tinygraph.ops.movement import identity
from tinygraph.ops.rules import ones_like
from tinygraph.optim.check import at_least
from tinygraph.optim.optimizer import Gradients, Optimizer, Transform
from tinygraph.optim.slot import Slot
from tinygraph.optim.wrapper import Updates, Wrapper
from tinygraph.tensor import Tensor

__all__ = ["SAM"]

TINY = 1e-12  # keeps the division finite where the gradient is 0


class SAM(Wrapper):
    """Sharpness-aware minimization: w ← the optimizer's step with the gradient at w + e.

        e = rho * g / ‖g‖,  with adaptive  e = rho * w² g / ‖|w| g‖,  over all parameters together

    A step takes two gradients: that at w leads to the worst point within a distance of rho, and
    the one there is used. In a loop, either `step(closure)`, where the closure computes the loss,
    calls `backward()` and returns the loss; or `first_step()` after the first `backward()` and
    `second_step()` after another one. In a defined graph `minimize(loss)` builds both, with the
    same random numbers in each; moving averages, as of batch norm, are those of the loss at w.

    optimizer: the one that makes the step. rho: how far away the worst point may be. adaptive:
    measure the distance in proportion to the weights, so that it does not depend on their scale.

    Source: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization"
    (2021); Kwon et al., "ASAM: Adaptive Sharpness-Aware Minimization" (2021).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.SAM(tg.optim.SGD([w], lr=0.25), rho=0.5)
    >>> def closure():
    ...     loss = tg.sum(w * w)
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    1.0
    >>> w.item()  # the slope at 1 + 0.5 is 3
    0.25
    """

    def __init__(self, optimizer: Optimizer, rho: float = 0.05, adaptive: bool = False) -> None:
        at_least("SAM", {"rho": rho}, 0.0, "rho")
        self.rho, self.adaptive = float(rho), bool(adaptive)
        self._moved: list[Tensor] = []  # the parameters that are not where they belong
        super().__init__(optimizer)

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        return {"old": Slot(dtype=param.dtype)}

    def around(self, grads: Gradients) -> Updates:
        return self.optimizer.updates(grads)

    # -------------------------------------------------------------------------------- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Both halves of a step; returns what the closure returned at w.

        closure: computes the loss, calls `backward()`, and returns the loss. It need not clear
        the gradients.
        """
        if closure is None:
            raise TypeError(
                "SAM.step: expected a closure that computes the loss and calls backward(), got "
                "None; without one, call first_step() and second_step()"
            )
        try:
            with enable_grad():
                self.zero_grad()
                loss = closure()
                self.first_step(zero_grad=True)
                closure()
        except BaseException:  # a step is made whole or not at all
            self._go_back()
            raise
        self.second_step()
        return loss

    def first_step(self, zero_grad: bool = False) -> None:
        """Go from w to w + e, by the present gradients. zero_grad: clear them then."""
        if self._moved:
            raise RuntimeError("SAM.first_step: called twice; second_step() goes back to w first")
        self.keep()
        grads = {param: param.grad for param in self.ordered() if param.grad is not None}
        with no_grad():
            updates: Updates = {self.kept[param]["old"]: param for param in grads}
            updates |= self._worst(grads)
        self.commit(updates, list(grads.values()))
        self._moved = list(grads)
        if zero_grad:
            self.zero_grad()

    def second_step(self, zero_grad: bool = False) -> None:
        """Go back from w + e to w, and make the step of the optimizer with the present gradients.
        zero_grad: clear them then."""
        if not self._moved:
            raise RuntimeError("SAM.second_step: call first_step() before")
        self._go_back()
        super().step()
        if zero_grad:
            self.zero_grad()

    def _go_back(self) -> None:
        """From w + e to w."""
        for param in self._moved:
            param.assign(self.kept[param]["old"])
        self._moved = []

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._moved = []  # the next step is a whole one

    def minimize(
        self,
        loss: Tensor,
        parameters: Iterable[Tensor] | None = None,
        transform: Transform | None = None,
    ) -> Updates:
        """The updates of both halves of a step, as `Optimizer.minimize` has them; `transform` is
        for the gradients at w + e."""
        at_w = self.gradients(loss, parameters)
        with no_grad():
            worst = self._worst(at_w)
            found = _gradients_at(loss.node, {p.node: value.node for p, value in worst.items()})
        grads = {param: Tensor(g) for param, g in zip(worst, found, strict=True) if g is not None}
        return self.updates(grads if transform is None else self.transformed(grads, transform))

    def _worst(self, grads: Gradients) -> dict[Tensor, Tensor]:
        """w + e for each parameter with a gradient."""
        uphill = {p: -grads[p] if group.get("maximize") else grads[p]
                  for group in self.param_groups for p in group.params if p in grads}  # fmt: skip
        if self.adaptive:
            scaled = [abs(param) * g for param, g in uphill.items()]
            uphill = {param: param * param * g for param, g in uphill.items()}
        else:
            scaled = list(uphill.values())
        factor = self.rho / (get_total_norm(scaled) + TINY)
        return {p: (p + g * factor).astype(p.dtype) for p, g in uphill.items()}


def _gradients_at(loss: Node, places: Mapping[Node, Node]) -> list[Node | None]:
    """The gradients of `loss` at `places`: for the leaves that are its keys, in the place of which
    the values stand."""
    new = {id(leaf): identity(place) for leaf, place in places.items()}
    wrt = list(new.values())
    for place in wrt:
        place.grad = True  # the gradient ends here, as at a leaf
    for node in topological([loss], lambda node: id(node) in new):
        if id(node) not in new:
            new[id(node)] = rebuild(node, tuple(new[id(child)] for child in node.inputs))
    moved = new[id(loss)]
    return gradients([moved], [ones_like(moved)], wrt)
