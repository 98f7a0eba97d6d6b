"""The kernels of contraction: many matrix products of one form, on operands of any strides.

`tiled` is for floats. A tile of the result stays in registers while its sum is run through, see
`tiles.py`. The right operand is brought, panel by panel, into the order in which a tile reads it;
the left one is read where it lies. (Goto and van de Geijn, Anatomy of high-performance matrix
multiplication, 2008, say why that is fast.) `plain` and `dots` are for what is too small for
tiles, and for types that have no vectors.

The words `Value`, `Work`, `Rows`, `Vectors`, `Width` and `Span` are replaced before a
kernel is compiled, see `generic.specialised`.
"""

from __future__ import annotations

from tinygraph_numba.kernels.spaces import offset
from tinygraph_numba.kernels.transposition import transpose
from tinygraph_numba.language.dialect import (
    address,
    f32,
    fast_add,
    i64,
    lanes,
    load,
    minimum,
    pointer,
    ptr_f32,
    ptr_i64,
    spread,
    stack,
    store,
    unroll,
)  # fmt: skip

Value = f32
Work = f32
ptr_Value = ptr_f32
ptr_Work = ptr_f32
Rows = 8
Vectors = 2
Width = 16
Span = 32

# The args: addresses, sizes, steps in elements, sizes of blocks; then two spaces.
OUT, LEFT, RIGHT = 0, 1, 2
ROWS, COLUMNS, DEPTH = 3, 4, 5
OUT_ROW, OUT_COLUMN, LEFT_ROW, LEFT_INNER, RIGHT_INNER, RIGHT_COLUMN = 6, 7, 8, 9, 10, 11
ROW_BLOCK, COLUMN_BLOCK, INNER_BLOCK = 12, 13, 14
IN_PLACE = 15  # whether whole panels of the right operand are read where they lie
PRODUCTS, SEGMENTS = 16, 17  # where the two spaces begin
SEGMENT_COUNT = 18
FIRST_SPACE = 19

# ------------------------------------------------------------------------------------ in tiles


def tiled(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The blocks [lo, hi) of all results."""
    down = (args[ROWS] + args[ROW_BLOCK] - 1) // args[ROW_BLOCK]
    across = (args[COLUMNS] + args[COLUMN_BLOCK] - 1) // args[COLUMN_BLOCK]
    for number in range(lo, hi):
        row = number % down * args[ROW_BLOCK]
        column = number // down % across * args[COLUMN_BLOCK]
        tiled_block(args, number // down // across, row, column, scratch)
    return 0


def tiled_block(args: ptr_i64, product: i64, row: i64, column: i64, scratch: i64) -> None:
    """One block: the sum over segments and inner blocks, panel by panel."""
    products = pointer(i64, address(args, args[PRODUCTS]))
    segments = pointer(i64, address(args, args[SEGMENTS]))
    out_at = offset(products, 0, product)
    stop = minimum(column + args[COLUMN_BLOCK], args[COLUMNS])
    for segment in range(args[SEGMENT_COUNT]):
        left_at = offset(products, 1, product) + offset(segments, 0, segment)
        right_at = offset(products, 2, product) + offset(segments, 1, segment)
        for start in range(0, args[DEPTH], args[INNER_BLOCK]):
            depth = minimum(args[INNER_BLOCK], args[DEPTH] - start)
            left = left_at + start * args[LEFT_INNER]
            right = right_at + start * args[RIGHT_INNER]
            for j in range(column, stop, Span):
                first = segment + start == 0
                panel(args, out_at, left, right, row, j, minimum(Span, stop - j), depth, first,
                      scratch)  # fmt: skip


def panel(
    args: ptr_i64, out_at: i64, left_at: i64, right_at: i64, row: i64, column: i64, valid: i64,
    depth: i64, first: bool, scratch: i64,
) -> None:  # fmt: skip
    """All rows of a block, of up to `Span` columns. first: nothing has been summed up yet."""
    right = pointer(Value, args[RIGHT])
    at = right_at + column * args[RIGHT_COLUMN]
    step = args[RIGHT_INNER]
    if args[IN_PLACE] == 0 or valid < Span:
        packed = pointer(Value, scratch)
        pack(packed, right, at, args[RIGHT_INNER], args[RIGHT_COLUMN], depth, valid)
        right = packed
        at = i64(0)
        step = i64(Span)
    stop = minimum(row + args[ROW_BLOCK], args[ROWS])
    for i in range(row, stop, Rows):
        into = out_at + i * args[OUT_ROW] + column * args[OUT_COLUMN]
        from_row = left_at + i * args[LEFT_ROW]
        tile(args, into, from_row, right, at, step, depth, minimum(Rows, stop - i), valid, first)


def tile(
    args: ptr_i64, into: i64, row: i64, right: ptr_Value, at: i64, right_step: i64, depth: i64,
    rows: i64, valid: i64, first: bool,
) -> None:  # fmt: skip
    """One tile, of which `rows` rows and `valid` columns are wanted. Rows that there are not do
    what the last one does, for nothing. Sums begin at minus zero, to which all can be added: an
    outer product keeps the signs of its zeros."""
    left = pointer(Value, args[LEFT])
    left_step = args[LEFT_INNER]
    begin = stack(i64, Rows)
    for r in unroll(0, Rows):
        begin[r] = row + minimum(r, rows - 1) * args[LEFT_ROW]
    sums = stack(Value, Rows * Span)
    for r in unroll(0, Rows):
        for v in unroll(0, Vectors):
            store(sums, r * Span + v * Width, spread(Value(-0.0), Width))
    for k in range(depth):
        for r in unroll(0, Rows):
            x = spread(left[begin[r] + k * left_step], Width)
            for v in unroll(0, Vectors):
                y = load(right, at + k * right_step + v * Width, Width)
                sum = r * Span + v * Width
                store(sums, sum, load(sums, sum, Width) + x * y)
    if rows == Rows and valid == Span and args[OUT_COLUMN] == 1:
        put_whole(args, sums, into, first)
    else:
        edge = stack(Value, Rows * Span)
        for r in unroll(0, Rows):
            for v in unroll(0, Vectors):
                store(edge, r * Span + v * Width, load(sums, r * Span + v * Width, Width))
        put_part(args, edge, into, rows, valid, first)


def put_whole(args: ptr_i64, sums: ptr_Value, into: i64, first: bool) -> None:
    """Write a tile, or add it to what is there."""
    out = pointer(Value, args[OUT])
    for r in unroll(0, Rows):
        for v in unroll(0, Vectors):
            at = into + r * args[OUT_ROW] + v * Width
            value = load(sums, r * Span + v * Width, Width)
            if not first:
                value = value + load(out, at, Width)
            store(out, at, value)


def put_part(args: ptr_i64, edge: ptr_Value, into: i64, rows: i64, valid: i64, first: bool) -> None:
    """Write a part of a tile, or add it to what is there."""
    out = pointer(Value, args[OUT])
    for r in range(rows):
        to = into + r * args[OUT_ROW]
        if args[OUT_COLUMN] == 1:
            for j in lanes(0, valid):
                before = Value(-0.0) if first else out[to + j]
                out[to + j] = before + edge[r * Span + j]
        else:
            for j in lanes(0, valid):
                at = to + j * args[OUT_COLUMN]
                before = Value(-0.0) if first else out[at]
                out[at] = before + edge[r * Span + j]


def pack(
    packed: ptr_Value, right: ptr_Value, at: i64, inner: i64, column: i64, depth: i64, valid: i64
) -> None:
    """Bring a panel of the right operand into rows of `Span`, zero where it has no columns."""
    done = i64(0)
    if valid == Span and column == 1:
        for k in range(depth):
            for v in unroll(0, Vectors):
                value = load(right, at + k * inner + v * Width, Width)
                store(packed, k * Span + v * Width, value)
        done = depth
    elif valid == Span and inner == 1:
        done = depth - depth % Width
        for k in range(0, done, Width):
            for v in range(Vectors):
                place = at + k + v * Width * column
                transpose(packed, k * Span + v * Width, Span, right, place, column)
    for k in range(done, depth):
        for j in range(valid):
            packed[k * Span + j] = right[at + k * inner + j * column]
        for j in range(valid, Span):
            packed[k * Span + j] = 0.0


# ------------------------------------------------------------------------------ without tiles


def plain(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The parts [lo, hi) of the rows of all results, each of up to COLUMN_BLOCK columns.
    Multiples of the rows of the right operand are added up."""
    across = (args[COLUMNS] + args[COLUMN_BLOCK] - 1) // args[COLUMN_BLOCK]
    products = pointer(i64, address(args, args[PRODUCTS]))
    out = pointer(Value, args[OUT])
    sums = pointer(Work, scratch)
    for number in range(lo, hi):
        column = number % across * args[COLUMN_BLOCK]
        row = number // across % args[ROWS]
        product = number // across // args[ROWS]
        count = minimum(args[COLUMN_BLOCK], args[COLUMNS] - column)
        add_up(args, product, row, column, count, sums)
        into = offset(products, 0, product) + row * args[OUT_ROW] + column * args[OUT_COLUMN]
        for j in lanes(0, count):
            out[into + j * args[OUT_COLUMN]] = Value(sums[j])
    return 0


def add_up(args: ptr_i64, product: i64, row: i64, column: i64, count: i64, sums: ptr_Work) -> None:
    """`count` elements of a row of a result. They begin at minus zero, as in `tile`."""
    products = pointer(i64, address(args, args[PRODUCTS]))
    segments = pointer(i64, address(args, args[SEGMENTS]))
    left = pointer(Value, args[LEFT])
    a = offset(products, 1, product) + row * args[LEFT_ROW]
    b = offset(products, 2, product) + column * args[RIGHT_COLUMN]
    zero = Work(0) if args[SEGMENT_COUNT] * args[DEPTH] == 0 else Work(-0.0)
    for j in lanes(0, count):
        sums[j] = zero
    whole = args[DEPTH] // 4 * 4
    inner = args[LEFT_INNER]
    for segment in range(args[SEGMENT_COUNT]):
        from_left = a + offset(segments, 0, segment)
        from_right = b + offset(segments, 1, segment)
        for k in range(0, whole, 4):
            at = from_left + k * inner
            add_four(
                args, sums, Work(left[at]), Work(left[at + inner]), Work(left[at + 2 * inner]),
                Work(left[at + 3 * inner]), from_right + k * args[RIGHT_INNER], count,
            )  # fmt: skip
        for k in range(whole, args[DEPTH]):
            x = Work(left[from_left + k * inner])
            add_one(args, sums, x, from_right + k * args[RIGHT_INNER], count)


def add_one(args: ptr_i64, sums: ptr_Work, x: Work, at: i64, count: i64) -> None:
    """Add x times a row of the right operand."""
    right = pointer(Value, args[RIGHT])
    step = args[RIGHT_COLUMN]
    if step == 1:
        for j in lanes(0, count):
            sums[j] = sums[j] + x * Work(right[at + j])
    else:
        for j in lanes(0, count):
            sums[j] = sums[j] + x * Work(right[at + j * step])


def add_four(
    args: ptr_i64, sums: ptr_Work, x0: Work, x1: Work, x2: Work, x3: Work, at: i64, count: i64
) -> None:
    """Add multiples of four rows of the right operand: the sums are fetched but once."""
    right = pointer(Value, args[RIGHT])
    step = args[RIGHT_COLUMN]
    at1 = at + args[RIGHT_INNER]
    at2 = at1 + args[RIGHT_INNER]
    at3 = at2 + args[RIGHT_INNER]
    if step == 1:
        for j in lanes(0, count):
            sum = sums[j] + x0 * Work(right[at + j]) + x1 * Work(right[at1 + j])
            sums[j] = sum + x2 * Work(right[at2 + j]) + x3 * Work(right[at3 + j])
    else:
        for j in lanes(0, count):
            i = j * step
            sum = sums[j] + x0 * Work(right[at + i]) + x1 * Work(right[at1 + i])
            sums[j] = sum + x2 * Work(right[at2 + i]) + x3 * Work(right[at3 + i])


def dots(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The same parts as `plain`, for operands that lie side by side along the inner dimension:
    each element is summed up by itself."""
    across = (args[COLUMNS] + args[COLUMN_BLOCK] - 1) // args[COLUMN_BLOCK]
    products = pointer(i64, address(args, args[PRODUCTS]))
    out = pointer(Value, args[OUT])
    for number in range(lo, hi):
        column = number % across * args[COLUMN_BLOCK]
        row = number // across % args[ROWS]
        product = number // across // args[ROWS]
        stop = minimum(column + args[COLUMN_BLOCK], args[COLUMNS])
        into = offset(products, 0, product) + row * args[OUT_ROW]
        for j in range(column, stop):
            out[into + j * args[OUT_COLUMN]] = Value(dot(args, product, row, j))
    return 0


def dot(args: ptr_i64, product: i64, row: i64, column: i64) -> Work:
    """One element of a result."""
    products = pointer(i64, address(args, args[PRODUCTS]))
    segments = pointer(i64, address(args, args[SEGMENTS]))
    left = pointer(Value, args[LEFT])
    right = pointer(Value, args[RIGHT])
    a = offset(products, 1, product) + row * args[LEFT_ROW]
    b = offset(products, 2, product) + column * args[RIGHT_COLUMN]
    total = Work(0)
    for segment in range(args[SEGMENT_COUNT]):
        from_left = a + offset(segments, 0, segment)
        from_right = b + offset(segments, 1, segment)
        for k in lanes(0, args[DEPTH]):
            total = fast_add(total, Work(left[from_left + k]) * Work(right[from_right + k]))
    return total
