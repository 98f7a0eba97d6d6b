"""Where each value of a loops kernel is computed: in which loop of the nest, in which pass.

A kernel's work is cut along the `o` dimensions into rows. Each row is run through in one or
several passes: a reduction whose input needs the result of another reduction is complete only
a pass later. What the next pass needs again of values that were computed before is computed
again where that is cheap; else it is kept in a buffer.

Where the reductions run over `i`, their results are numbers of the row. Where they run over `r`
there is one for each column: then the accumulators are buffers over the `i` dimensions, and
before the first pass, between the passes and after the last one there is a run over the columns
alone, for what is computed once a column.

Full results are stored in the last pass only. An output may lie on an input, and the passes
before have to find the input as it was.

Where rows are tiny, of extents that are known, the loop of vectors is not within a row but over
rows, along the last `o` dimension, the lane. All that is done for a row is then written out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tinygraph.compiler.kernel import Kernel, Operand, Ref, Step
from tinygraph.dtypes import DType
from tinygraph.graph.node import Aval
from tinygraph.ops.bounds import within
from tinygraph.ops.random import philox

# The time of one element of an op, in additions; 1 for all that are not named.
COSTS: dict[str, int] = {
    **dict.fromkeys(("divide", "sqrt", "rsqrt", "hypot", "floor_divide", "remainder"), 8),
    **dict.fromkeys(("exp", "exp2", "log", "log2", "log10", "sigmoid", "tanh"), 8),
    **dict.fromkeys(("expm1", "log1p", "sin", "cos", "sinh", "cosh", "logaddexp"), 12),
    **dict.fromkeys(("tan", "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh"), 16),
    **dict.fromkeys(("erf", "erfc", "erfinv", "pow"), 16),
    "philox": 12,
    **dict.fromkeys(("lgamma", "digamma", "zeta"), 100),
}
ACROSS = ("over", "o")  # the parameter of a reduction over all rows
HEAVY = 8  # what costs this much is a long chain of operations
KEEP = 8  # a value that costs this much to compute again is kept instead


@dataclass(frozen=True, slots=True)
class Value:
    """An input of the kernel or the result of a step.

    varies: the dimensions with which it changes. stage: the number of the first pass in which
    it can be used. again: what it costs to compute it once more, from memory. late: it is known
    only when all rows are done, being a reduction over the rows or what comes after one.
    """

    ref: Ref
    step: Step | None
    dtype: DType
    varies: frozenset[int]
    stage: int
    again: int
    late: bool = False

    @property
    def reduction(self) -> bool:
        """Whether it is reduced within a row, or from row to row of columns."""
        return self.step is not None and self.step.op.kind == "reduce" and not self.across

    @property
    def across(self) -> bool:
        """Whether it is a reduction of what rows have yielded."""
        return self.step is not None and ACROSS in self.step.params


@dataclass(slots=True, eq=False)
class Sweep:
    """One run over dimensions of the space.

    values: what is computed or loaded in it, in order. buffered: what it finds in buffers.
    kept: those of `values` that it writes to buffers. reductions: what it accumulates.
    stores: the outputs that it writes.
    """

    dims: tuple[int, ...]
    values: list[Ref] = field(default_factory=list)
    buffered: list[Ref] = field(default_factory=list)
    kept: list[Ref] = field(default_factory=list)
    reductions: tuple[Ref, ...] = ()
    stores: tuple[int, ...] = ()

    def depth(self, dims: Iterable[int]) -> int:
        """In how many of the loops something stands that changes with `dims`."""
        return max((self.dims.index(dim) + 1 for dim in dims if dim in self.dims), default=0)


@dataclass(slots=True, eq=False)
class Nest:
    """A loops kernel, laid out.

    rows, sweep, columns: the dimensions whose indices make a row; those that a pass runs over,
    from the outermost; those of the sweep that have one result each, where reductions run over
    others. along: the dimension that the work is shared out along, where there is one row only;
    None: the rows are. It may be one that is reduced: each chunk then has a part of the sums of
    all columns. between: the sweeps over columns, one before each pass and one behind
    the last. outside: outputs that are stored outside all sweeps. late: outputs that are stored
    when all chunks are done. partial: the reductions of which each chunk has only a part. tiny:
    the extents of the sweep, where rows are written out; and lane: the dimension of vectors.
    """

    kernel: Kernel
    values: list[Value]
    rows: tuple[int, ...]
    sweep: tuple[int, ...]
    columns: tuple[int, ...]
    passes: list[Sweep] = field(default_factory=list)
    between: list[Sweep] = field(default_factory=list)
    outside: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    along: int | None = None
    partial: tuple[Ref, ...] = ()
    tiny: tuple[int, ...] = ()
    lane: int | None = None

    @property
    def down(self) -> bool:
        """Whether a chunk is a part of each column, rather than some of the columns."""
        return bool(self.columns) and self.along in self.sweep and self.along not in self.columns

    @property
    def may_go_down(self) -> bool:
        """Whether chunks could be that: where nothing within the loops needs the sums."""
        alone = bool(self.columns) and not self.rows and len(self.passes) == 1
        return alone and not self.passes[0].stores

    @property
    def buffers(self) -> list[Ref]:
        """The values that are kept for each element of a row."""
        return [ref for sweep in (*self.passes, *self.between) for ref in sweep.kept]

    @property
    def inner(self) -> tuple[int, ...]:
        """The dimensions over which a buffer has its elements."""
        return self.columns or self.sweep

    @property
    def tiled(self) -> bool:
        """Whether the rows are run through in tiles, as where an input lies across them: then
        the elements that share a line of the cache are used soon after each other."""
        across = any(each.layout[-1:] == "s" for each in self.kernel.inputs if not each.index)
        alone = not (self.reductions or self.partial or self.outside or self.checks)
        return across and alone and bool(self.rows) and not self.tiny

    @property
    def checks(self) -> list[Ref]:
        """The steps whose operand may be an error."""
        return [v.ref for v in self.values if v.step is not None and v.step.op is within]

    @property
    def reductions(self) -> list[Ref]:
        """The reductions that sweeps find."""
        return [value.ref for value in self.values if value.reduction]

    def before(self, ref: Ref, sweep: Sweep) -> Sweep:
        """What a sweep computes, or finds in buffers, so that it can compute a value of it."""
        needed = set(self.args(ref))
        for each in reversed(sweep.values):
            if each in needed:
                needed.update(self.args(each))
        values = [each for each in sweep.values if each in needed]
        return Sweep(sweep.dims, values, [each for each in sweep.buffered if each in needed])

    def draws(self, sweep: Sweep) -> dict[Ref, Ref]:
        """The random words in the innermost loop of a sweep that are those of one number after
        another; for each the input that has the numbers."""
        found = {}
        for ref in sweep.values:
            step = self.values[ref].step
            if step is None or step.op is not philox:
                continue
            *state, index = step.args
            number = self.args(index)[0] if self.args(index) else index
            if number >= len(self.kernel.inputs) or not self.kernel.inputs[number].index:
                continue
            steady = all(self.values[each].varies.isdisjoint(sweep.dims) for each in state)
            if steady and self.kernel.inputs[number].layout[sweep.dims[-1]] == "1":
                found[ref] = number
        return found

    def args(self, ref: Ref) -> tuple[Ref, ...]:
        """What a value is computed from."""
        step = self.values[ref].step
        return step.args if step is not None else ()

    def users(self, ref: Ref) -> set[Ref | None]:
        """Which values are computed from a value; None stands for the outputs."""
        found: set[Ref | None] = {v.ref for v in self.values if ref in self.args(v.ref)}
        return found | {None} if ref in self.kernel.results else found

    def costs(self, sweep: Sweep) -> list[int]:
        """The time of each value that a sweep computes, in additions."""
        steps = [self.values[ref].step for ref in sweep.values]
        return [COSTS.get(step.op.name, 1) if step is not None else 1 for step in steps]

    @property
    def heavy(self) -> bool:
        """Whether a value within a sweep has a long chain of operations."""
        return any(cost >= HEAVY for sweep in self.passes for cost in self.costs(sweep))

    def swept(self, ref: Ref) -> bool:
        """Whether a value changes within a row."""
        return not self.values[ref].varies.isdisjoint(self.sweep)

    def once(self, ref: Ref) -> bool:
        """Whether a value is the same for all rows, and can be computed before them."""
        value = self.values[ref]
        outer = self.rows or self.lane is not None
        return bool(outer) and not value.stage and not value.varies


def lay_out(kernel: Kernel, down: bool = False, tiny: tuple[int, ...] = ()) -> Nest:
    """The nest of loops for a kernel of kind "loops". down: see `Nest.down`; if it may be.
    tiny: see `Nest`; the kernel has at least one `o` dimension then."""
    roles = kernel.roles if tiny else _plain(kernel)
    places = {role: tuple(d for d, each in enumerate(roles) if each == role) for role in "ori"}
    columns = places["i"] if places["r"] else ()
    values = _values(kernel, places["r"], places["i"])
    nest = Nest(kernel, values, places["o"], places["r"] + places["i"], columns, tiny=tiny)
    if tiny:
        *rows, nest.lane = nest.rows
        nest.rows = tuple(rows)
    _assign_outputs(nest)
    _fill_passes(nest)
    if down and nest.may_go_down:
        nest.along, nest.partial = nest.sweep[0], tuple(nest.reductions)
        nest.late, nest.outside = nest.outside, ()
    else:
        _share_out(nest, places["i"])
    return nest


def _plain(kernel: Kernel) -> str:
    """The kernel's roles, such that the innermost loop is over an `i` where there is one."""
    roles = kernel.roles
    if not any(step.op.kind == "reduce" for step in kernel.steps):
        return "o" * (len(roles) - 1) + "i" if roles else ""
    return roles if "i" in roles else roles.replace("r", "i")


def _values(kernel: Kernel, r: tuple[int, ...], i: tuple[int, ...]) -> list[Value]:
    reduced, columns = (r, i) if r else (i, ())
    swept = {*r, *i}
    values = [
        Value(ref, None, operand.dtype, _changing(operand), 0, 1)
        for ref, operand in enumerate(kernel.inputs)
    ]
    for ref, step in enumerate(kernel.steps, len(values)):
        args = [values[arg] for arg in step.args]
        varies = frozenset[int]().union(*[arg.varies for arg in args])
        stage = max((arg.stage for arg in args), default=0)
        again = COSTS.get(step.op.name, 1) + sum(arg.again for arg in args if arg.varies & swept)
        if step.op.kind == "reduce" and ACROSS not in step.params:
            varies = (varies - set(reduced)) | set(columns)
            stage, again = stage + 1, 1
        late = ACROSS in step.params or any(arg.late for arg in args)
        varies = frozenset() if late else varies
        values.append(Value(ref, step, _dtype(step, args), varies, stage, again, late))
    return values


def _changing(operand: Operand) -> frozenset[int]:
    return frozenset(dim for dim, way in enumerate(operand.layout) if way != "0")


def _dtype(step: Step, args: list[Value]) -> DType:
    params = dict(step.params)
    if step.op.kind == "reduce":
        params = {"axis": (), "keepdims": True}
    aval: Aval = step.op.infer(*[Aval((), arg.dtype) for arg in args], **params)
    return aval.dtype


def _assign_outputs(nest: Nest) -> None:
    """Find the passes, and for each output the sweep that stores it."""
    stages = [nest.values[ref].stage for ref in nest.reductions]
    full, column, outside = [], [], []
    for number, ref in enumerate(nest.kernel.results):
        varies = nest.values[ref].varies | _changing(nest.kernel.outputs[number])
        dims = varies.intersection(nest.sweep)
        if not dims:
            outside.append(number)
        elif nest.columns and dims.issubset(nest.columns):
            column.append(number)
        else:
            full.append(number)
            stages.append(nest.values[ref].stage + 1)
    count = max(stages, default=0)
    nest.passes = [Sweep(nest.sweep) for _ in range(count)]
    if nest.columns:
        nest.between = [Sweep(nest.columns) for _ in range(count + 1)]
        nest.between[-1].stores = tuple(column)
    if nest.passes:
        nest.passes[-1].stores = tuple(full)
    nest.outside = tuple(outside)


def _share_out(nest: Nest, inner: tuple[int, ...]) -> None:
    """Say how the work is cut into chunks, and what remains to be done after all of them."""
    whole = bool(nest.reductions) and not nest.columns
    if nest.lane is not None:
        nest.along, late = None if nest.rows else nest.lane, []
    elif nest.rows:
        nest.partial = tuple(value.ref for value in nest.values if value.across)
        late = [each for each in nest.outside if nest.values[nest.kernel.results[each]].late]
    elif inner and not (whole and len(nest.passes) > 1):
        nest.along = inner[0]
        nest.partial = tuple(nest.reductions) if whole else ()
        late = list(nest.outside) if whole else []
    else:
        late = []
    nest.late = tuple(late)
    nest.outside = tuple(each for each in nest.outside if each not in late)


def _fill_passes(nest: Nest) -> None:
    """Find what each sweep computes, and what is kept from one for another."""
    first: dict[Ref, Sweep] = {}  # the sweep that computes a value first
    for number, sweep in enumerate(nest.passes):
        sweep.reductions = tuple(r for r in nest.reductions if nest.values[r].stage == number + 1)
        roots = {arg for ref in sweep.reductions for arg in nest.args(ref)}
        roots |= {nest.kernel.results[output] for output in sweep.stores}
        _demand(nest, sweep, roots, first)
    for number, sweep in enumerate(nest.between):
        asked = {ref for each in nest.passes for ref in each.buffered}
        kept = {r for r in asked if nest.values[r].stage == number and not nest.values[r].reduction}
        outputs = {nest.kernel.results[output] for output in sweep.stores}
        _demand(nest, sweep, kept | outputs, first)
        sweep.kept = sorted(kept)


def _demand(nest: Nest, sweep: Sweep, roots: set[Ref], first: dict[Ref, Sweep]) -> None:
    """Enter into `sweep` all that is needed for `roots`."""
    waiting, seen = list(roots), set(roots)
    while waiting:
        ref = waiting.pop()
        if not nest.swept(ref):
            continue
        if _found(nest, sweep, ref, first):
            sweep.buffered.append(ref)
            continue
        sweep.values.append(ref)
        new = set(nest.args(ref)) - seen
        seen |= new
        waiting += new
    sweep.values.sort()
    sweep.buffered.sort()
    for ref in sweep.values:
        first.setdefault(ref, sweep)


def _found(nest: Nest, sweep: Sweep, ref: Ref, first: dict[Ref, Sweep]) -> bool:
    """Whether a sweep has a value from a buffer; the sweep that computes it is told to keep it."""
    value = nest.values[ref]
    if value.reduction:
        return True
    if value.step is None or value.again < KEEP:
        return False
    if nest.columns:
        by_column = value.varies.issubset({*nest.rows, *nest.columns})
        in_pass = any(sweep is each for each in nest.passes)
        return by_column and (in_pass or any(ref in each.kept for each in nest.between))
    if ref not in first:
        return False
    if ref not in first[ref].kept:
        first[ref].kept.append(ref)
    return True


def outer_values(nest: Nest, refs: Iterable[Ref]) -> list[Ref]:
    """The values outside the sweeps that are needed for `refs`, in order: but what reductions
    that are found by sweeps or by chunks are made of."""
    waiting = list(refs)
    needed: set[Ref] = set()
    while waiting:
        ref = waiting.pop()
        if ref not in needed and not nest.swept(ref):
            needed.add(ref)
            if not (nest.values[ref].reduction or ref in nest.partial):
                waiting += nest.args(ref)
    return sorted(needed)
