"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import tinygraph

MODULES = [
    module.name
    for module in pkgutil.walk_packages(tinygraph.__path__, "tinygraph.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["tinygraph", *MODULES])
def test_examples(name):
    failed, _ = doctest.testmod(
        importlib.import_module(name),
        extraglobs={"np": np, "tg": tinygraph},
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failed == 0
