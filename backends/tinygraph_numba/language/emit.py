"""LLVM: from a module's text to object code, and from object code to addresses."""

from __future__ import annotations

import itertools
import os
import platform
import threading
from functools import lru_cache

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from tinygraph_numba.language import pages

LOCK = threading.RLock()  # LLVM's context, and our engine, are one for the process
# No fork while another thread compiles: its child would wait forever for locks of that thread,
# this one or those within llvmlite.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )


def versions() -> str:
    """Of llvmlite and LLVM."""
    return f"{llvmlite.__version__} {llvm.llvm_version_info}"


@lru_cache(maxsize=1)
def host() -> tuple[str, str]:
    """The processor's name, and its features as LLVM writes them."""
    with LOCK:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@lru_cache(maxsize=1)
def machine() -> llvm.TargetMachine:
    """What LLVM compiles for."""
    cpu, features = host()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    # "large": in a process with much memory a kernel's code and its constants may be mapped more
    # than 2 GB apart, further than the offsets of smaller models reach
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="static", codemodel="large", jit=True
    )


@lru_cache(maxsize=1)
def attributes() -> str:
    """The attributes of a function: no exceptions, and the widest vectors there are."""
    wide = "+avx512f" in host()[1].split(",")
    return "nounwind" + (' "prefer-vector-width"="512"' if wide else "")


@lru_cache(maxsize=1)
def has_f16() -> bool:
    """Whether the processor has instructions for conversions of 16-bit floats."""
    return platform.machine() in ("aarch64", "arm64") or "+f16c" in host()[1].split(",")


def optimised(text: str) -> llvm.ModuleRef:
    """The module, checked and optimised."""
    target = machine()
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(target, options)
    manager = builder.getModulePassManager()
    manager.run(module, builder)
    # Left to itself it would never be freed, 0.1 MB and more a kernel: in `ModulePassManager`
    # the empty method of another base class hides the one that frees. `detach` keeps a release
    # where that is mended from freeing it twice.
    NewPassManager._dispose(manager)
    manager.detach()
    return module


def object_code(text: str) -> bytes:
    """The object file of a module."""
    with LOCK:
        code: bytes = machine().emit_object(optimised(text))
        return code


def assembly(text: str) -> str:
    """The assembly of a module, to be read."""
    with LOCK:
        code: str = machine().emit_assembly(optimised(text))
        return code


@lru_cache(maxsize=1)
def _engine() -> llvm.ExecutionEngine:
    """What holds all code that is loaded."""
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())


_loads = itertools.count(1)


def load(code: bytes, symbol: str) -> int:
    """The address of function `symbol` of an object file, which stays loaded."""
    with LOCK:
        engine = _engine()
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        address: int = engine.get_function_address(symbol)
        if next(_loads) % pages.OFTEN == 0:
            pages.join()
        return address
