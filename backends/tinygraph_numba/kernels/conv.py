"""Convolution: `conv`, `conv_input` and `conv_weight`. The kernels stand in `correlate.py`.

Along each spatial dimension, what an op does is said by phases: runs of results that see the
input alike. `conv` has one. `conv_input` with a stride s has s of them: results that are s apart
get their parts from the same places of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from tinygraph.compiler.kernel import Instruction, Slot, View
from tinygraph.compiler.sources import is_dense
from tinygraph.dtypes import DType, float32, float64
from tinygraph_numba.kernels import correlate, weigh
from tinygraph_numba.kernels.contract import arranged, plan_products
from tinygraph_numba.kernels.scene import PHASE, PHASE_SIZE, copy_images
from tinygraph_numba.kernels.spaces import Space
from tinygraph_numba.kernels.tiles import Tile, compiled, fitting, tile
from tinygraph_numba.kernels.transposition import transpose
from tinygraph_numba.memory import rounded
from tinygraph_numba.plan import Plan

SCRATCH = 1 << 18  # bytes: a copy of so much stays in the second cache
PARTIAL = 1 << 24  # bytes that partial sums of the weights' gradient may take
PARTS = 8  # into which work is divided, if there is enough of it
FULL = 0.85  # of the lanes of vectors that are to be of use
CHUNK = 1 << 20  # multiplications that make up for starting a thread on them


@dataclass(frozen=True, slots=True)
class Phase:
    """Results along one dimension that see the input alike: result number start + step * j sees
    element stride * j + shift at each place (place, shift), j < count."""

    start: int
    count: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial dimension of what is seen, of `size` elements. See `Phase`."""

    size: int
    stride: int
    step: int
    phases: tuple[Phase, ...]

    @property
    def count(self) -> int:
        return max(phase.count for phase in self.phases)

    @property
    def shifts(self) -> list[int]:
        return [shift for phase in self.phases for _, shift in phase.places] or [0]

    @property
    def low(self) -> int:
        """Where the first window begins, at the lowest place."""
        return min(self.shifts)

    def room(self, count: int) -> int:
        """How many elements `count` windows see."""
        return (count - 1) * self.stride + max(self.shifts) - self.low + 1


def forward(size: int, count: int, kernel: int, stride: int, low: int, apart: int) -> Axis:
    """What `count` windows of `conv` see along a dimension."""
    places = tuple((k, k * apart - low) for k in range(kernel))
    return Axis(size, stride, 1, (Phase(0, count, places),))


def backward(size: int, count: int, kernel: int, stride: int, low: int, apart: int) -> Axis:
    """What the elements of an input of `size` see of `count` windows.

    Element y is at place k of window p if y + low = p * stride + k * apart.
    """
    phases = []
    for rest in range(stride):
        first = -((rest - low) // stride)
        number = (low + size - 1 - rest) // stride - first + 1
        places = tuple(
            (k, first - (k * apart - rest) // stride)
            for k in range(kernel) if (k * apart - rest) % stride == 0
        )  # fmt: skip
        if number > 0:
            phases.append(Phase(first * stride + rest - low, number, places))
    return Axis(count, 1, stride, tuple(phases))


@dataclass(frozen=True, slots=True)
class Scene:
    """What a convolution looks at, and what has an element for each window of that.

    images: (batch, channel, *size). windows: (batch, out channel, *count). The numbers of channels
    are those of a group.
    """

    images: Slot
    windows: Slot
    axes: tuple[Axis, ...]
    groups: int
    channels: int
    out_channels: int

    @property
    def batch(self) -> int:
        return self.images.view.shape[0]

    @property
    def phases(self) -> list[tuple[Phase, ...]]:
        """Those of all dimensions together: one of each."""
        return list(product(*(axis.phases for axis in self.axes)))

    @property
    def places(self) -> int:
        """How many places of the kernel all phases have."""
        return sum(prod(len(part.places) for part in phase) for phase in self.phases)

    @property
    def itemsize(self) -> int:
        return self.images.dtype.itemsize


def plan(instruction: Instruction) -> Plan | None:
    """The plan of a convolution; None if it is empty, has more than three dimensions, is of 16
    bits, or if the result of a `conv_weight` has gaps."""
    slots = (*instruction.inputs, *instruction.outputs)
    if any(prod(slot.view.shape) == 0 for slot in slots) or len(slots[0].view.shape) > 5:
        return None
    if slots[0].dtype not in (float32, float64):
        return None
    name, out = instruction.kernel.name, instruction.outputs[0].view
    if name == "conv_weight" and not is_dense(out):
        return None
    if name != "conv_input":
        instruction = _without_gaps(instruction)
    return plan_pointwise(instruction) if _is_pointwise(instruction) else PLANS[name](instruction)


def plan_conv(instruction: Instruction) -> Plan:
    """The plan of a `conv`."""
    (x, w), (out,) = instruction.inputs, instruction.outputs
    groups = instruction.params["groups"]
    axes = _axes(instruction, forward, x, out, w)
    out_channels = w.view.shape[0] // groups
    row, column, *pitches = _steps(w)
    scene = Scene(x, out, axes, groups, w.view.shape[1], out_channels)
    return _correlation(scene, w, (out_channels * row, row, column), pitches)


def plan_input(instruction: Instruction) -> Plan:
    """The plan of a `conv_input`: the output channels are what is seen."""
    (g, w), (out,) = instruction.inputs, instruction.outputs
    groups = instruction.params["groups"]
    axes = _axes(instruction, backward, out, g, w)
    channels = w.view.shape[0] // groups
    row, column, *pitches = _steps(w)
    scene = Scene(g, out, axes, groups, channels, w.view.shape[1])
    return _correlation(scene, w, (channels * row, column, row), pitches)


def plan_weight(instruction: Instruction) -> Plan:
    """The plan of a `conv_weight`."""
    (x, g), (out,) = instruction.inputs, instruction.outputs
    groups = instruction.params["groups"]
    axes = _axes(instruction, forward, x, g, out)
    scene = Scene(x, g, axes, groups, out.view.shape[1], out.view.shape[0] // groups)
    return _weighing(scene, out)


def plan_pointwise(instruction: Instruction) -> Plan:
    """The plan of a `conv` or `conv_input` whose windows are single elements: matrix products of
    the weights with each image, whose spatial dimensions are the columns."""
    (x, w), (out,) = instruction.inputs, instruction.outputs
    groups = instruction.params["groups"]
    image, channel, *steps = x.view.strides
    out_image, out_channel, *out_steps = out.view.strides
    rows, depth = out.view.shape[1] // groups, x.view.shape[1] // groups
    inputs_first = instruction.kernel.name == "conv_input"
    row, inner = w.view.strides[1::-1] if inputs_first else w.view.strides[:2]
    each_group = (inner * depth) if inputs_first else (row * rows)
    none = (0,) * len(steps)
    matrices = arranged(
        w.dtype,
        Space(
            (x.view.shape[0], groups),
            ((out_image, rows * out_channel), (0, each_group), (image, depth * channel)),
        ),
        Space((rows,), ((out_channel,), (row,), (0,))).collapsed(),
        Space(x.view.shape[2:], (tuple(out_steps), none, tuple(steps))).collapsed(),
        Space((depth,), ((inner,), (channel,))).collapsed(),
    )  # fmt: skip
    return plan_products(matrices, (out, w, x))


def _without_gaps(instruction: Instruction) -> Instruction:
    """The same, where elements that no window sees are not looked at: along dimensions in which
    the kernel has one place, the input is thinned out instead of taking large steps."""
    x, other = instruction.inputs
    params = dict(instruction.params)
    kernel = params.get("size") or other.view.shape[2:]
    thin = [
        step if k == 1 and pads == (0, 0) else 1
        for step, k, pads in zip(params["stride"], kernel, params["padding"], strict=True)
    ]
    size = (-(-n // step) for n, step in zip(x.view.shape[2:], thin, strict=True))
    strides = (n * step for n, step in zip(x.view.strides[2:], thin, strict=True))
    view = View(x.view.offset, (*x.view.shape[:2], *size), (*x.view.strides[:2], *strides))
    params["stride"] = tuple(s // step for s, step in zip(params["stride"], thin, strict=True))
    return replace(instruction, inputs=(replace(x, view=view), other), params=params)


def _is_pointwise(instruction: Instruction) -> bool:
    """Whether the result has an element for each element that is seen, from it alone."""
    params = instruction.params
    kernel = instruction.inputs[1].view.shape[2:]
    return (
        instruction.kernel.name != "conv_weight"
        and {*kernel, *params["stride"]} == {1} and not any(map(any, params["padding"]))
    )  # fmt: skip


PLANS = {"conv": plan_conv, "conv_input": plan_input, "conv_weight": plan_weight}


def _axes(
    instruction: Instruction, direction: Callable[..., Axis], x: Slot, g: Slot, w: Slot
) -> tuple[Axis, ...]:
    """The spatial dimensions, with such of size 1 before them to make three."""
    params = instruction.params
    axes = [
        direction(*numbers, low, apart)
        for *numbers, (low, _), apart in zip(
            x.view.shape[2:], g.view.shape[2:], w.view.shape[2:], params["stride"],
            params["padding"], params["dilation"], strict=True,
        )
    ]  # fmt: skip
    return (*[direction(1, 1, 1, 1, 0, 1)] * (3 - len(axes)), *axes)


def _steps(slot: Slot) -> tuple[int, ...]:
    """The strides of the first two dimensions and of three spatial ones."""
    first, second, *rest = slot.view.strides
    return (first, second, *[0] * (3 - len(rest)), *rest)


# ---------------------------------------------------------------------------------- the copy


@dataclass(frozen=True, slots=True)
class Copy:
    """The part of the images that is in scratch memory at one time.

    together: images that are interleaved. band: rows of windows. room: elements along z and y,
    and along x for each remainder by `split`.
    """

    together: int
    band: int
    split: int
    room: tuple[int, int, int]

    @staticmethod
    def of(scene: Scene, together: int, split: int, band: int) -> Copy:
        z, y, x = scene.axes
        return Copy(together, band, split, (z.room(1), y.room(band), -(-x.room(x.count) // split)))

    @property
    def line(self) -> int:
        """Elements of a row."""
        return self.room[2] * self.split * self.together

    @property
    def size(self) -> int:
        """Elements of a channel."""
        return self.room[0] * self.room[1] * self.line

    def offset(self, z: int, y: int, x: int) -> int:
        """Where an element of the copy is."""
        place = x % self.split * self.room[2] + x // self.split
        return (z * self.room[1] + y) * self.line + place * self.together


def _copy(
    scene: Scene, channels: int, together: int, split: int, rest: int = 0, bands: int = 1
) -> Copy:
    """The copy of so many channels, with as many rows as fit. rest: further elements that are
    needed for each row of windows. bands: there are to be so many at least."""
    band = -(-scene.axes[1].count // max(bands, 1))
    copy = Copy.of(scene, together, split, band)
    while band > 1 and (channels * copy.size + rest * band) * scene.itemsize > SCRATCH:
        band = -(-band // 2)
        copy = Copy.of(scene, together, split, band)
    return copy


def _together(scene: Scene, width: int) -> int:
    """How many images to interleave: as few as fill the vectors."""
    count = scene.axes[2].count
    together = 1
    while together < min(width, scene.batch):
        lanes = count * together
        if lanes / (-(-lanes // width) * width) >= FULL:
            break
        together *= 2
    return together


def _args(
    scene: Scene, copy: Copy, slots: tuple[Slot, Slot, Slot], pitches: Sequence[int],
    own: Sequence[int],
) -> tuple[int | Slot, ...]:  # fmt: skip
    """The args of a kernel, see `scene.py`. pitches: of the weights, along z, y and x. own: those
    that only this kernel has."""
    z, y, _ = scene.axes
    phases, lines = _phases(scene, copy, pitches), _lines(scene, copy)
    lines_at = PHASE + len(phases)
    out_image, out_channel, *out_steps = _steps(scene.windows)
    return (
        *slots, scene.batch, scene.groups, scene.channels, *_steps(scene.images), z.size, y.size,
        z.low, y.low, *copy.room, copy.together, copy.split, lines_at,
        *(axis.stride for axis in scene.axes), z.count, -(-y.count // copy.band), copy.band,
        scene.out_channels, out_image, out_channel,
        *(step * axis.step for step, axis in zip(out_steps, scene.axes, strict=True)),
        lines_at + len(lines), *own, *phases, *lines,
    )  # fmt: skip


def _phases(scene: Scene, copy: Copy, pitches: Sequence[int]) -> list[int]:
    """The records of phases, then those of all their places."""
    phases: list[int] = []
    places: list[int] = []
    steps = _steps(scene.windows)[2:]
    first = PHASE + len(scene.phases) * PHASE_SIZE
    for phase in scene.phases:
        start = sum(part.start * step for part, step in zip(phase, steps, strict=True))
        phases += [*(part.count for part in phase), start]
        phases += [prod(len(part.places) for part in phase), first + len(places)]
        for place in product(*(part.places for part in phase)):
            at = (shift - axis.low for (_, shift), axis in zip(place, scene.axes, strict=True))
            places.append(copy.offset(*at))
            places.append(sum(k * pitch for (k, _), pitch in zip(place, pitches, strict=True)))
    return [*phases, *places]


def _lines(scene: Scene, copy: Copy) -> list[int]:
    """The records of a line of the copy, one for each remainder: which elements are not padding,
    and where in the images' rows element 0 is."""
    axis, step = scene.axes[2], scene.images.view.strides[-1]
    records = []
    for low in range(axis.low, axis.low + copy.split):
        first = min(max(-(low // copy.split), 0), copy.room[2])
        stop = max(min(-((low - axis.size) // copy.split), copy.room[2]), first)
        records += [first, stop, low * step]
    return records


# ------------------------------------------------------------------------------------ the plans


def _tile(dtype: DType, rows: int) -> Tile:
    """A tile whose rows are for `rows` channels; of more vectors where these are few."""
    shape = fitting(tile(dtype, columns=1 << 30), rows)
    return shape if shape.rows > 3 else replace(shape, vectors=2 * shape.vectors)


def _correlation(
    scene: Scene, w: Slot, weight_steps: tuple[int, int, int], pitches: Sequence[int]
) -> Plan:
    """The plan of a `conv`, or of a `conv_input`."""
    shape = _tile(w.dtype, scene.out_channels)
    together = _together(scene, shape.width)
    planes = -(-scene.batch // together) * scene.groups * scene.axes[0].count
    work = prod(w.view.shape) * prod(scene.windows.view.shape[2:]) * scene.batch
    wanted = min(PARTS, work // CHUNK) // planes
    copy = _copy(scene, scene.channels, together, split=scene.axes[2].stride, bands=wanted)
    parts = planes * -(-scene.axes[1].count // copy.band)
    blocks = scene.groups * -(-scene.out_channels // shape.rows)
    own = (*weight_steps, scene.places, len(scene.phases))
    slots = (scene.windows, scene.images, w)
    return Plan(
        kernel=compiled(correlate.correlate, shape, w.dtype, copy_images),
        before=compiled(correlate.arrange_weights, shape, w.dtype, copy_images),
        args=_args(scene, copy, slots, pitches, own),
        extent=parts,
        grain=max(1, min(CHUNK * parts // work, parts // PARTS)),
        scratch=(scene.channels * copy.size + shape.span) * scene.itemsize,
        shared=blocks * scene.channels * scene.places * shape.rows * scene.itemsize,
    )


def _weighing(scene: Scene, out: Slot) -> Plan:
    """The plan of a `conv_weight`."""
    shape = tile(out.dtype, scene.out_channels, tall=True)
    shape = fitting(shape, scene.channels * scene.places)
    channels = -(-scene.out_channels // shape.span) * shape.span
    sums = prod(out.view.shape[1:]) * channels * scene.groups * scene.itemsize
    parts = max(1, min(PARTS, scene.batch, PARTIAL // sums))
    blocks = min(scene.channels, -(-PARTS // (parts * scene.groups)))
    block = -(-scene.channels // blocks)
    row = channels * scene.axes[2].count
    copy = _copy(scene, block, together=1, split=1, rest=row)
    images = rounded(block * copy.size * scene.itemsize)
    own = (channels, parts, images, block, 0)
    return Plan(
        kernel=compiled(weigh.weigh, shape, out.dtype, copy_images, transpose),
        args=_args(scene, copy, (out, scene.images, scene.windows), (0, 0, 0), own),
        extent=parts * scene.groups * -(-scene.channels // block),
        grain=1,
        scratch=images + copy.band * row * scene.itemsize,
        shared=parts * sums,
        finish=compiled(weigh.add_parts, shape, out.dtype, copy_images, transpose),
    )
