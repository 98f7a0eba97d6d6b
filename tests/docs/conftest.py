import sys
import types
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MODULES = sorted(path.stem for path in DOCS.glob("*.py"))


@pytest.fixture
def docs(monkeypatch):
    """The modules that write the reference."""
    monkeypatch.syspath_prepend(DOCS)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield types.SimpleNamespace(**{name: __import__(name) for name in MODULES})
    for name in MODULES:
        sys.modules.pop(name, None)
