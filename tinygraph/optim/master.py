"""MasterWeights: 16-bit parameters whose exact values are kept in 32 bits."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import where
from tinygraph.optim.optimizer import Gradients
from tinygraph.optim.slot import Slot, slots, working_dtype
from tinygraph.optim.wrapper import Updates, Wrapper, standing_in
from tinygraph.tensor import Tensor

__all__ = ["MasterWeights"]


class MasterWeights(Wrapper):
    """Float32 master weights for 16-bit parameters: m ← the optimizer's step of m, w ← m rounded.

    A 16-bit parameter holds 3 digits (float16) or 2 (bfloat16): a step of less than that
    leaves it where it is, and many small ones lead nowhere. Here the optimizer changes a float32
    copy of each, and the parameter is that copy, rounded. Other parameters are changed as ever.
    The gradients are those for the 16-bit parameters, cast; too small ones for float16 are 0,
    against which `amp.GradScaler` helps.

    Where a parameter is set from outside (a model's state is loaded, weights are swapped), its
    master takes over the new value at the next step, element by element.

    optimizer: made of the 16-bit parameters, for instance after `model.half()`. kept[w]["master"]
    is the master of w; `state_dict` saves them.

    Source: Micikevicius et al., "Mixed Precision Training" (2018), section 3.1.

    >>> import tinygraph as tg
    >>> plain, kept = (tg.nn.Parameter([1.0], dtype="bfloat16") for _ in range(2))
    >>> first = tg.optim.SGD([plain], lr=0.001)
    >>> second = tg.optim.MasterWeights(tg.optim.SGD([kept], lr=0.001))
    >>> for _ in range(10):
    ...     for w, optimizer in ((plain, first), (kept, second)):
    ...         optimizer.zero_grad()
    ...         tg.sum(w).backward()
    ...         optimizer.step()
    >>> plain.item(), kept.item()  # ten steps of 0.001, rounded to a multiple of 1/256
    (1.0, 0.98828125)
    """

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        return slots("master") if working_dtype(param) != param.dtype else {}

    def around(self, grads: Gradients) -> Updates:
        masters = {p: self._master(p) for p in self.ordered() if "master" in self.kept[p]}
        with standing_in(masters):
            found = self.optimizer.updates(grads)
        for param in masters:
            if param in found:
                master = found[param]
                found[self.kept[param]["master"]] = master
                found[param] = master.astype(param.dtype)
        return found

    def _master(self, param: Tensor) -> Tensor:
        """The exact value of `param`: that of its master, where the parameter is still what the
        master rounds to."""
        master = self.kept[param]["master"]
        return where(master.astype(param.dtype) == param, master, param.astype(master.dtype))
