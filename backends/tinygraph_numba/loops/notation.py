"""Formulas as a person writes them: with as few names and parentheses as will do."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping

from tinygraph.compiler.kernel import Kernel, Step

WIDTH = 76  # of a statement
_WORD = re.compile(r"[A-Za-z_]\w*")
_LITERALS = {"f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"}

Statement = tuple[str, str]  # a target and what is assigned to it


def words(text: str) -> list[str]:
    """The names in a piece of source, each as often as it stands there."""
    return _WORD.findall(text)


class _Replace(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return _parsed(self.names[node.id]) if node.id in self.names else node


class _Bare(ast.NodeTransformer):
    """`x * f32(2.0)` is `x * 2.0`: a number takes the type of what it meets."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not (_is_literal(node.left) and _is_literal(node.right)):
            node.left, node.right = _bare(node.left), _bare(node.right)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        if not all(map(_is_literal, sides)):
            node.left, *node.comparators = map(_bare, sides)
        return node


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or _bare(node) is not node


def _bare(node: ast.expr) -> ast.expr:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1):
        return node
    number = node.args[0]
    digits = number.operand if isinstance(number, ast.UnaryOp) else number
    typed = node.func.id in _LITERALS and isinstance(digits, ast.Constant)
    return number if typed else node


def substitute(text: str, names: Mapping[str, str]) -> str:
    """The expression `text` with other expressions in place of some of its names."""
    return ast.unparse(_Replace(names).visit(_parsed(text)))


def bare(text: str) -> str:
    """The expression `text` with plain numbers where they take their type from the other side."""
    return ast.unparse(_Bare().visit(_parsed(text)))


def shortened(statements: list[Statement], used_elsewhere: set[str]) -> list[Statement]:
    """`statements` without names that one other statement uses, once, where lines stay short.

    What is read before the first store stays before it: the store may be to the same place.
    """
    uses = Counter(word for target, text in statements for word in words(target + " " + text))
    once = {target for target, _ in statements if uses[target] == 2} - used_elsewhere
    waiting: dict[str, str] = {}
    result: list[Statement] = []
    stored = False
    for target, text in statements:
        for name in [word for word in words(text) if word in waiting]:
            longer = substitute(text, {name: waiting[name]})
            if len(target) + len(longer) > WIDTH:
                result.append((name, waiting[name]))
            else:
                text = longer
            del waiting[name]
        if target in once and not stored:
            waiting[target] = text
            continue
        if "[" in target:
            stored = True
            result += waiting.items()
            waiting.clear()
        result.append((target, text))
    return [*result, *waiting.items()]


def formulas(kernel: Kernel) -> list[str]:
    """What a kernel computes: `out0 = ...`, after the values that are used more than once."""
    texts = [f"x{ref}" for ref in range(len(kernel.inputs))]
    uses = Counter(ref for step in kernel.steps for ref in step.args)
    uses.update(kernel.results)
    lines = []
    for ref, step in enumerate(kernel.steps, len(texts)):
        text = _formula(step, [texts[arg] for arg in step.args])
        if (uses[ref] > 1 or len(text) > WIDTH // 2) and step.op.kind != "const":
            lines.append(f"v{ref} = {text}")
            text = f"v{ref}"
        texts.append(text)
    return [*lines, *(f"out{out} = {texts[ref]}" for out, ref in enumerate(kernel.results))]


def _formula(step: Step, args: list[str]) -> str:
    params = dict(step.params)
    if step.op.kind == "const":
        return repr(params["value"])
    if step.op.scalar is None:
        return f"{step.op.name}({', '.join(args)})"
    pattern = step.op.scalar
    if step.op.name == "cast":
        pattern = f"{params['dtype'].name}(a)"
    return substitute(pattern, dict(zip("abc", args, strict=False)))
