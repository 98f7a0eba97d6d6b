"""The reference page of operations, made from their records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from inspect import Parameter, signature
from typing import Any

import numpy as np
from prose import cell, first_sentence, markdown, plain

from tinygraph.errors import TinygraphError
from tinygraph.graph import Aval, Graph, Node
from tinygraph.ops import REGISTRY, Op
from tinygraph.ops.registry import PLACEHOLDER, Bad, Sample

PAGE = """# Operations

The {count} primitives of the vocabulary: everything else (softmax, layer norm, attention, the
losses) is composed from them. This page is made from their records, which stand in
`tinygraph/ops`; [adding an op](../adding-an-op.md) says what is in a record.

What stands behind a star in a signature is a static parameter. A *formula* is that of one element
in the compiler's own notation, in which `a`, `b`, `c` are the inputs in order; operations that
have one are elementwise, and their inputs broadcast. Each operation has a gradient, unless its
entry says otherwise. The shapes and the refused inputs are among the samples that the tests of
the operation are generated from.

"""
KINDS = {
    "elementwise": "Elementwise",
    "reduce": "Reductions",
    "argreduce": "Positions of the largest and smallest",
    "cumulative": "Running totals",
    "view": "Views",
    "copy": "Copies",
    "gather": "Gathering",
    "scatter": "Scattering",
    "sort": "Sorting",
    "contract": "Contraction",
    "conv": "Convolution",
    "window": "Windows",
    "linalg": "Linear algebra",
    "random": "Random numbers",
    "control": "Control flow",
    "const": "Constants",
    "leaf": "Leaves",
}


def page() -> str:
    """The page of operations."""
    kinds: dict[str, list[Op]] = defaultdict(list)
    for op in sorted(REGISTRY.values(), key=lambda op: op.name):
        kinds[op.kind].append(op)
    order = [*(kind for kind in KINDS if kind in kinds), *sorted(kinds.keys() - KINDS)]
    parts = [PAGE.format(count=len(REGISTRY))]
    for kind in order:
        parts.append(f"## {KINDS.get(kind, kind.capitalize())}\n\nKind: `{kind}`.\n\n")
        parts.append(_index(kinds[kind]))
        parts += [_operation(op) for op in kinds[kind]]
    return "".join(parts)


def _index(ops: Sequence[Op]) -> str:
    if len(ops) < 3:
        return ""
    rows = [f"| [{plain(op.name)}](#{op.name}) | {cell(first_sentence(op.doc))} |" for op in ops]
    return "\n".join(["| operation | result |", "|---|---|", *rows]) + "\n\n"


def _operation(op: Op) -> str:
    lines = [f"### {plain(op.name)} {{ #{op.name} }}", "", f"    {_call(op)}", ""]
    lines += [markdown(op.doc), "", *_facts(op), ""]
    return "\n".join(lines).rstrip() + "\n\n"


def _facts(op: Op) -> Iterable[str]:
    if op.scalar is not None:
        yield f"- Formula: `{op.scalar}`"
    gradient = _gradient(op)
    if gradient:
        yield f"- Gradient: {gradient}"
    shown = 2 if op.scalar is not None else 0  # elementwise: the shapes go without saying
    for sample in op.samples(np.random.default_rng(0)):
        if any(isinstance(value, Graph) for value in sample.params.values()):
            continue  # bodies do not fit on a line
        if isinstance(sample, Bad):
            yield f"- Refuses {_refusal(op, sample)}"
        elif shown < 2 and sample.args and all(np.size(array) for array in sample.args):
            shown += 1
            yield f"- Shapes: {_shapes(op, sample)}"


def _gradient(op: Op) -> str:
    """What there is to say of the gradient, where it is not simply there."""
    if not op.differentiable or (op.vjp is None and op.jvp is None):
        return "none"
    if isinstance(op.vjp, tuple) and None in op.vjp:
        reached = [str(i) for i, rule in enumerate(op.vjp) if rule is not None]
        return f"to input {' and '.join(reached)} alone, counted from 0"
    return ""


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


def _leaves(args: Iterable[Any]) -> list[Node]:
    arrays = [np.asarray(array) for array in args]
    return [Node(PLACEHOLDER, (), {"name": "x"}, Aval(a.shape, a.dtype)) for a in arrays]


def _shapes(op: Op, sample: Sample) -> str:
    inputs = _leaves(sample.args)
    outputs = op(*inputs, **sample.params).avals
    params = f" with {_params(sample.params)}" if sample.params else ""
    return f"{_avals([node.aval for node in inputs])}{params} gives {_avals(outputs)}"


def _avals(avals: Iterable[Aval]) -> str:
    return ", ".join(f"`{aval}`" for aval in avals)


def _params(params: dict[str, Any]) -> str:
    texts = (getattr(value, "name", value) for value in params.values())
    return ", ".join(f"`{name}={text}`" for name, text in zip(params, texts, strict=True))


def _refusal(op: Op, bad: Bad) -> str:
    """What a bad sample is, and how it is refused."""
    inputs = _leaves(bad.args)
    params = f" with {_params(bad.params)}" if bad.params else ""
    try:
        op(*inputs, **bad.params)
        message = bad.message  # found out only when it runs
    except TinygraphError as error:
        message = str(error).split("\n")[0].removeprefix(f"{op.name}: ")
    given = _avals([node.aval for node in inputs]) + params
    return f"{given}: {bad.error.__name__}, {plain(message)}"
