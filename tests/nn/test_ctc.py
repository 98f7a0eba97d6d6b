"""Connectionist temporal classification against all alignments, one by one."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F

REDUCTIONS = {"none": lambda x, n: x, "sum": lambda x, n: x.sum(),
              "mean": lambda x, n: (x / np.maximum(n, 1)).mean()}  # fmt: skip


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def read(alignment, blank):
    """What an alignment says: without repetitions, then without blanks."""
    return [k for k, _ in itertools.groupby(alignment) if k != blank]


def all_alignments(log_p, target, blank):
    """-log of the sum over every path through (time, class) that reads as the target."""
    times, classes = log_p.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=times):
        if read(path, blank) == list(target):
            total += np.exp(sum(log_p[t, k] for t, k in enumerate(path)))
    return -np.log(total) if total else np.inf


CASES = [  # classes, blank, targets, input lengths
    (3, 0, [[1], [2, 1], []], [4, 4, 3]),
    (3, 2, [[0, 0], [1, 0, 1], [0]], [4, 3, 1]),
    (2, 1, [[0, 0], [], [0]], [3, 0, 4]),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_every_alignment_counts(case, reduction, rng):
    classes, blank, targets, ends = case
    log_p = log_softmax(rng.standard_normal((4, 3, classes)))
    counts = np.array([len(t) for t in targets])
    each = [all_alignments(log_p[:end, i], targets[i], blank) for i, end in enumerate(ends)]
    expected = REDUCTIONS[reduction](np.array(each), counts)
    padded = np.array([t + [-1] * (3 - len(t)) for t in targets])
    loss = nn.CTCLoss(blank, reduction)
    for given in (padded, np.concatenate(targets).astype(int)):
        found = loss(tg.tensor(log_p), tg.tensor(given), ends, tuple(counts))
        np.testing.assert_allclose(found.numpy(), expected)


def occupancy(log_p, target, blank):
    """The probability of each class at each time, given the target, by all alignments."""
    found = np.zeros_like(log_p)
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        if read(path, blank) == target:
            steps = np.arange(len(path)), list(path)
            found[steps] += np.exp(log_p[steps].sum())
    return found / found[0].sum()


def test_the_gradient_is_probability_minus_occupancy(rng):
    """Equation 16 of the paper, for log_probs as for the logits they are made of."""
    x = rng.standard_normal((4, 3))
    log_p = log_softmax(x)
    expected = np.exp(log_p) - occupancy(log_p, [1, 2], 0)
    target, lengths = tg.tensor([1, 2]), ((4,), (2,))
    options = {"reduction": "sum"}
    slope = tg.grad(lambda y: F.ctc_loss(y, target, *lengths, **options))(tg.tensor(log_p))
    np.testing.assert_allclose(slope.numpy(), expected, atol=1e-12)
    slope = tg.grad(lambda y: F.ctc_loss(tg.log_softmax(y, axis=-1), target, *lengths, **options))(
        tg.tensor(x)
    )
    np.testing.assert_allclose(slope.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradients_of_logits(reduction, rng):
    targets, lengths = tg.tensor([[1, 1, 2], [2, 0, 0]]), ((5, 4), (3, 1))

    def loss(x):
        return F.ctc_loss(tg.log_softmax(x, axis=-1), targets, *lengths, reduction=reduction)

    with tg.backend("numpy"):
        tg.testing.check_grads(loss, [rng.standard_normal((5, 2, 3))], order=2)


# ------------------------------------------------------------------------------- extremes


def test_a_class_of_probability_zero_has_a_finite_gradient():
    """Where it is needed the loss is infinite; where not, it does no harm."""
    with np.errstate(divide="ignore"):
        log_p = np.log([[[0.5, 0.5, 0.0]], [[0.25, 0.75, 0.0]]])
    for label, expected in [(1, -np.log(0.5 * 0.25 + 0.5 * 0.75 * 2)), (2, np.inf)]:
        loss = nn.CTCLoss(reduction="sum")
        value, slope = tg.value_and_grad(
            lambda x, label=label, loss=loss: loss(x, tg.tensor([[label]]), (2,), (1,))
        )(tg.tensor(log_p))
        assert value.item() == pytest.approx(expected)
        assert np.isfinite(slope.numpy()).all()


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_float32_of_any_size_stays_finite(scale, rng):
    logits = (rng.standard_normal((50, 4, 8)) * scale).astype("float32")
    targets, lengths = tg.tensor(rng.integers(1, 8, (4, 12))), ((50, 40, 30, 50), (12, 3, 0, 12))

    def loss(x):
        return F.ctc_loss(tg.log_softmax(x, axis=-1), targets, *lengths)

    value, slope = tg.value_and_grad(loss)(tg.tensor(logits))
    assert np.isfinite(value.item())
    assert np.isfinite(slope.numpy()).all()
    assert abs(slope.numpy()).max() <= 1


def test_what_is_not_normalized_stays_finite():
    """The value needs no normalization, and the gradient is bounded."""
    log_p = tg.full((3, 1, 2), 1e3)
    value, slope = tg.value_and_grad(lambda x: F.ctc_loss(x, tg.tensor([[1]]), (3,), (1,)))(log_p)
    assert value.item() == pytest.approx(-3e3 - np.log(6))
    assert np.isfinite(slope.numpy()).all()


def test_times_beyond_the_end_do_not_matter(rng):
    """Not even NaN there reaches the loss or its gradient."""
    log_p = log_softmax(rng.standard_normal((5, 1, 3)))
    spoilt = log_p.copy()
    spoilt[3:] = np.nan
    run = tg.value_and_grad(lambda x: F.ctc_loss(x, tg.tensor([[1, 2]]), (3,), (2,)))
    (value, slope), (same, other) = run(tg.tensor(log_p)), run(tg.tensor(spoilt))
    assert value.item() == same.item()
    np.testing.assert_array_equal(slope.numpy(), other.numpy())
    assert not slope.numpy()[3:].any()


def test_half_precision(rng):
    log_p = log_softmax(rng.standard_normal((200, 2, 4))).astype("float16")
    targets, lengths = tg.tensor([[1, 2], [3, 3]]), ((200, 200), (2, 2))
    loss = F.ctc_loss(tg.tensor(log_p), targets, *lengths)
    wide = F.ctc_loss(tg.tensor(log_p.astype("float32")), targets, *lengths)
    assert loss.dtype == tg.float16
    assert loss.item() == pytest.approx(wide.item(), rel=1e-3)


# ----------------------------------------------------------------------------------- graphs


def test_all_sizes_and_lengths_as_inputs_of_a_graph(rng):
    """One tape for batches of any size, with targets padded or one after the other."""
    log_p = tg.placeholder((None, None, 5), name="log_p")
    padded = tg.placeholder((None, None), "int64", name="padded")
    joined = tg.placeholder((None,), "int64", name="joined")
    ends, counts = (tg.placeholder((None,), "int64", name=n) for n in ("ends", "counts"))
    graphs = [
        tg.function([log_p, targets, ends, counts],
                    tg.value_and_grad(lambda x, targets=targets: F.ctc_loss(
                        x, targets, ends, counts, reduction="sum"))(log_p))
        for targets in (padded, joined)
    ]  # fmt: skip
    for times, batch, longest in [(6, 3, 2), (9, 2, 4), (4, 1, 1)]:
        x = log_softmax(rng.standard_normal((times, batch, 5))).astype("float32")
        labels = rng.integers(1, 5, (batch, longest))
        lengths = (
            rng.integers(longest * 2 - 1, times + 1, batch),
            rng.integers(0, longest + 1, batch),
        )
        lengths[1][0] = longest
        rows = np.concatenate([row[:n] for row, n in zip(labels, lengths[1])])
        wanted = tg.value_and_grad(
            lambda x, t=labels, n=lengths: F.ctc_loss(x, tg.tensor(t), *n, reduction="sum")
        )(tg.tensor(x))
        for graph, targets in zip(graphs, (labels, rows)):
            for want, have in zip(wanted, graph(x, targets, *lengths), strict=True):
                np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


def test_a_thousand_times_are_one_scan():
    """The number of nodes does not depend on the number of times."""
    sizes = []
    for times in (10, 1000):
        x = tg.placeholder((times, 2, 5), name="x")
        targets, lengths = tg.tensor([[1, 2], [3, 3]]), ((times, times), (2, 2))
        loss = tg.grad(lambda x, t=targets, n=lengths: F.ctc_loss(x, t, *n))(x)
        sizes.append(len(tg.function([x], loss).tape()))
    assert sizes[0] == sizes[1] < 40


def test_lengths_are_data(rng):
    """Batches of the same shape with other lengths compile nothing."""
    log_p, targets = tg.tensor(log_softmax(rng.standard_normal((6, 2, 4)))), tg.tensor([[1, 2]] * 2)
    losses, misses = [], []
    for ends, counts in [((6, 6), (2, 2)), ((5, 6), (2, 1)), ((4, 4), (0, 2))]:
        losses.append(F.ctc_loss(log_p, targets, ends, counts).item())
        misses.append(TAPES.info().misses)
    assert len(set(losses)) == 3
    assert misses[1:] == misses[:1] * 2


def test_it_learns_to_spell(rng):
    """A free distribution for each time comes to say the target."""
    targets, lengths = tg.tensor([[1, 1, 2]]), ((8,), (3,))
    x = nn.Parameter(tg.tensor(rng.standard_normal((8, 1, 3)).astype("float32")))
    optimizer = tg.optim.Adam([x], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.ctc_loss(F.log_softmax(x, -1), targets, *lengths)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert read(tg.argmax(x, axis=-1).numpy()[:, 0].tolist(), 0) == [1, 1, 2]
