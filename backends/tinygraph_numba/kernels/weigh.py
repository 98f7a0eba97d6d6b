"""The kernel of the weights' gradient.

It is a sum of products over all windows: of what each sees at one place in one channel, and of
the result's gradient. A tile (see `tiles.py`) has pairs of channel and place for rows, output
channels for columns. What is seen is read from the copy that `scene.py` makes of an image, the
gradient from a copy in which its channels are neighbours. The batch is divided into parts, whose
sums are added up in order at the end.

The words `Value`, `Rows`, `Vectors`, `Width` and `Span` are replaced before a kernel is compiled,
see `tiles.compiled`.
"""

from __future__ import annotations

from tinygraph_numba.kernels.scene import (
    BAND,
    BATCH,
    CHANNELS,
    COUNT_X,
    COUNT_Y,
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
    PLACES,
    SHARED,
    SPLIT,
    WEIGHT,
    X_ROOM,
    X_STRIDE,
    Y_ROOM,
    Y_STRIDE,
    Z_COUNT,
    Z_ROOM,
    copy_images,
)  # fmt: skip
from tinygraph_numba.kernels.transposition import transpose
from tinygraph_numba.language.dialect import (
    f32,
    i64,
    lanes,
    load,
    maximum,
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
ptr_Value = ptr_f32
Rows = 8
Vectors = 2
Width = 16
Span = 32

# The args of this kernel's own. WEIGHT is the result's gradient.
ROUNDED = OWN  # output channels, rounded up to whole tiles
PARTS = OWN + 1
SLOPES = OWN + 2  # where in scratch memory the result's gradient is copied to, in bytes
BLOCK = OWN + 3  # channels that are done at a time


def weigh(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The partial sums [lo, hi): blocks of channels run fastest, then parts of the batch, then
    groups."""
    sums = pointer(Value, args[args[SHARED]])
    blocks = (args[CHANNELS] + args[BLOCK] - 1) // args[BLOCK]
    row = args[PHASE + PLACES] * args[ROUNDED]
    for number in range(lo, hi):
        channel = number % blocks * args[BLOCK]
        count = minimum(args[BLOCK], args[CHANNELS] - channel)
        part = number // blocks % args[PARTS]
        group = number // blocks // args[PARTS]
        into = (number // blocks * args[CHANNELS] + channel) * row
        for k in lanes(0, count * row):
            sums[into + k] = 0.0
        first = part * args[BATCH] // args[PARTS]
        for image in range(first, (part + 1) * args[BATCH] // args[PARTS]):
            add_image(args, sums, into, image, group, channel, count, scratch)
    return 0


def add_image(
    args: ptr_i64, sums: ptr_Value, into: i64, image: i64, group: i64, channel: i64, count: i64,
    scratch: i64,
) -> None:  # fmt: skip
    """Add what an image has to the partial sums, band by band and tile by tile."""
    copy = pointer(Value, scratch)
    slopes = pointer(Value, scratch + args[SLOPES])
    places = count * args[PHASE + PLACES]
    for z in range(args[Z_COUNT]):
        for band in range(0, args[PHASE + COUNT_Y], args[BAND]):
            rows = minimum(args[BAND], args[PHASE + COUNT_Y] - band)
            copy_images(args, copy, image, group * args[CHANNELS] + channel, count, z, band)
            copy_slopes(args, slopes, image, group, z, band, rows)
            for o in range(0, args[ROUNDED], Span):
                for place in range(0, places, Rows):
                    tile(args, copy, slopes, sums, into, rows, o, place, places)


def copy_slopes(
    args: ptr_i64, slopes: ptr_Value, image: i64, group: i64, z: i64, band: i64, rows: i64
) -> None:
    """Copy the gradient of a band such that its channels are neighbours. Rows that follow each
    other without a gap are one run."""
    source = pointer(Value, args[WEIGHT])
    at = image * args[OUT_IMAGE] + group * args[OUT_CHANNELS] * args[OUT_CHANNEL]
    at += z * args[OUT_Z] + band * args[OUT_Y]
    run = args[PHASE + COUNT_X]
    lines = rows
    if args[OUT_Y] == run * args[OUT_X]:
        run = run * rows
        lines = 1
    for y in range(lines):
        for o in range(0, args[ROUNDED], Width):
            from_slope = at + o * args[OUT_CHANNEL] + y * args[OUT_Y]
            channels = minimum(Width, args[OUT_CHANNELS] - o)
            done = i64(0)
            if channels == Width and args[OUT_X] == 1:
                done = run // Width * Width
                for x in range(0, done, Width):
                    to = (y * run + x) * args[ROUNDED] + o
                    transpose(slopes, to, args[ROUNDED], source, from_slope + x, args[OUT_CHANNEL])
            for x in range(done, run):
                to = (y * run + x) * args[ROUNDED] + o
                for r in range(channels):
                    place = from_slope + r * args[OUT_CHANNEL] + x * args[OUT_X]
                    slopes[to + r] = source[place]
                for r in range(maximum(channels, 0), Width):
                    slopes[to + r] = 0.0


def tile(
    args: ptr_i64, copy: ptr_Value, slopes: ptr_Value, partial: ptr_Value, into: i64, rows: i64,
    o: i64, place: i64, places: i64,
) -> None:  # fmt: skip
    """Add the windows of a band to one tile of the partial sums. Rows that there are not do what
    the last one does, for nothing."""
    per = args[PHASE + PLACES]
    line = args[SPLIT] * args[X_ROOM]
    step = args[Z_ROOM] * args[Y_ROOM] * line
    begin = stack(i64, Rows)
    sums = stack(Value, Rows * Span)
    for r in unroll(0, Rows):
        number = minimum(place + r, places - 1)
        begin[r] = number // per * step + args[args[PHASE + FIRST] + 2 * (number % per)]
        for v in unroll(0, Vectors):
            at = into + number * args[ROUNDED] + o + v * Width
            store(sums, r * Span + v * Width, load(partial, at, Width))
    count = args[PHASE + COUNT_X]
    for y in range(rows):
        for x in range(count):
            at = (y * count + x) * args[ROUNDED] + o
            window = y * args[Y_STRIDE] * line + x * args[X_STRIDE]
            for r in unroll(0, Rows):
                seen = spread(copy[begin[r] + window], Width)
                for v in unroll(0, Vectors):
                    slope = load(slopes, at + v * Width, Width)
                    sum = r * Span + v * Width
                    store(sums, sum, load(sums, sum, Width) + seen * slope)
    for r in unroll(0, Rows):
        if place + r < places:
            at = into + (place + r) * args[ROUNDED] + o
            for v in unroll(0, Vectors):
                store(partial, at + v * Width, load(sums, r * Span + v * Width, Width))


def add_parts(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Add up the partial sums, in order, for the gradient of the weights."""
    sums = pointer(Value, args[args[SHARED]])
    places = args[CHANNELS] * args[PHASE + PLACES]
    size = places * args[ROUNDED]
    for group in range(args[GROUPS]):
        total = group * args[PARTS] * size
        for part in range(1, args[PARTS]):
            for k in lanes(0, size):
                sums[total + k] = sums[total + k] + sums[total + part * size + k]
        for o in range(0, args[OUT_CHANNELS], Width):
            for place in range(0, places, Width):
                put_square(args, sums, total, group, o, place, places)
    return 0


def put_square(
    args: ptr_i64, sums: ptr_Value, total: i64, group: i64, o: i64, place: i64, places: i64
) -> None:
    """Write some sums where they belong: output channels are rows there."""
    out = pointer(Value, args[OUT])
    into = (group * args[OUT_CHANNELS] + o) * places + place
    at = total + place * args[ROUNDED] + o
    rows = minimum(Width, args[OUT_CHANNELS] - o)
    columns = minimum(Width, places - place)
    if rows == Width and columns == Width:
        transpose(out, into, places, sums, at, args[ROUNDED])
    else:
        for r in range(rows):
            for k in range(columns):
                out[into + r * places + k] = sums[at + k * args[ROUNDED] + r]
