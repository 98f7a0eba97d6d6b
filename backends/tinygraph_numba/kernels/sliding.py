"""The kernels of sliding windows: sums, maxima, and windows laid back where they came from.

An array is many images, each with the spatial dimensions z, y and x. A row of the result is made
at a time, in scratch memory: the places of the kernel run outside, what they see of the row inside.

The words `Value` (the type in memory) and `Work` (the type that is computed in) are replaced
before a kernel is compiled, see `generic.specialised`.
"""

from __future__ import annotations

from tinygraph_numba.kernels.spaces import offset
from tinygraph_numba.language.dialect import (
    address,
    f32,
    i32,
    i64,
    lanes,
    pointer,
    ptr_f32,
    ptr_i32,
    ptr_i64,
)  # fmt: skip

Value = f32
Work = f32
ptr_Value = ptr_f32
ptr_Work = ptr_f32

# The args. Steps are those of the input; of the result all are neighbours.
OUT, IN = 0, 1
Z_STEP, Y_STEP, X_STEP = 2, 3, 4
Z_SIZE, Y_SIZE, X_SIZE = 5, 6, 7
Z_COUNT, Y_COUNT, X_COUNT = 8, 9, 10
Z_KERNEL, Y_KERNEL, X_KERNEL = 11, 12, 13
Z_STRIDE, Y_STRIDE, X_STRIDE = 14, 15, 16
Z_APART, Y_APART, X_APART = 17, 18, 19
Z_LOW, Y_LOW, X_LOW = 20, 21, 22  # padding before the first element
Z_PLACE, Y_PLACE, X_PLACE = 23, 24, 25  # steps of the input of `lay_back` along the kernel
RUNS = 26  # where there is for each place along x which windows see no padding: first and stop
SPACE = 27  # of the images: result and input


def add_windows(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The sums over the windows of the images [lo, hi)."""
    images = pointer(Value, args[IN])
    out = pointer(Value, args[OUT])
    sums = pointer(Work, scratch)
    space = pointer(i64, address(args, SPACE))
    for image in range(lo, hi):
        to = offset(space, 0, image)
        source = offset(space, 1, image)
        for z in range(args[Z_COUNT]):
            for y in range(args[Y_COUNT]):
                at = source + z * args[Z_STRIDE] * args[Z_STEP]
                add_row(args, sums, images, at + y * args[Y_STRIDE] * args[Y_STEP])
                for x in lanes(0, args[X_COUNT]):
                    out[to + x] = Value(sums[x])
                to += args[X_COUNT]
    return 0


def add_row(args: ptr_i64, sums: ptr_Work, images: ptr_Value, source: i64) -> None:
    """A row of sums, of windows that begin at `source`."""
    for x in lanes(0, args[X_COUNT]):
        sums[x] = Work(0)
    for i in range(args[Z_KERNEL]):
        for j in range(args[Y_KERNEL]):
            for k in range(args[X_KERNEL]):
                at = source + i * args[Z_APART] * args[Z_STEP]
                at += j * args[Y_APART] * args[Y_STEP] + k * args[X_APART] * args[X_STEP]
                add_run(sums, images, at, args[X_STRIDE] * args[X_STEP], args[X_COUNT])


def add_run(sums: ptr_Work, images: ptr_Value, at: i64, step: i64, count: i64) -> None:
    """sums += elements that are `step` apart. For small steps LLVM finds the way to load them."""
    if step == 1:
        for x in lanes(0, count):
            sums[x] = sums[x] + Work(images[at + x])
    elif step == 2:
        for x in lanes(0, count):
            sums[x] = sums[x] + Work(images[at + x * 2])
    else:
        for x in lanes(0, count):
            sums[x] = sums[x] + Work(images[at + x * step])


def lay_back(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The images [lo, hi) as sums of their windows' elements."""
    out = pointer(Value, args[OUT])
    sums = pointer(Work, scratch)
    space = pointer(i64, address(args, SPACE))
    for image in range(lo, hi):
        to = offset(space, 0, image)
        source = offset(space, 1, image)
        for z in range(args[Z_SIZE]):
            for y in range(args[Y_SIZE]):
                lay_back_row(args, sums, source, z, y)
                for x in lanes(0, args[X_SIZE]):
                    out[to + x] = Value(sums[x])
                to += args[X_SIZE]
    return 0


def lay_back_row(args: ptr_i64, sums: ptr_Work, source: i64, z: i64, y: i64) -> None:
    """A row of an image: element y is at place j of window (y - j * apart) / stride, if that is
    a whole number and there is such a window."""
    windows = pointer(Value, args[IN])
    for x in lanes(0, args[X_SIZE]):
        sums[x] = Work(0)
    for i in range(args[Z_KERNEL]):
        from_z = z - i * args[Z_APART]
        if whole(from_z, args[Z_STRIDE], args[Z_COUNT]):
            for j in range(args[Y_KERNEL]):
                from_y = y - j * args[Y_APART]
                if whole(from_y, args[Y_STRIDE], args[Y_COUNT]):
                    at = source + from_z // args[Z_STRIDE] * args[Z_STEP] + i * args[Z_PLACE]
                    at += from_y // args[Y_STRIDE] * args[Y_STEP] + j * args[Y_PLACE]
                    add_places(args, sums, windows, at)


def whole(distance: i64, stride: i64, count: i64) -> bool:
    """Whether a window begins `distance` after the first."""
    return distance >= 0 and distance % stride == 0 and distance // stride < count


def add_places(args: ptr_i64, sums: ptr_Work, windows: ptr_Value, source: i64) -> None:
    """Add what a row of windows has at the places along x."""
    step = args[X_STEP]
    for k in range(args[X_KERNEL]):
        at = source + k * args[X_PLACE]
        first = k * args[X_APART]
        if args[X_STRIDE] == 1 and step == 1:
            for x in lanes(0, args[X_COUNT]):
                sums[first + x] = sums[first + x] + Work(windows[at + x])
        else:
            for x in lanes(0, args[X_COUNT]):
                to = first + x * args[X_STRIDE]
                sums[to] = sums[to] + Work(windows[at + x * step])


def find_maxima(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """For each window of the images [lo, hi), where in its image its first maximum is."""
    out = pointer(i64, args[OUT])
    best = pointer(Work, scratch)
    places = pointer(i32, scratch + args[X_COUNT] * 8)
    space = pointer(i64, address(args, SPACE))
    for image in range(lo, hi):
        to = offset(space, 0, image)
        source = offset(space, 1, image)
        for z in range(args[Z_COUNT]):
            for y in range(args[Y_COUNT]):
                find_row(args, best, places, source, z * args[Z_STRIDE] - args[Z_LOW],
                         y * args[Y_STRIDE] - args[Y_LOW])  # fmt: skip
                for x in lanes(0, args[X_COUNT]):
                    out[to + x] = i64(places[x])
                to += args[X_COUNT]
    return 0


def find_row(args: ptr_i64, best: ptr_Work, places: ptr_i32, source: i64, z: i64, y: i64) -> None:
    """The places of the maxima of a row of windows that begin in row y of plane z; -1 stands for
    windows that have not seen an element yet."""
    images = pointer(Value, args[IN])
    for x in lanes(0, args[X_COUNT]):
        best[x] = Work(0)
        places[x] = -1
    for i in range(args[Z_KERNEL]):
        at_z = z + i * args[Z_APART]
        for j in range(args[Y_KERNEL]):
            at_y = y + j * args[Y_APART]
            if at_z >= 0 and at_z < args[Z_SIZE] and at_y >= 0 and at_y < args[Y_SIZE]:
                at = source + at_z * args[Z_STEP] + at_y * args[Y_STEP]
                number = (at_z * args[Y_SIZE] + at_y) * args[X_SIZE]
                for k in range(args[X_KERNEL]):
                    see(args, best, places, images, at, number, k)


def see(
    args: ptr_i64, best: ptr_Work, places: ptr_i32, images: ptr_Value, at: i64, number: i64,
    place: i64,
) -> None:  # fmt: skip
    """Let the windows of a row see their element at one place along x, unless it is padding."""
    start = place * args[X_APART] - args[X_LOW]
    stride = args[X_STRIDE]
    first = args[args[RUNS] + 2 * place]
    stop = args[args[RUNS] + 2 * place + 1]
    step = stride * args[X_STEP]
    source = at + start * args[X_STEP]
    if step == 1:
        for x in lanes(first, stop):
            value = Work(images[source + x])
            best[x], places[x] = better(value, number + start + x * stride, best[x], places[x])
    elif step == 2:
        for x in lanes(first, stop):
            value = Work(images[source + x * 2])
            best[x], places[x] = better(value, number + start + x * stride, best[x], places[x])
    else:
        for x in lanes(first, stop):
            value = Work(images[source + x * step])
            best[x], places[x] = better(value, number + start + x * stride, best[x], places[x])


def better(value: Work, number: i64, best: Work, place: i32) -> tuple[Work, i32]:
    """The better of two elements and its place: the later one has to be larger, or the first
    that is NaN."""
    wins = place < 0 or value > best or (value != value and best == best)
    return value if wins else best, i32(number) if wins else place
