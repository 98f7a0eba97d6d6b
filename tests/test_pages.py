"""The code on each page of the documentation runs as a reader would type it, and prints what the
page says.

Blocks marked `python` run one after another. A block marked `text` right after one is what it
prints; `...` stands for anything, and an error counts as printed. Blocks with the same title are
parts of one file of that name.
"""

import io
import linecache
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"```(\w*)(?: title=\"([^\"]+)\")?\s*$")


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
    def bare(lines):
        return "\n".join(line.rstrip() for line in lines.strip().splitlines())

    pattern = re.escape(bare(expected)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, bare(text), re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where it may write files
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
