"""A loops kernel as source in the kernel language, made to be read.

`operands` says what the names in it mean. Here are the loops: over the rows, over the elements
of a row in one or several passes, and over the blocks in which sums are formed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from tinygraph.compiler.kernel import Kernel, Ref
from tinygraph_numba.loops.accumulate import Accumulator, accumulators, converted
from tinygraph_numba.loops.nest import HEAVY, Nest, Sweep, lay_out, outer_values
from tinygraph_numba.loops.notation import Statement, formulas, shortened, words
from tinygraph_numba.loops.operands import NotRendered, Operands

ROW_BLOCK = 1024  # elements of a row that are summed before their sum joins the total
COLUMN_BLOCK = 64  # the same for elements of a column
TOGETHER = 4  # vectors that are computed at a time in a long loop with mathematical functions
TILE = 64  # elements of a row that are computed for several rows, before the next ones

Levels = list[list[Statement]]  # what is done outside all loops, within the first, and so on
SIGNATURE = "(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:"


@cache
def render(kernel: Kernel, down: bool = False, tiny: tuple[int, ...] = ()) -> str | None:
    """The source of a kernel; None if the kernel language has none, as where an op is missing.

    It has a function `kernel`, and where chunks leave parts of a result, also `finish`. down,
    tiny: see `Nest`.
    """
    try:
        return Renderer(lay_out(kernel, down, tiny)).source()
    except NotRendered:
        return None


class Renderer:
    """Writes the functions of one kernel."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.accumulators = accumulators(nest)
        self.operands = Operands(nest, self.accumulators)
        self.lines: list[str] = []
        self.depth = 1
        self._noted = {f"{word}{ref}" for word in ("wrong", "met") for ref in nest.checks}

    # ------------------------------------------------------------------------------- text

    def source(self) -> str:
        """The whole text."""
        self._kernel_body()
        texts = [self._function("kernel", formulas(self.nest.kernel))]
        if self.nest.partial:
            (self._finish_columns if self.nest.down else self._finish_body)()
            texts.append(self._function("finish", ["Combines what the chunks have come to."]))
        return "\n\n".join(texts)

    def _function(self, name: str, doc: list[str]) -> str:
        """The lines so far as the body of a function, after what they use of its arguments."""
        lines, self.lines = self.lines, []
        used = {word for line in lines for word in words(line)}
        wrong = [f"wrong{ref}" for ref in self.nest.checks if f"wrong{ref}" in used]
        used |= {"errors"} if wrong else set()
        head = [f"    {name} = i64(0)" for name in wrong]
        head += [f"    {name} = False" for name in sorted(used & self._noted - {*wrong})]
        for target, text in reversed(self.operands.declarations()):
            if target in used:
                used.update(words(text))
                head.insert(0, f"    {target} = {text}")
        quoted = ['    """' + "\n    ".join(doc) + ('"""' if len(doc) == 1 else '\n    """')]
        return "\n".join([f"def {name}{SIGNATURE}", *quoted, *head, *lines, *_end(wrong), ""])

    def write(self, line: str) -> None:
        """A line, where it belongs."""
        self.lines.append("    " * self.depth + line)

    def assign(self, *statements: Statement) -> None:
        """Assignments."""
        for target, text in statements:
            self.write(f"{target} = {text}")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The lines of a compound statement."""
        self.write(head)
        self.depth += 1
        yield
        self.depth -= 1

    # ------------------------------------------------------------------------------- rows

    def _kernel_body(self) -> None:
        nest = self.nest
        needed = outer_values(nest, self._roots())
        across = [self.accumulators[ref] for ref in nest.partial if nest.values[ref].across]
        if not nest.rows and nest.lane is None:
            self._row(needed)
            return
        self._outer([ref for ref in needed if nest.once(ref)])
        self._reset(across)
        in_row = [ref for ref in needed if not nest.once(ref)]
        if nest.tiled:
            with self.block(f"for start in range(0, n{nest.sweep[-1]}, {TILE}):"):
                self._rows(in_row)
        elif nest.rows:
            self._rows(in_row)
        else:
            self._lanes(in_row)
        self._share(across)

    def _roots(self) -> Iterator[Ref]:
        """What is needed of the values outside the sweeps before all chunks are done."""
        nest = self.nest
        yield from self._read((*nest.passes, *(nest.between[:-1] if nest.down else nest.between)))
        yield from (nest.kernel.results[output] for output in nest.outside)
        if not nest.down:
            yield from (arg for ref in nest.partial for arg in nest.args(ref))

    def _read(self, sweeps: Iterable[Sweep]) -> Iterator[Ref]:
        """What sweeps compute with, and store."""
        for sweep in sweeps:
            for ref in (*sweep.values, *sweep.reductions):
                yield from self.nest.args(ref)
            yield from (self.nest.kernel.results[output] for output in sweep.stores)

    def _rows(self, needed: Sequence[Ref]) -> None:
        """The loop over rows; where they have several dimensions, line by line along the last."""
        *outer, last = self.nest.rows
        if not outer:
            with self.block("for row in range(lo, hi):"):
                self._begin("row", [last])
                self._in_row(needed)
            return
        line = "line" if len(outer) > 1 else f"o{outer[0]}"
        with self.block(f"for {line} in range(lo // n{last}, (hi - 1) // n{last} + 1):"):
            for place, dim in enumerate(outer if len(outer) > 1 else ()):
                inside = " * ".join(f"n{each}" for each in outer[place + 1 :])
                whole = f" // ({inside})" if "*" in inside else f" // {inside}" if inside else ""
                self.write(f"o{dim} = line{whole}" + (f" % n{dim}" if place else ""))
            self._begin("line", outer)
            low, high = (f"{word} - {line} * n{last}" for word in ("lo", "hi"))
            with self.block(f"for o{last} in range(maximum({low}, 0), minimum({high}, n{last})):"):
                self._begin("row", [last], "line", outer)
                self._in_row(needed)

    def _begin(
        self, what: str, dims: Sequence[int], within: str = "", outer: Sequence[int] = ()
    ) -> None:
        """Where in each array a row, or a line of rows, begins."""
        for name, layout in self.operands.layouts.items():
            terms = [self.operands.offset(name, dim) for dim in dims if layout[dim] != "0"]
            if any(layout[dim] != "0" for dim in outer):
                terms.insert(0, f"{name}_{within}")
            if terms:
                self.write(f"{name}_{what} = {' + '.join(terms)}")

    def _in_row(self, needed: Sequence[Ref]) -> None:
        if self.nest.lane is None:
            self._row(needed)
        else:
            self._lanes(needed)

    def _lanes(self, needed: Sequence[Ref]) -> None:
        """The loop over tiny rows, several of them in each vector."""
        nest = self.nest
        varying = [ref for ref in needed if nest.lane in nest.values[ref].varies]
        steady = [ref for ref in needed if not nest.values[ref].stage and ref not in varying]
        self._outer(steady)
        assert nest.lane is not None
        low, high = self._bounds(nest.lane)
        with self.block(f"for i in lanes({low}, {high}):"):
            self._row([ref for ref in needed if ref not in steady])

    def _row(self, needed: Sequence[Ref]) -> None:
        """All that is done for one row."""
        nest = self.nest
        self._outer([ref for ref in needed if nest.values[ref].stage == 0])
        for number, sweep in enumerate(nest.passes):
            if nest.columns:
                self._between(number)
                self._run(sweep, self._statements(sweep))
                continue
            found = [self.accumulators[ref] for ref in sweep.reductions]
            self._reset(found)
            self._run(sweep, self._statements(sweep))
            if nest.partial and not nest.rows:
                self._share(found)
                return
            self._finished(found)
            self._outer([ref for ref in needed if nest.values[ref].stage == number + 1])
        if nest.down:
            self._share_columns()
            return
        if nest.columns:
            self._between(len(nest.passes))
        self.assign(*[self._across(self.accumulators[ref]) for ref in nest.partial])
        self._deliver(nest.outside)

    def _outer(self, refs: Sequence[Ref]) -> None:
        """Values outside the sweeps."""
        nest, operands = self.nest, self.operands
        statements: list[Statement] = []
        for ref in refs:
            value = nest.values[ref]
            if value.step is None:
                statements.append((f"a{ref}", operands.load(ref, operands.index(f"x{ref}"))))
            elif value.across and not nest.rows:
                each = self.accumulators[ref]
                statements += [(each.variable, each.neutral(each.kind)), self._across(each)]
            elif value.step.op.kind not in ("const", "reduce"):
                statements += [*self._check(ref), (f"v{ref}", operands.compute(ref))]
        shown = [ref for ref in refs if not nest.users(ref).issubset(refs)]
        names = {operands.value(ref) for ref in shown} | self._noted
        self.assign(*shortened(statements, names))

    def _check(self, ref: Ref, inside: bool = False) -> list[Statement]:
        """What a value has to be checked for. Within a loop of vectors we only note whether
        there was a wrong number at all."""
        if ref not in self.nest.checks:
            return []
        return [self.operands.note(ref) if inside else self.operands.check(ref)]

    def _deliver(self, outputs: Iterable[int]) -> None:
        """Store the results that do not change within the row."""
        for number in outputs:
            self.assign(self.operands.store(number, self.operands.index(f"out{number}")))

    # ------------------------------------------------------------------------- reductions

    def _reset(self, accumulators: Iterable[Accumulator]) -> None:
        for each in accumulators:
            self.assign((each.variable, each.neutral(each.total_kind)))

    def _finished(self, accumulators: Iterable[Accumulator]) -> None:
        for each in accumulators:
            name, value = f"v{each.ref}", each.finished(each.variable)
            if each.rough and name != value:
                self.assign((name, value))

    def _across(self, each: Accumulator) -> Statement:
        """One row more."""
        (arg,) = self.nest.args(each.ref)
        if self.nest.swept(arg):
            raise NotRendered("a reduction over all rows is of one value a row")
        element = converted(each.element(self.operands.value(arg)), each.kind, each.total_kind)
        return each.variable, each.join(each.variable, element)

    def _share(self, accumulators: Sequence[Accumulator]) -> None:
        """Leave what this chunk has come to for `finish`."""
        if accumulators:
            self.write("chunk = lo // grain")
        for each in accumulators:
            wide = converted(each.variable, each.total_kind, each.shared_kind)
            self.assign((self._shared(each), wide))

    def _shared(self, accumulator: Accumulator) -> str:
        refs = self.nest.partial
        place = refs.index(accumulator.ref)
        index = "chunk" if len(refs) == 1 else f"chunk * {len(refs)} + {place}"
        if self.nest.down:
            index = f"({index}) * columns + {self._at()[1:-1]}"
        return f"shared_{accumulator.shared_kind}[{index}]"

    def _finish_body(self) -> None:
        nest = self.nest
        accumulators = [self.accumulators[ref] for ref in nest.partial]
        self._reset(accumulators)
        with self.block("for chunk in range(lo, hi):"):
            for each in accumulators:
                part = converted(self._shared(each), each.shared_kind, each.total_kind)
                self.assign((each.variable, each.join(each.variable, part)))
        self._finished(accumulators)
        needed = outer_values(nest, [nest.kernel.results[output] for output in nest.late])
        own = [nest.values[ref] for ref in needed if not nest.values[ref].late]
        if nest.rows and any(value.stage or value.varies for value in own):
            raise NotRendered("what comes after all rows needs what a single row has yielded")
        self._outer(needed)
        self._deliver(nest.late)

    def _share_columns(self) -> None:
        """Leave what this chunk has come to in each column for `finish`."""
        self.write("chunk = lo // grain")
        shared = []
        for each in (self.accumulators[ref] for ref in self.nest.partial):
            total = converted(f"total{each.ref}{self._at()}", each.total_kind, each.shared_kind)
            shared.append((self._shared(each), total))
        self._columns(shared)

    def _joined(self, each: Accumulator) -> Statement:
        """The sum of a column, with what one chunk more has come to."""
        total = f"total{each.ref}{self._at()}"
        part = converted(self._shared(each), each.shared_kind, each.total_kind)
        return total, each.join(total, part)

    def _finish_columns(self) -> None:
        """The sums of the columns, and what is computed from these."""
        nest = self.nest
        late = [nest.kernel.results[output] for output in nest.late]
        self._outer(outer_values(nest, [*self._read(nest.between), *late]))
        self._between(0)
        with self.block("for chunk in range(lo, hi):"):
            self._columns([self._joined(self.accumulators[ref]) for ref in nest.partial])
        self._between(1)
        self._deliver(nest.late)

    # ------------------------------------------------------------------------------ sweeps

    def _between(self, number: int) -> None:
        """The run over the columns before pass `number`."""
        sweep = self.nest.between[number]
        levels = self._statements(sweep)
        if number < len(self.nest.passes):
            for ref in self.nest.passes[number].reductions:
                each = self.accumulators[ref]
                levels[-1].append((f"total{ref}{self._at()}", each.neutral(each.total_kind)))
        self._run(sweep, levels)

    def _statements(self, sweep: Sweep) -> Levels:
        """What a sweep does outside its loops, within the first of them, and so on."""
        nest, operands = self.nest, self.operands
        levels: Levels = [[] for _ in range(len(sweep.dims) + 1)]
        draws = nest.draws(sweep)
        for ref in sorted([*sweep.values, *sweep.buffered]):
            if ref in draws:
                self._draw(ref, draws[ref], sweep, levels)
            elif not self._is_number(ref, draws):
                self._find(ref, sweep, levels)
        for ref in sweep.kept:
            depth = sweep.depth(nest.values[ref].varies)
            levels[depth].append((f"kept{ref}[{operands.index('at', sweep, depth)}]", f"v{ref}"))
        levels[-1] += [self._accumulate(ref) for ref in sweep.reductions]
        for number in sweep.stores:
            name = f"out{number}"
            varies = nest.values[nest.kernel.results[number]].varies
            moves = {dim for dim, way in enumerate(operands.layouts[name]) if way != "0"}
            depth = sweep.depth(varies | moves)
            levels[depth].append(operands.store(number, operands.index(name, sweep, depth)))
        return self._shortened(levels)

    def _find(self, ref: Ref, sweep: Sweep, levels: Levels) -> None:
        """Enter where a value comes from: a buffer, an input or a step."""
        value, operands = self.nest.values[ref], self.operands
        depth = sweep.depth(value.varies)
        if ref in sweep.buffered:
            index = operands.index("at", sweep, depth)
            levels[depth].append((f"v{ref}", operands.kept(ref, index)))
        elif value.step is None:
            index = operands.index(f"x{ref}", sweep, depth)
            levels[depth].append((f"a{ref}", operands.load(ref, index)))
        elif value.step.op.kind != "const":
            levels[depth] += self._check(ref, self._inside(ref, sweep))
            levels[depth].append((f"v{ref}", operands.compute(ref)))

    def _draw(self, ref: Ref, number: Ref, sweep: Sweep, levels: Levels) -> None:
        """Enter random words: all that the innermost loop needs are computed before it."""
        operands, depth = self.operands, len(sweep.dims) - 1
        low, high = self._bounds(sweep.dims[-1])
        index = operands.load(number, operands.index(f"x{number}", sweep, depth))
        seed, draw, _ = map(operands.value, self.nest.args(ref))
        first, count = (index, high) if low == "0" else (f"{index} + {low}", f"{high} - {low}")
        place = f"philox_run(words{ref}, {seed}, {draw}, u64({first}), {count})"
        levels[depth].append((f"at{ref}", place if low == "0" else f"{place} - {low}"))
        levels[-1].append((f"v{ref}", f"words{ref}[at{ref} + i]"))

    def _is_number(self, ref: Ref, draws: Container[Ref]) -> bool:
        """Whether a value serves but to say which random words are meant."""
        users = self.nest.users(ref)
        return bool(users) and all(
            user in draws or (user is not None and self._is_number(user, draws)) for user in users
        )

    def _accumulate(self, ref: Ref) -> Statement:
        """One element more of a reduction."""
        each, step = self.accumulators[ref], self.nest.values[ref].step
        assert step is not None
        name = f"part{ref}" if each.blocks else f"total{ref}" if self.nest.columns else f"v{ref}"
        target = name + self._at()
        return target, each.step(target, each.element(self.operands.value(step.args[0])))

    def _at(self) -> str:
        """Which element of a buffer over the columns, where there are columns."""
        columns = self.nest.columns
        if not columns:
            return ""
        return f"[{self.operands.index('at', Sweep(columns), len(columns))}]"

    def _shortened(self, levels: Levels) -> Levels:
        """The statements with names only where they serve the reader."""
        result = []
        for depth, statements in enumerate(levels):
            others = [pair for d, each in enumerate(levels) if d != depth for pair in each]
            elsewhere = {word for pair in others for text in pair for word in words(text)}
            elsewhere |= self._noted
            if not self.nest.columns:
                elsewhere |= {f"{kind}{ref}" for ref in self.accumulators for kind in ("v", "part")}
            result.append(shortened(statements, elsewhere))
        return result

    # ------------------------------------------------------------------------------- loops

    def _run(self, sweep: Sweep, levels: Levels) -> None:
        """A sweep; and where it has met a wrong number, one more that finds the first."""
        self._loops(sweep, levels, 0)
        for ref in self.nest.checks:
            if ref in sweep.values and self._inside(ref, sweep):
                again = self.nest.before(ref, sweep)
                levels = self._statements(again)
                levels[-1].append(self.operands.check(ref))
                with self.block(f"if met{ref}:"):
                    self._loops(again, levels, 0)

    def _inside(self, ref: Ref, sweep: Sweep) -> bool:
        """Whether a value is computed in the innermost loop of a sweep."""
        return sweep.depth(self.nest.values[ref].varies) == len(sweep.dims)

    def _loops(self, sweep: Sweep, levels: Levels, depth: int) -> None:
        """The statements at a depth, and the loops within."""
        self.assign(*levels[depth])
        if not any(levels[depth + 1 :]):
            return
        low, high = self._bounds(sweep.dims[depth])
        blocks = [self.accumulators[ref] for ref in sweep.reductions]
        blocks = [each for each in blocks if each.blocks]
        if not blocks or depth + 1 + len(self.nest.columns) != len(sweep.dims):
            self._loop(sweep, levels, depth, f"{low}, {high}")
            return
        size = COLUMN_BLOCK if self.nest.columns else ROW_BLOCK
        with self.block(f"for start in range({low}, {high}, {size}):"):
            self._each([(f"part{each.ref}", each.neutral(each.kind)) for each in blocks])
            self._loop(sweep, levels, depth, f"start, minimum(start + {size}, {high})")
            self._each([self._total(each) for each in blocks])

    def _bounds(self, dim: int) -> tuple[str, str]:
        """From where to where the loop over a dimension runs."""
        if dim == self.nest.along:
            return "lo", "hi"
        if self.nest.tiled and dim == self.nest.sweep[-1]:
            return "start", f"minimum(start + {TILE}, n{dim})"
        return "0", self.operands.known.get(dim, f"n{dim}")

    def _loop(self, sweep: Sweep, levels: Levels, depth: int, bounds: str) -> None:
        name = self.operands.loops[sweep.dims[depth]]
        how = "unroll" if self.nest.tiny else "lanes" if name == "i" else "range"
        if name == "i" and sweep.dims[depth] == self.nest.along and self._is_heavy(sweep):
            bounds += f", {TOGETHER}"
        with self.block(f"for {name} in {how}({bounds}):"):
            if name != "i":
                self._advance(sweep, levels, depth)
            self._loops(sweep, levels, depth + 1)

    def _is_heavy(self, sweep: Sweep) -> bool:
        """Whether it has long chains of operations; but not so many that it takes long to compile
        them several times."""
        costs = self.nest.costs(sweep)
        return max(costs, default=0) >= HEAVY and sum(costs) <= 128

    def _advance(self, sweep: Sweep, levels: Levels, depth: int) -> None:
        """Where the arrays that are used within a loop go on."""
        operands, dim = self.operands, sweep.dims[depth]
        used = {word for each in levels for pair in each for text in pair for word in words(text)}
        inner = [operands.loops[each] for each in sweep.dims[depth:]]
        for name, layout in operands.layouts.items():
            if layout[dim] != "0" and used.intersection(f"{name}_{each}" for each in inner):
                before = operands.index(name, sweep, depth)
                start = "" if before == "0" else f"{before} + "
                self.assign((f"{name}_{inner[0]}", start + operands.offset(name, dim)))

    def _total(self, accumulator: Accumulator) -> Statement:
        """The end of a block."""
        name, at = f"total{accumulator.ref}", self._at()
        part = converted(f"part{accumulator.ref}{at}", accumulator.kind, accumulator.total_kind)
        return name, accumulator.join(name + at, part)

    def _each(self, statements: list[Statement]) -> None:
        """Assignments to accumulators: variables of the row, or one for each column."""
        self._columns([(target + self._at(), text) for target, text in statements])

    def _columns(self, statements: list[Statement]) -> None:
        """Statements for each column."""
        columns = Sweep(self.nest.columns)
        self._loops(columns, [*[[] for _ in columns.dims], statements], 0)


def _end(wrong: Sequence[str]) -> list[str]:
    """The last lines of a function that has found these numbers wrong, or 0 for none."""
    if not wrong:
        return ["    return 0"]
    return [
        f"    if {' or '.join(f'{name} != 0' for name in wrong)}:",
        *(f"        errors[{place}] = {name}" for place, name in enumerate(wrong)),
        "        return 1",
        "    return 0",
    ]
