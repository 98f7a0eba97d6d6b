"""The code on each page of the documentation runs as a reader would type it, and prints what the
page says.

Blocks marked `python` run one after another. A block marked `text` right after one is what it
prints, up to white space and rounding; `...` stands for anything, and an error counts as printed.
Blocks with the same title are parts of one file of that name.
"""

import io
import linecache
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from tinygraph.ops import REGISTRY
from tinygraph.runtime import backend

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"```(\w*)(?: title=\"([^\"]+)\")?\s*$")
FLOAT = re.compile(r"-?\d+\.\d*(?:e[-+]?\d+)?")


@dataclass
class Block:
    """A fenced block. `line` is that of its first line in the file that it belongs to."""

    language: str
    file: str
    line: int
    text: str = ""


def blocks_of(page):
    """The blocks of a page in order."""
    blocks, sizes = [], {}
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 2))
    for number, line in lines:
        found = FENCE.match(line)
        if not found:
            continue
        language, title = found.groups()
        block = Block(language, title or str(page), sizes.get(title, 1) if title else number)
        for _, inner in lines:
            if inner == "```":
                break
            block.text += inner + "\n"
        sizes[title] = block.line + block.text.count("\n")
        blocks.append(block)
    return blocks


def write_files(blocks):
    """Put the titled blocks into their files, where errors and tapes look for the source."""
    texts = {}
    for block in blocks:
        if block.language == "python":
            texts[block.file] = texts.get(block.file, "") + block.text
    for name, text in texts.items():
        if not Path(name).is_absolute():
            Path(name).write_text(text, encoding="utf-8")
    linecache.clearcache()


def printed(block, names):
    """What the block prints; an error that it raises is the last line of that."""
    out = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.text, block.file, "exec")
    with redirect_stdout(out), redirect_stderr(out):
        try:
            exec(code, names)
        except Exception as error:
            notes = "\n".join(getattr(error, "__notes__", []))
            return f"{out.getvalue()}{type(error).__name__}: {error}\n{notes}", error
    return out.getvalue(), None


def matches(expected, text):
    """Whether `text` is what is expected; numbers of a training may differ a little."""
    form, found = ("".join(FLOAT.sub("0.", t).split()) for t in (expected, text))
    if not re.fullmatch(re.escape(form).replace(re.escape("..."), ".*?"), found, re.DOTALL):
        return False
    if "..." in expected:
        return True
    numbers = [list(map(float, FLOAT.findall(t))) for t in (expected, text)]
    return np.allclose(*numbers, rtol=0.02, atol=0.02)


@pytest.fixture
def own_tables():
    """Ops and backends that a page adds are gone after it."""
    with mock.patch.dict(REGISTRY), mock.patch.dict(backend.available()):
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_runs(page, tmp_path, monkeypatch, own_tables):
    monkeypatch.setenv("TINYGRAPH_BACKEND", "numba")  # the default one: tapes differ
    monkeypatch.chdir(tmp_path)  # where it may write files
    monkeypatch.syspath_prepend(tmp_path)
    blocks = blocks_of(page)
    write_files(blocks)
    names = {"__name__": "__page__"}
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.language != "python":
            continue
        text, error = printed(block, names)
        expected = after.text if after is not None and after.language == "text" else None
        if error is not None and (expected is None or not matches(expected, text)):
            raise error
        if expected is not None:
            assert matches(expected, text), f"{page.name}, line {block.line}: printed\n{text}"
