"""Which backend is used, and what is said where it cannot be."""

from importlib.metadata import EntryPoint

import pytest

from tinygraph import config
from tinygraph.errors import BackendError, ConfigError
from tinygraph.runtime import backend as backends


@pytest.fixture
def installed(monkeypatch):
    """A function that pretends that a backend of this name and value is installed."""

    def install(name, value):
        point = EntryPoint(name, value, backends.GROUP)
        monkeypatch.setattr(backends, "available", lambda: {"numpy": point, name: point})

    return install


class Incomplete:
    """Lacks most of the contract."""

    name = "incomplete"


class Unwilling:
    """Does not start."""

    def __init__(self):
        raise OSError("no device was found")


def test_our_own_are_found():
    assert {"null", "numpy"} <= set(backends.backends())


def test_the_variable_chooses(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_BACKEND", "null")
    config.reset()
    assert backends.current().name == "null"


def test_a_block_wins_over_the_variable_and_ends(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_BACKEND", "null")
    config.reset()
    with backends.using("numpy"):
        assert backends.current().name == "numpy"
    assert backends.current().name == "null"


def test_set_backend_stays():
    backends.set_backend("null")
    try:
        assert backends.current().name == "null"
    finally:
        config.reset()


def test_an_unknown_backend_lists_those_that_are_installed():
    with pytest.raises(BackendError) as caught:
        backends.named("cuda")
    text = str(caught.value)
    assert "there is no backend 'cuda'" in text
    for name in backends.backends():
        assert name in text
    assert "TINYGRAPH_BACKEND" in text


def test_an_unknown_backend_is_not_set():
    before = config.get("BACKEND")
    for choose in (backends.set_backend, lambda name: backends.using(name).__enter__()):
        with pytest.raises((BackendError, ConfigError)):
            choose("cuda")
    assert config.get("BACKEND") == before


def test_a_missing_package_says_what_to_install(installed):
    installed("cupy", "a_package_that_is_missing:Backend")
    with pytest.raises(BackendError) as caught:
        backends.named("cupy")
    text = str(caught.value)
    assert "backend 'cupy' (a_package_that_is_missing:Backend) cannot start" in text
    assert "No module named 'a_package_that_is_missing'" in text
    assert "pip install '.[cuda12]'" in text
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_backend_of_others_that_is_broken(installed):
    installed("theirs", f"{__name__}:Missing")
    with pytest.raises(BackendError, match="check the installation of the package that provides"):
        backends.named("theirs")


def test_a_backend_that_does_not_start_says_why(installed):
    installed("unwilling", f"{__name__}:Unwilling")
    with pytest.raises(BackendError) as caught:
        backends.named("unwilling")
    assert "OSError: no device was found" in str(caught.value)


def test_a_failure_is_tried_again(installed):
    installed("later", f"{__name__}:Unwilling")
    for _ in range(2):
        with pytest.raises(BackendError):
            backends.named("later")


def test_a_backend_that_lacks_part_of_the_contract(installed):
    installed("incomplete", f"{__name__}:Incomplete")
    with pytest.raises(BackendError, match="does not keep to the contract of Backend"):
        backends.named("incomplete")
