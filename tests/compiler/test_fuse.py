"""Fusion: how few kernels there are, and that they mean what the graph means."""

import numpy as np
import pytest
from agreement import agree
from fused import count, run, same, tape_of
from hypothesis import HealthCheck, given, settings
from networks import fed, lenet, training
from plans import check_plan
from random_graphs import programs

import tinygraph as tg
from tinygraph import config, nn, optim
from tinygraph.compiler.compile import compile_graph, make_tape
from tinygraph.compiler.fuse import MAX_STEPS
from tinygraph.graph.graph import Graph
from tinygraph.nn import functional as F
from tinygraph.ops import elementwise as e
from tinygraph.ops.bounds import within
from tinygraph.ops.movement import barrier, broadcast_to, iota, permute, reshape, take_range
from tinygraph.ops.random import random_bits
from tinygraph.ops.reduce import max as reduce_max
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.passes import names
from tinygraph.runtime.backend import named

# ---------------------------------------------------------------------------- kernel counts


def chain(x):
    return tg.sum(F.gelu(x) * tg.sigmoid(x) + tg.tanh(x))


ONE_KERNEL = {
    "softmax": lambda x: F.softmax(x, -1),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "layer norm": lambda x: F.layer_norm(x, (96,)),
    "rms norm": lambda x: x / tg.sqrt(tg.mean(x * x, -1, keepdims=True) + 1e-5),
    "a chain": lambda x: tg.tanh(x * 2.0) + tg.exp(-x) * x,
    "a mean": lambda x: tg.mean(x),
    "the mean of each row": lambda x: tg.mean(x, -1),
    "the sum of each column": lambda x: tg.sum(x * x, 0),
    "two results over one space": lambda x: (tg.sin(x), tg.cos(x)),
    "softmax of what is masked": lambda x: F.softmax(tg.where(x > 0, x, -1e9) * 0.5, -1),
    "a sum of what rows yield": lambda x: tg.sum(F.softmax(x, -1) ** 2),
    "a broadcast of a column": lambda x: x * x[:, :1] + x[:1],
    "a slice, turned around": lambda x: tg.exp(x[:, ::-1][:, 3:50]),
    "rows that are transposed": lambda x: F.softmax(x.T, 0),
    "a sum of what was reshaped": lambda x: tg.sum(F.group_norm(x.reshape((8, 8, 96)), 4) ** 2),
    "the gradient of what is padded": lambda x: tg.grad(lambda a: tg.sum(tg.sin(tg.pad(a, 1))))(x),
}


@pytest.mark.parametrize("name", ONE_KERNEL)
def test_one_kernel(name):
    assert count(ONE_KERNEL[name], (64, 96)) == 1


def test_the_chain_is_one_kernel_each_way():
    assert count(tg.value_and_grad(chain), (64, 96)) == 2


def test_normalisation_with_its_gradient_is_three_kernels():
    """The rows once forward and once backward, the columns once."""

    def function(x, weight, bias):
        return tg.sum(F.softmax(F.layer_norm(x, (96,), weight, bias), -1) ** 2)

    assert count(tg.value_and_grad(function, (0, 1, 2)), (64, 96), (96,), (96,)) <= 3


def cross_entropy(rows=32, classes=10):
    x = tg.placeholder((rows, classes), name="x")
    t = tg.placeholder((rows,), "int64", name="t")
    loss, slope = tg.value_and_grad(lambda x: F.cross_entropy(x, t))(x)
    return tape_of(loss, slope, inputs=[x, t])


def test_cross_entropy_with_its_gradient_is_two_kernels():
    assert len(cross_entropy()) <= 2


def checked(x, size=10):
    return tg.Tensor(within(x.node, size=size, what="class"))


def kernel_names(*outputs, inputs, updates=None):
    return [
        ins.kernel.name for ins in tape_of(*outputs, inputs=inputs, updates=updates).instructions
    ]


def test_what_is_checked_is_checked_as_a_whole():
    """A check is no part of a kernel that meets a part of its elements, or these in another
    order; and where several kernels read what is checked, one of them checks it."""
    x = tg.placeholder((40, 30), "int64", name="x")
    assert kernel_names(checked(x) + 1, inputs=[x]) == ["within_add"]
    for part in (checked(x)[:, :5] + 1, checked(x)[:, ::-1] + 1, checked(x).T + 1):
        first, second = kernel_names(part, inputs=[x])
        assert (first, second) == ("within", "add")
    y = tg.placeholder((40, 30, 20), name="y")
    numbers = checked(x)
    first, second = kernel_names(
        tg.sum(y * numbers[:, :, None], axis=2), tg.exp(numbers.astype("float32")), inputs=[x, y]
    )
    assert ("within" in first) != ("within" in second)


def test_what_is_checked_is_checked_before_state_is_written():
    x = tg.placeholder((40,), "int64", name="x")
    assert kernel_names(checked(x) + 1, inputs=[x], updates={0: 0}) == ["within", "add"]
    assert kernel_names(checked(x), inputs=[x], updates={0: 0}) == ["within"]


def network():
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
                         nn.Linear(32, 10))  # fmt: skip


def step_tape(model, optimizer, shape, classes=10):
    x = tg.placeholder(shape, name="x")
    t = tg.placeholder(shape[:1], "int64", name="t")
    loss = F.cross_entropy(model(x), t)
    with config.override("BACKEND", "numba"):
        return tg.function([x, t], loss, updates=optimizer.minimize(loss)).tape()


def test_adam_on_a_whole_network_is_three_instructions():
    model = network()
    tape = step_tape(model, optim.Adam(model.parameters()), (16, 20))
    updates = [
        ins for ins in tape.instructions
        if any(s.storage.place == "output" and s.storage.index > 0 for s in ins.outputs)
    ]  # fmt: skip
    assert len(updates) <= 3
    assert sum(ins.parts for ins in updates) >= 6


def test_a_training_step_of_lenet():
    graph = training(*lenet(8))
    tape = make_tape(graph, updates={i + 1: i + 2 for i in range(10)}, fuse=True)
    plain = make_tape(graph, updates={i + 1: i + 2 for i in range(10)})
    assert len(tape) <= 40
    assert len(plain) > 2 * len(tape)
    same(tape, plain, [node.shape for node in graph.inputs])


def test_dropout_keeps_no_mask():
    """The random bits are drawn again in the backward pass, in the kernel that needs them."""
    x = tg.placeholder((32, 64), name="x")

    def function(x):
        return tg.sum(tg.exp(F.dropout(x, 0.5, training=True)))

    loss, slope = tg.value_and_grad(function)(x)
    roots = [loss.node, slope.node]
    leaves = [n for n in Graph([], roots).nodes if n.op.leaf]
    tape = make_tape(Graph(leaves, roots), fuse=True)
    assert not [ins for ins in tape.instructions if ins.kernel.kind == "random"]
    written = [slot for ins in tape.instructions for slot in ins.outputs]
    assert {slot.dtype.name for slot in written} == {"float32"}  # neither bits nor a mask


# ------------------------------------------------------------------------- limits and refusals


def test_a_long_chain_becomes_kernels_of_bounded_size():
    x = fed(8)
    y = x
    for _ in range(1000):
        y = e.sin(y) * 0.5
    tape = make_tape(Graph([x], [y]), fuse=True)
    assert max(len(kernel.steps) for kernel in tape.kernels) <= MAX_STEPS + 2
    assert 2000 // MAX_STEPS <= len(tape) <= 2000 // MAX_STEPS + 5
    assert len(tape.kernels) <= 6  # all but the ends are the same


def test_a_refusal_says_why():
    x = fed(64, 64)
    y = e.exp(x)
    tape = make_tape(Graph([x], [reduce_sum(y * permute(y, axes=(1, 0)), axis=(0,),
                                            keepdims=False), y]), fuse=True)  # fmt: skip
    reasons = [str(refusal) for refusal in tape.refusals]
    assert any("exp" in reason and "test_fuse.py" in reason for reason in reasons)


def test_the_kernels_of_other_sizes_are_the_same():
    def kernels_at(rows, columns):
        x = fed(rows, columns)
        shift = reduce_max(x, axis=(1,), keepdims=True)
        y = e.exp(x - broadcast_to(shift, shape=x.shape))
        return make_tape(Graph([x], [y / reduce_sum(y, axis=(1,), keepdims=True)]), fuse=True)

    assert kernels_at(5, 7).kernels == kernels_at(50, 700).kernels


def test_a_barrier_is_respected():
    """What lies behind a barrier is computed after what it waits for."""
    x, g = fed(200, 200, name="x"), fed(200, 200, name="g")
    first = e.exp(x)
    slope = reduce_sum(e.sin(g) * first, axis=(0, 1), keepdims=False)
    again = e.exp(barrier(x, slope))
    tape = make_tape(Graph([x, g], [again * slope, slope]), fuse=True)
    assert len(tape) == 2
    writes = {id(s.storage): k for k, ins in enumerate(tape.instructions) for s in ins.outputs}
    assert writes[id(tape.outputs[1].storage)] < writes[id(tape.outputs[0].storage)]


def test_results_are_written_where_they_are_needed():
    """The parts of a concatenation are computed in their places, and a product is written in the
    order in which it is read."""
    x = tg.placeholder((8, 6), name="x")
    tape = tape_of(tg.concat([tg.sin(x), tg.cos(x[:, :2])], axis=1), inputs=[x])
    assert len(tape) == 2
    a, b = tg.placeholder((2, 3, 4, 5), name="a"), tg.placeholder((2, 3, 5, 6), name="b")
    heads = tg.permute_dims(a @ b, (0, 2, 1, 3))
    tape = tape_of(heads.reshape((2, 4, 18)), inputs=[a, b])
    assert [ins.kernel.kind for ins in tape.instructions] == ["contract"]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_part_and_a_slice_of_it_are_joined(axis):
    """The slice is read from the part, so that the part does not lie within the whole."""

    def joined(x):
        y = tg.sin(x)
        return tg.concat([y[:2, :3], y, y[::-1, ::-1]], axis=axis)

    inputs = [tg.placeholder((2, 3), name="x")]
    output = joined(*inputs)
    same(
        tape_of(output, inputs=inputs), make_tape(Graph([inputs[0].node], [output.node])), [(2, 3)]
    )


AGAIN = {
    "the largest is taken away": lambda x: tg.max(x - tg.max(x) + 1),
    "softmax": lambda x: tg.sum(F.softmax(x, 0) ** 2),
    "variance": tg.var,
    "normalised": lambda x: (x - tg.mean(x)) * tg.rsqrt(tg.var(x) + 0.1),
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_rows_yield_is_run_through_again(name):
    """All rows have to be there before the second time."""
    x = tg.placeholder((9, 20), name="x")
    output = AGAIN[name](tg.sum(x, axis=1))
    same(tape_of(output, inputs=[x]), make_tape(Graph([x.node], [output.node])), [(9, 20)])


def test_state_is_written_last():
    p, x = fed(8, name="p"), fed(8, name="x")
    loss = reduce_sum(e.square(p - x), axis=(0,), keepdims=False)
    tape = make_tape(Graph([p, x], [loss, p - (p - x) * 0.1]), updates={1: 0}, fuse=True)
    writes = [any(s.storage is tape.outputs[1].storage for s in ins.outputs)
              for ins in tape.instructions]  # fmt: skip
    assert writes == sorted(writes)
    assert tape.donated == {1: 0}


@pytest.mark.parametrize("fuse", [False, True])
def test_all_parts_of_what_depends_on_state_are_waited_for(fuse):
    """The parts of the concatenation are copied to it one soon and one late."""
    p = tg.placeholder((4,), name="p")
    value = tg.cumsum(p) * 0.5
    slow = tg.cumsum(tg.cumsum(value) + 1)
    graph = Graph([p.node], [(tg.concat([slow, value]) * 2).node, value.node])
    tape = make_tape(graph, updates={1: 0}, fuse=fuse, loops=True)
    same(tape, make_tape(graph), [(4,)])


# ------------------------------------------------------------------------------ their meaning


@settings(
    max_examples=8 * settings.default.max_examples,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs(most=30))
def test_fused_tapes_mean_what_plain_ones_mean(program):
    tape = make_tape(program.graph, fuse=True)
    check_plan(tape)
    plain = run(make_tape(program.graph), program.arrays)
    for want, have in zip(plain, run(tape, program.arrays), strict=True):
        agree(want, have)


@pytest.mark.parametrize("name", names())
def test_each_pass_can_be_left_out(name):
    graph = training(*lenet(2))
    rng = np.random.default_rng(3)
    arrays = [0.1 * rng.standard_normal(n.shape).astype(n.dtype) for n in graph.inputs]
    want = run(make_tape(graph), arrays)
    with config.override("SKIP", name):
        tape = make_tape(graph, fuse=name != "fuse")
        compiled = compile_graph(graph, named("numba"), (), {})
    for one, other in zip(want, run(tape, arrays), strict=True):
        agree(one, other)
    for one, other in zip(want, compiled(arrays), strict=True):
        agree(one, other)


def test_numbers_and_random_bits_are_made_on_the_spot():
    state = fed(2, name="state", dtype="uint64")
    bits = random_bits(state, shape=(6, 5))
    numbers = reshape(iota(size=5, dtype=bits.dtype), shape=(1, 5))
    mixed = e.bitwise_xor(take_range(bits, 0, 2, 3), numbers)
    graph = Graph([state], [mixed])
    tape = make_tape(graph, fuse=True)
    assert [ins.kernel.kind for ins in tape.instructions] == ["loops"]
    arrays = [np.array([7, 3], np.uint64)]
    for want, have in zip(run(make_tape(graph), arrays), run(tape, arrays), strict=True):
        np.testing.assert_array_equal(want, have)
