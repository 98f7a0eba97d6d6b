"""Sorting, and the places of extremes.

All of it works on keys: unsigned numbers that are ordered as the elements are to be, with those
of NaN above all others, upwards and downwards. What is least when the order is upwards is what
is largest downwards, so argmin is argmax on the keys of the other direction, and what sorts
upwards sorts both ways and stays stable.

Rows are sorted by their digits, from the lowest (a radix sort): that is stable, takes the same
few passes whatever the values are, and has no branch for a processor to guess wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygraph.compiler.kernel import Instruction
from tinygraph.dtypes import INTEGERS, UNSIGNED, DType, is_float
from tinygraph_numba.kernels.generic import specialised, word_name
from tinygraph_numba.kernels.index import others
from tinygraph_numba.kernels.spaces import Space, offset
from tinygraph_numba.language.dialect import (
    address,
    i64,
    lanes,
    maximum,
    minimum,
    pointer,
    ptr_i64,
    ptr_u32,
    stack,
    u32,
)  # fmt: skip
from tinygraph_numba.plan import Plan

Word = u32  # the bits of an element, and its key
ptr_Word = ptr_u32

# --------------------------------------------------------------------------------------- keys

# `infinity` is the pattern of infinity; `flip` has all bits set if the order is downwards, none
# if it is upwards.


def float_key(word: Word, infinity: Word, flip: Word) -> Word:
    """The key of a float: its pattern, whose top bit is its sign, made to count upwards."""
    ones = ~Word(0)
    top = ~(ones >> Word(1))
    key = ~word if word >= top else word | top
    return ones if word & ~top > infinity else key ^ flip


def float_rank(word: Word, infinity: Word, flip: Word) -> Word:
    """The same, but equal for both zeros."""
    top = ~(~Word(0) >> Word(1))
    return float_key(word if word != top else Word(0), infinity, flip)


def signed_key(word: Word, infinity: Word, flip: Word) -> Word:
    """The key of a signed integer."""
    return word ^ ~(~Word(0) >> Word(1)) ^ flip


def plain_key(word: Word, infinity: Word, flip: Word) -> Word:
    """The key of an unsigned integer or bool."""
    return word ^ flip


def float_word(key: Word, flip: Word) -> Word:
    """The float that a key is of; for NaN one of several."""
    top = ~(~Word(0) >> Word(1))
    up = key ^ flip
    return up ^ top if up >= top else ~up


def signed_word(key: Word, flip: Word) -> Word:
    """The signed integer that a key is of."""
    return key ^ flip ^ ~(~Word(0) >> Word(1))


def plain_word(key: Word, flip: Word) -> Word:
    """The unsigned integer or bool that a key is of."""
    return key ^ flip


to_key, from_key = float_key, float_word  # words for two of these

# The args of all kernels; what comes last differs.
OUT, X, LENGTH, OUT_STEP, X_STEP, INFINITY, FLIP = 0, 1, 2, 3, 4, 5, 6


def read_keys(args: ptr_i64, at: i64, step: i64, count: i64, keys: ptr_Word) -> None:
    """The keys of `count` elements, `step` apart."""
    if step == 1:
        read_keys_by(args, at, 1, count, keys)
    else:
        read_keys_by(args, at, step, count, keys)


def read_keys_by(args: ptr_i64, at: i64, step: i64, count: i64, keys: ptr_Word) -> None:
    """The same, with a step that is a number where it is 1."""
    x = pointer(Word, args[X])
    infinity = Word(args[INFINITY])
    flip = Word(args[FLIP])
    for i in lanes(0, count):
        keys[i] = to_key(x[at + i * step], infinity, flip)


# ------------------------------------------------------------------------------------ sorting

BITS, DIGIT, ROWS = 7, 8, 9  # bits of a key, and of a digit
SHORT = 64  # rows up to this length are sorted by comparing each key with each
LANES = 16  # so many at once


def sort(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Sort the rows lo to hi."""
    out = pointer(Word, args[OUT])
    rows = pointer(i64, address(args, ROWS))
    keys = pointer(Word, scratch)
    flip = Word(args[FLIP])
    for row in range(lo, hi):
        read_keys(args, offset(rows, 1, row), args[X_STEP], args[LENGTH], keys)
        moved = sort_keys(args, scratch, False)
        sorted_keys = pointer(Word, scratch + (args[LENGTH] * 8 if moved else 0))
        to = offset(rows, 0, row)
        for i in lanes(0, args[LENGTH]):
            out[to + i * args[OUT_STEP]] = from_key(sorted_keys[i], flip)
    return 0


def argsort(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The places of the elements of the rows lo to hi in sorted order."""
    out = pointer(i64, args[OUT])
    rows = pointer(i64, address(args, ROWS))
    length = args[LENGTH]
    keys = pointer(Word, scratch)
    places = pointer(u32, scratch + length * 16)
    for row in range(lo, hi):
        read_keys(args, offset(rows, 1, row), args[X_STEP], length, keys)
        for i in lanes(0, length):
            places[i] = u32(i)
        moved = sort_keys(args, scratch, True)
        sorted_places = pointer(u32, address(places, length if moved else 0))
        to = offset(rows, 0, row)
        for i in lanes(0, length):
            out[to + i * args[OUT_STEP]] = i64(sorted_places[i])
    return 0


def sort_keys(args: ptr_i64, scratch: i64, paired: bool) -> bool:
    """Sort the keys in scratch memory, and the places that are paired with them. True if the
    result is in the second half of each."""
    length = args[LENGTH]
    keys = pointer(Word, scratch)
    places = pointer(u32, scratch + length * 16)
    spare_keys = pointer(Word, scratch + length * 8)
    spare_places = pointer(u32, address(places, length))
    if length <= SHORT:
        rank_all(keys, places, spare_keys, spare_places, length, paired)
        return True
    counts = pointer(i64, scratch + length * 24)
    moved = False
    shift = 0
    while shift < args[BITS]:
        if count_digits(keys, length, Word(shift), args[DIGIT], counts):
            distribute(keys, places, spare_keys, spare_places, length, Word(shift), args[DIGIT],
                       counts, paired)  # fmt: skip
            keys, spare_keys = spare_keys, keys
            places, spare_places = spare_places, places
            moved = not moved
        shift += args[DIGIT]
    return moved


def rank_all(
    keys: ptr_Word, places: ptr_u32, to_keys: ptr_Word, to_places: ptr_u32, length: i64,
    paired: bool,
) -> None:  # fmt: skip
    """Sort a short row: each key goes where the number of those that are less says. LANES of
    them are counted at once; there is room, but nothing of meaning, behind the last one."""
    own = stack(Word, LANES)
    ranks = stack(Word, LANES)
    for begin in range(0, length, LANES):
        for i in lanes(0, LANES):
            own[i] = keys[begin + i]
            ranks[i] = Word(0)
        for k in range(length):
            key = keys[k]
            for i in lanes(0, LANES):
                before = key < own[i] or (key == own[i] and k < begin + i)
                ranks[i] = ranks[i] + Word(before)
        for i in range(minimum(length - begin, LANES)):
            to = i64(ranks[i])
            to_keys[to] = own[i]
            if paired:
                to_places[to] = places[begin + i]


def count_digits(keys: ptr_Word, length: i64, shift: Word, digit: i64, counts: ptr_i64) -> bool:
    """Where the keys with each digit belong; False if all have the same one."""
    values = i64(1) << digit
    mask = Word(values - 1)
    for value in lanes(0, values):
        counts[value] = 0
    for i in range(length):
        value = i64((keys[i] >> shift) & mask)
        counts[value] = counts[value] + 1
    if counts[i64((keys[0] >> shift) & mask)] == length:
        return False
    start = 0
    for value in range(values):
        count = counts[value]
        counts[value] = start
        start += count
    return True


def distribute(
    keys: ptr_Word, places: ptr_u32, to_keys: ptr_Word, to_places: ptr_u32, length: i64,
    shift: Word, digit: i64, starts: ptr_i64, paired: bool,
) -> None:  # fmt: skip
    """Move the keys where they belong by one of their digits, in their order."""
    mask = Word((i64(1) << digit) - 1)
    for i in range(length):
        key = keys[i]
        value = i64((key >> shift) & mask)
        to = starts[value]
        starts[value] = to + 1
        to_keys[to] = key
        if paired:
            to_places[to] = places[i]


# ----------------------------------------------------------------------------------- extremes

COLUMNS, WIDTH, OUT_COLUMN, X_COLUMN, EXTREME_ROWS = 7, 8, 9, 10, 11
BLOCK = 128  # elements of a row, of which the largest is found at once


def arg_rows(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The place of the first largest key in the rows lo to hi."""
    out = pointer(i64, args[OUT])
    rows = pointer(i64, address(args, EXTREME_ROWS))
    for row in range(lo, hi):
        at = offset(rows, 1, row)
        if args[X_STEP] == 1:
            out[offset(rows, 0, row)] = first_largest(args, at, 1)
        else:
            out[offset(rows, 0, row)] = first_largest(args, at, args[X_STEP])
    return 0


def first_largest(args: ptr_i64, at: i64, step: i64) -> i64:
    """The place of the first largest key in a row: first the block that has it."""
    x = pointer(Word, args[X])
    infinity = Word(args[INFINITY])
    flip = Word(args[FLIP])
    length = args[LENGTH]
    largest = Word(0)
    chosen = 0
    for begin in range(0, length, BLOCK):
        top = Word(0)
        for i in lanes(begin, minimum(begin + BLOCK, length)):
            top = maximum(top, to_key(x[at + i * step], infinity, flip))
        if top > largest:
            largest = top
            chosen = begin
    place = length
    for i in lanes(chosen, minimum(chosen + BLOCK, length)):
        found = to_key(x[at + i * step], infinity, flip) == largest
        place = minimum(place, i if found else length)
    return place


def arg_columns(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The place of the first largest key in each column of blocks of columns within rows."""
    out = pointer(i64, args[OUT])
    rows = pointer(i64, address(args, EXTREME_ROWS))
    width = args[WIDTH]
    largest = pointer(Word, scratch)
    places = pointer(u32, scratch + width * 8)
    blocks = (args[COLUMNS] + width - 1) // width
    for unit in range(lo, hi):
        column = unit % blocks * width
        count = minimum(width, args[COLUMNS] - column)
        at = offset(rows, 1, unit // blocks) + column * args[X_COLUMN]
        read_keys(args, at, args[X_COLUMN], count, largest)
        for i in lanes(0, count):
            places[i] = u32(0)
        for t in range(1, args[LENGTH]):
            compare(args, at + t * args[X_STEP], u32(t), count, largest, places)
        to = offset(rows, 0, unit // blocks) + column * args[OUT_COLUMN]
        for i in lanes(0, count):
            out[to + i * args[OUT_COLUMN]] = i64(places[i])
    return 0


def compare(
    args: ptr_i64, at: i64, place: u32, count: i64, largest: ptr_Word, places: ptr_u32
) -> None:
    """Note where one more line of elements has larger keys."""
    if args[X_COLUMN] == 1:
        compare_by(args, at, 1, place, count, largest, places)
    else:
        compare_by(args, at, args[X_COLUMN], place, count, largest, places)


def compare_by(
    args: ptr_i64, at: i64, step: i64, place: u32, count: i64, largest: ptr_Word, places: ptr_u32
) -> None:
    """The same, with a step that is a number where it is 1."""
    x = pointer(Word, args[X])
    infinity = Word(args[INFINITY])
    flip = Word(args[FLIP])
    for i in lanes(0, count):
        key = to_key(x[at + i * step], infinity, flip)
        larger = key > largest[i]
        largest[i] = key if larger else largest[i]
        places[i] = place if larger else places[i]


# -------------------------------------------------------------------------------------- plans

GRAIN = 16384  # elements in a chunk, about
LONG = 4096  # from here on larger digits, and fewer passes, are worth their tables
WIDEST = 256  # columns in a block
NARROWEST = 8  # fewer columns are gone through one after another
PLACES = 1 << 32  # more places than this are not numbered here
INFINITIES = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000,
              "float64": 0x7FF0000000000000}  # fmt: skip


def plan(instruction: Instruction) -> Plan | None:
    """The plan of a sort or of argmax and argmin. None where x has no memory, and where there
    are no elements to choose from, which is an error."""
    (x,) = instruction.inputs
    length = x.view.shape[instruction.params["axis"]]
    if x.storage.place == "index" or length >= PLACES:
        return None
    if instruction.kernel.kind == "sort":
        return _sort_plan(instruction, length)
    return _extreme_plan(instruction, length) if length else None


def _sort_plan(instruction: Instruction, length: int) -> Plan:
    (x,), (out,), params = instruction.inputs, instruction.outputs, instruction.params
    space = Space(x.view.shape, (out.view.strides, x.view.strides))
    rows = space.picked(others(len(x.view.shape), [params["axis"]])).collapsed()
    places = instruction.kernel.name == "argsort"
    digit = 8 if length < LONG else 11
    return Plan(
        kernel=_kernel(argsort if places else sort, x.dtype, ranked=places),
        args=(
            out, x, length, *space.steps(params["axis"]), *_order(x.dtype, params["descending"]),
            8 * x.dtype.itemsize, digit, *rows.args(),
        ),
        extent=rows.size if length else 0,
        grain=max(1, GRAIN // max(1, length)),
        scratch=24 * length + 8 * (1 << digit),
    )  # fmt: skip


def _extreme_plan(instruction: Instruction, length: int) -> Plan:
    (x,), (out,), params = instruction.inputs, instruction.outputs, instruction.params
    axis = params["axis"]
    rest = others(len(x.view.shape), [axis])
    kept = out.view.strides
    space = Space(
        tuple(x.view.shape[i] for i in rest),
        (
            tuple(kept[i] for i in rest) if params["keepdims"] else kept,
            tuple(x.view.strides[i] for i in rest),
        ),
    ).collapsed()
    along = x.view.strides[axis]
    rows, columns, steps = space.split()
    by_columns = columns >= NARROWEST and abs(steps[1]) < abs(along)
    if not by_columns:
        rows, columns, steps = space, 1, (0, 0)
    width = max(1, min(columns, WIDEST))
    return Plan(
        kernel=_kernel(arg_columns if by_columns else arg_rows, x.dtype, ranked=True),
        args=(
            out, x, length, 0, along, *_order(x.dtype, instruction.kernel.name == "argmin"),
            columns, width, *steps, *rows.args(),
        ),
        extent=rows.size * -(-columns // width),
        grain=max(1, GRAIN // (length * width)),
        scratch=16 * width,
    )  # fmt: skip


def _order(dtype: DType, descending: bool) -> tuple[int, int]:
    """The pattern of infinity, and the bits that turn the order round."""
    return INFINITIES.get(dtype.name, 0), -1 if descending else 0


def _kernel(entry: Callable[..., int], dtype: DType, ranked: bool) -> int:
    """ranked: whether both zeros are equal."""
    if is_float(dtype):
        key, word = (float_rank if ranked else float_key), float_word
    elif dtype in INTEGERS and dtype not in UNSIGNED:
        key, word = signed_key, signed_word
    else:
        key, word = plain_key, plain_word
    return specialised(entry, Word=word_name(dtype), to_key=key.__name__, from_key=word.__name__)
