"""Initializers: they fill a Tensor in place and return it.

Names are PyTorch's without the underscore at the end; with it they are found, too. Formulas and
pictures of what each does to a deep network: see the page on initialization.
"""

from typing import Any

from tinygraph.init import fans as _fans
from tinygraph.init import fill as _fill
from tinygraph.init import scaled as _scaled
from tinygraph.init import structured as _structured
from tinygraph.init.fans import *
from tinygraph.init.fill import *
from tinygraph.init.scaled import *
from tinygraph.init.structured import *

__all__ = [
    *_fans.__all__,
    *_fill.__all__,
    *_scaled.__all__,
    *_structured.__all__,
]


def __getattr__(name: str) -> Any:
    if name.endswith("_") and name[:-1] in __all__:
        return globals()[name[:-1]]  # as PyTorch spells it
    raise AttributeError(f"module 'tinygraph.init' has no attribute {name!r}")
