"""Settings: what is read, when, what wins, and what is refused."""

import pytest

from tinygraph import config
from tinygraph.errors import ConfigError


def test_defaults_need_no_environment(monkeypatch):
    for name in config.VARIABLES:
        monkeypatch.delenv(config.PREFIX + name, raising=False)
    values = {name: config.get(name) for name in config.VARIABLES}
    assert values["MODE"] == "lazy"
    assert values["SEED"] == 0
    assert values["CHECK"] == frozenset()
    assert values["DATA"] is None


def test_a_variable_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_SEED", "7")
    monkeypatch.setenv("TINYGRAPH_DEBUG", "tape, time")
    assert config.get("SEED") == 7
    assert config.get("DEBUG") == {"tape", "time"}


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_means_unset(monkeypatch, text):
    monkeypatch.setenv("TINYGRAPH_THREADS", text)
    assert config.get("THREADS") is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MODE", "fast", "TINYGRAPH_MODE='fast' is not valid: choose from lazy, eager"),
        ("CHECK", "nan,inf", "unknown inf; choose from nan"),
        ("DEBUG", "tapes", "unknown tapes; choose from passes, kernels, tape, time, cache"),
        ("SEED", "one", "TINYGRAPH_SEED='one' is not valid: an integer is expected"),
        ("THREADS", "0", "TINYGRAPH_THREADS='0' is not valid: an integer of at least 1"),
    ],
)
def test_a_wrong_value_says_what_is_right(monkeypatch, name, text, message):
    monkeypatch.setenv(config.PREFIX + name, text)
    with pytest.raises(ConfigError) as caught:
        config.get(name)
    assert message in str(caught.value)


def test_an_unknown_variable_is_refused_and_the_known_are_listed(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_BACKENDS", "numpy")
    with pytest.raises(ConfigError) as caught:
        config.get("SEED")
    assert "unknown environment variable TINYGRAPH_BACKENDS" in str(caught.value)
    for name in config.VARIABLES:
        assert config.PREFIX + name in str(caught.value)


def test_override_wins_over_the_environment_and_ends(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_MODE", "eager")
    with config.override("MODE", "lazy"):
        assert config.get("MODE") == "lazy"
        with config.override("MODE", "eager"):
            assert config.get("MODE") == "eager"
        assert config.get("MODE") == "lazy"
    assert config.get("MODE") == "eager"


def test_override_ends_when_the_block_raises():
    before = config.get("SEED")
    with pytest.raises(KeyError), config.override("SEED", before + 1):
        raise KeyError
    assert config.get("SEED") == before


def test_set_wins_until_reset(monkeypatch):
    config.set("SEED", 5)
    assert config.get("SEED") == 5
    monkeypatch.setenv("TINYGRAPH_SEED", "6")
    assert config.get("SEED") == 5
    config.reset()
    assert config.get("SEED") == 6


@pytest.mark.parametrize(
    ("name", "value", "got"),
    [
        ("SEED", 3, 3),
        ("SEED", "3", 3),
        ("THREADS", None, None),
        ("DEBUG", ["tape"], {"tape"}),
        ("SKIP", {"fold", "fuse"}, {"fold", "fuse"}),
        ("MODE", "", "lazy"),
    ],
)
def test_values_from_python(name, value, got):
    with config.override(name, value):
        assert config.get(name) == got


@pytest.mark.parametrize(
    ("name", "value"), [("SEED", -1), ("SEED", 1.5), ("MODE", 3), ("CHECK", ["inf"]), ("SPEED", 1)]
)
def test_wrong_values_from_python(name, value):
    with pytest.raises(ConfigError):
        config.set(name, value)


def test_describe_says_where_each_value_comes_from(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_SEED", "7")
    monkeypatch.delenv("TINYGRAPH_THREADS", raising=False)
    with config.override("MODE", "eager"):
        rows = {variable.name: (value, source) for variable, value, source in config.describe()}
    assert rows["SEED"] == (7, "environment")
    assert rows["MODE"] == ("eager", "set in Python")
    assert rows["THREADS"] == (None, "default")
    assert rows.keys() == config.VARIABLES.keys()
