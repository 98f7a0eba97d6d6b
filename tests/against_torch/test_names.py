"""What the page of names says of PyTorch: each name is there, and what is missing is listed."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def told():
    """The modules of docs/ that make the page."""
    before = set(sys.modules)
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("peers"), importlib.import_module("names")
    finally:
        sys.path.remove(str(DOCS))
        for name in ("api", "names", "peers", "prose"):
            if name not in before:
                sys.modules.pop(name, None)


def found(path):
    """What stands at a path below `torch.`; None for nothing."""
    home, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(f"torch.{home}" if home else "torch")
    except ImportError:
        return None
    return getattr(module, name, None)


# What modules of PyTorch without an `__all__` have imported for their own use.
IMPORTED = {
    "Callable", "DType", "Optional", "Tensor", "assert_int_or_pair", "boolean_dispatch",
    "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic",
}  # fmt: skip


def public(home):
    """The public functions and classes of a module of PyTorch."""
    module = importlib.import_module(f"torch.{home}")
    names = getattr(module, "__all__", None) or [name for name in vars(module) if name[0] != "_"]
    things = {name: getattr(module, name) for name in names}
    return {
        name
        for name, thing in things.items()
        if callable(thing) and not inspect.ismodule(thing) and name not in IMPORTED
    }


def test_every_name_that_is_claimed_is_there(told):
    peers, names = told
    wrong = [
        f"tg.{module}.{entry.name}: {entry.torch}"
        for module in peers.HOMES
        for entry in names.entries(module)
        if entry.torch and not entry.torch.startswith("torchvision.")
        if found(entry.torch.partition(",")[0]) is None
    ]
    assert not wrong


def test_no_name_that_is_there_is_denied(told):
    peers, names = told
    wrong = [
        f"tg.{module}.{entry.name}"
        for module in peers.HOMES
        for entry in names.entries(module)
        if not entry.torch and peers.HOMES[module]
        if found(f"{peers.HOMES[module]}.{entry.name}") is not None
    ]
    assert not wrong


def test_what_is_missing_is_listed(told):
    """Neither is a name of PyTorch forgotten, nor does the list have one that is here by now."""
    peers, names = told
    lacking = set()
    for module, home in peers.HOMES.items():
        if home:
            entries = list(names.entries(module))
            here = {entry.torch.partition(",")[0] for entry in entries}
            here |= {f"{home}.{entry.name}" for entry in entries}
            lacking |= {f"{home}.{name}" for name in public(home)} - here
    listed = [name for group in peers.MISSING.values() for name in group.split()]
    assert len(listed) == len(set(listed))
    assert sorted(lacking - set(listed)) == []
    assert sorted(set(listed) - lacking) == []


def test_the_tables_speak_of_names_that_there_are(told):
    peers, names = told
    known = {f"{m}.{entry.name}" for m in peers.HOMES for entry in names.entries(m)}
    assert sorted((peers.TORCH.keys() | peers.KERAS.keys()) - known) == []
