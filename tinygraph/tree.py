"""Pytrees: nested tuples, lists and dictionaries of values, taken apart and put together.

A leaf is anything that is not a container; None is an empty container. Of dictionaries the order
does not matter: their leaves are taken in the order of the sorted keys (but for an OrderedDict),
and what is put together has the order of the original. Further kinds become plain ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_LEAF = "leaf"


@dataclass(frozen=True, slots=True)
class TreeDef:
    """The structure of a pytree. Equal structures compare equal."""

    kind: Any  # "leaf", None, or the container's type
    keys: tuple[Any, ...] = ()
    children: tuple[TreeDef, ...] = ()
    shown: tuple[Any, ...] = field(default=(), compare=False)  # the keys as they stood
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.kind, self.keys, self.children)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def leaves(self) -> int:
        """How many leaves the tree has."""
        return 1 if self.kind == _LEAF else sum(child.leaves for child in self.children)

    def __str__(self) -> str:
        if self.kind == _LEAF:
            return "*"
        if self.kind is None:
            return "None"
        parts = [
            f"{key!r}: {child}" if self.keys else str(child)
            for key, child in zip(self.keys or range(len(self.children)), self.children,
                                  strict=True)
        ]  # fmt: skip
        return f"{self.kind.__name__}({', '.join(parts)})"


LEAF = TreeDef(_LEAF)


@lru_cache(maxsize=1024)
def _flat(kind: Any, count: int) -> TreeDef:
    """The structure of `count` leaves in one container; most often it is such a one."""
    return TreeDef(kind, (), (LEAF,) * count)


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """The leaves of `tree` from left to right, and its structure.

    >>> leaves, structure = flatten({"a": 1, "b": (2, 3)})
    >>> leaves
    [1, 2, 3]
    >>> unflatten(structure, [10, 20, 30])
    {'a': 10, 'b': (20, 30)}
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> TreeDef:
    if tree is None:
        return TreeDef(None)
    kind: Any = type(tree)
    if kind in (list, tuple) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        children = tuple([_flatten(child, leaves) for child in tree])
        nested = [child for child in children if child is not LEAF]
        return TreeDef(kind, (), children) if nested else _flat(kind, len(children))
    if isinstance(tree, dict):
        kind = kind if kind is OrderedDict else dict  # others may be made in other ways
        if not tree:
            return _flat(kind, 0)
        keys = tuple(tree) if kind is OrderedDict else tuple(sorted(tree, key=_rank))
        children = tuple([_flatten(tree[key], leaves) for key in keys])
        return TreeDef(kind, keys, children, tuple(tree))
    leaves.append(tree)
    return LEAF


def _rank(key: Any) -> tuple[str, Any]:
    """Where a key stands among others, of whatever type."""
    return type(key).__name__, key if isinstance(key, (str, int)) else repr(key)


def unflatten(structure: TreeDef, leaves: Sequence[Any]) -> Any:
    """The tree of `structure` with these leaves. ValueError if their number is wrong."""
    if structure is LEAF and len(leaves) == 1:
        return leaves[0]
    if len(leaves) != structure.leaves:
        raise ValueError(f"{structure} has {structure.leaves} leaves, got {len(leaves)}")
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: TreeDef, leaves: Any) -> Any:
    if structure.kind == _LEAF:
        return next(leaves)
    if structure.kind is None:
        return None
    children = [_unflatten(child, leaves) for child in structure.children]
    if issubclass(structure.kind, dict):
        found = dict(zip(structure.keys, children, strict=True))
        return structure.kind((key, found[key]) for key in structure.shown)
    if hasattr(structure.kind, "_fields"):
        return structure.kind(*children)
    return structure.kind(children)


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` of each leaf (and of the leaves at the same place in `others`)."""
    leaves, structure = flatten(tree)
    columns = []
    for other in others:
        more, shape = flatten(other)
        if shape != structure:
            raise ValueError(f"the trees differ: {structure} and {shape}")
        columns.append(more)
    return unflatten(structure, [function(*row) for row in zip(leaves, *columns, strict=True)])
