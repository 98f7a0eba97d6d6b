"""Sizes that are not known before a graph runs.

A placeholder may leave a dimension open (`None`); its size is then a `Dim`: a polynomial with
integer coefficients in named sizes and in floor divisions of such polynomials. Arithmetic that
comes out constant gives an `int`, so shape code needs no cases of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from tinygraph.errors import TraceError


class Symbol(NamedTuple):
    """A named size, as the user's placeholder declared it."""

    name: str


class FloorDiv(NamedTuple):
    """`top // bottom`, where the division does not come out even for every size."""

    top: Dim
    bottom: Any


Atom = Symbol | FloorDiv
Monomial = tuple[Atom, ...]
Size = Union[int, "Dim"]


class Dim:
    """An integer expression over sizes that a later call will give."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = dict(sorted(terms.items(), key=lambda term: str(term[0])))
        self._hash = hash(tuple(self.terms.items()))

    @staticmethod
    def symbol(name: str) -> Dim:
        """The size called `name`."""
        return Dim({(Symbol(name),): 1})

    def __add__(self, other: Size) -> Size:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        total = dict(self.terms)
        for monomial, factor in _terms(other).items():
            total[monomial] = total.get(monomial, 0) + factor
        return _make(total)

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        product: dict[Monomial, int] = {}
        for left, a in self.terms.items():
            for right, b in _terms(other).items():
                key = tuple(sorted(left + right, key=str))
                product[key] = product.get(key, 0) + a * b
        return _make(product)

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + -other

    def __rsub__(self, other: Size) -> Size:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        exact = _divide(self, other)
        return exact if exact is not None else Dim({(FloorDiv(self, other),): 1})

    def __rfloordiv__(self, other: int) -> Size:
        return Dim({(FloorDiv(_as_dim(other), self),): 1}) if other else 0

    def __mod__(self, other: Size) -> Size:
        return self - (self // other) * other

    def __rmod__(self, other: int) -> Size:
        return other - (other // self) * self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def _undecided(self, asked: str) -> TraceError:
        return TraceError(
            f"{asked} of the size {self!r} is not known while the graph is defined: it was left "
            "open (None) in a placeholder. Use it in shapes and arithmetic, or give the "
            "placeholder a fixed size."
        )

    def __lt__(self, other: object) -> bool:
        raise self._undecided(f"a comparison with {other!r}")

    __le__ = __gt__ = __ge__ = __lt__

    def __index__(self) -> int:
        raise self._undecided("the value")

    __int__ = __float__ = __index__

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        text = " + ".join(_show(monomial, factor) for monomial, factor in self.terms.items())
        return text.replace("+ -", "- ")

    def evaluate(self, sizes: Mapping[str, int]) -> int:
        """The value under `sizes`, which gives every named size. KeyError if one lacks."""
        total = 0
        for monomial, factor in self.terms.items():
            for atom in monomial:
                if isinstance(atom, Symbol):
                    factor *= sizes[atom.name]
                else:
                    factor *= substitute(atom.top, sizes) // substitute(atom.bottom, sizes)
            total += factor
        return total

    def symbols(self) -> set[str]:
        """The names of the sizes in this expression."""
        found: set[str] = set()
        for monomial in self.terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    found.add(atom.name)
                else:
                    found |= atom.top.symbols()
                    found |= atom.bottom.symbols() if isinstance(atom.bottom, Dim) else set()
        return found


def _terms(value: Size) -> dict[Monomial, int]:
    if isinstance(value, Dim):
        return value.terms
    return {(): int(value)} if value else {}


def _as_dim(value: Size) -> Dim:
    return value if isinstance(value, Dim) else Dim(_terms(value))


def _make(terms: dict[Monomial, int]) -> Size:
    kept = {monomial: factor for monomial, factor in terms.items() if factor}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return Dim(kept)


def _divide(top: Dim, bottom: Size) -> Size | None:
    """`top / bottom` where it comes out even whatever the sizes; else None."""
    divisor = _terms(bottom)
    if not divisor:
        raise ZeroDivisionError("a size is divided by zero")
    if top.terms == divisor:
        return 1
    if len(divisor) != 1:
        return None
    ((monomial, factor),) = divisor.items()
    quotient: dict[Monomial, int] = {}
    for other, count in top.terms.items():
        rest = list(other)
        for atom in monomial:
            if atom not in rest:
                return None
            rest.remove(atom)
        if count % factor:
            return None
        quotient[tuple(rest)] = count // factor
    return _make(quotient)


def _show(monomial: Monomial, factor: int) -> str:
    names = [
        atom.name if isinstance(atom, Symbol) else f"(({atom.top!r})//{atom.bottom!r})"
        for atom in monomial
    ]
    if factor != 1 or not names:
        names.insert(0, str(factor))
    return "*".join(names)


def is_known(*sizes: Size) -> bool:
    """Whether every size is a plain integer."""
    return not any(isinstance(size, Dim) for size in sizes)


def substitute(value: Any, sizes: Mapping[str, int]) -> Any:
    """`value` with every Dim in it, however deep in tuples, replaced by its number."""
    if isinstance(value, Dim):
        return value.evaluate(sizes)
    if isinstance(value, tuple):
        return tuple(substitute(part, sizes) for part in value)
    return value
