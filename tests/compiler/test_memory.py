"""The memory plan: nothing that is needed is written over, and little is wasted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import fed, lenet, training
from plans import arena_storages, check_plan, lifetimes, most_alive

from tinygraph.compiler.compile import make_tape
from tinygraph.compiler.kernel import Instruction, Slot, Storage, View, single
from tinygraph.compiler.memory import plan
from tinygraph.compiler.schedule import Schedule
from tinygraph.compiler.tape import Tape
from tinygraph.graph.graph import Graph
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import matmul
from tinygraph.ops.movement import permute, reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum

F4 = np.dtype("float32")


def tape_of(inputs, *outputs, **options):
    return make_tape(Graph(inputs, outputs), **options)


def names(tape):
    return [instruction.kernel.name for instruction in tape.instructions]


def place_of(tape, name):
    """The storage that the only instruction of this name writes."""
    (found,) = (i.outputs[0].storage for i in tape.instructions if i.kernel.name == name)
    return found


# -------------------------------------------------------------------------------- in place


def test_a_chain_runs_in_one_buffer():
    x = fed(100)
    node = x
    for _ in range(9):
        node = e.sin(e.cos(node))
    tape = tape_of([x], e.exp(node))
    assert len({storage.offset for storage in arena_storages(tape)}) == 1
    assert tape.memory.peak == tape.memory.lower_bound == 448  # 400 bytes, in lines of 64
    assert tape.memory.in_place == 17
    check_plan(tape)


def test_what_is_needed_later_is_not_written_over():
    x = fed(100)
    y = e.sin(x)
    z = e.cos(y)
    tape = tape_of([x], e.exp(z + y))
    assert place_of(tape, "cos").offset != place_of(tape, "sin").offset
    check_plan(tape)


def test_an_input_of_another_layout_is_not_written_over():
    x = fed(10, 10)
    y = e.sin(x)
    tape = tape_of([x], e.exp(e.cos(permute(y, axes=(1, 0)))))
    assert names(tape) == ["sin", "cos", "exp"]
    assert place_of(tape, "cos").offset != place_of(tape, "sin").offset


def test_an_input_that_is_read_twice_in_two_layouts_is_not_written_over():
    x = fed(10, 10)
    y = e.sin(x)
    tape = tape_of([x], e.exp(y + permute(y, axes=(1, 0))))
    assert place_of(tape, "add").offset != place_of(tape, "sin").offset


def test_an_input_of_another_size_or_dtype_is_not_written_over():
    x = fed(10)
    row = e.sin(take_range(x, 0, 0, 1))
    tape = tape_of([x], e.exp(e.cos(row + fed(10, name="y"))), e.sin(x) > 0.5)
    check_plan(tape)


@pytest.mark.parametrize(
    "build",
    [
        lambda y: matmul(y, y),
        lambda y: reduce_sum(y, axis=(1,), keepdims=True) + y,
        lambda y: e.where(y > 0, y, -y),
    ],
)
def test_ops_that_cannot_write_on_their_input_do_not(build):
    x = fed(10, 10)
    tape = tape_of([x], e.exp(build(e.sin(x))))
    check_plan(tape)


def test_inputs_constants_and_outputs_are_not_in_the_arena():
    x = fed(100)
    y = e.sin(x)
    tape = tape_of([x], y, e.cos(y) + 1.0)
    places = [slot.storage.place for slot in tape.outputs]
    assert places == ["output", "output"]
    assert tape.inputs[0].storage.place == "input"
    assert [slot.storage.place for slot in tape.constant_slots] == ["const"]
    assert len(arena_storages(tape)) == 1


# ----------------------------------------------------------------------------------- views


def test_views_share_their_inputs_storage_and_cost_no_instruction():
    x = fed(4, 6)
    y = permute(reshape(x, shape=(6, 4)), axes=(1, 0))
    tape = tape_of([x], e.sin(take_range(y, 0, 1, 2)))
    assert names(tape) == ["sin"]
    assert tape.instructions[0].inputs[0].storage is tape.inputs[0].storage


def test_a_view_keeps_its_storage_alive():
    x = fed(100)
    y = e.sin(x)
    first = take_range(y, 0, 0, 10)
    other = e.cos(x)
    for _ in range(3):
        other = e.exp(e.cos(other) + 1.0)
    tape = tape_of([x], reduce_sum(other, axis=(0,), keepdims=True) * first)
    check_plan(tape)
    alive = lifetimes(tape)[id(place_of(tape, "sin"))]
    assert alive[1] == len(tape) - 1


def test_a_reshape_of_a_transposed_array_is_copied():
    x = fed(4, 6)
    y = reshape(permute(x, axes=(1, 0)), shape=(24,))
    assert names(tape_of([x], e.sin(y))) == ["reshape", "sin"]


def test_an_output_that_is_a_view_is_copied():
    x = fed(4, 6)
    tape = tape_of([x], permute(x, axes=(1, 0)), x)
    assert names(tape) == ["identity", "identity"]


# ------------------------------------------------------------------------------- whole graphs


def test_the_plan_of_a_training_step():
    tape = make_tape(training(*lenet(16)))
    check_plan(tape)
    assert tape.memory.peak <= 1.5 * tape.memory.lower_bound
    together = sum(storage.nbytes for storage in arena_storages(tape))
    assert tape.memory.peak < together / 2
    assert most_alive(tape) <= tape.memory.lower_bound


@st.composite
def random_programs(draw):
    """Instructions that read any earlier arrays and write new ones, some of them in place."""
    program = Schedule()
    sizes = draw(st.lists(st.sampled_from((0, 1, 16, 17, 64, 100)), min_size=1, max_size=25))

    def slot(place, size):
        storage = Storage(place, 0, size * 4)
        made = Slot(len(program.slots), storage, View(0, (size,), (1,)), F4)
        program.slots.append(made)
        return made

    arrays = [slot("input", 16)]
    node = {True: e.add(fed(1), fed(1)), False: matmul(fed(1, 1), fed(1, 1))}
    for size in sizes:
        reads = tuple(draw(st.sampled_from(arrays)) for _ in range(2))
        written = tuple(slot("arena", size) for _ in range(draw(st.sampled_from((1, 1, 2)))))
        kernel = single(node[draw(st.booleans())])
        program.instructions.append(Instruction(kernel, reads, written, {}, node[True].origin))
        arrays += written
    for now, instruction in enumerate(program.instructions):
        for used in (*instruction.inputs, *instruction.outputs):
            used.storage.last = now
            used.storage.first = now if used.storage.first < 0 else used.storage.first
    return program


@given(random_programs())
def test_no_two_live_storages_of_a_random_program_overlap(program):
    memory = plan(program)
    check_plan(Tape(
        tuple(program.instructions), (), (), (), (), tuple(program.slots), memory, {}, ()
    ))  # fmt: skip


# ---------------------------------------------------------------------------------- donations


def donated(inputs, outputs, updates):
    return dict(make_tape(Graph(inputs, outputs), updates=updates).donated)


def test_the_next_value_of_a_parameter_is_written_onto_it():
    p, g = fed(8, name="p"), fed(8, name="g")
    assert donated([p, g], [p - g * 0.1], {0: 0}) == {0: 0}


def test_not_where_the_old_value_is_read_in_another_layout():
    p = fed(8, 8, name="p")
    assert donated([p], [p + permute(p, axes=(1, 0))], {0: 0}) == {}


def test_not_where_the_op_cannot_write_on_its_input():
    p = fed(8, 8, name="p")
    assert donated([p], [matmul(p, p)], {0: 0}) == {}


def test_not_where_the_old_value_is_read_later():
    p, q = fed(8, name="p"), fed(8, name="q")
    assert donated([p, q], [q * 0.5, p + q], {0: 1, 1: 0}) != {0: 1, 1: 0}
    assert donated([p, q], [q * 0.5, p + q], {0: 1}) in ({}, {0: 1})


def test_state_that_changes_places_is_not_lost():
    """p and q take each other's value: neither may be written before the other is read."""
    p, q = fed(8, name="p"), fed(8, name="q")
    tape = make_tape(Graph([p, q], [q + 0.0, p + 0.0]), updates={0: 0, 1: 1})
    assert len(tape.donated) < 2


@pytest.mark.parametrize("fuse", [False, True])
def test_state_without_elements(fuse):
    """Nothing writes its next value."""
    p, q = fed(0, 3, name="p"), fed(4, name="q")
    graph = Graph([p, q], [p * 2.0, q * 2.0])
    assert make_tape(graph, updates={0: 0, 1: 1}, fuse=fuse, loops=True).donated[1] == 1
