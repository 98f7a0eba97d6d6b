"""What the kernels of convolution look at: a copy of images with their padding, in scratch memory.

What a window sees at one place of the kernel is a run of the copy. Where rows of windows are
shorter than a vector, several images are interleaved, element by element: what are neighbours
then are the same windows of several images. Where windows are further apart than one element, a
row of the copy is laid out by remainders, such that windows are neighbours again.

There are three spatial dimensions: z, y and x. The words `Value` and `Width` are replaced before
a kernel is compiled, see `tiles.compiled`.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    even,
    f32,
    i64,
    lanes,
    load,
    maximum,
    minimum,
    odd,
    pointer,
    ptr_f32,
    ptr_i64,
    spread,
    store,
    zip_high,
    zip_low,
)  # fmt: skip

Value = f32
ptr_Value = ptr_f32
Width = 16
Half = Width // 2

# The args that all kernels of convolution have. The images: channels are those of a group.
OUT, IMAGES, WEIGHT = 0, 1, 2
BATCH, GROUPS, CHANNELS = 3, 4, 5
IMAGE_STEP, CHANNEL_STEP, Z_STEP, Y_STEP, X_STEP = 6, 7, 8, 9, 10
Z_SIZE, Y_SIZE = 11, 12
# The copy: where it begins against the first window; elements along z and y, and along x for each
# remainder; how many images and remainders.
Z_LOW, Y_LOW = 13, 14
Z_ROOM, Y_ROOM, X_ROOM = 15, 16, 17
TOGETHER, SPLIT = 18, 19
LINES = 20  # where the records of remainders are
# Windows: steps in the image from one to the next; how many rows of them are done at a time.
Z_STRIDE, Y_STRIDE, X_STRIDE = 21, 22, 23
Z_COUNT, BANDS, BAND = 24, 25, 26
# The array that has an element for each window.
OUT_CHANNELS, OUT_IMAGE, OUT_CHANNEL, OUT_Z, OUT_Y, OUT_X = 27, 28, 29, 30, 31, 32
SHARED = 33  # which arg is the address of shared memory
OWN = 34  # the first of five args of each kernel's own
PHASE = 39  # the first record of a phase
# A phase: its windows, where its results begin, how many places it has, and where their records
# are: for each place its offset in the copy and in the weights.
COUNT_Z, COUNT_Y, COUNT_X, START, PLACES, FIRST, PHASE_SIZE = 0, 1, 2, 3, 4, 5, 6
# A remainder: the elements that are not padding, and where in the images' rows element 0 is.
LINE_FIRST, LINE_STOP, LINE_START, LINE_SIZE = 0, 1, 2, 3


def copy_images(
    args: ptr_i64, copy: ptr_Value, image: i64, channel: i64, count: i64, z: i64, band: i64
) -> None:
    """Copy what the windows of a band see of `count` channels, with zeros around."""
    images = pointer(Value, args[IMAGES])
    z_first = z * args[Z_STRIDE] + args[Z_LOW]
    y_first = band * args[Y_STRIDE] + args[Y_LOW]
    line = args[SPLIT] * args[X_ROOM] * args[TOGETHER]
    start = image * args[IMAGE_STEP] + channel * args[CHANNEL_STEP]
    to = i64(0)
    for c in range(count):
        for i in range(z_first, z_first + args[Z_ROOM]):
            for j in range(y_first, y_first + args[Y_ROOM]):
                if i < 0 or i >= args[Z_SIZE] or j < 0 or j >= args[Y_SIZE]:
                    clear(copy, to, line)
                else:
                    at = start + c * args[CHANNEL_STEP] + i * args[Z_STEP] + j * args[Y_STEP]
                    copy_line(args, copy, to, images, at, image)
                to += line


def copy_line(
    args: ptr_i64, copy: ptr_Value, to: i64, images: ptr_Value, at: i64, image: i64
) -> None:
    """Copy a row of each of the images, remainder by remainder. Places of images that there are
    not keep what they hold: nobody looks at what comes of it."""
    together = args[TOGETHER]
    step = args[X_STEP] * args[SPLIT]
    if args[SPLIT] == 2 and args[X_STEP] == 1 and together == 1:
        split_in_two(args, copy, to, images, at)
        return
    for remainder in range(args[SPLIT]):
        record = args[LINES] + remainder * LINE_SIZE
        first = args[record + LINE_FIRST]
        count = args[record + LINE_STOP] - first
        source = at + args[record + LINE_START] + first * step
        clear_ends(copy, to, args[X_ROOM] * together, first * together, count * together)
        here = to + first * together
        if together == 1:
            copy_run(copy, here, images, source, step, count)
        elif together == 2 and step == 1 and count >= Half and image + 1 < args[BATCH]:
            zip_runs(copy, here, images, source, source + args[IMAGE_STEP], count)
        else:
            for n in range(minimum(together, args[BATCH] - image)):
                for k in lanes(0, count):
                    copy[here + n + k * together] = images[source + k * step]
                source += args[IMAGE_STEP]
        to += args[X_ROOM] * together


def clear(copy: ptr_Value, to: i64, count: i64) -> None:
    """Zeros."""
    for k in lanes(0, count):
        copy[to + k] = 0.0


def clear_ends(copy: ptr_Value, to: i64, room: i64, first: i64, count: i64) -> None:
    """Zeros before and behind the `count` elements from `first` on, which are written after
    this: so one vector at each end will do, if the padding is not longer."""
    if room >= Half and first <= Half and room - first - count <= Half:
        store(copy, to, spread(Value(0.0), Half))
        store(copy, to + room - Half, spread(Value(0.0), Half))
    else:
        clear(copy, to, first)
        clear(copy, to + first + count, room - first - count)


def split_in_two(args: ptr_i64, copy: ptr_Value, to: i64, images: ptr_Value, at: i64) -> None:
    """Copy a row whose elements in even and odd places become neighbours. Where the copy begins
    with an odd one, those in even places are the second remainder."""
    room = args[X_ROOM]
    line = args[LINES]
    other = line + LINE_SIZE
    evens = to
    odds = to + room
    if args[line + LINE_START] % 2 != 0:
        line = other
        other = args[LINES]
        evens = to + room
        odds = to
    first = args[line + LINE_FIRST]
    count = args[line + LINE_STOP] - first
    odd_first = args[other + LINE_FIRST]
    odd_count = args[other + LINE_STOP] - odd_first
    clear_ends(copy, evens, room, first, count)
    clear_ends(copy, odds, room, odd_first, odd_count)
    evens += first
    odds += odd_first
    source = at + args[line + LINE_START] + 2 * first
    whole = minimum(count, odd_count) // Half * Half
    for k in range(0, whole, Half):
        a = load(images, source + 2 * k, Half)
        b = load(images, source + 2 * k + Half, Half)
        store(copy, evens + k, even(a, b))
        store(copy, odds + k, odd(a, b))
    for k in range(whole, count):
        copy[evens + k] = images[source + 2 * k]
    for k in range(whole, odd_count):
        copy[odds + k] = images[source + 2 * k + 1]


def copy_run(copy: ptr_Value, to: i64, images: ptr_Value, at: i64, step: i64, count: i64) -> None:
    """Copy `count` elements that are `step` apart. The last vector may overlap the one before;
    of two steps, nothing is read behind the last element."""
    done = i64(0)
    if step == 1 and count >= Half:
        for k in range(0, count - Half, Half):
            store(copy, to + k, load(images, at + k, Half))
        store(copy, to + count - Half, load(images, at + count - Half, Half))
        done = count
    elif step == 2:
        done = maximum(count - 1, 0) // Half * Half
        for k in range(0, done, Half):
            a = load(images, at + 2 * k, Half)
            b = load(images, at + 2 * k + Half, Half)
            store(copy, to + k, even(a, b))
    for k in lanes(done, count):
        copy[to + k] = images[at + k * step]


def zip_runs(copy: ptr_Value, to: i64, images: ptr_Value, one: i64, other: i64, count: i64) -> None:
    """Copy `count` elements of two images, interleaved."""
    for start in range(0, count, Half):
        k = minimum(start, count - Half)
        a = load(images, one + k, Half)
        b = load(images, other + k, Half)
        store(copy, to + 2 * k, zip_low(a, b))
        store(copy, to + 2 * k + Half, zip_high(a, b))
