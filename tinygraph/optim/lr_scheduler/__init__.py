"""Learning-rate schedules, under PyTorch's names, and those of Keras and of the papers.

A schedule changes `optimizer.param_groups[...]["lr"]`, which is an input of every compiled step:
nothing is compiled anew. Call `scheduler.step()` after the optimizer's step, outside of a
function that `tg.jit` traces.
"""

from tinygraph.optim.lr_scheduler import base as _base
from tinygraph.optim.lr_scheduler import combine as _combine
from tinygraph.optim.lr_scheduler import cosine as _cosine
from tinygraph.optim.lr_scheduler import cyclic as _cyclic
from tinygraph.optim.lr_scheduler import decay as _decay
from tinygraph.optim.lr_scheduler import functions as _functions
from tinygraph.optim.lr_scheduler import inverse as _inverse
from tinygraph.optim.lr_scheduler import keras as _keras
from tinygraph.optim.lr_scheduler import plateau as _plateau
from tinygraph.optim.lr_scheduler import warmup as _warmup
from tinygraph.optim.lr_scheduler.base import *
from tinygraph.optim.lr_scheduler.combine import *
from tinygraph.optim.lr_scheduler.cosine import *
from tinygraph.optim.lr_scheduler.cyclic import *
from tinygraph.optim.lr_scheduler.decay import *
from tinygraph.optim.lr_scheduler.functions import *
from tinygraph.optim.lr_scheduler.inverse import *
from tinygraph.optim.lr_scheduler.keras import *
from tinygraph.optim.lr_scheduler.plateau import *
from tinygraph.optim.lr_scheduler.warmup import *

_LRScheduler = LRScheduler  # what older scripts subclass

__all__ = [
    *_base.__all__,
    *_combine.__all__,
    *_cosine.__all__,
    *_cyclic.__all__,
    *_decay.__all__,
    *_functions.__all__,
    *_inverse.__all__,
    *_keras.__all__,
    *_plateau.__all__,
    *_warmup.__all__,
]
