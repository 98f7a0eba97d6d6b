"""Results that are written where they are needed, instead of being copied there.

A part of a concatenation that nobody else reads is computed in its place within the whole. A
product that is only read to be copied into another order of dimensions is written in that order.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from tinygraph.compiler.fuse import Fusion
from tinygraph.compiler.group import Group
from tinygraph.compiler.kernel import View, row_major
from tinygraph.compiler.sources import (
    Lens,
    dense,
    extents_of,
    normal,
    size_of,
    through,
)
from tinygraph.compiler.spaces import is_reduction
from tinygraph.graph.node import Node
from tinygraph.ops.contract import dot_general
from tinygraph.ops.movement import concat, permute, reshape


class Home(NamedTuple):
    """Where a base lies: in the storage of `owner`, seen in the shape of the base."""

    owner: Node
    view: View


def homes(fusion: Fusion) -> dict[int, Home]:
    """By the id of a base its home, for those that do not lie in a storage of their own."""
    found: dict[int, Home] = {}
    makers = {id(node): group for group in fusion.groups for node in group.outputs}
    for group in fusion.groups:
        if group.solid and group.nodes[0].op is concat:
            _parts(fusion, group, makers, found)
    for group in fusion.groups:
        if not group.solid and len(group.nodes) == 1:
            _copied(fusion, group, makers, found)
    return found


def target(group: Group, node: Node, view: View, home: Home) -> View | None:
    """The view of its home over the space of `group`, whose member `node` is under `view`."""
    lens = group.places[id(node)][view].lens
    if node.op.kind == "view":  # laid out like what it copies
        lens = (*_as(extents_of(node.inputs[0])), *lens)
    return through(home.view, size_of(extents_of(home.owner)), lens)


def _as(shape: tuple[int, ...]) -> Lens:
    return ((reshape, (("shape", shape),), 1),)


def _parts(fusion: Fusion, group: Group, makers: dict[int, Group], found: dict[int, Home]) -> None:
    whole = group.nodes[0]
    axis, start = whole.params["axis"], 0
    strides = row_major(extents_of(whole))
    reads = Counter(id(fusion.sources[id(child)].base) for child in whole.inputs)
    for child in whole.inputs:
        base, lens, _ = fusion.sources[id(child)]
        view = normal(View(start * strides[axis], extents_of(child), strides))
        start += extents_of(child)[axis]
        maker = makers.get(id(base))
        if lens or maker is None or maker.solid or is_reduction(base) or 0 in view.shape:
            continue
        if len(fusion.readers[id(base)]) > 1 or reads[id(base)] > 1:
            continue  # a second part may be a slice of it
        home = Home(whole, view)
        (place,) = maker.places[id(base)]
        if target(maker, base, place, home) is not None:
            found[id(base)] = home


def _copied(fusion: Fusion, group: Group, makers: dict[int, Group], found: dict[int, Home]) -> None:
    """Let a product be written in the order that `group`, a copy of it alone, would bring about."""
    (copy,) = group.nodes
    if copy.op.kind != "view":
        return
    base, lens, _ = fusion.sources[id(copy.inputs[0])]
    maker = makers.get(id(base))
    if maker is None or base.op is not dot_general or len(fusion.readers[id(base)]) > 1:
        return
    if len(lens) != 1 or lens[0][0] is not permute:
        return
    space = extents_of(copy.inputs[0])
    home = found.get(id(copy)) or Home(copy, dense(extents_of(copy)))
    ordered = through(home.view, size_of(extents_of(home.owner)), _as(space))
    if ordered is None:
        return
    strides = [0] * len(space)
    for place, axis in enumerate(dict(lens[0][1])["axes"]):
        strides[axis] = ordered.strides[place]
    found[id(base)] = Home(home.owner, View(ordered.offset, extents_of(base), tuple(strides)))
