"""Write the pages and pictures of docs/reference, which are made from the code. Run it before
`mkdocs build`.

Ends with status 1, and the names, where a public name has no docstring.
"""

from __future__ import annotations

import sys
from pathlib import Path

import api
import curves
import names
import native
import operations
import paths
import pictures
import schedules
import signals
from prose import cell

from tinygraph import config

FOLDER = Path(__file__).parent / "reference"

ENVIRONMENT = """# Environment variables

They are read when first needed, not at import. A setting made in Python wins over a variable;
an empty variable counts as unset; a wrong value, or an unknown name that starts with
`{prefix}`, is an error that lists the right ones. `python -m tinygraph info` prints the present
values.

| variable | values | default |
|---|---|---|
"""


def environment() -> str:
    """The page of environment variables: a table, and a paragraph on each."""
    rows, paragraphs = [], []
    for variable in config.VARIABLES.values():
        name = f"{config.PREFIX}{variable.name}"
        default = "unset" if variable.default in (None, frozenset()) else f"`{variable.default}`"
        rows.append(f"| [`{name}`](#{name}) | {cell(variable.values)} | {default} |\n")
        paragraphs.append(
            f"\n## {name} {{ #{name} }}\n\n{variable.doc}\n\n"
            f"Values: {variable.values}. Default: {default}.\n"
        )
    return ENVIRONMENT.format(prefix=config.PREFIX) + "".join(rows + paragraphs)


def main() -> int:
    """Write every page; the status to end with."""
    pages = {"ops": operations.page(), "environment": environment()}
    undocumented = api.homeless()
    for page in api.PAGES:
        pages[page.file] = page.text()
        undocumented += page.undocumented
    if undocumented:
        print("public names without documentation:", *undocumented, sep="\n  ", file=sys.stderr)
        return 1
    pages |= {"native": native.page(), "names": names.page()}
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):  # of what is not there any more
        old.unlink()
    for name, text in pages.items():
        (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    for drawing in (pictures, signals, curves, schedules, paths):
        drawing.draw(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
