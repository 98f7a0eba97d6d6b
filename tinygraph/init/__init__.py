"""Initializers: they fill a Tensor in place and return it. PyTorch's, without the underscore."""

from tinygraph.init import fans as _fans
from tinygraph.init import fill as _fill
from tinygraph.init import scaled as _scaled
from tinygraph.init.fans import *
from tinygraph.init.fill import *
from tinygraph.init.scaled import *

__all__ = [
    *_fans.__all__,
    *_fill.__all__,
    *_scaled.__all__,
]
