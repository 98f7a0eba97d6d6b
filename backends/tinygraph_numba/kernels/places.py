"""The kernels of gather and scatter.

Numbers that name places are read by a function of their type, `resolve`, a block at a time: it
checks them, and counts negative ones from the end. So nothing outside of an array is ever
touched, and the other kernels depend neither on the type of the numbers nor on how many arrays
of them there are. Which space each kernel runs over is said in `index.py` and `scatter.py`.
"""

from __future__ import annotations

from tinygraph_numba.kernels.spaces import offset
from tinygraph_numba.language.dialect import (
    address,
    call,
    f32,
    i64,
    lanes,
    maximum,
    minimum,
    pointer,
    ptr_f32,
    ptr_i64,
    ptr_u32,
    u32,
    u64,
)

# The words that stand for types; see `generic.py`.
Word = u32  # of what is only moved: any type of its size
ptr_Word = ptr_u32
Index = i64  # of numbers that name places
ptr_Index = ptr_i64
Value = f32  # of what is combined
ptr_Value = ptr_f32
Work = f32  # that it is computed in
Target = f32  # that it is added up in
ptr_Target = ptr_f32

# ------------------------------------------------------------------------------------ numbers

BLOCK = 1024  # so many places are found at a time

# The record of an array of numbers.
RESOLVE, NUMBERS, RUN_STEP, SIZE, WRAP, STEP = 0, 1, 2, 3, 4, 5
RECORD_SIZE = 6


def check(
    numbers: ptr_Index, at: i64, step: i64, count: i64, size: i64, wrap: i64, found: ptr_i64
) -> bool:
    """Copy `count` numbers to `found`, where `wrap` is added to negative ones; whether one of
    them is not in an array of `size`."""
    wrong = False
    for i in lanes(0, count):
        number = i64(numbers[at + i * step])
        number = number + (wrap if number < 0 else 0)
        wrong = wrong or u64(number) >= u64(size)
        found[i] = number
    return wrong


def resolve(record: ptr_i64, at: i64, count: i64, found: i64) -> i64:
    """Read `count` numbers from element `at` on; 1 if one of them is out of range, else 0."""
    numbers = pointer(Index, record[NUMBERS])
    into = pointer(i64, found)
    wrong = False
    if record[RUN_STEP] == 1:
        wrong = check(numbers, at, 1, count, record[SIZE], record[WRAP], into)
    else:
        wrong = check(numbers, at, record[RUN_STEP], count, record[SIZE], record[WRAP], into)
    return i64(wrong)


def resolve_count(record: ptr_i64, at: i64, count: i64, found: i64) -> i64:
    """As `resolve`, for an array without memory, whose element k is the number k."""
    into = pointer(i64, found)
    wrong = False
    for i in lanes(0, count):
        number = record[NUMBERS] + at + i * record[RUN_STEP]
        wrong = wrong or u64(number) >= u64(record[SIZE])
        into[i] = number
    return i64(wrong)


def locate(
    records: ptr_i64, arrays: i64, space: ptr_i64, first: i64, row: i64, start: i64, count: i64,
    places: ptr_i64,
) -> bool:  # fmt: skip
    """Add up what the numbers at `count` positions along a run stand for; whether one is wrong.

    The arrays of numbers are those from `first` on in `space`. Behind the places, the numbers
    of the first of them are left.
    """
    numbers = pointer(i64, address(places, BLOCK))
    for i in lanes(0, count):
        places[i] = 0
    k = arrays
    while k > 0:
        k -= 1
        record = pointer(i64, address(records, k * RECORD_SIZE))
        at = offset(space, first + k, row) + start * record[RUN_STEP]
        if call(record[RESOLVE], address(record, 0), at, count, address(numbers, 0)) != 0:
            return True
        step = record[STEP]
        for i in lanes(0, count):
            places[i] = places[i] + numbers[i] * step
    return False


def copy_line(out: i64, to: i64, out_step: i64, x: i64, at: i64, x_step: i64, count: i64) -> i64:
    """Copy `count` elements, `x_step` apart, to places that are `out_step` apart. The kernels
    call it by its address, so that it is compiled once for all of them."""
    target = pointer(Word, out)
    source = pointer(Word, x)
    if out_step == 1 and x_step == 1:
        for i in lanes(0, count):
            target[to + i] = source[at + i]
    elif out_step == 1 and x_step == 0:
        value = source[at]
        for i in lanes(0, count):
            target[to + i] = value
    else:
        for i in lanes(0, count):
            target[to + i * out_step] = source[at + i * x_step]
    return 0


# ------------------------------------------------------------------------------------- gather

# The args of `gather`. Those of both kernels end with the records, from RECORDS on, and with
# spaces; where these begin stands before.
OUT, X, ARRAYS, WIDTH, COLUMNS = 0, 1, 2, 3, 4
ROWS, ROW_COUNT, RUN, OUT_RUN, X_RUN = 5, 6, 7, 8, 9
OUT_COLUMN, X_COLUMN = 10, 11
COPY_LINE, RECORDS = 20, 21


def gather(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Pick at the positions lo to hi: in each block of columns, the runs of all rows."""
    places = pointer(i64, scratch)
    records = pointer(i64, address(args, RECORDS))
    space = pointer(i64, address(args, args[ROWS]))
    at = lo
    while at < hi:
        line = at // args[RUN]
        start = at - line * args[RUN]
        row = line % args[ROW_COUNT]
        count = minimum(minimum(args[RUN] - start, hi - at), BLOCK)
        if locate(records, args[ARRAYS], space, 2, row, start, count, places):
            return 1
        column = line // args[ROW_COUNT] * args[WIDTH]
        to = offset(space, 0, row) + start * args[OUT_RUN] + column * args[OUT_COLUMN]
        base = offset(space, 1, row) + start * args[X_RUN] + column * args[X_COLUMN]
        pick(args, to, base, minimum(args[WIDTH], args[COLUMNS] - column), count, places)
        at += count
    return 0


def pick(args: ptr_i64, to: i64, base: i64, width: i64, count: i64, places: ptr_i64) -> None:
    """Copy what is at `count` places along a run: `width` elements each."""
    out = pointer(Word, args[OUT])
    x = pointer(Word, args[X])
    out_run = args[OUT_RUN]
    x_run = args[X_RUN]
    if width > 1:
        for i in range(count):
            at = base + places[i] + i * x_run
            call(args[COPY_LINE], args[OUT], to + i * out_run, args[OUT_COLUMN],
                 args[X], at, args[X_COLUMN], width)  # fmt: skip
    elif out_run == 1:
        for i in lanes(0, count):
            out[to + i] = x[base + places[i] + i * x_run]
    else:
        for i in lanes(0, count):
            out[to + i * out_run] = x[base + places[i] + i * x_run]


# ------------------------------------------------------------------------------------- within

LIMIT = 3  # of the args of `within`, which are those of `gather` where they have a meaning


def within(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Copy the numbers lo to hi; 1 if one of them is below zero or not below the limit."""
    out = pointer(Index, args[OUT])
    x = pointer(Index, args[X])
    rows = pointer(i64, address(args, args[ROWS]))
    limit = u64(args[LIMIT])
    wrong = False
    at = lo
    while at < hi:
        row = at // args[RUN]
        start = at - row * args[RUN]
        count = minimum(args[RUN] - start, hi - at)
        to = offset(rows, 0, row) + start * args[OUT_RUN]
        base = offset(rows, 1, row) + start * args[X_RUN]
        for i in lanes(0, count):
            number = x[base + i * args[X_RUN]]
            wrong = wrong or u64(i64(number)) >= limit
            out[to + i * args[OUT_RUN]] = number
        at += count
    return i64(wrong)


# ------------------------------------------------------------------------------------ scatter

# The args of `scatter` where they are others than those of `gather`. LINES: what lies behind
# the first dimension that numbers are for, as lines of LENGTH elements; LINE_COUNT of them for
# each of its DEPTH places, or 0 where all lines are one.
VALUES, VALUE_RUN, VALUE_COLUMN, OUTER = 8, 9, 10, 11
DEPTH, PARTS, BLOCKS = 12, 13, 14
LINES, LINE_COUNT, LENGTH, OUT_LINE, X_LINE = 15, 16, 17, 18, 19


def replace(old: Work, new: Work) -> Work:
    """Mode "set"."""
    return new


def add(old: Work, new: Work) -> Work:
    """Mode "add"."""
    return old + new


def multiply(old: Work, new: Work) -> Work:
    """Mode "multiply"."""
    return old * new


def larger(old: Work, new: Work) -> Work:
    """Mode "max"."""
    return maximum(old, new)


def smaller(old: Work, new: Work) -> Work:
    """Mode "min"."""
    return minimum(old, new)


combine = add  # a word for one of these


def scatter(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The units lo to hi: in each row of what no number is for, in each block of its columns,
    a part of the first dimension that numbers are for."""
    out = pointer(Target, args[OUT])
    outer = pointer(i64, address(args, args[OUTER]))
    for unit in range(lo, hi):
        row = unit // (args[PARTS] * args[BLOCKS])
        column = unit // args[PARTS] % args[BLOCKS] * args[WIDTH]
        first, last = part(args, unit)
        to = offset(outer, 0, row)
        copy_share(args, to, offset(outer, 1, row), column, first, last)
        to += column * args[OUT_LINE]
        if put(args, row, column, first, last, out, to, args[OUT_LINE], scratch):
            return 1
    return 0


def part(args: ptr_i64, unit: i64) -> tuple[i64, i64]:
    """The part of the first dimension that is a unit's: from where to where."""
    number = unit % args[PARTS]
    first = args[DEPTH] * number // args[PARTS]
    return first, args[DEPTH] * (number + 1) // args[PARTS]


def copy_share(args: ptr_i64, to: i64, at: i64, column: i64, first: i64, last: i64) -> None:
    """Copy a unit's share of x."""
    lines = pointer(i64, address(args, args[LINES]))
    out_step = args[OUT_LINE]
    x_step = args[X_LINE]
    if args[LINE_COUNT] == 0:
        start = first * args[LENGTH]
        count = (last - first) * args[LENGTH]
        call(args[COPY_LINE], args[OUT], to + start * out_step, out_step,
             args[X], at + start * x_step, x_step, count)  # fmt: skip
    else:
        width = line_width(args, column)
        for line in range(first * args[LINE_COUNT], last * args[LINE_COUNT]):
            to_line = to + offset(lines, 0, line) + column * out_step
            at_line = at + offset(lines, 1, line) + column * x_step
            call(args[COPY_LINE], args[OUT], to_line, out_step, args[X], at_line, x_step, width)


def line_width(args: ptr_i64, column: i64) -> i64:
    """How much of each line is a unit's; it is all where there is one block. The first block is
    as wide as any."""
    return minimum(args[WIDTH], args[LENGTH] - column) if args[BLOCKS] > 1 else args[LENGTH]


def put(
    args: ptr_i64, row: i64, column: i64, first: i64, last: i64, target: ptr_Target, to: i64,
    step: i64, scratch: i64,
) -> bool:  # fmt: skip
    """Combine with `target` the values that belong to a unit; whether a number is wrong."""
    places = pointer(i64, scratch)
    records = pointer(i64, address(args, RECORDS))
    rows = pointer(i64, address(args, args[ROWS]))
    width = minimum(args[WIDTH], args[COLUMNS] - column)
    for line in range(row * args[ROW_COUNT], (row + 1) * args[ROW_COUNT]):
        start = 0
        while start < args[RUN]:
            count = minimum(args[RUN] - start, BLOCK)
            if locate(records, args[ARRAYS], rows, 1, line, start, count, places):
                return True
            kept = keep(places, count, first, last)
            at = offset(rows, 0, line) + start * args[VALUE_RUN] + column * args[VALUE_COLUMN]
            merge(args, target, to, step, at, width, kept, places)
            start += count
    return False


def keep(places: ptr_i64, count: i64, first: i64, last: i64) -> i64:
    """List which of `count` numbers are from `first` to `last`, behind the numbers; how many."""
    numbers = pointer(i64, address(places, BLOCK))
    which = pointer(i64, address(places, 2 * BLOCK))
    kept = 0
    for i in range(count):
        which[kept] = i
        kept += i64(numbers[i] >= first and numbers[i] < last)
    return kept


def merge(
    args: ptr_i64, target: ptr_Target, to: i64, step: i64, at: i64, width: i64, kept: i64,
    places: ptr_i64,
) -> None:  # fmt: skip
    """Combine the values that are listed with what is at their places, one after another."""
    values = pointer(Value, args[VALUES])
    which = pointer(i64, address(places, 2 * BLOCK))
    if width == 1:
        for k in range(kept):
            i = which[k]
            place = to + places[i]
            new = Work(values[at + i * args[VALUE_RUN]])
            target[place] = Target(combine(Work(target[place]), new))
    else:
        for k in range(kept):
            i = which[k]
            value_at = at + i * args[VALUE_RUN]
            merge_line(target, to + places[i], step, values, value_at, args[VALUE_COLUMN], width)


def merge_line(
    target: ptr_Target, to: i64, step: i64, values: ptr_Value, at: i64, value_step: i64, count: i64
) -> None:
    """Combine `count` values with as many places."""
    if step == 1 and value_step == 1:
        for i in lanes(0, count):
            target[to + i] = Target(combine(Work(target[to + i]), Work(values[at + i])))
    else:
        for i in lanes(0, count):
            place = to + i * step
            new = Work(values[at + i * value_step])
            target[place] = Target(combine(Work(target[place]), new))


def scatter_wide(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """As `scatter`, for types that are added up in a wider one: a unit's sums are formed in
    scratch memory, without gaps between them."""
    sums = pointer(Target, scratch + 3 * BLOCK * 8)
    outer = pointer(i64, address(args, args[OUTER]))
    for unit in range(lo, hi):
        row = unit // (args[PARTS] * args[BLOCKS])
        column = unit // args[PARTS] % args[BLOCKS] * args[WIDTH]
        first, last = part(args, unit)
        share = maximum(args[LINE_COUNT], 1) * line_width(args, 0)
        for i in lanes(0, (last - first) * share):
            sums[i] = 0
        to = -first * share
        if put(args, row, column, first, last, sums, to, 1, scratch):
            return 1
        store_share(args, offset(outer, 0, row), offset(outer, 1, row), column, first, last, sums)
    return 0


def store_share(
    args: ptr_i64, to: i64, at: i64, column: i64, first: i64, last: i64, sums: ptr_Target
) -> None:
    """Write a unit's share of x with the sums added to it."""
    lines = pointer(i64, address(args, args[LINES]))
    width = line_width(args, column)
    if args[LINE_COUNT] == 0:
        start = first * width
        count = (last - first) * width
        store_line(args, to + start * args[OUT_LINE], at + start * args[X_LINE], sums, 0, count)
    else:
        begin = first * args[LINE_COUNT]
        for line in range(begin, last * args[LINE_COUNT]):
            to_line = to + offset(lines, 0, line) + column * args[OUT_LINE]
            at_line = at + offset(lines, 1, line) + column * args[X_LINE]
            start = (line - begin) * line_width(args, 0)
            store_line(args, to_line, at_line, sums, start, width)


def store_line(args: ptr_i64, to: i64, at: i64, sums: ptr_Target, start: i64, count: i64) -> None:
    """Write `count` elements of x with sums added to them."""
    if args[OUT_LINE] == 1 and args[X_LINE] == 1:
        add_line(args, to, 1, at, 1, sums, start, count)
    elif args[OUT_LINE] == 1 and args[X_LINE] == 0:
        add_line(args, to, 1, at, 0, sums, start, count)
    else:
        add_line(args, to, args[OUT_LINE], at, args[X_LINE], sums, start, count)


def add_line(
    args: ptr_i64, to: i64, out_step: i64, at: i64, x_step: i64, sums: ptr_Target, start: i64,
    count: i64,
) -> None:  # fmt: skip
    """The same, with steps that are numbers where it is called."""
    out = pointer(Value, args[OUT])
    x = pointer(Value, args[X])
    for i in lanes(0, count):
        out[to + i * out_step] = Value(Target(x[at + i * x_step]) + sums[start + i])


# ------------------------------------------------------------------------------- update_slice

# The args of `update_slice`: where it is cut, what the slice picks there, and two parts: the
# copy of x and that of the values.
FIRST, COUNT, STRIDE, COPY, PUT = 0, 1, 2, 3, 4

# The record of a part. Its lines are along the dimension that is cut, UNIT elements for each
# place there, once for each of its rows; or, where there are LINES for each place, along another.
COPY_BY, TO, FROM, TO_START, FROM_START = 0, 1, 2, 3, 4
PART_LINES, PART_ROWS, UNIT, TO_STEP, FROM_STEP, PART_SPACE = 5, 6, 7, 8, 9, 10


def update_slice(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Copy the places lo to hi along one dimension of x, and what of the slice lies there."""
    first = args[FIRST]
    stride = args[STRIDE]
    copy_part(pointer(i64, address(args, args[COPY])), lo, hi)
    begin = maximum((lo - first + stride - 1) // stride, 0)
    end = minimum((hi - first + stride - 1) // stride, args[COUNT])
    copy_part(pointer(i64, address(args, args[PUT])), begin, end)
    return 0


def copy_part(part: ptr_i64, first: i64, last: i64) -> None:
    """Copy the places from `first` to `last`."""
    rows = pointer(i64, address(part, PART_SPACE))
    rank = rows[0]
    run = rows[rank]
    to_step = part[TO_STEP]
    from_step = part[FROM_STEP]
    begin = 0
    count = part[UNIT]
    stop = last * part[PART_LINES]
    line = first * part[PART_LINES]
    if part[PART_LINES] == 0:
        begin = first * part[UNIT]
        count = (last - first) * part[UNIT]
        stop = part[PART_ROWS]
    while line < stop:
        to = part[TO_START] + offset(rows, 0, line) + begin * to_step
        at = part[FROM_START] + offset(rows, 1, line) + begin * from_step
        end = minimum(stop, line - line % run + run)
        while line < end:
            call(part[COPY_BY], part[TO], to, to_step, part[FROM], at, from_step, count)
            to += rows[2 * rank]
            at += rows[3 * rank]
            line += 1
