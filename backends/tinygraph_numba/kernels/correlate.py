"""The kernel of convolution, both ways through a layer.

No matrix of columns is made. A tile of the result (see `tiles.py`), rows of which are output
channels and columns of which are neighbouring windows, reads its vectors right from the copy that
`scene.py` makes of the images, for each channel and each place of the kernel.

The words `Value`, `Rows`, `Vectors`, `Width` and `Span` are replaced before a kernel is compiled,
see `tiles.compiled`.
"""

from __future__ import annotations

from tinygraph_numba.kernels.scene import (
    BAND,
    BANDS,
    BATCH,
    CHANNELS,
    COUNT_X,
    COUNT_Y,
    COUNT_Z,
    FIRST,
    GROUPS,
    OUT,
    OUT_CHANNEL,
    OUT_CHANNELS,
    OUT_IMAGE,
    OUT_X,
    OUT_Y,
    OUT_Z,
    OWN,
    PHASE,
    PHASE_SIZE,
    PLACES,
    SHARED,
    SPLIT,
    START,
    TOGETHER,
    WEIGHT,
    X_ROOM,
    Y_ROOM,
    Y_STRIDE,
    Z_COUNT,
    Z_ROOM,
    copy_images,
)  # fmt: skip
from tinygraph_numba.language.dialect import (
    even,
    f32,
    i64,
    lanes,
    load,
    minimum,
    odd,
    pointer,
    ptr_f32,
    ptr_i64,
    spread,
    stack,
    store,
    unroll,
)  # fmt: skip

Value = f32
ptr_Value = ptr_f32
Rows = 8
Vectors = 2
Width = 16
Span = 32

# The args of this kernel's own.
WEIGHT_GROUP = OWN  # steps of the weights
WEIGHT_OUT = OWN + 1
WEIGHT_IN = OWN + 2
ALL_PLACES = OWN + 3  # how many places all phases have
PHASES = OWN + 4


def arrange_weights(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Copy the weights into the order in which tiles read them: for `Rows` output channels at a
    time, for each channel and place those of all of them. Channels that do not exist have zeros."""
    weight = pointer(Value, args[WEIGHT])
    arranged = pointer(Value, args[args[SHARED]])
    first = args[PHASE + FIRST]
    to = i64(0)
    for group in range(args[GROUPS]):
        for o in range(0, args[OUT_CHANNELS], Rows):
            start = group * args[WEIGHT_GROUP] + o * args[WEIGHT_OUT]
            rows = minimum(Rows, args[OUT_CHANNELS] - o)
            for c in range(args[CHANNELS]):
                for place in range(args[ALL_PLACES]):
                    at = start + c * args[WEIGHT_IN] + args[first + 2 * place + 1]
                    for r in range(rows):
                        arranged[to + r] = weight[at + r * args[WEIGHT_OUT]]
                    for r in range(rows, Rows):
                        arranged[to + r] = 0.0
                    to += Rows
    return 0


def correlate(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The parts [lo, hi) of the result: bands of rows run fastest, then planes, groups and
    images."""
    copy = pointer(Value, scratch)
    for number in range(lo, hi):
        band = number % args[BANDS] * args[BAND]
        rest = number // args[BANDS]
        z = rest % args[Z_COUNT]
        rest = rest // args[Z_COUNT]
        group = rest % args[GROUPS]
        image = rest // args[GROUPS] * args[TOGETHER]
        channels = args[CHANNELS]
        copy_images(args, copy, image, group * channels, channels, z, band)
        for phase in range(args[PHASES]):
            record = PHASE + phase * PHASE_SIZE
            rows = minimum(args[BAND], args[record + COUNT_Y] - band)
            if z < args[record + COUNT_Z] and rows > 0:
                into = args[record + START] + z * args[OUT_Z] + band * args[OUT_Y]
                for o in range(0, args[OUT_CHANNELS], Rows):
                    several_channels(args, record, copy, image, group, into, rows, o)
    return 0


def several_channels(
    args: ptr_i64, record: i64, copy: ptr_Value, image: i64, group: i64, into: i64, rows: i64,
    o: i64,
) -> None:  # fmt: skip
    """`Rows` output channels of a band, tile by tile."""
    line = args[SPLIT] * args[X_ROOM] * args[TOGETHER] * args[Y_STRIDE]
    run = args[record + COUNT_X] * args[TOGETHER]
    blocks = (args[OUT_CHANNELS] + Rows - 1) // Rows
    weights = (group * blocks + o // Rows) * args[CHANNELS] * args[ALL_PLACES]
    weights += (args[record + FIRST] - args[PHASE + FIRST]) // 2
    into += image * args[OUT_IMAGE] + (group * args[OUT_CHANNELS] + o) * args[OUT_CHANNEL]
    window_x = stack(i64, Vectors)
    window_y = stack(i64, Vectors)
    begin = stack(i64, Vectors)
    sums = stack(Value, Rows * Span)
    x = i64(0)
    y = i64(0)
    while y < rows:
        for v in unroll(0, Vectors):
            window_x[v] = x
            window_y[v] = y
            begin[v] = minimum(y, rows - 1) * line + x
            x += Width
            if x >= run:
                x = 0
                y += 1
        tile(args, record, copy, begin, weights * Rows, sums)
        for v in range(Vectors):
            if window_y[v] < rows:
                to = into + window_y[v] * args[OUT_Y]
                count = minimum(Width, run - window_x[v])
                put(args, image, o, to, window_x[v], count, sums, v * Width)


def tile(
    args: ptr_i64, record: i64, copy: ptr_Value, begin: ptr_i64, weights: i64, result: ptr_Value
) -> None:
    """One tile: `Rows` output channels, vectors that begin at `begin`."""
    weight = pointer(Value, args[args[SHARED]])
    start = stack(i64, Vectors)
    for v in unroll(0, Vectors):
        start[v] = begin[v]
    sums = stack(Value, Rows * Span)
    for r in unroll(0, Rows):
        for v in unroll(0, Vectors):
            store(sums, r * Span + v * Width, spread(Value(0.0), Width))
    step = args[Z_ROOM] * args[Y_ROOM] * args[SPLIT] * args[X_ROOM] * args[TOGETHER]
    first = args[record + FIRST]
    for c in range(args[CHANNELS]):
        for place in range(args[record + PLACES]):
            at = c * step + args[first + 2 * place]
            from_weight = weights + (c * args[ALL_PLACES] + place) * Rows
            for r in unroll(0, Rows):
                w = spread(weight[from_weight + r], Width)
                for v in unroll(0, Vectors):
                    x = load(copy, start[v] + at, Width)
                    sum = r * Span + v * Width
                    store(sums, sum, load(sums, sum, Width) + w * x)
    for r in unroll(0, Rows):
        for v in unroll(0, Vectors):
            store(result, r * Span + v * Width, load(sums, r * Span + v * Width, Width))


def put(
    args: ptr_i64, image: i64, o: i64, into: i64, x: i64, count: i64, sums: ptr_Value, at: i64
) -> None:
    """Write `count` windows of a row, from number x on, for each output channel of a tile."""
    out = pointer(Value, args[OUT])
    together = args[TOGETHER]
    into += x // together * args[OUT_X]
    for r in range(minimum(Rows, args[OUT_CHANNELS] - o)):
        to = into + r * args[OUT_CHANNEL]
        source = at + r * Span
        if together == 1 and args[OUT_X] == 1 and count == Width:
            store(out, to, load(sums, source, Width))
        elif together == 2 and args[OUT_X] == 1 and count == Width and image + 1 < args[BATCH]:
            low = load(sums, source, Width // 2)
            high = load(sums, source + Width // 2, Width // 2)
            store(out, to, even(low, high))
            store(out, to + args[OUT_IMAGE], odd(low, high))
        else:
            put_run(args, out, to, minimum(together, args[BATCH] - image), count, sums, source)


def put_run(
    args: ptr_i64, out: ptr_Value, into: i64, images: i64, count: i64, sums: ptr_Value, source: i64
) -> None:
    """Write windows of a row of some images, one by one."""
    together = args[TOGETHER]
    step = args[OUT_X]
    for n in range(images):
        to = into + n * args[OUT_IMAGE]
        for k in lanes(0, count // together):
            out[to + k * step] = sums[source + k * together + n]
