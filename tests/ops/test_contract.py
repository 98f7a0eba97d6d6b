"""matmul and einsum against NumPy, their gradients, and what they cost in nodes."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import ALL, is_bool
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.specialise import specialise
from tinygraph.ops.contract import dot_general, matmul
from tinygraph.ops.einsum import einsum
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.rules import full
from tinygraph.runtime.interpret import interpret


def leaf(shape, dtype="float64"):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(tuple(shape), np.dtype(dtype)), grad=True)


def run(nodes, outputs, arrays):
    return interpret(Graph(nodes, outputs), dict(zip(nodes, arrays, strict=True)), np)


def check(build, arrays, want, rtol=1e-10):
    """The value of `build(*nodes)`, and its gradient against a step along a random direction."""
    nodes = [leaf(x.shape) for x in arrays]
    out = build(*nodes)
    got = run(nodes, [out], arrays)[0]
    assert got.shape == out.shape == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-12)
    rng = np.random.default_rng(0)
    seed, g = leaf(out.shape), rng.standard_normal(out.shape)
    grads = gradients([out], [seed], nodes)
    slopes = run([*nodes, seed], grads, [*arrays, g])
    for i, slope in enumerate(slopes):  # multilinear: the difference is the derivative
        step = rng.standard_normal(arrays[i].shape)
        moved = [x + step if i == j else x for j, x in enumerate(arrays)]
        change = np.sum(g * (run(nodes, [out], moved)[0] - got))
        np.testing.assert_allclose(np.sum(slope * step), change, rtol=1e-8, atol=1e-9)


SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)), ((1, 2, 3), (5, 3, 4)), ((1, 2, 3), (1, 3, 4)), ((6, 1, 2, 3), (1, 5, 3, 4)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((5, 1, 1), (1, 1)), ((0, 2, 3), (1, 3, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_matmul_follows_numpy(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    check(matmul, [x, y], np.matmul(x, y))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((2, 3), (4, 5), "matmul: shapes (2, 3) and (4, 5): the sizes 3 and 4 to sum over differ"),
        ((2, 1), (4, 5), "the sizes 1 and 4 to sum over differ"),
        ((2, 3, 4), (3, 4, 5), "the batch sizes 2 and 3 differ and neither is 1"),
        ((), (3,), "both need at least one dimension; multiply numbers with *"),
    ],
)
def test_matmul_says_which_shapes_do_not_fit(a, b, message):
    with pytest.raises(ShapeError) as caught:
        matmul(leaf(a), leaf(b))
    assert message in str(caught.value)


def test_a_batch_against_a_matrix_is_one_product_without_copies():
    x, w = leaf((8, 5, 3)), leaf((3, 4))
    out = matmul(x, w)
    assert out.op is dot_general
    assert out.params["batch"] == ((), ())
    (dw,) = gradients([out], [leaf(out.shape)], [w])
    assert dw.op is dot_general
    assert dw.params["contract"] == ((0, 1), (0, 1))


def test_the_gradients_of_a_matrix_product_need_no_permutation():
    for contract in (((1,), (0,)), ((1,), (1,)), ((0,), (0,))):
        x, w = leaf((3, 3)), leaf((3, 3))
        out = dot_general(x, w, contract=contract, batch=((), ()))
        for g in gradients([out], [leaf(out.shape)], [x, w]):
            assert g.op is dot_general


@pytest.mark.parametrize("dtype", [d for d in ALL if not is_bool(d)], ids=str)
def test_every_dtype_is_kept(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    a, b = leaf(x.shape, dtype), leaf(x.T.shape, dtype)
    for out in (matmul(a, b), einsum("ij,jk->ik", a, b)):
        got = run([a, b], [out], [x, x.T])[0]
        assert got.dtype == out.dtype == dtype
        np.testing.assert_array_equal(got.astype(float), [[5, 14], [14, 50]])
    total = einsum("ij->", a)
    assert run([a], [total], [x])[0].dtype == total.dtype == dtype


def test_sums_of_16_bit_floats_are_formed_in_32_bits():
    x = np.ones((1, 8192), "float16")
    a, b = leaf(x.shape, "float16"), leaf(x.T.shape, "float16")
    assert float(run([a, b], [matmul(a, b)], [x, x.T])[0].item()) == 8192


def test_operands_of_any_layout_and_a_given_result():
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((4, 6, 8))
    views = [wide, wide[::2, ::-1, ::3], wide.transpose(2, 0, 1), np.broadcast_to(1.5, (2, 3, 4))]
    for x in views:
        for y in views:
            contract = ((x.ndim - 1,), (x.ndim - 1,))
            y = np.ascontiguousarray(np.resize(y, (2, 3, x.shape[-1])).T).T
            want = np.tensordot(x, y, axes=contract)
            out = np.full(want.shape, np.nan)
            dot_general.eval(np, x, y, contract=contract, batch=((), ()), out=out)
            np.testing.assert_allclose(out, want)


EXPRESSIONS = [
    "ij,jk->ik", "ij,jk", "ij,ij->", "ij,ij->ij", "i,j->ij", "i,j->ji", "ij->ji", "ij->", "ij->i",
    "ii->", "ii->i", "iij->j", "iii->i", "iij->ij", "bij,bjk->bik", "bhtd,bhsd->bhts",
    "bhts,bhsd->bthd", "ij,jk,kl->il", "ij,jk,kl,lm->im", "i,i,i->i", "i,i,i->", "ij,k->",
    "ij,ik,il->jkl", "ijk,jil->kl", "ba", "bA", "ijj,jk->ik", "i,->i", ",->", "->",
    "...ij,...jk->...ik", "...i->...", "i...->...i", "...,...->...", "...ii->...i", "ij...,j->i...",
    "... ij , jk", "a...b,b...c", "...", "...i,i", "abc,cd,def->fea",
]  # fmt: skip


def operands(spec, rng):
    """Arrays that fit the expression; '...' stands for none, one or two dimensions."""
    sizes = {letter: int(rng.integers(1, 4)) for letter in "abcdefghijklmnopqrstuvwxyzA"}
    shapes = []
    for part in spec.replace(" ", "").split("->")[0].split(","):
        head, dots, tail = part.partition("...")
        middle = (2, 3)[int(rng.integers(0, 3)) :] if dots else ()
        shapes.append((*[sizes[x] for x in head], *middle, *[sizes[x] for x in tail]))
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("spec", EXPRESSIONS)
def test_einsum_follows_numpy(spec):
    for seed in range(3):
        arrays = operands(spec, np.random.default_rng(seed))
        check(partial(einsum, spec), arrays, np.einsum(spec, *arrays))


@given(st.data())
def test_random_expressions_follow_numpy(data):
    letters = st.text("ijkl", min_size=0, max_size=3)
    parts = data.draw(st.lists(letters, min_size=1, max_size=4))
    present = sorted(set("".join(parts)))
    output = "".join(data.draw(st.permutations(present)))[: data.draw(st.integers(0, 3))]
    spec = ",".join(parts) + data.draw(st.sampled_from(["", "->" + output]))
    arrays = operands(spec, np.random.default_rng(data.draw(st.integers(0, 9))))
    check(partial(einsum, spec), arrays, np.einsum(spec, *arrays))


def test_a_size_of_one_broadcasts():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1, 3)), rng.standard_normal((2, 3))
    check(lambda a, b: einsum("ij,ij->ij", a, b), [x, y], x * y)
    z = rng.standard_normal((4, 1, 3))
    check(lambda a, b: einsum("...i,...i->...", a, b), [z, y], np.sum(z * y, -1))


def test_a_chain_is_contracted_from_its_cheap_end():
    """(1000, 1000) @ (1000, 1000) is never formed where a vector waits at the end."""
    a, b, v = leaf((1000, 1000)), leaf((1000, 1000)), leaf((1000,))
    out = einsum("ij,jk,k->i", a, b, v)
    built = [node for node in Graph([a, b, v], [out]).nodes if node.inputs]
    assert max(np.prod(node.shape) for node in built) == 1000


@pytest.mark.parametrize(
    ("spec", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3)], "it describes 2 operands, 1 were given"),
        ("ij->i", [(2, 3, 4)], "'ij' has 2 indices for 3 dimensions"),
        ("ijk...->i", [(2, 3)], "'ijk...' has 3 indices for 2 dimensions"),
        ("ij,jk->ik", [(2, 3), (4, 5)], "index 'j' has the sizes 3 and 4"),
        ("ii->i", [(2, 3)], "index 'i' has the sizes"),
        ("ii->i", [(1, 3)], "index 'i' has the sizes [1, 3] in one operand"),
        ("ij->ik", [(2, 3)], "the result's index 'k' is in no operand"),
        ("ij->ii", [(2, 3)], "the result has the index 'i' twice"),
        ("i1->i", [(2, 3)], "'1' is no index"),
        ("i..->i", [(2, 3)], "'.' is no index"),
        ("ij->k->i", [(2, 3)], "'-' is no index"),
        ("...i->i", [(2, 3)], "the result must have '...'"),
        ("...i,...i->...", [(2, 3), (4, 3)], "has the sizes 2 and 4"),
    ],
)
def test_einsum_says_what_is_wrong(spec, shapes, message):
    with pytest.raises(ShapeError) as caught:
        einsum(spec, *[leaf(shape) for shape in shapes])
    assert message in str(caught.value)
    assert repr(spec) in str(caught.value)


def test_einsum_is_not_defined_on_bool():
    with pytest.raises(DTypeError, match="not defined on bool"):
        einsum("i,i->", leaf((2,), "bool"), leaf((2,), "bool"))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_open_sizes(size):
    n = Dim.symbol("n")
    x, w, y = leaf((n, 4, 3)), leaf((3, 2)), leaf((n, 4, 2))
    product = matmul(x, w)
    assert product.shape == (n, 4, 2)
    batch = matmul(x, leaf((1, 3, 2)))
    assert batch.shape == (n, 4, 2)
    total = reduce_sum(einsum("nij,jk,nik->i", x, w, y), axis=(0,), keepdims=False)
    (dx,) = gradients([total], [full((), 1, total.dtype)], [x])
    graph = specialise(Graph([x, w, y], [total, dx]), {"n": size})
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((size, 4, 3), (3, 2), (size, 4, 2))]
    got, slope = interpret(graph, dict(zip(graph.inputs, arrays, strict=True)), np)
    np.testing.assert_allclose(got, np.einsum("nij,jk,nik->", *arrays))
    np.testing.assert_allclose(slope, np.einsum("jk,nik->nij", *arrays[1:]))
