"""L-BFGS: Newton's step, from the last few changes of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygraph.autodiff.mode import enable_grad
from tinygraph.dtypes import float64
from tinygraph.errors import GraphError, StateError, TraceError
from tinygraph.graph.node import STATE
from tinygraph.optim import saved
from tinygraph.optim.check import at_least
from tinygraph.optim.group import Number, Options
from tinygraph.optim.line_search import Point, strong_wolfe
from tinygraph.optim.optimizer import Optimizer, Params, Transform, settled
from tinygraph.optim.slot import working_dtype
from tinygraph.tensor import Tensor, realize, tensor

__all__ = ["LBFGS"]

Closure = Callable[[], Any]


@dataclass
class Memory:
    """What is known of the way so far, all parameters in one vector. The names are PyTorch's.

    old_dirs and old_stps: how the gradient and the parameters changed in former steps; ro: one
    over the product of both. H_diag: the first guess of the inverse Hessian. d, t: the last
    direction, and how far along it.
    """

    func_evals: int = 0
    n_iter: int = 0
    d: np.ndarray | None = None
    t: float = 0.0
    old_dirs: list[np.ndarray] = field(default_factory=list)
    old_stps: list[np.ndarray] = field(default_factory=list)
    ro: list[float] = field(default_factory=list)
    H_diag: float = 1.0
    prev_flat_grad: np.ndarray | None = None
    prev_loss: float = 0.0

    def copy(self) -> Memory:
        """A memory of its own; the vectors, which never change, are shared."""
        return replace(self, old_dirs=[*self.old_dirs], old_stps=[*self.old_stps], ro=[*self.ro])

    @classmethod
    def from_saved(cls, entries: Mapping[str, Any], like: np.ndarray) -> Memory:
        """The memory with those entries, of vectors of the size and dtype of `like`."""
        memory = cls()
        if not isinstance(entries, Mapping):
            raise StateError(f"LBFGS: expected a mapping as the state, got {entries!r}")
        unknown = sorted(entries.keys() - vars(memory).keys() - {"al"})  # al: PyTorch's scratch
        if unknown:
            raise StateError(
                f"LBFGS: the state has {', '.join(unknown)}, which LBFGS does not keep; is it the "
                "state of another optimizer?"
            )
        for name, default in vars(memory).items():
            value = entries.get(name)
            if value is not None:
                setattr(memory, name, _restored(name, value, default, like))
        lengths = {len(past) for past in (memory.old_dirs, memory.old_stps, memory.ro)}
        begun = memory.d is not None and memory.prev_flat_grad is not None
        if len(lengths) > 1 or (memory.n_iter and not begun):
            raise StateError("LBFGS: a part of the state is missing: its entries do not fit")
        return memory

    def learn(self, grad: np.ndarray, size: int) -> None:
        """Take up the last step, after which the gradient is `grad`; keep `size` of them."""
        assert self.d is not None
        assert self.prev_flat_grad is not None
        change, step = grad - self.prev_flat_grad, self.d * self.t
        product = float(change @ step)
        if product <= 1e-10:  # not convex along the step: it would spoil the inverse
            return
        self.old_dirs.append(change)
        self.old_stps.append(step)
        self.ro.append(1.0 / product)
        for kept in (self.old_dirs, self.old_stps, self.ro):
            del kept[:-size]
        self.H_diag = product / float(change @ change)

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """The inverse Hessian times -grad, by the two loops over the last steps."""
        q = -grad
        shares = []
        past = list(zip(self.old_dirs, self.old_stps, self.ro, strict=True))
        for change, step, ro in reversed(past):
            shares.append(float(step @ q) * ro)
            q = q - shares[-1] * change
        q = q * self.H_diag
        for change, step, ro in past:
            q = q + (shares.pop() - float(change @ q) * ro) * step
        return q.astype(grad.dtype)


def _restored(name: str, value: Any, default: Any, like: np.ndarray) -> Any:
    """A saved entry in the form of its default. StateError if a vector has another size."""
    if isinstance(default, list):
        if not isinstance(value, (list, tuple)):
            raise StateError(f"LBFGS: {name}: expected a list, got {value!r}")
        first = 0.0 if name == "ro" else None
        return [_restored(name, entry, first, like) for entry in value]
    if default is not None:
        return type(default)(saved.fitting(f"LBFGS: {name}", value, (), float64))
    return saved.fitting(f"LBFGS: {name}", value, like.shape, like.dtype)


class LBFGS(Optimizer):
    """L-BFGS: w ← w + t * d,  d = -H g, with H the inverse Hessian as the last steps show it.

    A step calls the closure many times: it clears the gradients, computes the loss, calls
    `backward()` and returns the loss. It may be, or call, a function under `tg.jit`; the step
    itself decides by values, and runs neither in a traced function nor by `minimize`. For whole
    batches: the noise of small ones upsets H.

    params: the parameters; groups with options of their own are not possible. lr: t, or with a
    line search its first guess. max_iter: iterations a step. max_eval: evaluations a step,
    max_iter * 5 / 4 by default. tolerance_grad, tolerance_change: the greatest entry of g, and
    the change of the loss or of a parameter, at which a step ends. history_size: how many
    iterations H is made of. line_search_fn: None, or "strong_wolfe". maximize: climb instead of
    descending.

    Source: Liu and Nocedal, "On the Limited Memory BFGS Method" (1989).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([-1.0, 2.0])
    >>> optimizer = tg.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = tg.sum(w**4 + w * w)
    ...     loss.backward()
    ...     return loss
    >>> float(optimizer.step(closure))
    22.0
    >>> bool(tg.max(tg.abs(w)) < 1e-3)
    True
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn, "maximize": maximize,
        })  # fmt: skip
        self.memory = Memory()

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: expected one group of parameters, got several")
        super().add_param_group(param_group)

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "tolerance_grad", "tolerance_change")
        at_least(self.kind, options, 1, "max_iter", "max_eval", "history_size")
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                "LBFGS: expected line_search_fn to be None or 'strong_wolfe', got "
                f"{options['line_search_fn']!r}"
            )

    def derive(self, options: Options) -> Mapping[str, Number]:
        return {}

    def minimize(
        self,
        loss: Tensor,
        parameters: Iterable[Tensor] | None = None,
        transform: Transform | None = None,
    ) -> dict[Tensor, Tensor]:
        """Raises GraphError: how many evaluations a step takes is known only as it runs."""
        raise GraphError(
            "LBFGS.minimize: a step evaluates the loss as often as it turns out to need; use "
            "step(closure), where the closure may call a compiled function"
        )

    # -------------------------------------------------------------------------------- steps

    def step(self, closure: Closure | None = None) -> Any:
        """Go on until a tolerance or a limit is met. Returns what the closure returned first."""
        if closure is None:
            raise TypeError("LBFGS.step: expected a closure that computes the loss, got None")
        if STATE.trace is not None:
            raise TraceError(
                "LBFGS.step: it decides by values, which a traced function has not; put tg.jit "
                "on what the closure calls"
            )
        before, kept = self._gathered(), self.memory.copy()
        try:
            return self._iterate(closure)
        except BaseException:  # a step is made whole or not at all
            self._place(before)
            self.memory = kept
            raise

    def _iterate(self, closure: Closure) -> Any:
        options, memory = self.param_groups[0], self.memory
        loss, value, grad = self._evaluated(closure)
        memory.func_evals += 1
        evaluations = 1
        if np.abs(grad).max(initial=0.0) <= options["tolerance_grad"]:
            return loss
        for iteration in range(1, options["max_iter"] + 1):
            d = self._aim(value, grad)
            if float(grad @ d) > -options["tolerance_change"]:
                break
            last = iteration == options["max_iter"]
            value, grad, count = self._moved(closure, value, grad, evaluations, last)
            evaluations += count
            memory.func_evals += count
            if last or evaluations >= options["max_eval"] or self._is_done(value, grad):
                break
        return loss

    def _aim(self, value: float, grad: np.ndarray) -> np.ndarray:
        """Choose the direction, and a first length; the direction."""
        options, memory = self.param_groups[0], self.memory
        memory.n_iter += 1
        if memory.n_iter == 1:
            memory.d = -grad
            memory.t = min(1.0, 1.0 / float(np.abs(grad).sum())) * float(options["lr"])
        else:
            memory.learn(grad, options["history_size"])
            memory.d = memory.direction(grad)
            memory.t = float(options["lr"])
        memory.prev_flat_grad, memory.prev_loss = grad, value
        return memory.d

    def _moved(
        self, closure: Closure, value: float, grad: np.ndarray, evaluations: int, last: bool
    ) -> tuple[float, np.ndarray, int]:
        """Go along the direction; the loss and the gradient there, and how often they were
        computed. Without a line search, the last step of all goes on unseen."""
        options, memory, start = self.param_groups[0], self.memory, self._gathered()
        d = memory.d
        assert d is not None

        def evaluate(t: float) -> Point:
            self._place(start + (t * d).astype(d.dtype))
            _, value, grad = self._evaluated(closure)
            return Point(t, value, grad, float(grad @ d))

        if options["line_search_fn"] is None:
            if last:
                self._place(start + (memory.t * d).astype(d.dtype), settle=True)
                return value, grad, 0
            point, count = evaluate(memory.t), 1
        else:
            origin = Point(0.0, value, grad, float(grad @ d))
            least = options["tolerance_change"] / float(np.abs(d).max())
            limit = options["max_eval"] - evaluations
            point, count = strong_wolfe(evaluate, memory.t, origin, limit, least)
        memory.t = point.t
        self._place(start + (point.t * d).astype(d.dtype), settle=True)
        return point.value, point.grad, count

    def _is_done(self, value: float, grad: np.ndarray) -> bool:
        options, memory = self.param_groups[0], self.memory
        assert memory.d is not None
        moved = float(np.abs(memory.d * memory.t).max())
        return bool(
            np.abs(grad).max() <= options["tolerance_grad"]
            or moved <= options["tolerance_change"]
            or abs(value - memory.prev_loss) < options["tolerance_change"]
        )

    # ------------------------------------------------------------ all parameters as one vector

    def _evaluated(self, closure: Closure) -> tuple[Any, float, np.ndarray]:
        """What the closure returned, its value, and the gradient, to go down by."""
        with enable_grad():
            loss = closure()
        grads = [param.grad for param in self.ordered()]
        realize(*[found for found in (loss, *grads) if isinstance(found, Tensor)])
        sign = -1.0 if self.param_groups[0]["maximize"] else 1.0
        flat = self._joined(
            np.zeros(param.shape) if grad is None else grad.numpy()
            for param, grad in zip(self.ordered(), grads, strict=True)
        )
        return loss, sign * float(loss), flat if sign > 0 else -flat

    def _gathered(self) -> np.ndarray:
        return self._joined(param.numpy() for param in self.ordered())

    def _joined(self, arrays: Iterable[np.ndarray]) -> np.ndarray:
        dtype = np.result_type(*map(working_dtype, self.ordered()))
        return np.concatenate([array.ravel().astype(dtype, copy=False) for array in arrays])

    def _place(self, vector: np.ndarray, settle: bool = False) -> None:
        """Let the parameters hold the parts of `vector`, with `settle` within their constraints."""
        at = 0
        for param in self.ordered():
            size = int(param.size)
            part = vector[at : at + size].reshape(param.shape)
            at += size
            constrained = settle and getattr(param, "constraint", None) is not None
            param.set(settled(param, tensor(part)).numpy() if constrained else part)

    # ------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """A copy of the memory, which stands at parameter 0, and the options."""
        state = {0: self.memory.copy().__dict__} if self.memory.func_evals else {}
        return {"state": state, "param_groups": saved.dump_groups(self)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch."""
        groups, entries = saved.parts(self, state_dict)
        memory = Memory.from_saved(entries.get(0, {}), self._gathered())
        saved.take_options(self, saved.checked_options(self, groups))
        self.memory = memory
