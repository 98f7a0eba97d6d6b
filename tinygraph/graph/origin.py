"""Where in the user's code a node was built.

An origin is a code object and an instruction offset: cheap to take at every node, and turned
into a file and a line only when somebody reads it.
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

_HERE = Path(__file__).resolve().parents[1]
_INTERNAL = (
    str(_HERE),
    *(str(_HERE.parent / "backends" / name) for name in ("tinygraph_",)),
    *(str(_HERE.parent / "tinygraph_"),),
    "<tinygraph",
)
_known: dict[str, bool] = {}


class Origin(NamedTuple):
    """A place in the user's code. `backward` marks the gradient of what was built there."""

    code: CodeType
    offset: int
    backward: bool = False

    @property
    def file(self) -> str:
        return self.code.co_filename

    @property
    def line(self) -> int:
        for index, (line, *_) in enumerate(self.code.co_positions()):
            if index == self.offset // 2:
                return line or self.code.co_firstlineno
        return self.code.co_firstlineno

    @property
    def text(self) -> str:
        """The source line, stripped; empty where the source is not at hand."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        mark = " (backward)" if self.backward else ""
        return f"{Path(self.file).name}:{self.line}{mark}"

    def where(self) -> str:
        """One or two lines for an error message: the place, and its source."""
        mark = "the gradient of " if self.backward else ""
        text = f"\n    {self.text}" if self.text else ""
        return f"{mark}{self.file}:{self.line}{text}"


def is_internal(filename: str) -> bool:
    """Whether a source file is one of tinygraph's own."""
    known = _known.get(filename)
    if known is None:
        known = _known[filename] = filename.startswith(_INTERNAL)
    return known


def caller() -> Origin:
    """The innermost frame that is not tinygraph's own."""
    frame: FrameType | None = sys._getframe(1)
    last = frame
    known = _known.get  # one look-up a frame: this runs at every node
    while frame is not None:
        code = frame.f_code
        internal = known(code.co_filename)
        if internal is None:
            internal = is_internal(code.co_filename)
        if not internal:
            return Origin(code, frame.f_lasti)
        last = frame
        frame = frame.f_back
    assert last is not None
    return Origin(last.f_code, last.f_lasti)
