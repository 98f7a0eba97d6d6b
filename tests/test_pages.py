"""The code on each page of the documentation runs, block after block, as a reader would type it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_of(page):
    """The page's blocks marked `python`, all other lines empty, so that line numbers agree."""
    inside = False
    lines = []
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        if fence:
            inside = line == "```python"
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where it may write files
    exec(compile(python_of(page), page, "exec"), {"__name__": "__page__"})
