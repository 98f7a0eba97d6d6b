"""The tape machine: walks a table of instructions and calls each kernel by its address.

Written in the kernel language; `link.py` makes the tables, `pool.py` and `host.py` the rest of
what stands in memory. Every function here that is called from outside has the signature of a
kernel, so a tape is a kernel too: `run` runs the instructions [lo, hi) of a state. That is how
the body of a loop is run.

Four records, all of 64-bit words, at the places that the names below give:

    template   what is fixed of a linked tape: where its tables are, and the args of its kernels
    state      a copy of the template for one run. In it, bases are the addresses of the arena, of
               the inputs and of the outputs, and the args that are addresses are set from these
    context    what belongs to the thread that runs; stands right before its scratch memory
    pool       what the threads share: the job under way, and a bed for each worker to sleep in
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    address,
    atomic_add,
    atomic_load,
    atomic_store,
    call,
    i32,
    i64,
    minimum,
    pause,
    pointer,
    ptr_i64,
    stack,
    u8,
)

WORD = 8  # bytes

# ------------------------------------------------------------------------- template and state
ROWS = 0  # the address of the table of instructions
PATCHES = 1  # the address of the table of args that are addresses
PATCH_COUNT = 2
POOL = 3  # the address of the pool
STATE_AT = 4  # where the state stands, in bytes from the scratch memory
SIZE = 5  # of template and state, in words
BASE_COUNT = 6  # without the arena
HEAD = 7  # the size of what every Python object begins with, in words
WHOLE_FROM = 8  # the first instruction that writes onto state: from there on runs are not stopped
AT = 9  # the instruction being run
DONE = 10  # of a run from Python: an array of one bool, which tells that all is done
BASES = 11  # the arena; then inputs and outputs; then the args

# Of a row of the table of instructions.
ROW_SIZE = 8
KERNEL = 0
ARGS = 1  # their place in the state
EXTENT = 2
GRAIN = 3
CHUNKS = 4
FINISH = 5
BEFORE = 6

# Of a row of the table of patches: state[PLACE] = state[BASE] + OFFSET.
PATCH_SIZE = 3
PLACE = 0
BASE = 1
OFFSET = 2

# -------------------------------------------------------------------------------------- context
CONTEXT_SIZE = 16  # words
POOL_HERE = 0
THREAD = 1  # Python's record of this thread while it does not hold the GIL, else 0
WORK = 2  # chunks since the last look at the clock
LOOKED = 3  # when signals were looked for, in nanoseconds; 0 at the start of a run
WHOLE = 4  # whether the run must come to its end now
SAVE = 5  # functions of Python: let go of the GIL
RESTORE = 6  # take it
SIGNALS = 7  # run the handlers of signals that have come
CALL = 8  # call an object with one argument
NUMBER = 9  # make an int
RELEASE = 10  # give an object back
CLOCK = 11  # a function of the system, and which of its clocks we ask
CLOCK_ID = 12

# ----------------------------------------------------------------------------------------- pool
# What one thread writes often stands in a line of its own.
OPEN = 0  # the number of chunks of the job that may be entered; 0 for none
NEXT = 8  # the next chunk to take
INSIDE = 16  # workers that look at the job
OWNER = 24  # above 0 while a run uses the pool
JOB = 32  # kernel, args, extent, grain as in a row; then the status
STATUS = 36
STOP = 40
WORKERS = 41
SPINS = 42  # how often a worker looks for work before it goes to sleep
SLEEP = 43  # functions: wait for a lock
WAKE = 44  # give it back
YIELD = 45  # let other threads have the processor
BEDS = 48  # one for each worker:
BED_SIZE = 8
ASLEEP = 0
LOCK = 1
SCRATCH = 2  # the address of the worker's own memory

# -------------------------------------------------------------------------------------- measures
OFTEN = 16  # chunks from one look at the clock to the next
INTERVAL = 20_000_000  # nanoseconds from one look for signals to the next
PATIENCE = 2000  # pauses before a thread that waits for others lets the system run these


def start(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """A run from Python, by a thread that holds the GIL: instructions [lo, hi) of the template.

    Where the state will have its bases stand the arrays, as objects; before them the one that
    tells that all is done. An interrupt that was held back is raised right after that.
    """
    context = context_of(scratch)
    context[POOL_HERE] = args[POOL]
    context[THREAD] = 0
    context[WORK] = 0
    context[LOOKED] = 0
    context[WHOLE] = 0
    state = pointer(i64, scratch + args[STATE_AT])
    done = pointer(u8, data_of(state[DONE], args[HEAD]))
    for k in range(BASES + 1, BASES + 1 + args[BASE_COUNT]):
        state[k] = data_of(state[k], args[HEAD])
    prepare(args, state)
    status = run(state, lo, hi, scratch)
    if status == 0:
        done[0] = 1
    hold(context)
    return status


def data_of(array: i64, head: i64) -> i64:
    """Where the data of a NumPy array are: that is its first field after the head."""
    fields = pointer(i64, array)
    return fields[head]


def context_of(scratch: i64) -> ptr_i64:
    """The context of the thread whose scratch memory this is."""
    return pointer(i64, scratch - CONTEXT_SIZE * WORD)


def prepare(template: ptr_i64, state: ptr_i64) -> None:
    """Fill a state, but for the bases of inputs and outputs. The arena is right behind it."""
    for k in range(BASES):
        state[k] = template[k]
    for k in range(BASES + 1 + template[BASE_COUNT], template[SIZE]):
        state[k] = template[k]
    state[BASES] = address(state, template[SIZE])


def bases_of(state: ptr_i64) -> ptr_i64:
    """Where the addresses of inputs and then outputs stand, for whoever runs a tape within a
    tape: `prepare` a state in memory for `Linked.nbytes`, set these, `run`, set them anew ..."""
    return pointer(i64, address(state, BASES + 1))


def run(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Run the instructions [lo, hi) of the state at `args`. The status of the one that failed."""
    context = context_of(scratch)
    patch(args)
    for number in range(lo, hi):
        args[AT] = number
        if number >= args[WHOLE_FROM]:
            context[WHOLE] = 1
        row = pointer(i64, args[ROWS] + number * (ROW_SIZE * WORD))
        status = step(row, args, scratch)
        if status != 0:
            return status
        context[WORK] += row[CHUNKS]
        if context[WORK] >= OFTEN:
            status = look(context)
            if status != 0:
                return status
    return 0


def patch(state: ptr_i64) -> None:
    """Set the args that are addresses."""
    table = pointer(i64, state[PATCHES])
    for k in range(0, state[PATCH_COUNT] * PATCH_SIZE, PATCH_SIZE):
        state[table[k + PLACE]] = state[table[k + BASE]] + table[k + OFFSET]


def step(row: ptr_i64, state: ptr_i64, scratch: i64) -> i64:
    """Run one instruction."""
    args = address(state, row[ARGS])
    chunks = row[CHUNKS]
    status = 0
    if row[BEFORE] != 0:
        status = call(row[BEFORE], args, 0, chunks, scratch)
        if status != 0:
            return status
    if chunks == 1:
        status = call(row[KERNEL], args, 0, row[EXTENT], scratch)
    else:
        status = several(row, args, chunks, scratch)
    if status != 0 or row[FINISH] == 0:
        return status
    return call(row[FINISH], args, 0, chunks, scratch)


def several(row: ptr_i64, args: i64, chunks: i64, scratch: i64) -> i64:
    """Run an instruction of several chunks, with the workers if no other run uses these."""
    context = context_of(scratch)
    pool = pointer(i64, context[POOL_HERE])
    if pool[WORKERS] == 0:
        return alone(row, args, scratch)
    status = 0
    if atomic_add(pool, OWNER, 1) == 0:
        let_go(context)
        status = together(pool, row, args, chunks, scratch)
    else:
        status = alone(row, args, scratch)
    atomic_add(pool, OWNER, -1)
    return status


def alone(row: ptr_i64, args: i64, scratch: i64) -> i64:
    """Run all chunks of an instruction in this thread."""
    extent = row[EXTENT]
    grain = row[GRAIN]
    for lo in range(0, extent, grain):
        status = call(row[KERNEL], args, lo, minimum(lo + grain, extent), scratch)
        if status != 0:
            return status
    return 0


# ---------------------------------------------------------------------------------- the workers


def together(pool: ptr_i64, row: ptr_i64, args: i64, chunks: i64, scratch: i64) -> i64:
    """Run an instruction with the workers.

    The job must not change while some worker looks at it. A worker counts itself in before it
    takes a chunk, and looks whether the job is open after that; here the job is closed first,
    then we wait until nobody is inside. So either the worker finds it closed, or we wait for it.
    """
    pool[JOB + KERNEL] = row[KERNEL]
    pool[JOB + ARGS] = args
    pool[JOB + EXTENT] = row[EXTENT]
    pool[JOB + GRAIN] = row[GRAIN]
    pool[STATUS] = 0
    atomic_store(pool, NEXT, 0)
    atomic_store(pool, OPEN, chunks)
    wake(pool, chunks - 1)
    take(pool, scratch)
    atomic_store(pool, OPEN, 0)
    waited = 0
    while atomic_load(pool, INSIDE) != 0:
        pause()
        waited += 1
        if waited > PATIENCE:
            call(pool[YIELD])
    status = atomic_load(pool, STATUS)
    if status != 0:
        # What a failed chunk wrote into args is whatever thread came last. Once more and in
        # order, so that the error is that of the first, for any number of threads.
        again = alone(row, args, scratch)
        if again != 0:
            status = again
    return status


def take(pool: ptr_i64, scratch: i64) -> None:
    """Run chunks of the job until there is none."""
    extent = pool[JOB + EXTENT]
    grain = pool[JOB + GRAIN]
    chunks = atomic_load(pool, OPEN)
    chunk = atomic_add(pool, NEXT, 1)
    while chunk < chunks:
        lo = chunk * grain
        hi = minimum(lo + grain, extent)
        status = call(pool[JOB + KERNEL], pool[JOB + ARGS], lo, hi, scratch)
        if status != 0:
            atomic_store(pool, STATUS, status)
            atomic_store(pool, NEXT, chunks)
        chunk = atomic_add(pool, NEXT, 1)


def work(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The life of worker `lo` of the pool at `args`: until it is told to stop."""
    bed = BEDS + lo * BED_SIZE
    idle = 0
    while atomic_load(args, STOP) == 0:
        if has_work(args):
            atomic_add(args, INSIDE, 1)
            if atomic_load(args, OPEN) != 0:
                take(args, args[bed + SCRATCH])
            atomic_add(args, INSIDE, -1)
            idle = 0
        elif idle < args[SPINS]:
            pause()
            idle += 1
        else:
            sleep(args, bed)
            idle = 0
    return 0


def has_work(pool: ptr_i64) -> bool:
    """Whether the job has a chunk that nobody took."""
    return atomic_load(pool, NEXT) < atomic_load(pool, OPEN)


def sleep(pool: ptr_i64, bed: i64) -> None:
    """Sleep until somebody claims the bed and gives its lock back; only one can claim it.

    Work may come between the last look and the word that we are asleep. So there is one more
    look after it; then we claim the bed ourselves, unless the waker was faster.
    """
    atomic_store(pool, bed + ASLEEP, 1)
    needed = has_work(pool) or atomic_load(pool, STOP) != 0
    if not needed:
        call(pool[SLEEP], pool[bed + LOCK], 1)
    elif not claimed(pool, bed):
        call(pool[SLEEP], pool[bed + LOCK], 1)  # this does not last


def claimed(pool: ptr_i64, bed: i64) -> bool:
    """Claim a bed whose worker sleeps. False if somebody else did."""
    return atomic_add(pool, bed + ASLEEP, -1) == 1


def wake(pool: ptr_i64, wanted: i64) -> None:
    """Let `wanted` workers be awake."""
    for k in range(minimum(pool[WORKERS], wanted)):
        bed = BEDS + k * BED_SIZE
        if atomic_load(pool, bed + ASLEEP) != 1:
            continue
        if claimed(pool, bed):
            call(pool[WAKE], pool[bed + LOCK])


def dismiss(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Let all workers of the pool at `args` stop."""
    atomic_store(args, STOP, 1)
    wake(args, args[WORKERS])
    return 0


def rest(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Look for work as a worker does, hi - lo times, to see how long that takes."""
    for _ in range(lo, hi):
        if has_work(args):
            return 1
        pause()
    return 0


# ----------------------------------------------------------------------------------- Python


def let_go(context: ptr_i64) -> None:
    """Let other threads run Python."""
    if context[THREAD] == 0:
        context[THREAD] = call(context[SAVE])


def hold(context: ptr_i64) -> None:
    """Take the GIL, if we do not hold it."""
    if context[THREAD] != 0:
        call(context[RESTORE], context[THREAD])
        context[THREAD] = 0


def host(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """A kernel that calls the Python object args[0] with the address of the other args.

    An exception stays set in this thread; the status says so, the run ends, and Python finds it.
    """
    context = context_of(scratch)
    hold(context)
    number = call(context[NUMBER], address(args, 1))
    result = call(context[CALL], args[0], number)
    call(context[RELEASE], number)
    if result == 0:
        return 1
    call(context[RELEASE], result)
    return 0


def look(context: ptr_i64) -> i64:
    """Now and then, let Python handle signals. Not 0 if a handler raised: the run ends.

    A run of some length lets other threads run Python meanwhile; a short one never gets here.
    """
    context[WORK] = 0
    let_go(context)
    time = stack(i64, 2)
    call(context[CLOCK], context[CLOCK_ID], address(time, 0))
    now = time[0] * 1_000_000_000 + time[1]
    if context[LOOKED] == 0:
        context[LOOKED] = now
    if now - context[LOOKED] < INTERVAL or context[WHOLE] != 0:
        return 0
    context[LOOKED] = now
    hold(context)
    status = i64(i32(call(context[SIGNALS])))
    if status == 0:
        let_go(context)
    return status
