"""What works on the parameters of a model, and on sequences of several lengths."""

from tinygraph.nn.utils import clip as _clip
from tinygraph.nn.utils import norm_hooks as _norm_hooks
from tinygraph.nn.utils import parametrizations, parametrize, rnn
from tinygraph.nn.utils import vector as _vector
from tinygraph.nn.utils.clip import *
from tinygraph.nn.utils.norm_hooks import *
from tinygraph.nn.utils.vector import *

__all__ = [
    "parametrizations",
    "parametrize",
    "rnn",
    *_clip.__all__,
    *_norm_hooks.__all__,
    *_vector.__all__,
]
