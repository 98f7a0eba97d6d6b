"""The page of all names: what each computes, and what PyTorch and Keras call it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from api import PAGES, public_names
from peers import HOMES, KERAS, MISSING, TORCH
from prose import cell, first_sentence, markdown

PAGE = """---
hide:
  - toc
---
# Every name

What each public name of these modules computes, and what it is called elsewhere: in PyTorch
(below `torch.`, or in torchvision) and in Keras 3 (below `keras.`). Where `torch.` has a name, the
arguments, defaults, parameters and results are PyTorch's. Keras computes the same, but its
arguments differ and its channels come last. This page is made from the code.

{places}
"""
LACKING = """
## What PyTorch has and this does not { #missing }

Held against PyTorch 2.13 by a test. Quantized layers, `torch.nn.parallel` and the legacy options
`size_average` and `reduce` are left out, too; `device` is none of a layer's business here, and
`inplace` is accepted and makes no difference.

| names | why |
|---|---|
"""


class Entry(NamedTuple):
    """What the page says of a name: where its own entry is, and the names elsewhere."""

    name: str
    link: str
    told: str
    torch: str
    keras: str


def entries(module: str) -> Iterator[Entry]:
    """The entries of the public names of a module."""
    found = importlib.import_module(f"tinygraph.{module}")
    pages = _pages(module)
    for name in sorted(public_names(found), key=str.casefold):
        thing = getattr(found, name)
        first = _first_name(name, thing, found)
        told = summary(inspect.getdoc(thing) or "")
        told = told if first == name else f"`{first}`: {told.removeprefix(f'{first}: ')}"
        link = f"{pages[name]}.md#{name}"
        yield Entry(name, link, told, torch_name(module, name, first), _keras(module, name, first))


def torch_name(module: str, name: str, first: str) -> str:
    """Where PyTorch has it, "" for nowhere: `name` here, or `first`, its first name."""
    if not HOMES[module]:
        return ""
    told = TORCH.get(f"{module}.{name}", TORCH.get(f"{module}.{first}"))
    if told is not None:
        return told
    return f"{HOMES[module]}.{first}{'_' if module == 'init' else ''}"


def _keras(module: str, name: str, first: str) -> str:
    return KERAS.get(f"{module}.{name}", KERAS.get(f"{module}.{first}", ""))


def summary(docstring: str) -> str:
    """The first sentence; with the formula, where that stands in a block of one line below."""
    text = first_sentence(docstring).rstrip(".").partition("; see `nn.functional.")[0]
    head, *rest = inspect.cleandoc(docstring).split("\n\n")
    is_formula = bool(rest) and rest[0].startswith("    ") and "\n" not in rest[0]
    return f"{text}: {rest[0].strip()}" if head.endswith(":") and is_formula else text


def page() -> str:
    """The page."""
    places = " · ".join(f"[`tg.{name}`](#{_anchor(name)})" for name in HOMES)
    parts = [PAGE.format(places=f"{places} · [what is missing](#missing)")]
    parts += [_section(name) for name in HOMES]
    rows = (f"| {_listed(names)} | {markdown(why)} |\n" for why, names in MISSING.items())
    return "\n".join(parts) + LACKING + "".join(rows)


def _section(module: str) -> str:
    head = "| name | what it computes | PyTorch | Keras |\n|---|---|---|---|"
    rows = [
        f"| [`{entry.name}`]({entry.link}) | {cell(entry.told)} "
        f"| {_code(entry.torch)} | {_code(entry.keras)} |"
        for entry in entries(module)
    ]
    return "\n".join([f"## `tg.{module}` {{ #{_anchor(module)} }}\n", head, *rows, ""])


def _anchor(module: str) -> str:
    return module.replace(".", "-").replace("_", "-")


def _code(path: str) -> str:
    """A path, which may be broken at its dots alone, and the remark behind it."""
    name, comma, remark = path.partition(", ")
    parts = name.replace(".", ".<wbr>")
    return f'<code class="path">{parts}</code>{comma}{cell(remark)}' if path else "—"


def _listed(names: str) -> str:
    return ", ".join(map(_code, names.split()))


def _pages(module: str) -> dict[str, str]:
    """The file with the entry of each name."""
    of = f"tinygraph.{module}"
    return {name: page.file for page in PAGES if page.module == of for name in page.names()}


def _first_name(name: str, thing: Any, module: Any) -> str:
    """What a thing with several names is called in its own file."""
    own = getattr(thing, "__name__", name)
    return own if getattr(module, own, None) is thing else name
