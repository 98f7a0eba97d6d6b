"""Pytrees: what is a container, and in which order its leaves come."""

from collections import OrderedDict, defaultdict, namedtuple

import pytest

from tinygraph import tree

Point = namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize("value", [
    5, None, [], (), {}, [1, (2, None), {"a": [3]}], Point(1, Point(2, 3)),
    {"b": 1, "a": 2}, {3: "x", "k": "y", (1, 2): "z"}, OrderedDict([("b", 1), ("a", 2)]),
])  # fmt: skip
def test_what_was_taken_apart_is_put_together(value):
    leaves, structure = tree.flatten(value)
    back = tree.unflatten(structure, leaves)
    assert back == value
    assert type(back) is type(value)
    assert len(leaves) == structure.leaves


def test_the_order_of_a_dictionary_does_not_matter_but_is_kept():
    one, other = {"b": 1, "a": 2}, {"a": 2, "b": 1}
    assert tree.flatten(one) == tree.flatten(other)
    leaves, structure = tree.flatten(one)
    assert leaves == [2, 1]
    assert list(tree.unflatten(structure, leaves)) == ["b", "a"]
    swapped = OrderedDict([("b", 1), ("a", 2)]), OrderedDict([("a", 2), ("b", 1)])
    assert tree.flatten(swapped[0]) != tree.flatten(swapped[1])


def test_other_dictionaries_become_plain_ones():
    leaves, structure = tree.flatten(defaultdict(list, {"a": 1}))
    assert type(tree.unflatten(structure, leaves)) is dict


def test_map_and_its_errors():
    assert tree.map(lambda a, b: a + b, {"x": [1, 2]}, {"x": [10, 20]}) == {"x": [11, 22]}
    with pytest.raises(ValueError, match="the trees differ"):
        tree.map(lambda a, b: a, [1], [1, 2])
    with pytest.raises(ValueError, match="has 2 leaves, got 1"):
        tree.unflatten(tree.flatten([1, 2])[1], [1])
