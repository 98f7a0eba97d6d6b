"""The way of data has one direction: a module imports only what stands before it, or beside it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "tinygraph"

# The order of the table in docs/architecture.md. What a function imports when it is called does
# not count: the gradient rules of loops differentiate their bodies.
ORDER = [
    "config dtypes errors",
    "graph",
    "ops",
    "autodiff",
    "passes",
    "compiler",
    "runtime",
    "tensor",
    "array linalg random",
    "autograd tree function jit transforms control testing",
    "nn optim init amp",
    "data io viz debug",
]
LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts.split()}
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.stem not in ("__init__", "__main__")]


def imported(path):
    """The parts of the package that a module imports as it is imported itself, with the lines."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "tinygraph":
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield statement.module.removeprefix("tinygraph.").split(".")[0], statement.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_lead_back(path):
    own = LEVEL[path.relative_to(ROOT).with_suffix("").parts[0]]
    wrong = [
        f"{path.name}:{line} imports {part}"
        for part, line in imported(path)
        if LEVEL.get(part, 0) > own
    ]
    assert not wrong


def test_the_core_names_no_backend():
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    assert "import tinygraph_" not in text
    assert "from tinygraph_" not in text
