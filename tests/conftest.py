"""What all tests share: Hypothesis profiles, and a watch over global state."""

import os

import pytest
from hypothesis import settings

from tinygraph import config
from tinygraph.runtime import lazy

# Choose with HYPOTHESIS_PROFILE=ci. Neither has a deadline: the machine may be busy.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def _environment():
    return {name: text for name, text in os.environ.items() if name.startswith(config.PREFIX)}


def _restore(before):
    for name in _environment().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def no_leaks():
    """Each test starts from the environment's settings, and fails if it leaves others behind.

    Only our own variables are watched: other packages set theirs when they are imported.
    """
    config.reset()
    lazy.UNDEFINED.clear()  # placeholders of failed tests live on in their tracebacks
    before = _environment()
    yield
    leaks = []
    if _environment() != before:
        leaks.append(f"environment variables {dict(_environment().items() ^ before.items())}")
        _restore(before)
    changed = [variable.name for variable, _, source in config.describe() if "set in" in source]
    if changed:
        leaks.append(f"settings {changed}; use config.override, or config.reset at the end")
    config.reset()
    assert not leaks, f"the test leaks {' and '.join(leaks)}"
