"""Several Python threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

import tinygraph as tg


def test_threads_share_a_function():
    x = tg.placeholder((None,), name="x")
    f = tg.function([x], tg.sum(tg.exp(x) * x))

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(30):
            value = rng.standard_normal(rng.integers(1, 9)).astype("float32")
            np.testing.assert_allclose(float(f(value)), np.sum(np.exp(value) * value), rtol=1e-4)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_threads_run_lazy_graphs_and_have_their_own_modes():
    def work(seed):
        if seed % 2:
            with tg.eager():
                return lazy_sum(seed)
        return lazy_sum(seed)

    def lazy_sum(seed):
        total = 0.0
        for step in range(20):
            with tg.no_grad() if seed % 3 else tg.enable_grad():
                w = tg.tensor(np.full(3, seed + step, "float32"), requires_grad=True)
                y = tg.sum(w * 2)
                assert y.requires_grad == (seed % 3 == 0)
                total += float(y)
        return total

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [sum(6.0 * (seed + step) for step in range(20)) for seed in range(8)]


def test_threads_ask_for_values_of_one_graph():
    for _ in range(10):
        x = tg.tensor(np.arange(5.0))
        shared = tg.exp(x) * 2
        parts = [tg.sum(shared) + i for i in range(8)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(float, parts))
        whole = float(np.sum(np.exp(np.arange(5.0)) * 2))
        np.testing.assert_allclose(found, [whole + i for i in range(8)])


def test_threads_update_one_state():
    count = tg.state(np.float32(0))
    x = tg.placeholder((), name="x")
    add = tg.function([x], (), updates={count: count + x})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add(1.0), range(100)))
    assert float(count) == 100.0
