"""TINYGRAPH_THREADS is a promise of the backend, kept in a process of its own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import threadpoolctl
import tinygraph as tg
a = tg.ones((4, 4))
tg.matmul(a, a).realize()
print(max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()
          if pool["user_api"] == "blas"))
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_numpy_backend_keeps_its_blas_to_the_number_of_threads(threads):
    names = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    environment = {**names, "TINYGRAPH_THREADS": threads, "TINYGRAPH_BACKEND": "numpy"}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == threads
