"""`python tests/benchmarks` runs, writes its JSON, and compares with other frameworks."""

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent / "benchmarks"
PEER = """
import json, sys
assert sys.argv[1:] == ["abacus", "xor"]
print("an abacus talks before it counts")
print(json.dumps({"peer": "abacus", "work": "xor", "cold": 1, "step_ms": 2.0, "min_ms": 1.0}))
"""


def run(*arguments, status=0, **variables):
    done = subprocess.run(
        [sys.executable, BENCHMARKS, *map(str, arguments)],
        env={**os.environ, **variables}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_writes_a_table_and_json(tmp_path):
    out = tmp_path / "new" / "benchmarks.json"
    text = run("--only", "xor", "calls", "--repeats", 5, "--out", out)
    content = json.loads(out.read_text())
    assert content["failed"] == []
    assert content["machine"]["cpus"] == os.cpu_count()
    first, *calls = content["results"]
    figures = ("cold_s", "warm_s", "step_ms", "instructions", "arena_mib", "over_bound", "rss_mib")
    assert first.keys() >= set(figures)
    assert first["last"] < first["first"]
    assert [row["compiled_again"] for row in calls] == [0] * 7
    for row in content["results"]:
        assert row["name"] in text


def test_measures_layers_and_optimizers_by_name(tmp_path):
    out = tmp_path / "benchmarks.json"
    run("--only", "layers", "--filter", "prelu", "AdamW", "--repeats", 3, "--out", out)
    rows = json.loads(out.read_text())["results"]
    kinds = {(row["name"], row["what"]) for row in rows}
    steps = {("AdamW", "step"), ("NAdamW", "step"), ("ScheduleFreeAdamW", "step")}
    assert kinds == {("prelu", "forward"), ("prelu", "gradient")} | steps
    ratios = [[row[x] for x in ("x_numpy", "x_torch") if row[x] != "-"] for row in rows]
    assert list(map(max, ratios)) == sorted(map(max, ratios))


def test_compares_with_peers_that_run_elsewhere(tmp_path):
    script = tmp_path / "peers.py"
    script.write_text(PEER)
    out = tmp_path / "benchmarks.json"
    peers = ("--peers", sys.executable, "--peers-script", script, "--frameworks", "abacus")
    run("--only", "xor", "--repeats", 5, "--out", out, *peers)
    (row,) = json.loads(out.read_text())["results"]
    assert row["peers"]["abacus"]["step_ms"] == 2.0
    assert row["x_abacus"] == round(row["step_ms"] / 2.0, 2)


def test_says_which_benchmark_failed(tmp_path):
    out = tmp_path / "benchmarks.json"
    text = run("--only", "xor", "--out", out, status=1, TINYGRAPH_BACKEND="abacus")
    assert "FAILED: xor" in text
    assert json.loads(out.read_text())["failed"] == ["xor"]
