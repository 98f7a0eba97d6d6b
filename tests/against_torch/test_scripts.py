"""Small PyTorch scripts, line by line as people write them: they run here with nothing changed but
the names that they import from, and leave the same numbers behind."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import tinygraph as tg

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))

# `import torch` alone binds that name, which the script then uses: it is kept.
PLAIN = re.compile(r"^(\s*)import torch$", re.MULTILINE)
OTHERS = re.compile(r"^(\s*)(import|from) torch(?=[ .])", re.MULTILINE)


def ported(text):
    """The script with its imports from PyTorch replaced by imports from here."""
    return OTHERS.sub(r"\1\2 tinygraph", PLAIN.sub(r"\1import tinygraph as torch", text))


def run(path, text):
    """What the script `text` leaves behind as `results`."""
    names = {"__name__": "__main__"}
    exec(compile(text, path, "exec"), names)
    return names["results"]


def as_plain(value):
    """Numbers and Tensors of either side as arrays, within any lists and dictionaries."""
    if isinstance(value, dict):
        return {name: as_plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(part) for part in value]
    if isinstance(value, (torch.Tensor, tg.Tensor)):
        return value.detach().numpy()
    return value


def same(mine, yours, where, rtol, atol):
    """Both have the same form, kinds of numbers and values."""
    if isinstance(yours, dict):
        assert list(mine) == list(yours), where
        for name in yours:
            same(mine[name], yours[name], f"{where}[{name!r}]", rtol, atol)
    elif isinstance(yours, list):
        assert len(mine) == len(yours), where
        for number, (m, y) in enumerate(zip(mine, yours)):
            same(m, y, f"{where}[{number}]", rtol, atol)
    elif isinstance(yours, np.ndarray):
        assert (mine.dtype, mine.shape) == (yours.dtype, yours.shape), where
        np.testing.assert_allclose(mine, yours, rtol=rtol, atol=atol, err_msg=where)
    elif isinstance(yours, float):
        np.testing.assert_allclose(mine, yours, rtol=rtol, atol=atol, err_msg=where)
    else:
        assert type(mine) is type(yours), where
        assert mine == yours, where


def test_nothing_but_imports_is_changed():
    assert len(SCRIPTS) >= 20
    for path in SCRIPTS:
        before = path.read_text(encoding="utf-8").splitlines()
        for old, new in zip(before, ported("\n".join(before)).splitlines(), strict=True):
            assert old == new or re.match(r"(import|from) torch\b", old), path.name
            assert not re.match(r"\s*(import|from) torch\b", new), path.name


@pytest.fixture(scope="module")
def expected():
    """What each script leaves behind with PyTorch; computed once."""
    found = {}

    def of(path):
        if path not in found:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch warns of itself
                found[path] = as_plain(run(path, path.read_text(encoding="utf-8")))
        return found[path]

    return of


@pytest.mark.parametrize("mode", ["lazy", "eager"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_ports_by_changing_the_import(path, mode, expected):
    text = path.read_text(encoding="utf-8")
    with tg.eager() if mode == "eager" else tg.lazy():
        results = as_plain(run(path, ported(text)))
    exact = ".double()" in text or "torch.float64)" in text
    rtol, atol = (1e-7, 1e-9) if exact else (1e-4, 1e-5)
    same(results, expected(path), path.stem, rtol, atol)
