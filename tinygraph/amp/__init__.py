"""Mixed precision: products in 16 bits, sums and weights in 32, under PyTorch's names."""

from tinygraph.amp import autocast as _autocast
from tinygraph.amp import scaler as _scaler
from tinygraph.amp.autocast import *
from tinygraph.amp.scaler import *

__all__ = [*_autocast.__all__, *_scaler.__all__]
