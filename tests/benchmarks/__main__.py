"""Measure tinygraph: `python tests/benchmarks --out out/benchmarks.json`.

Each benchmark runs in a process of its own, one after another; results are printed as tables
and written as JSON. Names: import, nodes (with chain), compile, calls, scalars, layers (each layer,
loss and optimizer, beside PyTorch where it is installed), and the workloads xor, mlp, lenet,
resnet20, lstm, gpt, ew, norm.

To compare with other frameworks give an interpreter that has them and a script of the same
workloads: `--peers PYTHON --peers-script SCRIPT`. It is run as `PYTHON SCRIPT FRAMEWORK WORKLOAD`
right after tinygraph's own run of the workload, and prints a line of JSON with `step_ms`, `min_ms`,
`cold` and `rss`. TINYGRAPH_BACKEND chooses the backend. Measure on a quiet machine.

A workload runs in two processes with a cache folder of their own: the first finds it empty, and
its first step is the column cold_s; the second finds the kernels there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = {
    "import": "import", "nodes": "graph", "compile": "compile", "calls": "calls",
    "scalars": "scalars", "layers": "layers",
}  # fmt: skip
WORKLOADS = ("xor", "mlp", "lenet", "resnet20", "lstm", "gpt", "ew", "norm")
Row = dict[str, Any]


def main() -> int:
    """Run what the command line asks for; returns the exit status, 1 if a benchmark failed."""
    options = arguments()
    rows: list[Row] = []
    failed: list[str] = []
    columns: list[str] = []
    for name in options.only or (*PARTS, *WORKLOADS):
        found = workload(name, options) if name in WORKLOADS else run(own_command(name, options))
        if found is None:
            failed.append(name)
            continue
        if name in WORKLOADS and options.peers:
            compare(found[0], name, options)
        rows += found
        columns = show(found, columns)
    write(options.out, {"machine": machine(), "results": rows, "failed": failed})
    print(f"\nwritten to {options.out}" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    names = (*PARTS, *WORKLOADS)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks.json"))
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="not the rest")
    parser.add_argument("--repeats", type=int, help="how often to measure, at most")
    parser.add_argument("--filter", nargs="+", metavar="WORD", help="of the layers only these")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with other frameworks")
    parser.add_argument("--peers-script", type=Path, metavar="SCRIPT", help="their workloads")
    parser.add_argument("--frameworks", nargs="+", default=["torch", "jax"], metavar="NAME")
    options = parser.parse_args()
    if bool(options.peers) != bool(options.peers_script):
        parser.error("--peers and --peers-script go together")
    return options


def own_command(name: str, options: argparse.Namespace) -> list[str]:
    """What to run for one benchmark."""
    if name in PARTS:
        command = [sys.executable, str(HERE / f"bench_{PARTS[name]}.py")]
    else:
        command = [sys.executable, str(HERE / "bench_workloads.py"), name]
    if name == "layers" and options.filter:
        command += ["--filter", *options.filter]
    return command + (["--repeats", str(options.repeats)] if options.repeats else [])


def workload(name: str, options: argparse.Namespace) -> list[Row] | None:
    """The row of a workload: from an empty cache first, then measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = own_command(name, options)
        cold = run([*command, "--repeats", "1", "--limit", "0"], TINYGRAPH_CACHE=folder)
        found = run(command, TINYGRAPH_CACHE=folder) if cold else None
    if not cold or not found:
        return None
    row = found[0]
    start = {"benchmark": row.pop("benchmark"), "name": row.pop("name")}
    return [{**start, "cold_s": cold[0]["first_s"], "warm_s": row.pop("first_s"), **row}]


def run(command: list[str], **variables: str) -> list[Row] | None:
    """The rows that `command` prints; None, with its complaint passed on, if it fails."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        print(f"{' '.join(command)} failed with status {done.returncode}", file=sys.stderr)
        return None
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def compare(row: Row, name: str, options: argparse.Namespace) -> None:
    """Add to `row` what other frameworks need for the same workload, and the ratios to them."""
    row["peers"] = {}
    for framework in options.frameworks:
        found = run([options.peers, str(options.peers_script), framework, name])
        if found and "step_ms" in found[0]:
            row["peers"][framework] = found[0]
            row[f"{framework}_ms"] = found[0]["step_ms"]
            row[f"x_{framework}"] = round(row["step_ms"] / found[0]["step_ms"], 2)


def show(rows: list[Row], before: list[str]) -> list[str]:
    """Print `rows`, with a heading where the columns are not as before; returns the columns."""
    for row in rows:
        columns = [key for key in row if key not in ("benchmark", "name", "peers")]
        widths = [max(len(str(other.get(c, c))) for other in (*rows, {})) + 2 for c in columns]
        widths = [max(11, width) for width in widths]
        if columns != before:
            heading = "".join(f"{c:>{w}}" for c, w in zip(columns, widths))
            print(f"\n{row['benchmark']:<34}{heading}\n{'-' * (34 + len(heading))}")
        cells = "".join(f"{row[c]:>{w}}" for c, w in zip(columns, widths))
        print(f"  {row['name']:<32}{cells}", flush=True)
        before = columns
    return before


def machine() -> Row:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "tinygraph": version("tinygraph"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "backend": os.environ.get("TINYGRAPH_BACKEND") or "default",
        "threads": os.environ.get("OMP_NUM_THREADS") or "default",
    }


def write(path: Path, content: Row) -> None:
    """Write `content` as JSON, and the folder where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
