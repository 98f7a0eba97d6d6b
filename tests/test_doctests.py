"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import tinygraph

MODULES = [
    module.name
    for module in pkgutil.walk_packages(tinygraph.__path__, "tinygraph.")
    if not module.name.endswith("__main__")
]


class Finder(doctest.DocTestFinder):
    """Finds the examples of decorated functions too."""

    def _from_module(self, module, found):
        return super()._from_module(module, inspect.unwrap(found))


@pytest.mark.parametrize("name", ["tinygraph", *MODULES])
def test_examples(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    names = {**vars(module), "np": np, "tg": tinygraph}
    with tinygraph.eager():  # where a Tensor that is not printed shows its value too
        for test in Finder().find(module, globs=names):
            runner.run(test)
    assert not runner.failures
