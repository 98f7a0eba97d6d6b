"""The cache of tapes: bounded, safe between threads, and able to explain a miss."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from networks import fed

from tinygraph.compiler.cache import Cache, explain
from tinygraph.graph.graph import Graph
from tinygraph.ops import elementwise as e


def key_of(graph, *settings):
    return (graph.key, *settings)


def graph_of(build, *shapes, dtype="float32"):
    inputs = [fed(*shape, dtype=dtype) for shape in shapes]
    return Graph(inputs, [build(*inputs)])


BASE = graph_of(lambda x: e.sin(x) + e.cos(x), (2, 3))


def key(name):
    """The key of one graph under a setting of that name."""
    return key_of(BASE, name)


def test_a_value_is_made_once():
    cache, made = Cache(4), []
    for _ in range(3):
        assert cache.get(key("a"), lambda: made.append(1) or "value") == "value"
    assert made == [1]
    info = cache.info()
    assert (info.hits, info.misses, info.size, info.limit) == (2, 1, 1, 4)


def test_the_least_recently_used_goes_first():
    cache = Cache(2)
    for name in "ab":
        cache.get(key(name), lambda name=name: name)
    cache.get(key("a"), lambda: "anew")
    cache.get(key("c"), lambda: "c")
    assert cache.get(key("a"), lambda: "anew") == "a"
    assert cache.get(key("b"), lambda: "anew") == "anew"
    assert cache.info().size == 2


def test_a_failure_is_not_kept():
    cache = Cache(2)
    with pytest.raises(KeyError):
        cache.get(key("a"), lambda: {}["missing"])
    assert cache.get(key("a"), lambda: "value") == "value"


def test_clear():
    cache = Cache(2)
    cache.get(key("a"), lambda: 1)
    cache.clear()
    assert cache.info().size == cache.info().misses == 0
    assert cache.get(key("a"), lambda: 2) == 2


def test_threads_share_one_value():
    cache = Cache(8)
    gate = threading.Barrier(8)

    def work(seed):
        gate.wait()
        return [cache.get(key((seed + i) % 12), object) for i in range(500)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
        info = cache.info()
    assert info.hits + info.misses == 8 * 500
    assert info.size == info.limit == 8
    gate.reset()
    same = Cache(8)

    def meet(_):
        gate.wait()
        return same.get(key("one"), object)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(meet, range(8)))) == 1


# --------------------------------------------------------------------------------- explanations


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (graph_of(lambda x: e.sin(x) + e.cos(x), (4, 3)),
         "input 0 is float32[4,3], the nearest known graph has float32[2,3]"),
        (graph_of(lambda x: e.sin(x) + e.cos(x), (2, 3), dtype="float64"),
         "input 0 is float64[2,3], the nearest known graph has float32[2,3]"),
        (graph_of(lambda x, y: e.sin(x) + e.cos(y), (2, 3), (2, 3)),
         "the graph has 2 inputs, the nearest known 1"),
        (graph_of(lambda x: e.sin(x) * e.cos(x), (2, 3)), "operation 2 is ('multiply', 1, 2)"),
        (graph_of(lambda x: -(e.sin(x) + e.cos(x)), (2, 3)),
         "the graph has 4 operations, the nearest known 3"),
    ],
)  # fmt: skip
def test_a_miss_names_the_nearest_key_and_what_differs(other, reason):
    cache = Cache(8)
    cache.get(key_of(BASE, "numpy"), object)
    cache.get(key_of(graph_of(lambda x: x, (9, 9, 9)), "numpy"), object)
    cache.get(key_of(other, "numpy"), object)
    assert reason in cache.last_miss


def test_other_settings_are_a_reason_too():
    found = explain(key_of(BASE, "numpy"), [key_of(BASE, "null")])
    assert "the same graph is known" in found
    assert "other settings" in found


def test_other_outputs_are_a_reason_too():
    x = fed(2)
    y, z = e.sin(x), e.cos(x)
    found = explain(key_of(Graph([x], [y, z])), [key_of(Graph([x], [y, z, z]))])
    assert found == "the nearest known graph has the same operations, but other outputs"


def test_the_first_miss():
    cache = Cache(2)
    cache.get(key_of(BASE), object)
    assert "the cache is empty" in cache.last_miss
