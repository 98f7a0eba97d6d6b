"""From docstrings, which are plain text, to Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection

_SPECIAL = re.compile(r"([\\*_\[\]#])")
_SKIP = re.compile(r"\s*# doctest: .*$", re.MULTILINE)
_SECTIONS = ("Args:", "Returns:", "Raises:")


def plain(text: str) -> str:
    """`text` with what Markdown would take for a mark escaped, but not what stands in backticks."""
    parts = text.split("`")
    parts[::2] = [_SPECIAL.sub(r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def cell(text: str) -> str:
    """`text` as a cell of a table."""
    return plain(" ".join(text.split())).replace("|", "\\|")


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring, on one line."""
    paragraph = " ".join(inspect.cleandoc(docstring).split("\n\n")[0].split())
    found = re.match(r"(.+?\.)(?= [A-Z`0-9]|$)", paragraph)
    return found.group(1) if found else paragraph.rstrip(":")


def markdown(docstring: str, arguments: Collection[str] = ()) -> str:
    """A docstring as Markdown: examples become code, and `arguments` are set as such."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    return "\n\n".join(_block(block, arguments) for block in blocks)


def _block(block: str, arguments: Collection[str]) -> str:
    if block.lstrip().startswith(">>>"):
        return f"```pycon\n{_SKIP.sub('', block).replace('<BLANKLINE>', '').rstrip()}\n```"
    heading, _, rest = block.partition("\n")
    if heading.strip() in _SECTIONS:
        return f"{heading.strip()}\n\n{_entries(rest, arguments)}"
    if block.startswith("    "):  # a formula or a listing
        return block
    before, mark, example = block.partition("\n>>>")
    text = _named(plain(before), arguments)
    return f"{text}\n\n{_block(mark.lstrip() + example, arguments)}" if mark else text


def _entries(text: str, arguments: Collection[str]) -> str:
    """The lines below `Args:` as a list; a line that is indented further goes on with an entry."""
    lines = inspect.cleandoc("\n" + text).splitlines()
    entries = [line if line.startswith(" ") else f"- {line}" for line in lines]
    return "\n".join(_named(plain(entry), arguments) for entry in entries)


def _named(text: str, arguments: Collection[str]) -> str:
    """`name: what it is` with the name set as code, where it is an argument."""
    if not arguments:
        return text
    name = "|".join(re.escape(plain(name)) for name in sorted(arguments, key=len, reverse=True))
    found = re.compile(rf"(?:^|(?<=[.;] )|(?<=- ))(?:{name})(?:, (?:{name}))*(?=: )", re.MULTILINE)
    return found.sub(lambda match: re.sub(name, _as_code, match.group()), text)


def _as_code(match: re.Match[str]) -> str:
    return "`" + match.group().replace("\\", "") + "`"
