"""The memory mappings of kernels: a process may have only so many."""

import ctypes
import sys
from pathlib import Path

import pytest
from llvmlite import binding as llvm

from tinygraph_numba.language import emit, pages

MAPS = Path("/proc/self/maps")
KERNEL = """
define i64 @{name}(i64 %x) {{
  %y = uitofp i64 %x to double
  %z = fmul double %y, {factor}.25
  %w = fptosi double %z to i64
  ret i64 %w
}}
"""


def loaded(count):
    """The addresses of so many kernels that multiply, each with a constant in memory."""
    addresses = []
    for factor in range(count):
        text = KERNEL.format(name=f"scaled_{factor}", factor=factor)
        code = emit.machine().emit_object(llvm.parse_assembly(text))
        addresses.append(emit.load(code, f"scaled_{factor}"))
    return addresses


def mappings():
    return MAPS.read_text(encoding="ascii", errors="replace").count("\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone counts mappings")
def test_kernels_that_lie_side_by_side_are_one_mapping(monkeypatch):
    monkeypatch.setattr(pages, "OFTEN", 10**9)  # not by itself while we count
    pages.join()
    before = mappings()
    addresses = loaded(200)
    assert mappings() > before + 300  # two for each
    pages.join()
    assert mappings() < before + 50
    double = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    assert [double(address)(4) for address in addresses] == [4 * k + 1 for k in range(200)]


def test_runs_end_with_code():
    def run(*mapped):
        return list(pages._runs(iter([pages.Mapping(*each) for each in mapped])))

    code, constants = "r-xp", "r--p"
    assert run((0, 1, constants), (1, 2, code), (2, 3, constants)) == [(1, 2)]
    assert run((1, 2, code), (2, 4, constants), (4, 5, code), (9, 10, code)) == [(1, 5), (9, 10)]
    assert run((1, 2, constants), (5, 6, constants)) == []
    assert run() == []


def test_where_nothing_is_counted_nothing_is_done(monkeypatch):
    monkeypatch.setattr(pages, "_MAPS", "/nowhere/maps")
    assert pages.join() == 0
