"""Random kernels of loops against their meaning: any roles, layouts, passes, results in place."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loop_kernels import Loops

from tinygraph_numba import loops

ROLES = (
    "", "i", "oi", "ooi", "ii", "oii", "ri", "ori", "rri", "orii", "oriri", "oioi", "rii", "or",
    "r", "o", "ioi", "roi",
)  # fmt: skip
UNARY = ("negative", "square", "abs", "tanh", "sigmoid", "rsqrt")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum")


class Random(Loops):
    """A kernel in the making, with random parts. varies: the dimensions of each value. small:
    whether its rows are."""

    def __init__(self, seed, small=False):
        self.choose = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.small = small
        roles = self.choose.choice(ROLES)
        super().__init__(roles, self.random_extents(len(roles)))
        self.reduced = {d for d, role in enumerate(roles) if role == ("r" if "r" in roles else "i")}
        self.varies = []

    def random_extents(self, rank):
        extents = [self.choose.choice((1, 2, 3, 5, 17, 70)) for _ in range(rank)]
        if rank and self.small:
            extents[-1] = self.choose.choice((2, 3, 4, 5))
            extents[self.choose.randrange(rank)] = self.choose.choice((8, 33, 100))
        elif rank and self.choose.random() < 0.1:
            extents[self.choose.randrange(rank)] = 0
        if rank and self.choose.random() < 0.15:
            extents[-1] = self.choose.choice((1024, 1025, 3000))
        while np.prod(extents) > 300_000:
            extents[extents.index(max(extents))] = 3
        return extents

    def positive(self, shape):
        return self.numbers.uniform(0.5, 1.5, shape).astype("float32")

    def random_input(self):
        """Whole, broadcast, transposed or strided."""
        way, rank = self.choose.random(), len(self.extents)
        if way < 0.5:
            array = self.positive(self.extents)
        elif way < 0.8:
            array = self.positive([self.choose.choice((1, size)) for size in self.extents])
        elif way < 0.9:
            order = self.choose.sample(range(rank), rank)
            array = self.positive([self.extents[d] for d in order]).transpose(np.argsort(order))
        else:
            array = self.positive([2 * size for size in self.extents])[
                (slice(None, None, 2),) * rank
            ]
        place = self.input(array)
        self.note(place, {d for d, stride in enumerate(self.arrays[place].strides) if stride})

    def note(self, ref, varies):
        assert ref == len(self.varies)
        self.varies.append(set(varies))
        return ref

    def any_value(self):
        return self.choose.randrange(len(self.varies))

    def random_step(self):
        way, a, b = self.choose.random(), self.any_value(), self.any_value()
        if way < 0.3:
            self.note(self.step(self.choose.choice(UNARY), a), self.varies[a])
        elif way < 0.75:
            recent = max(a, len(self.varies) - 3)
            op = self.choose.choice(BINARY)
            self.note(self.step(op, recent, b), self.varies[recent] | self.varies[b])
        elif way < 0.8:
            self.note(self.const(round(self.choose.uniform(0.5, 2), 3)), ())
        else:
            self.random_reduction(a)

    def random_reduction(self, a):
        kept = self.varies[a] - self.reduced
        if 0 not in self.extents and self.choose.random() < 0.5:
            self.note(self.step(self.choose.choice(("max", "min")), a), kept)
            return
        total = self.note(self.step("sum", a), kept)  # a mean, so that numbers do not grow
        count = int(np.prod([self.extents[d] for d in self.reduced]))
        share = self.note(self.const(1 / max(1, count)), ())
        self.note(self.step("multiply", total, share), kept)

    def random_outputs(self):
        last = len(self.varies) - 1
        chosen = {last, *(self.any_value() for _ in range(self.choose.randrange(3)))}
        inputs = len(self.arrays)
        free = [ref for ref in range(inputs) if len(self.varies[ref]) == len(self.extents)]
        for ref in sorted(chosen):
            varies = self.varies[ref]
            if free and len(varies) == len(self.extents) and self.choose.random() < 0.4:
                onto = free.pop()
                whole = self.arrays[onto].flags.c_contiguous
                self.output(ref, onto=onto if whole else None)
            else:
                self.output(ref, varies=varies)


@given(st.integers(0, 2**32), st.booleans())
def test_random_kernels(seed, small):
    made = Random(seed, small)
    for _ in range(made.choose.randint(1, 4)):
        made.random_input()
    for _ in range(made.choose.randint(1, 9)):
        made.random_step()
    made.random_outputs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "CHUNK", made.choose.choice((1 << 8, 1 << 11, loops.CHUNK)))
        made.check(30)
