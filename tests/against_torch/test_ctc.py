"""Connectionist temporal classification: the same losses and gradients as PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

TF = torch.nn.functional
REDUCTIONS = ("mean", "sum", "none")
rng = np.random.default_rng(0)


def log_probabilities(*shape):
    x = rng.standard_normal(shape) * 2
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def both(log_p, targets, *lengths, **options):
    """The same results and gradients. Lengths are constants, as Tensors or as they are given."""

    def of(function, make):
        made = [make(a) if isinstance(a, np.ndarray) else a for a in lengths]
        return lambda x, t: function(x, t, *made, **options)

    peer.same(of(F.ctc_loss, tg.tensor), of(TF.ctc_loss, torch.tensor), log_p, targets)


# time, batch, class; the targets; how many times and labels count
CASES = {
    "plain": ((6, 3, 5), [[1, 2], [3, 4], [2, 1]], (6, 6, 6), (2, 2, 2)),
    "lengths": ((6, 3, 5), [[1, 2, 4], [3, 0, 0], [2, 1, 0]], (6, 4, 5), (3, 1, 2)),
    "repeated": ((7, 2, 3), [[1, 1, 2], [2, 2, 2]], (7, 5), (3, 3)),
    "just long enough": ((5, 2, 3), [[1, 1, 2], [1, 2, 1]], (4, 3), (3, 3)),
    "empty targets": ((4, 3, 3), [[1, 2], [1, 2], [2, 1]], (4, 3, 4), (0, 0, 2)),
    "only empty targets": ((4, 2, 3), [[], []], (4, 3), (0, 0)),
    "no times": ((4, 2, 3), [[1, 2], [1, 2]], (0, 4), (0, 2)),
    "one sequence": ((4, 1, 3), [[1, 2]], (4,), (2,)),
    "one time": ((1, 2, 3), [[1], [2]], (1, 1), (1, 0)),
    "what does not count": ((4, 2, 3), [[1, -1, 99], [2, 1, 0]], (4, 4), (1, 2)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_cases(name, zero_infinity, reduction):
    shape, targets, *lengths = CASES[name]
    options = {"reduction": reduction, "zero_infinity": zero_infinity}
    padded = np.array(targets, dtype="int64")
    log_p = log_probabilities(*shape)
    both(log_p, padded, *lengths, **options)
    both(log_p, padded, *map(np.array, lengths), **options)
    rows = [row[:count] for row, count in zip(padded, lengths[1])]
    both(log_p, np.concatenate(rows), *lengths, **options)
    both(log_p, np.concatenate(rows), *map(np.array, lengths), **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_without_a_batch(reduction):
    log_p, targets = log_probabilities(5, 4), np.array([1, 3])
    for lengths in [((5,), (2,)), (np.array([4]), np.array([2])), (np.array(5), np.array(2))]:
        both(log_p, targets, *lengths, reduction=reduction)
    both(log_p, targets[None], (5,), (1,), reduction=reduction)


@pytest.mark.parametrize("blank", [0, 2, 3])
def test_another_blank(blank):
    labels = np.array([k for k in range(4) if k != blank])
    targets = labels[rng.integers(0, 3, (3, 4))]
    both(log_probabilities(10, 3, 4), targets, (10, 8, 9), (4, 3, 0), blank=blank)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_other_integers(dtype):
    lengths = np.array([5, 4]), np.array([2, 1])
    log_p = log_probabilities(5, 2, 4)
    ours = F.ctc_loss(tg.tensor(log_p), tg.tensor([[1, 2], [3, 3]], dtype),
                      *[tg.tensor(n, dtype) for n in lengths])  # fmt: skip
    theirs = TF.ctc_loss(torch.tensor(log_p), torch.tensor([[1, 2], [3, 3]], dtype=torch.int32),
                         *map(torch.tensor, lengths))  # fmt: skip
    peer.close(ours, theirs)


def test_through_log_softmax_of_any_logits():
    """Arrays that are not contiguous, large logits, more labels than fit into a vector."""
    logits = rng.standard_normal((40, 3, 24))[:, :, ::2].swapaxes(0, 1).copy().swapaxes(0, 1) * 30
    targets = rng.integers(1, 12, (3, 30))

    def of(functions, log_softmax):
        return lambda x, t: functions.ctc_loss(
            log_softmax(x), t, (40, 35, 40), (11, 3, 14), reduction="none", zero_infinity=True
        )

    peer.same(of(F, lambda x: F.log_softmax(x, -1)), of(TF, lambda x: TF.log_softmax(x, -1)),
              logits, targets)  # fmt: skip


def test_a_sequence_of_a_thousand_times():
    log_p = log_probabilities(1000, 2, 6)
    both(log_p, rng.integers(1, 6, (2, 40)), (1000, 900), (40, 30), reduction="none")


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_too_short_for_any_alignment(reduction):
    """Infinite, or 0: and then without a gradient, where that of PyTorch is NaN."""
    log_p, targets, lengths = (
        log_probabilities(3, 2, 3),
        np.array([[1, 1], [1, 2]]),
        ((2, 3), (2, 2)),
    )
    both(log_p, targets, *lengths, reduction=reduction, zero_infinity=True)
    theirs = TF.ctc_loss(torch.tensor(log_p), torch.tensor(targets), *lengths, reduction=reduction)
    x = tg.tensor(log_p, requires_grad=True)
    loss = F.ctc_loss(x, tg.tensor(targets), *lengths, reduction=reduction)
    peer.close(loss, theirs)
    assert np.isinf(loss.numpy()).any()
    tg.sum(loss).backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert not x.grad.numpy()[:, 0].any()


def test_in_every_mode():
    log_p, targets = (
        log_probabilities(6, 3, 4).astype("float32"),
        np.array([[1, 2], [3, 3], [2, 1]]),
    )
    lengths = np.array([6, 5, 1]), np.array([2, 2, 1])
    peer.modes(F.ctc_loss, log_p, targets, *lengths)
    peer.modes(F.ctc_loss, log_p, np.array([1, 2, 3, 3, 2]), *lengths, reduction="none")


@pytest.mark.parametrize("options", [{}, {"blank": 2}, {"zero_infinity": True}])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_module(options, reduction):
    inputs = (
        log_probabilities(6, 2, 4),
        np.array([[1, 3], [3, 3]]),
        np.array([6, 5]),
        np.array([2, 2]),
    )
    ours, theirs = (
        nn.CTCLoss(reduction=reduction, **options),
        torch.nn.CTCLoss(reduction=reduction, **options),
    )
    peer.same_module(ours, theirs, *inputs)
    assert repr(ours) == repr(theirs)


LOG_P, TARGETS = log_probabilities(5, 2, 4), np.array([[1, 2], [3, 3]])
WRONG = [
    pytest.param(LOG_P, TARGETS, (6, 5), (2, 2), {}, IndexError, id="input length"),
    pytest.param(LOG_P, TARGETS, (-1, 5), (2, 2), {}, IndexError, id="negative input length"),
    pytest.param(LOG_P, TARGETS, (5, 5), (3, 2), {}, IndexError, id="target length"),
    pytest.param(LOG_P, TARGETS, (5, 5), (-2, 2), {}, IndexError, id="negative target length"),
    pytest.param(LOG_P, TARGETS, (5,), (2, 2), {}, ShapeError, id="lengths"),
    pytest.param(LOG_P, TARGETS, (5, 5), (2,), {}, ShapeError, id="counts"),
    pytest.param(LOG_P, TARGETS, (5.0, 5), (2, 2), {}, DTypeError, id="length of floats"),
    pytest.param(LOG_P, TARGETS, (5, 5), (2, 2), {"blank": 4}, ValueError, id="blank"),
    pytest.param(LOG_P, TARGETS, (5, 5), (2, 2), {"blank": -1}, ValueError, id="negative blank"),
    pytest.param(LOG_P, TARGETS, (5, 5), (2, 2), {"reduction": "avg"}, ValueError, id="reduction"),
    pytest.param(LOG_P, TARGETS[:1], (5, 5), (2, 2), {}, ShapeError, id="batch of targets"),
    pytest.param(LOG_P, TARGETS[None], (5, 5), (2, 2), {}, ShapeError, id="targets"),
    pytest.param(LOG_P, TARGETS.ravel()[1:], (5, 5), (2, 2), {}, ShapeError, id="too few targets"),
    pytest.param(LOG_P[None], TARGETS, (5, 5), (2, 2), {}, ShapeError, id="log_probs"),
    pytest.param(LOG_P[0, 0], TARGETS, (5, 5), (2, 2), {}, ShapeError, id="too few dimensions"),
]


@pytest.mark.parametrize(("log_p", "targets", "ends", "counts", "options", "error"), WRONG)
def test_errors(log_p, targets, ends, counts, options, error):
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        TF.ctc_loss(torch.tensor(log_p), torch.tensor(targets), ends, counts, **options)
    with pytest.raises(error, match="expected"):
        F.ctc_loss(tg.tensor(log_p), tg.tensor(targets), ends, counts, **options).realize()


def test_a_label_that_is_no_class():
    for wrong in (-1, 4):
        loss = F.ctc_loss(tg.tensor(LOG_P), tg.tensor([[1, wrong], [3, 3]]), (5, 5), (2, 2))
        with pytest.raises(IndexError, match=f"class {wrong} is out of range: expected 0 to 3"):
            loss.realize()
    with pytest.raises(
        DTypeError, match=r"ctc_loss: expected class numbers \(integers\) as targets"
    ):
        F.ctc_loss(tg.tensor(LOG_P), tg.tensor([[1.0, 2.0], [3.0, 3.0]]), (5, 5), (2, 2))
