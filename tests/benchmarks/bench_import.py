"""How much longer `import tinygraph` takes than `import numpy`, each time in a fresh process.

python tests/benchmarks/bench_import.py [--repeats N]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

from timing import repeats_from_command_line, report

GOAL_MS = 100
CODE = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import tinygraph
end = time.perf_counter()
print([middle - start, end - middle])
"""


def measure(repeats: int) -> None:
    """Report the medians over `repeats` processes, after one that leaves the compiled modules
    behind, as any user's first import does."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    pairs = []
    for _ in range(repeats + 1):
        command = [sys.executable, "-c", CODE]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        pairs.append(json.loads(done.stdout))
    numpy_s, more_s = (statistics.median(column) for column in zip(*pairs[1:]))
    report(
        "import", "import tinygraph", numpy_ms=round(numpy_s * 1e3, 1),
        more_ms=round(more_s * 1e3, 1), goal_ms=GOAL_MS,
    )  # fmt: skip


if __name__ == "__main__":
    measure(repeats_from_command_line(11, __doc__))
