"""Boxes in pictures: do any two overlap?"""

from itertools import combinations


def overlap(boxes, centres):
    """Pairs of boxes that overlap, or come nearer to each other than rounding explains."""
    found = []
    for (a, (x, y)), (b, (u, v)) in combinations(zip(boxes, centres, strict=True), 2):
        beside = abs(x - u) >= (a.width + b.width) / 2 - 1e-6
        below = abs(y - v) >= (a.height + b.height) / 2 - 1e-6
        if not beside and not below:
            found.append((a, b))
    return found
