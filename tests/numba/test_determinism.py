"""The same bits for any number of threads, from run to run, and from a cold or a warm cache."""

import os
import subprocess
import sys

import pytest

TRAINING = """
import hashlib

import numpy as np

import tinygraph as tg
from tinygraph import nn, optim

tg.manual_seed(3)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(50, 24), nn.LSTM(24, 32, batch_first=True)
        self.out = nn.Linear(32, 5)

    def forward(self, words):
        states, _ = self.rnn(self.embedding(words))
        return self.out(states[:, -1])


images = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.LayerNorm(16 * 12 * 12),
    nn.Linear(16 * 12 * 12, 5),
)
rng = np.random.default_rng(0)
batches = [
    (images, rng.standard_normal((32, 1, 28, 28)).astype("float32")),
    (Words(), rng.integers(0, 50, (32, 40))),
]
digest = hashlib.sha256()
for model, data in batches:
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    x = tg.placeholder(data.shape, data.dtype, name="x")
    t = tg.placeholder((32,), "int64", name="t")
    loss = nn.functional.cross_entropy(model(x), t)
    step = tg.function([x, t], loss, updates=optimizer.minimize(loss))
    target = rng.integers(0, 5, 32)
    for _ in range(3):
        digest.update(step(data, target).numpy().tobytes())
    for name, value in sorted(model.state_dict().items()):
        digest.update(np.asarray(value).tobytes())
print(digest.hexdigest())
"""


def digest(cache, threads):
    names = {key: text for key, text in os.environ.items() if not key.startswith("TINYGRAPH_")}
    environment = {
        **names, "TINYGRAPH_CACHE": str(cache), "TINYGRAPH_THREADS": str(threads),
        "TINYGRAPH_BACKEND": "numba",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], env=environment, capture_output=True, text=True,
        check=True, timeout=300,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def cold(cache):
    return digest(cache, 2)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_the_same_bits_for_any_number_of_threads_and_from_a_warm_cache(cache, cold, threads):
    assert digest(cache, threads) == cold
    assert len(cold) == 64
