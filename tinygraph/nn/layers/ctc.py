"""Connectionist temporal classification as a module."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.functional.ctc import Lengths
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = ["CTCLoss"]


class CTCLoss(_Loss):
    """-log(sum of the probabilities of all alignments of a target); see `nn.functional.ctc_loss`.

    blank: its class number. zero_infinity: let the loss be 0, not infinite, where a sequence is
    too short for its target.

    >>> import tinygraph as tg
    >>> half = tg.log(tg.tensor([[0.5, 0.5], [0.5, 0.5]]))
    >>> round(tg.nn.CTCLoss()(half, tg.tensor([1]), (2,), (1,)).item(), 4)
    0.2877
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Lengths,
        target_lengths: Lengths,
    ) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
