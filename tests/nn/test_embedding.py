"""Embedding and EmbeddingBag against short references in NumPy."""

import numpy as np
import pytest
from fused import tape_of

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def test_embedding(rng):
    table = nn.Embedding(5, 3, padding_idx=1)
    rows = tg.tensor([[0, 1], [4, 1]])
    np.testing.assert_array_equal(table(rows).numpy(), table.weight.numpy()[rows.numpy()])
    tg.sum(table(rows)).backward()
    np.testing.assert_array_equal(table.weight.grad.numpy().sum(1), [3, 0, 0, 0, 3])
    for wrong in (5, -1):
        with pytest.raises(IndexError, match=f"row {wrong} is out of range: expected 0 to 4"):
            table(tg.tensor([wrong])).numpy()
    with pytest.raises(DTypeError, match="embedding: expected integers as input, got float32"):
        table(tg.ones(2))
    with pytest.raises(ShapeError, match="Embedding: expected a padding_idx within the 5 rows"):
        nn.Embedding(5, 3, padding_idx=5)


def test_a_padding_row_counted_from_the_end_of_a_table_of_any_size(rng):
    table = tg.placeholder((None, 2), "float64", name="table")
    chosen = tg.nn.functional.embedding(tg.tensor([0, 2, 2]), table, padding_idx=-1)
    slope = tg.function([table], tg.grad(lambda t: tg.sum(F.embedding(
        tg.tensor([0, 2, 2]), t, padding_idx=-1)))(table))  # fmt: skip
    assert chosen.shape == (3, 2)
    np.testing.assert_array_equal(slope(np.ones((3, 2))), [[1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(slope(np.ones((4, 2))), [[1, 1], [0, 0], [2, 2], [0, 0]])


def test_only_rows_in_use_get_a_gradient(rng):
    table = nn.Embedding(6, 3)
    before = table.weight.numpy()
    (table(tg.tensor([[1, 4], [4, 1]])) ** 2).sum().backward()
    used = np.isin(np.arange(6), [1, 4])
    slope = table.weight.grad.numpy()
    assert slope[used].all()
    assert not slope[~used].any()
    optim.SGD(table.parameters(), lr=0.1).step()
    assert (table.weight.numpy() != before)[used].all()
    np.testing.assert_array_equal(table.weight.numpy()[~used], before[~used])


def test_how_often_a_row_is_named_is_counted_for_the_gradient_alone():
    rows = tg.placeholder((6,), "int64", name="rows")
    table = tg.placeholder((5, 3), name="table")
    plain, shared = (
        tape_of(F.embedding(rows, table, scale_grad_by_freq=each), inputs=[rows, table])
        for each in (False, True)
    )
    assert len(plain) == len(shared)
    found = F.embedding(tg.tensor([1]), tg.tensor([[0.0], [np.inf]]), scale_grad_by_freq=True)
    assert found.item() == np.inf


def test_gradients_by_frequency():
    for function in (F.embedding, lambda *args, **kw: F.embedding_bag(*args, mode="sum", **kw)):
        weight = tg.tensor(np.ones((4, 2)), requires_grad=True)
        rows = tg.tensor([[1, 1, 3], [1, 0, 3]])
        tg.sum(function(rows, weight, scale_grad_by_freq=True)).backward()
        # a row that is there k times gets k times 1 / k
        np.testing.assert_allclose(weight.grad.numpy(), [[1, 1], [1, 1], [0, 0], [1, 1]])


def shortened(weight, rows, most, order=2):
    result = weight.copy()
    for row in set(np.ravel(rows)):
        norm = np.linalg.norm(weight[row], order)
        if norm > most:
            result[row] *= most / (norm + 1e-7)
    return result


def test_long_rows_are_shortened_in_the_table_where_they_are_used(rng):
    table = nn.Embedding(6, 3, max_norm=1.0, dtype="float64")
    table.weight.set(rng.standard_normal((6, 3)) * 3)
    rows = np.array([[1, 4], [1, 2]])
    expected = shortened(table.weight.numpy(), rows, 1.0)
    np.testing.assert_allclose(table(tg.tensor(rows)).numpy(), expected[rows])
    np.testing.assert_allclose(table.weight.numpy(), expected)


def test_long_rows_are_shortened_in_each_call_of_a_compiled_function(rng):
    start = rng.standard_normal((6, 3)) * 3
    for compiled in (tg.jit, lambda function: function):
        table = nn.Embedding(6, 3, max_norm=1.0, dtype="float64")
        table.weight.set(start)
        opt = optim.SGD(table.parameters(), lr=10.0)

        def step(rows, table=table, opt=opt):
            loss = tg.sum(tg.square(table(rows) - 1.0))
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run, weight = compiled(step), start
        for rows in ([0, 1], [1, 2], [1, 1]):
            loss = run(tg.tensor(rows))
            weight = shortened(weight, rows, 1.0)
            np.testing.assert_allclose(loss.item(), ((weight[rows] - 1) ** 2).sum())
            slope = np.zeros_like(weight)
            np.add.at(slope, rows, 2 * (weight[rows] - 1))
            weight = weight - 10.0 * slope
            np.testing.assert_allclose(table.weight.numpy(), weight)


def test_long_rows_are_shortened_in_each_call_of_a_defined_graph(rng):
    table = nn.Embedding(6, 3, max_norm=1.0, dtype="float64")
    start = rng.standard_normal((6, 3)) * 3
    table.weight.set(start)
    rows = tg.placeholder((None,), "int64", name="rows")
    call = tg.function([rows], table(rows), updates={})
    np.testing.assert_array_equal(table.weight.numpy(), start)
    for chosen in ([0, 1], [5]):
        start = shortened(start, chosen, 1.0)
        np.testing.assert_allclose(call(np.array(chosen)).numpy(), start[chosen])
        np.testing.assert_allclose(table.weight.numpy(), start)


def test_a_table_of_short_rows_learns_in_a_defined_graph_as_by_steps(rng):
    """Also where it is used twice, and so changed twice."""
    start, chosen = rng.standard_normal((6, 3)) * 3, [np.array([0, 1]), np.array([1, 5])]

    def network():
        table = nn.Embedding(6, 3, max_norm=1.0, dtype="float64")
        table.weight.set(start)
        return table, optim.SGD(table.parameters(), lr=0.5)

    def loss_of(table, first, second):
        return tg.sum(tg.square(table(first) - 1.0)) + tg.sum(table(second))

    table, opt = network()
    for _ in range(3):
        opt.zero_grad()
        loss_of(table, *map(tg.tensor, chosen)).backward()
        opt.step()
    defined, opt = network()
    rows = [tg.placeholder((2,), "int64", name=name) for name in "ab"]
    loss = loss_of(defined, *rows)
    step = tg.function(rows, loss, updates=opt.minimize(loss))
    for _ in range(3):
        step(*chosen)
    np.testing.assert_allclose(defined.weight.numpy(), table.weight.numpy())


def test_a_table_that_is_computed_is_not_assigned_to(rng):
    weight = tg.tensor(rng.standard_normal((4, 3)) * 3, requires_grad=True)
    double = weight * 2.0
    rows = F.embedding(tg.tensor([0, 0]), double, max_norm=1.0)
    expected = shortened(double.numpy(), [0], 1.0)[[0, 0]]
    np.testing.assert_allclose(rows.numpy(), expected)
    tg.sum(rows).backward()
    np.testing.assert_allclose(weight.grad.numpy(), [[4] * 3, [0] * 3, [0] * 3, [0] * 3])
    table = tg.placeholder((None, 3), "float64", name="table")
    call = tg.function([table], F.embedding(tg.tensor([0, 0]), table, max_norm=1.0))
    np.testing.assert_allclose(call(double.numpy()).numpy(), expected)
    slope = tg.grad(lambda w: tg.sum(F.embedding(tg.tensor([0, 1]), w, max_norm=1.0)))(weight)
    np.testing.assert_allclose(slope.numpy(), [[1] * 3, [1] * 3, [0] * 3, [0] * 3])


def test_a_pretrained_table_is_frozen_or_not():
    values = np.arange(6.0).reshape(3, 2)
    for cls in (nn.Embedding, nn.EmbeddingBag):
        frozen, free = cls.from_pretrained(values), cls.from_pretrained(values, freeze=False)
        assert not frozen.weight.requires_grad
        assert free.weight.requires_grad
        np.testing.assert_array_equal(frozen.weight.numpy(), values)
        free.weight.set(values + 1)
        assert values[0, 0] == 0  # the table is a copy
        with pytest.raises(ShapeError, match=r"expected embeddings \(count, features\), got"):
            cls.from_pretrained([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"Embedding: expected a weight of shape \(4, 2\), got"):
        nn.Embedding(4, 2, _weight=values)


# -------------------------------------------------------------------------------------- bags


def reduced(rows, mode):
    if not len(rows):
        return np.zeros(rows.shape[1])
    return getattr(np, mode)(rows, axis=0)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2])
def test_embedding_bag(mode, padding, rng):
    table, entries = rng.standard_normal((5, 3)), np.array([0, 2, 2, 4, 1, 2])
    offsets = np.array([0, 0, 2, 5])
    bags = np.split(entries, offsets[1:])
    expected = [reduced(table[bag[bag != padding]], mode) for bag in bags]
    layer = nn.EmbeddingBag(5, 3, mode=mode, padding_idx=padding, dtype="float64")
    layer.weight.set(table)
    got = layer(tg.tensor(entries), tg.tensor(offsets))
    np.testing.assert_allclose(got.numpy(), expected)
    n, m = (tg.placeholder((None,), "int64", name=name) for name in ("entries", "offsets"))
    call = tg.function([n, m], layer(n, m))
    np.testing.assert_allclose(call(entries, offsets).numpy(), expected)
    assert call(entries[:0], offsets[:2] * 0).tolist() == [[0] * 3] * 2
    if padding is None:
        tg.testing.check_grads(
            lambda w: F.embedding_bag(tg.tensor(entries), w, tg.tensor(offsets), mode=mode),
            [table], order=2,
        )  # fmt: skip


def test_entries_behind_the_last_offset_belong_to_no_bag():
    table = np.arange(4.0)[:, None]
    got = F.embedding_bag(
        tg.tensor([1, 2, 3]), tg.tensor(table), tg.tensor([0, 1, 2]), mode="sum",
        include_last_offset=True,
    )  # fmt: skip
    assert got.tolist() == [[1], [2]]


def test_bags_without_columns():
    empty = tg.tensor(np.zeros((2, 0), int))
    for mode in ("sum", "mean", "max"):
        assert F.embedding_bag(empty, tg.ones((4, 3)), mode=mode).tolist() == [[0] * 3] * 2


def test_bags_of_16_bit_floats_are_summed_in_32():
    table = tg.tensor(np.full((1, 2), 2048.0), "float16")
    entries = tg.tensor(np.zeros((1, 40), int))
    assert F.embedding_bag(entries, table).tolist() == [[2048.0, 2048.0]]
    assert F.embedding_bag(entries, table).dtype == "float16"


def test_errors():
    table, rows = tg.ones((4, 2)), tg.tensor([0, 1, 2])
    with pytest.raises(IndexError, match="first offset 1 is out of range: expected 0 to 0"):
        F.embedding_bag(rows, table, tg.tensor([1, 2])).numpy()
    with pytest.raises(IndexError, match="offset 4 is out of range: expected 0 to 3"):
        F.embedding_bag(rows, table, tg.tensor([0, 4])).numpy()
    with pytest.raises(IndexError, match="row 4 is out of range"):
        F.embedding_bag(rows + 2, table, tg.tensor([0])).numpy()
    with pytest.raises(ShapeError, match=r"or \(n,\) with offsets, got shape \(3,\) without"):
        F.embedding_bag(rows, table)
    with pytest.raises(ShapeError, match=r"expected offsets of shape \(bags,\), got \(0,\)"):
        F.embedding_bag(rows, table, tg.tensor(np.zeros(0, int)), include_last_offset=True)
    with pytest.raises(DTypeError, match="expected integers as offsets, got float32"):
        F.embedding_bag(rows, table, tg.zeros(1))
    with pytest.raises(ShapeError, match=r"per_sample_weights of the shape of input, \(3,\), got"):
        F.embedding_bag(rows, table, tg.tensor([0]), mode="sum", per_sample_weights=tg.ones(2))
    with pytest.raises(NotImplementedError, match="per_sample_weights are for mode 'sum'"):
        F.embedding_bag(rows, table, tg.tensor([0]), per_sample_weights=tg.ones(3))
    with pytest.raises(ValueError, match="expected mode 'sum', 'mean' or 'max', got 'most'"):
        F.embedding_bag(rows, table, tg.tensor([0]), mode="most")
    with pytest.raises(ShapeError, match="EmbeddingBag: expected a padding_idx within the 4 rows"):
        nn.EmbeddingBag(4, 2, padding_idx=-5)
    with pytest.raises(ShapeError, match=r"expected a weight of floats \(count, features\), got"):
        F.embedding(rows, tg.ones(3))
