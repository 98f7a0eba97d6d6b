"""Write the pages of docs/reference that are made from the code: run before `mkdocs build`."""

from __future__ import annotations

import re
from collections import defaultdict
from inspect import Parameter, signature
from pathlib import Path

import numpy as np

from tinygraph import config
from tinygraph.ops import REGISTRY, Op

FOLDER = Path(__file__).parent / "reference"

OPS = """# Operations

The {count} primitives of the vocabulary, by the kind of kernel that each becomes. Everything
else (softmax, layer norm, attention, the losses) is composed from them. What stands behind a
star is a static parameter. *Formula* is that of one element in the compiler's own notation, in
which `a`, `b`, `c` are the inputs in order; operations that have one are elementwise.
"""

ENVIRONMENT = """# Environment variables

They are read when first needed, not at import. A setting made in Python wins over a variable;
an empty variable counts as unset; a wrong value, or an unknown name that starts with
`{prefix}`, is an error that lists the right ones. `python -m tinygraph info` prints the present
values.

| variable | values | default | meaning |
|---|---|---|---|
"""


def operations() -> str:
    """The page of operations."""
    kinds: dict[str, list[Op]] = defaultdict(list)
    for op in REGISTRY.values():
        kinds[op.kind].append(op)
    parts = [OPS.format(count=len(REGISTRY))]
    for kind, ops in sorted(kinds.items()):
        parts.append(f"## Kind `{kind}`\n")
        parts += [_operation(op) for op in sorted(ops, key=lambda op: op.name)]
    return "\n".join(parts)


def _operation(op: Op) -> str:
    lines = [f"### {_plain(op.name)}", "", f"`{_call(op)}`", "", _plain(op.doc.strip()), ""]
    if op.scalar is not None:
        lines.append(f"- Formula: `{op.scalar}`")
    lines.append(f"- Differentiable: {'yes' if op.differentiable else 'no'}")
    return "\n".join([*lines, ""])


def _call(op: Op) -> str:
    """How the operation is called, such as `concat(*xs, axis)`."""
    names: list[str] = []
    for parameter in signature(op.infer).parameters.values():
        if parameter.kind is Parameter.VAR_POSITIONAL and op.scalar is not None:
            names += "xyz"[: _arity(op)]
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            names.append(f"*{parameter.name}")
        else:
            if parameter.kind is Parameter.KEYWORD_ONLY and not any("*" in n for n in names):
                names.append("*")
            names.append(parameter.name)
    return f"{op.name}({', '.join(names)})"


def _arity(op: Op) -> int:
    """The number of inputs, where the shape rule takes any: that of the first sample."""
    return len(op.samples(np.random.default_rng(0))[0].args)


def _plain(text: str) -> str:
    """`text` with what Markdown would take for emphasis or a link escaped, but not in code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def environment() -> str:
    """The page of environment variables."""
    rows = []
    for variable in config.VARIABLES.values():
        default = "unset" if variable.default in (None, frozenset()) else f"`{variable.default}`"
        name = f"`{config.PREFIX}{variable.name}`"
        rows.append(f"| {name} | {variable.values} | {default} | {variable.doc} |\n")
    return ENVIRONMENT.format(prefix=config.PREFIX) + "".join(rows)


def main() -> None:
    """Write both pages."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "ops.md").write_text(operations(), encoding="utf-8")
    (FOLDER / "environment.md").write_text(environment(), encoding="utf-8")


if __name__ == "__main__":
    main()
