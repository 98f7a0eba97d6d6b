"""`python -m tinygraph`."""

import subprocess
import sys
from importlib.metadata import EntryPoint, version
from types import SimpleNamespace

import pytest

from tinygraph import config
from tinygraph.__main__ import main
from tinygraph.errors import BackendError
from tinygraph.runtime import backend


def test_info_names_versions_backends_and_variables(capsys, monkeypatch):
    monkeypatch.setenv("TINYGRAPH_SEED", "7")
    with config.override("DEBUG", "time,tape"):
        assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert version("tinygraph") in text
    assert "numpy      ready" in text
    assert "TINYGRAPH_SEED = 7 (environment)" in text
    assert "TINYGRAPH_DEBUG = tape,time (set in Python)" in text
    for name in config.VARIABLES:
        assert f"TINYGRAPH_{name} = " in text


def test_info_says_why_a_backend_does_not_start(capsys, monkeypatch):
    broken = EntryPoint("broken", "a_package_that_is_missing:Backend", backend.GROUP)
    installed = backend.available()
    monkeypatch.setattr(backend, "available", lambda: {"broken": broken, **installed})
    assert main(["info"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "No module named 'a_package_that_is_missing'" in text


def test_info_with_a_wrong_variable_fails_and_says_so(capsys, monkeypatch):
    monkeypatch.setenv("TINYGRAPH_MODE", "fast")
    assert main(["info"]) == 1
    assert "choose from lazy, eager" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "message"),
    [("BACKEND", "error: there is no backend 'abacus'"), ("SKIP", "error: TINYGRAPH_SKIP names")],
)
def test_info_marks_an_unknown_name(variable, message, capsys, monkeypatch):
    monkeypatch.setenv(f"TINYGRAPH_{variable}", "abacus")
    assert main(["info"]) == 1
    shown = capsys.readouterr()
    assert f"TINYGRAPH_{variable} = abacus (environment)" in shown.out
    assert message in shown.err


class _Cache:
    """A cache that holds some entries until it is cleared."""

    def __init__(self, folder):
        self.held = (folder, 3, 2**21)

    def info(self):
        return self.held

    def clear(self):
        _, *gone = self.held
        self.held = (self.held[0], 0, 0)
        return tuple(gone)


def _with_caches(monkeypatch, caches):
    """Let there be backends with these caches, and one that does not start."""

    def named(name):
        if name == "broken":
            raise BackendError("it does not start")
        return SimpleNamespace(cache=caches[name]) if name in caches else object()

    monkeypatch.setattr(backend, "backends", lambda: ["broken", "plain", *caches])
    monkeypatch.setattr(backend, "named", named)


def test_cache_shows_what_backends_keep_on_disk(capsys, monkeypatch):
    _with_caches(monkeypatch, {"fast": _Cache("/some/folder"), "homeless": _Cache(None)})
    assert main(["cache"]) == 0
    text = capsys.readouterr().out
    assert text == (
        "fast: /some/folder: 3 entries, 2.0 MiB\nhomeless: no folder that can be used\n"
    )


def test_cache_is_cleared(capsys, monkeypatch):
    _with_caches(monkeypatch, {"fast": _Cache("/some/folder")})
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == "fast: /some/folder: 3 entries, 2.0 MiB deleted\n"
    main(["cache"])
    assert "0 entries" in capsys.readouterr().out


def test_cache_without_any(capsys, monkeypatch):
    _with_caches(monkeypatch, {})
    assert main(["cache"]) == 0
    assert capsys.readouterr().out == "No backend keeps a cache on disk.\n"


def test_cache_with_a_wrong_variable_fails_and_says_so(capsys, monkeypatch):
    monkeypatch.setenv("TINYGRAPH_MODES", "lazy")
    _with_caches(monkeypatch, {"fast": SimpleNamespace(info=lambda: config.get("CACHE"))})
    assert main(["cache"]) == 1
    assert "unknown environment variable" in capsys.readouterr().err


def test_no_command_prints_the_usage(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python -m tinygraph")
    assert "info" in text


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["inform"])
    assert caught.value.code == 2
    assert "info" in capsys.readouterr().err


def test_as_a_process():
    done = subprocess.run(
        [sys.executable, "-m", "tinygraph", "info"], capture_output=True, text=True, check=True
    )
    assert "TINYGRAPH_BACKEND" in done.stdout
    assert done.stderr == ""
