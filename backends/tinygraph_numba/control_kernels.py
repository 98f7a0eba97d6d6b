"""The kernels of scan, cond and while_loop: instructions that run tapes of their own.

Written in the kernel language; `control.py` makes their args. The state of a body, its arena and
the places where carries wait lie in the memory that the instruction shares, whose address is the
last of the args. A body reads and writes wherever its bases say: a scan moves these from step to
step, so nothing is copied between the body and what is around it. A carry goes to and fro between
the place of the result and a place of its own, so that a step never writes what it reads.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import i64, lanes, pointer, ptr_i64, u8
from tinygraph_numba.machine import bases_of, prepare, run

# ----------------------------------------------------------------------------------- the args

RUNNING = 0  # which body ran last
BODIES = 1  # two rows, the second of a scan unused:
BODY_SIZE = 3
TEMPLATE = 0
COUNT = 1  # of its instructions
STATE = 2  # its place in the shared memory
BASES = 7  # how many there are: the inputs of the body, then its outputs
INPUTS = 8
CARRIES = 9
LENGTH = 10  # the steps of a scan
CHOICE = 11  # of a cond the address of its predicate, of a while_loop its place in shared memory
ROWS = 12
# A row for each base:
ROW_SIZE = 2
FIRST = 0  # its address at the first step
STEP = 1  # bytes to that at the next one
# Behind these, a row for each carry:
CARRY_SIZE = 2
NBYTES = 0
ROOM = 1  # the place in shared memory where it is at every second step

# ---------------------------------------------------------------------------------- the kernels


def scan(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Run the body LENGTH times."""
    state = opened(args, 0)
    length = args[LENGTH]
    if length == 0:
        for k in range(args[CARRIES]):
            settle(args, k, first(args, k))
        return 0
    bases = bases_of(state)
    for k in range(args[BASES]):
        bases[k] = first(args, k)
    if length % 2 == 0:  # the last step writes to where the result is
        for k in range(args[CARRIES]):
            bases[args[INPUTS] + k] = waiting(args, k)
    for _ in range(length):
        status = run(state, 0, args[BODIES + COUNT], scratch)
        if status != 0:
            return status
        for k in range(args[BASES]):
            bases[k] += args[ROWS + k * ROW_SIZE + STEP]
        hand_on(args, bases)
    return 0


def cond(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Run the first body if the predicate holds, else the second."""
    choice = pointer(u8, args[CHOICE])
    number = 0
    if choice[0] == 0:
        number = 1
    state = opened(args, number)
    bases = bases_of(state)
    for k in range(args[BASES]):
        bases[k] = first(args, k)
    return run(state, 0, args[BODIES + number * BODY_SIZE + COUNT], scratch)


def while_loop(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Run the second body as long as the first yields true."""
    test = opened(args, 0)
    state = opened(args, 1)
    asked = bases_of(test)
    bases = bases_of(state)
    for k in range(args[BASES]):
        bases[k] = first(args, k)
    for k in range(args[INPUTS]):
        asked[k] = first(args, k)
    asked[args[INPUTS]] = shared(args) + args[CHOICE]
    answer = pointer(u8, shared(args) + args[CHOICE])
    status = ask(args, test, scratch)
    while status == 0 and answer[0] != 0:
        args[RUNNING] = 1
        status = run(state, 0, args[BODIES + BODY_SIZE + COUNT], scratch)
        if status != 0:
            return status
        hand_on(args, bases)
        for k in range(args[CARRIES]):
            asked[k] = bases[k]
        status = ask(args, test, scratch)
    for k in range(args[CARRIES]):
        settle(args, k, bases[k])
    return status


# ------------------------------------------------------------------------------------- their parts


def shared(args: ptr_i64) -> i64:
    """The address of the shared memory."""
    return args[carry(args, args[CARRIES])]


def carry(args: ptr_i64, k: i64) -> i64:
    """Where the row of carry k is among the args."""
    return ROWS + args[BASES] * ROW_SIZE + k * CARRY_SIZE


def first(args: ptr_i64, k: i64) -> i64:
    """Base k at the first step."""
    return args[ROWS + k * ROW_SIZE + FIRST]


def waiting(args: ptr_i64, k: i64) -> i64:
    """The place of carry k that is not that of the result."""
    return shared(args) + args[carry(args, k) + ROOM]


def opened(args: ptr_i64, number: i64) -> ptr_i64:
    """The state of a body, but for its bases."""
    args[RUNNING] = number
    row = BODIES + number * BODY_SIZE
    state = pointer(i64, shared(args) + args[row + STATE])
    prepare(pointer(i64, args[row + TEMPLATE]), state)
    return state


def ask(args: ptr_i64, test: ptr_i64, scratch: i64) -> i64:
    """Run the body that says whether to go on."""
    args[RUNNING] = 0
    return run(test, 0, args[BODIES + COUNT], scratch)


def hand_on(args: ptr_i64, bases: ptr_i64) -> None:
    """Let the carries that a step has written be those that the next one reads."""
    for k in range(args[CARRIES]):
        written = bases[args[INPUTS] + k]
        bases[k] = written
        result = first(args, args[INPUTS] + k)
        bases[args[INPUTS] + k] = result
        if written == result:
            bases[args[INPUTS] + k] = waiting(args, k)


def settle(args: ptr_i64, k: i64, place: i64) -> None:
    """Bring carry k to where the result is, if it is not there."""
    result = first(args, args[INPUTS] + k)
    if place != result:
        source = pointer(u8, place)
        target = pointer(u8, result)
        for i in lanes(0, args[carry(args, k) + NBYTES]):
            target[i] = source[i]
