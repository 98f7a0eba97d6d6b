"""The backend contract, and the look-up by entry point.

A backend is a package that registers a class under the entry-point group `tinygraph.backends`.
The core never imports one by name. A buffer is whatever array type the backend keeps its
values in; `numpy.ndarray` for those that work in the host's memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from tinygraph import config
from tinygraph.compiler.kernel import Kernel
from tinygraph.compiler.tape import Tape
from tinygraph.dtypes import DType
from tinygraph.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "tinygraph.backends"
Buffer = Any
Handle = Any


class Executable(Protocol):
    """A linked tape. Several threads may call it at once.

    One that has an attribute `in_place` that is true gets, for the next values of state, the
    memory of the old ones (`Tape.donated`). Once it has begun to write there, it runs to its end,
    whatever signals come. It is called with one more argument, a NumPy array of one bool, which
    it sets as soon as all is written: interrupts may be raised between that and its return.
    """

    def __call__(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> None:
        """Run: read `inputs`, write every array of `outputs`. All are contiguous."""


@runtime_checkable
class Backend(Protocol):
    """What a backend offers. `build` makes one kernel; `link` a whole tape."""

    name: str

    def from_host(self, array: np.ndarray) -> Buffer:
        """A buffer with the values of a contiguous host array (may be that array itself)."""

    def to_host(self, buffer: Buffer) -> np.ndarray:
        """The values of a buffer as a host array (may share its memory)."""

    def alloc(self, shape: tuple[int, ...], dtype: DType) -> Buffer:
        """A buffer whose values are not set."""

    def build(self, kernel: Kernel) -> Handle:
        """Compile one kernel. Called once for each form of kernel."""

    def link(self, tape: Tape, handles: Sequence[Handle]) -> Executable:
        """Bind a tape's instructions to their kernels; `handles` has one an instruction."""

    def sync(self) -> None:
        """Return when all work that was started is done."""


_started: dict[str, Backend] = {}
_lock = threading.Lock()
_INSTALL = {
    "cupy": "pip install '.[cuda12]' or '.[cuda13]' in a copy of the repository",
    "numba": "pip install numba",
}


@lru_cache(maxsize=1)
def available() -> dict[str, EntryPoint]:
    """The installed backends by name."""
    from importlib.metadata import entry_points  # takes 15 ms: not at import

    return {point.name: point for point in entry_points(group=GROUP)}


def current() -> Backend:
    """The backend that is in force, started if need be.

    Raises BackendError if it is unknown or cannot start.
    """
    return named(config.get("BACKEND"))


def named(name: str) -> Backend:
    """The backend called `name`."""
    backend = _started.get(name)
    if backend is None:
        with _lock:
            backend = _started.get(name) or _start(name)
            _started[name] = backend
    return backend


def _start(name: str) -> Backend:
    points = available()
    if name not in points:
        raise BackendError(
            f"there is no backend {name!r}; installed are {', '.join(sorted(points))}. "
            "Set TINYGRAPH_BACKEND or tg.set_backend to one of these"
        )
    try:
        backend: Backend = points[name].load()()
    except ConfigError:
        raise
    except Exception as error:
        advice = _INSTALL.get(name, "check the installation of the package that provides it")
        raise BackendError(
            f"backend {name!r} ({points[name].value}) cannot start: "
            f"{type(error).__name__}: {error}. To mend it: {advice}"
        ) from error
    if not isinstance(backend, Backend):
        raise BackendError(f"backend {name!r} does not keep to the contract of {Backend.__name__}")
    return backend


def set_backend(name: str) -> None:
    """Use backend `name` from now on, in every thread. BackendError if it cannot start."""
    named(name)
    config.set("BACKEND", name)


@contextmanager
def using(name: str) -> Iterator[None]:
    """Use backend `name` within a `with` block."""
    named(name)
    with config.override("BACKEND", name):
        yield


def backends() -> list[str]:
    """The names of the installed backends."""
    return sorted(available())


def to_host(buffer: Buffer) -> np.ndarray:
    """The values of any backend's buffer as a host array."""
    if isinstance(buffer, np.ndarray):
        return buffer
    return current().to_host(buffer)
