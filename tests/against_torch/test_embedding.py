"""Embedding and EmbeddingBag against PyTorch, over their options and odd shapes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

TF = torch.nn.functional
ROWS, FEATURES = 6, 3
INDICES = {
    "line": np.array([0, 4, 4, 1, 5, 4]),
    "batch": np.array([[0, 4, 2], [4, 1, 1]]),
    "one": np.array(2),
    "none": np.zeros((0, 2), int),
    "strided": np.array([[0, 4, 2, 1], [4, 1, 1, 0]])[:, ::2].T,
    "int32": np.array([3, 0, 3], np.int32),
}
# positions in 7 entries at which bags begin: with empty ones between, first and last
OFFSETS = [[0, 2, 5], [0, 0, 3, 3, 7], [0], [0, 7, 7]]
ENTRIES = np.array([1, 4, 4, 0, 2, 4, 1])


def table(seed=0):
    return np.random.default_rng(seed).standard_normal((ROWS, FEATURES)) * 2


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("padding", [None, 0, 4, -2])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_embedding(index, padding, by_frequency):
    options = {"padding_idx": padding, "scale_grad_by_freq": by_frequency}
    peer.same(F.embedding, TF.embedding, index, table(), **options)
    here = nn.Embedding(ROWS, FEATURES, **options)
    there = torch.nn.Embedding(ROWS, FEATURES, **options)
    assert repr(here) == repr(there)
    peer.same_module(here, there, index)


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 2.0, 100.0])
def test_rows_that_are_shortened(index, norm_type, max_norm):
    options = {"max_norm": max_norm, "norm_type": norm_type}
    torch.manual_seed(0)
    here = nn.Embedding(ROWS, FEATURES, **options)
    there = torch.nn.Embedding(ROWS, FEATURES, **options)
    assert repr(here) == repr(there)
    peer.same_module(here, there, index)
    peer.close(here.weight, there.weight, "the table afterwards")


def test_rows_that_are_shortened_twice_in_one_gradient():
    first, second = INDICES["line"], INDICES["batch"]
    here = nn.Embedding(ROWS, FEATURES, max_norm=1.0)
    there = torch.nn.Embedding(ROWS, FEATURES, max_norm=1.0, dtype=torch.float64)
    peer.load(here, there)
    for layer, made in ((here, tg.tensor), (there, torch.tensor)):
        layer.weight.grad = None
        (layer(made(first)).sum() + (layer(made(second)) * 2.0).sum()).backward()
    peer.close(here.weight, there.weight)
    peer.close(here.weight.grad, there.weight.grad)


def test_a_pretrained_table():
    values = table().astype("float32")
    for options in ({}, {"freeze": False, "padding_idx": 1}, {"max_norm": 0.5}):
        here = nn.Embedding.from_pretrained(tg.tensor(values), **options)
        there = torch.nn.Embedding.from_pretrained(torch.tensor(values), **options)
        assert repr(here) == repr(there)
        assert here.weight.requires_grad == there.weight.requires_grad
        peer.close(here(tg.tensor([1, 2])), there(torch.tensor([1, 2])), rtol=1e-6)


# -------------------------------------------------------------------------------------- bags

# scale_grad_by_freq stands apart: PyTorch 2.13 divides by the count of another row where counts
# differ (pytorch/pytorch#190063)
BAG_OPTIONS = [{}, {"padding_idx": 4}, {"padding_idx": -6}]


@pytest.mark.parametrize("options", BAG_OPTIONS, ids=str)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("shape", [(2, 3), (1, 4), (0, 2), (3, 1)])
def test_bags_of_one_size(shape, mode, options):
    options = {"mode": mode, **options}
    index = np.random.default_rng(3).integers(0, ROWS, shape)
    peer.same(F.embedding_bag, TF.embedding_bag, index, table(), **options)
    here = nn.EmbeddingBag(ROWS, FEATURES, **options)
    there = torch.nn.EmbeddingBag(ROWS, FEATURES, **options)
    assert repr(here) == repr(there)
    peer.same_module(here, there, index)


@pytest.mark.parametrize("options", BAG_OPTIONS, ids=str)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("offsets", OFFSETS, ids=str)
def test_bags_of_any_size(offsets, mode, options):
    options = {"mode": mode, **options}
    starts = np.array(offsets)
    peer.same(F.embedding_bag, TF.embedding_bag, ENTRIES, table(), starts, **options)
    ends = np.append(starts, 7)
    options["include_last_offset"] = True
    peer.same(F.embedding_bag, TF.embedding_bag, ENTRIES, table(), ends, **options)
    here = nn.EmbeddingBag(ROWS, FEATURES, **options)
    there = torch.nn.EmbeddingBag(ROWS, FEATURES, **options)
    peer.same_module(here, there, ENTRIES, ends)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradients_by_frequency(mode):
    index, offsets = np.array([0, 1, 2, 2, 1, 0]), np.array([0, 1])
    options = {"mode": mode, "scale_grad_by_freq": True}
    peer.same(F.embedding_bag, TF.embedding_bag, index, table(), offsets, **options)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_without_entries(mode):
    for offsets in ([0, 0], []):
        arrays = ENTRIES[:0], table(), np.array(offsets, int)
        peer.same(F.embedding_bag, TF.embedding_bag, *arrays, mode=mode)


@pytest.mark.parametrize("padding", [None, 4])
def test_weighted_bags(padding):
    weights = np.random.default_rng(1).standard_normal(7)
    options = {"mode": "sum", "padding_idx": padding}
    here = nn.EmbeddingBag(ROWS, FEATURES, **options)
    there = torch.nn.EmbeddingBag(ROWS, FEATURES, **options)
    for offsets in OFFSETS:
        peer.same_module(here, there, ENTRIES, np.array(offsets), weights)
    peer.same_module(here, there, ENTRIES[:6].reshape(2, 3), None, weights[:6].reshape(2, 3))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_rows_that_are_shortened(mode):
    options = {"mode": mode, "max_norm": 1.0, "norm_type": 1.0}
    here = nn.EmbeddingBag(ROWS, FEATURES, **options)
    there = torch.nn.EmbeddingBag(ROWS, FEATURES, **options)
    assert repr(here) == repr(there)
    peer.same_module(here, there, ENTRIES, np.array(OFFSETS[0]))
    peer.close(here.weight, there.weight)


def test_equal_largest_numbers_of_a_bag():
    for index, *offsets in ((ENTRIES, np.array([0, 3])), (ENTRIES[:6].reshape(2, 3),)):
        ones = np.ones((ROWS, FEATURES))
        peer.same(F.embedding_bag, TF.embedding_bag, index, ones, *offsets, mode="max")


def test_a_pretrained_bag():
    values = table().astype("float32")
    for options in ({}, {"freeze": False, "mode": "max"}, {"padding_idx": 1, "mode": "sum"}):
        here = nn.EmbeddingBag.from_pretrained(tg.tensor(values), **options)
        there = torch.nn.EmbeddingBag.from_pretrained(torch.tensor(values), **options)
        assert repr(here) == repr(there)
        assert here.weight.requires_grad == there.weight.requires_grad
        index = np.array([[1, 2], [0, 1]])
        peer.close(here(tg.tensor(index)), there(torch.tensor(index)), rtol=1e-6)


REFUSED = [
    ({"mode": "most"}, ENTRIES, [0], None, ValueError),
    ({"mode": "max", "scale_grad_by_freq": True}, ENTRIES, [0], None, ValueError),
    ({"mode": "max", "sparse": True}, ENTRIES, [0], None, ValueError),
    ({"mode": "sum"}, ENTRIES, None, None, ValueError),
    ({"mode": "sum"}, ENTRIES[:6].reshape(2, 3), [0], None, ValueError),
    ({"mode": "sum"}, ENTRIES[:6].reshape(2, 3, 1), None, None, ValueError),
    ({"mode": "sum"}, ENTRIES, [[0]], None, ValueError),
    ({"mode": "sum"}, ENTRIES, [0], np.ones(6), ValueError),
    ({"mode": "mean"}, ENTRIES, [0], np.ones(7), NotImplementedError),
]


@pytest.mark.parametrize(("options", "index", "offsets", "weights", "error"), REFUSED)
def test_what_both_refuse(options, index, offsets, weights, error):
    for library, made in ((F, tg.tensor), (TF, torch.tensor)):
        with pytest.raises(error):
            library.embedding_bag(
                made(index), made(table()), None if offsets is None else made(np.array(offsets)),
                per_sample_weights=None if weights is None else made(weights), **options,
            )  # fmt: skip


# ------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("options", [{}, {"padding_idx": 4}, {"scale_grad_by_freq": True}], ids=str)
def test_embedding_in_every_mode(options):
    weight = table().astype("float32")
    peer.modes(F.embedding, INDICES["batch"], weight, **options)


@pytest.mark.parametrize("padding", [None, 4])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_in_every_mode(mode, padding):
    arrays = ENTRIES, np.array(OFFSETS[1]), table().astype("float32")
    peer.modes(
        lambda index, starts, weight: F.embedding_bag(
            index, weight, starts, mode=mode, padding_idx=padding
        ),
        *arrays,
    )
    peer.modes(F.embedding_bag, ENTRIES[:6].reshape(2, 3), arrays[-1], mode=mode)
