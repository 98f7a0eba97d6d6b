"""How many threads the BLAS of NumPy and SciPy uses while Python runs an instruction: one.

Its results depend on the number of its threads; ours must not. And what a tape may use is
TINYGRAPH_THREADS, all in all.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_before: list[tuple[Any, int]] = []  # the libraries that are limited, and what they had
_users = 0


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within it, BLAS calls are made by the calling thread alone. May be nested."""
    global _users
    with _lock:
        if not _users:
            _before[:] = [(library, library.num_threads) for library in _loaded()]
            _set([(library, 1) for library, _ in _before])
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(_before)


def _set(numbers: list[tuple[Any, int]]) -> None:
    for library, number in numbers:
        library.set_num_threads(number)


def _loaded() -> list[Any]:
    return _libraries("scipy.linalg" in sys.modules)


@cache
def _libraries(with_scipy: bool) -> list[Any]:
    """The BLAS libraries of this process; SciPy's is another one than NumPy's."""
    import threadpoolctl

    found = threadpoolctl.ThreadpoolController().select(user_api="blas")
    return list(found.lib_controllers)


def _after_fork() -> None:
    """A lock that another thread of the parent held is held for ever in the child."""
    global _lock, _users
    _lock = threading.Lock()
    if _users:
        _users = 0
        _set(_before)


os.register_at_fork(after_in_child=_after_fork)
