"""Functions that layers are made of, under PyTorch's names. They take Tensors and keep no state."""

from tinygraph.nn.functional import activation as _activation
from tinygraph.nn.functional import attention as _attention
from tinygraph.nn.functional import classification as _classification
from tinygraph.nn.functional import conv as _conv
from tinygraph.nn.functional import dropout as _dropout
from tinygraph.nn.functional import linear as _linear
from tinygraph.nn.functional import loss as _loss
from tinygraph.nn.functional import norm as _norm
from tinygraph.nn.functional import pad as _pad
from tinygraph.nn.functional import pooling as _pooling
from tinygraph.nn.functional.activation import *
from tinygraph.nn.functional.attention import *
from tinygraph.nn.functional.classification import *
from tinygraph.nn.functional.conv import *
from tinygraph.nn.functional.dropout import *
from tinygraph.nn.functional.linear import *
from tinygraph.nn.functional.loss import *
from tinygraph.nn.functional.norm import *
from tinygraph.nn.functional.pad import *
from tinygraph.nn.functional.pooling import *

__all__ = [
    *_activation.__all__,
    *_attention.__all__,
    *_classification.__all__,
    *_conv.__all__,
    *_dropout.__all__,
    *_linear.__all__,
    *_loss.__all__,
    *_norm.__all__,
    *_pad.__all__,
    *_pooling.__all__,
]
