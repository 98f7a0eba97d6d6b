"""Running sums, products, maxima and minima, and the linear recurrence.

Each step along the running dimension needs the one before, so the work is shared out by the
other dimensions. Where one of these is stepped over in smaller strides, a block of its columns
is run through at once, with one state for each column; else row after row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinygraph.compiler.kernel import Instruction
from tinygraph_numba.kernels.generic import number_name, specialised, work_name
from tinygraph_numba.kernels.index import others
from tinygraph_numba.kernels.spaces import Space, Strides, offset
from tinygraph_numba.language.dialect import (
    address,
    f32,
    i64,
    lanes,
    minimum,
    pointer,
    ptr_f32,
    ptr_i64,
)  # fmt: skip
from tinygraph_numba.plan import Plan

# The words that stand for types; see `generic.py`.
Input = f32
ptr_Input = ptr_f32
Output = f32
ptr_Output = ptr_f32
Work = f32  # of the state
ptr_Work = ptr_f32

# -------------------------------------------------------------------------------------- steps


def add(state: Work, factor: Work, term: Work) -> Work:
    """The running sum."""
    return state + term


def multiply(state: Work, factor: Work, term: Work) -> Work:
    """The running product."""
    return state * term


def larger(state: Work, factor: Work, term: Work) -> Work:
    """The running maximum; NaN stays."""
    return term if term > state or term != term else state


def smaller(state: Work, factor: Work, term: Work) -> Work:
    """The running minimum; NaN stays."""
    return term if term < state or term != term else state


def recur(state: Work, factor: Work, term: Work) -> Work:
    """The linear recurrence."""
    return factor * state + term


step = add  # a word for one of these

# ------------------------------------------------------------------------------------ kernels

# The args; the space of the rows follows. Factors are those of the recurrence; all others have
# the terms there, and do not look at them. ALONG: the strides along the running dimension.
OUT, FACTORS, TERMS, LENGTH, COLUMNS, WIDTH = 0, 1, 2, 3, 4, 5
OUT_ALONG, FACTOR_ALONG, TERM_ALONG = 6, 7, 8
OUT_COLUMN, FACTOR_COLUMN, TERM_COLUMN = 9, 10, 11
OUT_START, FACTOR_START, TERM_START = 12, 13, 14
ROWS = 15


def run_rows(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The rows lo to hi, one after another."""
    out = pointer(Output, args[OUT])
    factors = pointer(Input, args[FACTORS])
    terms = pointer(Input, args[TERMS])
    rows = pointer(i64, address(args, ROWS))
    for row in range(lo, hi):
        to = args[OUT_START] + offset(rows, 0, row)
        factor_at = args[FACTOR_START] + offset(rows, 1, row)
        term_at = args[TERM_START] + offset(rows, 2, row)
        state = Work(terms[term_at])
        out[to] = Output(state)
        for t in range(1, args[LENGTH]):
            factor = Work(factors[factor_at + t * args[FACTOR_ALONG]])
            state = step(state, factor, Work(terms[term_at + t * args[TERM_ALONG]]))
            out[to + t * args[OUT_ALONG]] = Output(state)
    return 0


def run_columns(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The units lo to hi: blocks of columns within rows."""
    states = pointer(Work, scratch)
    rows = pointer(i64, address(args, ROWS))
    blocks = (args[COLUMNS] + args[WIDTH] - 1) // args[WIDTH]
    for unit in range(lo, hi):
        row = unit // blocks
        column = unit % blocks * args[WIDTH]
        width = minimum(args[WIDTH], args[COLUMNS] - column)
        to = args[OUT_START] + offset(rows, 0, row) + column * args[OUT_COLUMN]
        factor_at = args[FACTOR_START] + offset(rows, 1, row) + column * args[FACTOR_COLUMN]
        term_at = args[TERM_START] + offset(rows, 2, row) + column * args[TERM_COLUMN]
        start(args, to, term_at, width, states)
        for _ in range(1, args[LENGTH]):
            to += args[OUT_ALONG]
            factor_at += args[FACTOR_ALONG]
            term_at += args[TERM_ALONG]
            advance(args, to, factor_at, term_at, width, states)
    return 0


def start(args: ptr_i64, to: i64, term_at: i64, width: i64, states: ptr_Work) -> None:
    """The first element of each column."""
    out = pointer(Output, args[OUT])
    terms = pointer(Input, args[TERMS])
    for i in lanes(0, width):
        state = Work(terms[term_at + i * args[TERM_COLUMN]])
        states[i] = state
        out[to + i * args[OUT_COLUMN]] = Output(state)


def advance(
    args: ptr_i64, to: i64, factor_at: i64, term_at: i64, width: i64, states: ptr_Work
) -> None:
    """The next element of each column."""
    out_step = args[OUT_COLUMN]
    factor_step = args[FACTOR_COLUMN]
    term_step = args[TERM_COLUMN]
    if out_step == 1 and factor_step == 1 and term_step == 1:
        advance_by(args, to, 1, factor_at, 1, term_at, 1, width, states)
    else:
        advance_by(args, to, out_step, factor_at, factor_step, term_at, term_step, width, states)


def advance_by(
    args: ptr_i64, to: i64, out_step: i64, factor_at: i64, factor_step: i64, term_at: i64,
    term_step: i64, width: i64, states: ptr_Work,
) -> None:  # fmt: skip
    """The same, with steps that are numbers where they are 1."""
    out = pointer(Output, args[OUT])
    factors = pointer(Input, args[FACTORS])
    terms = pointer(Input, args[TERMS])
    for i in lanes(0, width):
        factor = Work(factors[factor_at + i * factor_step])
        state = step(states[i], factor, Work(terms[term_at + i * term_step]))
        states[i] = state
        out[to + i * out_step] = Output(state)


# -------------------------------------------------------------------------------------- plans

STEPS: dict[str, Callable[..., float]] = {
    "cumsum": add,
    "cumprod": multiply,
    "cummax": larger,
    "cummin": smaller,
    "linear_recurrence": recur,
}
WIDEST = 256  # columns in a block
NARROWEST = 8  # fewer columns are run through one after another
GRAIN = 16384  # elements in a chunk, about


def plan(instruction: Instruction) -> Plan | None:
    """The plan of an instruction of kind cumulative; None where an operand has no memory."""
    factors, terms = instruction.inputs[0], instruction.inputs[-1]
    (out,) = instruction.outputs
    slots = (out, factors, terms)
    if instruction.kernel.name not in STEPS or any(s.storage.place == "index" for s in slots):
        return None
    axis, shape = instruction.params["axis"], out.view.shape
    space = Space(shape, tuple(slot.view.strides for slot in slots))
    rest = space.picked(others(len(shape), [axis])).collapsed()
    along, starts = _directed(space.steps(axis), shape[axis], instruction.params["reverse"])
    rows, columns, column_steps = rest.split()
    by_columns = columns >= NARROWEST and abs(column_steps[0]) < abs(along[0])
    if not by_columns:
        rows, columns, column_steps = rest, 1, (0, 0, 0)
    width = max(1, min(columns, WIDEST))
    return Plan(
        kernel=_kernel(instruction, run_columns if by_columns else run_rows),
        args=(*slots, shape[axis], columns, width, *along, *column_steps, *starts, *rows.args()),
        extent=rows.size * -(-columns // width) if shape[axis] else 0,
        grain=max(1, GRAIN // max(1, shape[axis] * width)),
        scratch=8 * width,
    )


def _directed(steps: Strides, length: int, reverse: bool) -> tuple[Sequence[int], Sequence[int]]:
    """The strides in the direction of the run, and where in each array it starts."""
    if not reverse:
        return steps, [0] * len(steps)
    return [-s for s in steps], [max(length - 1, 0) * s for s in steps]


def _kernel(instruction: Instruction, entry: Callable[..., int]) -> int:
    name = instruction.kernel.name
    given, made = instruction.inputs[-1].dtype, instruction.outputs[0].dtype
    return specialised(
        entry, Input=number_name(given), Output=number_name(made), Work=work_name(made),
        step=STEPS[name].__name__,
    )  # fmt: skip
