"""Layers: modules that are ready to use."""

from tinygraph.nn.layers import activation as _activation
from tinygraph.nn.layers import container as _container
from tinygraph.nn.layers import conv as _conv
from tinygraph.nn.layers import dropout as _dropout
from tinygraph.nn.layers import embedding as _embedding
from tinygraph.nn.layers import linear as _linear
from tinygraph.nn.layers import loss as _loss
from tinygraph.nn.layers import norm as _norm
from tinygraph.nn.layers import pooling as _pooling
from tinygraph.nn.layers import recurrent as _recurrent
from tinygraph.nn.layers.activation import *
from tinygraph.nn.layers.container import *
from tinygraph.nn.layers.conv import *
from tinygraph.nn.layers.dropout import *
from tinygraph.nn.layers.embedding import *
from tinygraph.nn.layers.linear import *
from tinygraph.nn.layers.loss import *
from tinygraph.nn.layers.norm import *
from tinygraph.nn.layers.pooling import *
from tinygraph.nn.layers.recurrent import *

__all__ = [
    *_activation.__all__,
    *_container.__all__,
    *_conv.__all__,
    *_dropout.__all__,
    *_embedding.__all__,
    *_linear.__all__,
    *_loss.__all__,
    *_norm.__all__,
    *_pooling.__all__,
    *_recurrent.__all__,
]
