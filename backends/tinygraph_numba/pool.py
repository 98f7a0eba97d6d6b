"""The worker threads that share the chunks of large instructions with the thread that runs.

They are Python threads, but all they ever do is one native call, which holds no GIL: they look
for work for a while, and then sleep on a lock until a run wakes them. See `machine.work`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
import weakref

import numpy as np

from tinygraph_numba import machine
from tinygraph_numba.memory import SYSTEM, address_of, aligned, rounded
from tinygraph_numba.natives import free

LOOKING = 50e-6  # seconds that a worker looks for work before it goes to sleep
ENDING = 1.0  # seconds that the end of the process waits for workers

_new_lock = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))
_take_lock = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(
    ("PyThread_acquire_lock", ctypes.pythonapi)
)
_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """At most `threads` threads, the one that runs a tape among them. Starts them at need."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        size = machine.BEDS + machine.BED_SIZE * (threads - 1)
        self.words: np.ndarray = aligned(size * machine.WORD).view(np.int64)
        self.address = self.words.ctypes.data
        self.forget()
        _POOLS.add(self)

    def forget(self) -> None:
        """Be as new: no workers. For a forked child, which has none of its parent's threads."""
        self.words[:] = 0
        self.workers: list[threading.Thread] = []
        self.scratch = -1  # bytes that each worker has
        self._kept: list[np.ndarray] = []
        self._lock = threading.Lock()

    def ready(self, scratch: int) -> None:
        """Have the workers, and let each have at least `scratch` bytes of its own."""
        if scratch > self.scratch:
            with self._lock:
                if scratch > self.scratch:
                    enough = max(rounded(scratch), 2 * self.scratch)
                    self._give(enough)
                    self._start()
                    self.scratch = enough  # last: all this may be interrupted

    def _give(self, scratch: int) -> None:
        """Larger memory for each worker. Some may be at work in what they had, so that it is
        kept; it is less than the new one."""
        room = aligned(scratch * (self.threads - 1))
        self._kept.append(room)
        for worker in range(self.threads - 1):
            self._bed(worker)[machine.SCRATCH] = room.ctypes.data + worker * scratch

    def _start(self) -> None:
        """Start the workers, but for those that there are."""
        words = self.words
        free("dismiss")  # compiled now: at the end of the process it is late for that
        words[machine.SLEEP] = address_of("PyThread_acquire_lock")
        words[machine.WAKE] = address_of("PyThread_release_lock")
        words[machine.YIELD] = address_of("sched_yield", SYSTEM)
        if not self.workers:
            words[machine.SPINS] = self._spins()
        for worker in range(len(self.workers), self.threads - 1):
            lock = _new_lock()
            _take_lock(lock, 1)
            self._bed(worker)[machine.LOCK] = lock
            thread = threading.Thread(
                target=self._work, args=(worker,), name=f"tinygraph-{worker}", daemon=True
            )
            self.workers.append(thread)  # first: no two may have one bed
            try:
                thread.start()
            except RuntimeError:  # the system gives us no more: these have to do
                self.workers.pop()
                break
        words[machine.WORKERS] = len(self.workers)

    def _bed(self, worker: int) -> np.ndarray:
        first = machine.BEDS + worker * machine.BED_SIZE
        return self.words[first : first + machine.BED_SIZE]

    def _spins(self) -> int:
        """How often a worker can look for work in LOOKING seconds. Threads that share a core
        must not look at all: they would keep those that have work from doing it."""
        if self.threads > cores():
            return 0
        times = 1000
        start = time.perf_counter()
        free("rest")(self.address, 0, times, 0)
        return round(LOOKING / (time.perf_counter() - start) * times)

    def _work(self, worker: int) -> None:
        free("work")(self.address, worker, 0, 0)

    def close(self) -> None:
        """Let the workers end, and wait for them."""
        if self.workers:
            free("dismiss")(self.address, 0, 0, 0)
            for thread in filter(threading.Thread.is_alive, self.workers):
                thread.join(ENDING)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _forget_all() -> None:
    for pool in list(_POOLS):
        pool.forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
