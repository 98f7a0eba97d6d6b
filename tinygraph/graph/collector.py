"""Work on large graphs without the garbage collector looking on.

Building or rewriting a graph makes many objects and frees almost none; the collector would
look at every node again and again and find nothing, which costs more than the work itself.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection within the `with` block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
