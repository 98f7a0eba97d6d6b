"""Layers: modules that are ready to use."""

from tinygraph.nn.layers import activation as _activation
from tinygraph.nn.layers import adaptive as _adaptive
from tinygraph.nn.layers import attention as _attention
from tinygraph.nn.layers import boxes as _boxes
from tinygraph.nn.layers import cells as _cells
from tinygraph.nn.layers import classification as _classification
from tinygraph.nn.layers import combine as _combine
from tinygraph.nn.layers import container as _container
from tinygraph.nn.layers import contrastive as _contrastive
from tinygraph.nn.layers import conv as _conv
from tinygraph.nn.layers import ctc as _ctc
from tinygraph.nn.layers import distance as _distance
from tinygraph.nn.layers import dropout as _dropout
from tinygraph.nn.layers import embedding as _embedding
from tinygraph.nn.layers import feed_forward as _feed_forward
from tinygraph.nn.layers import fold as _fold
from tinygraph.nn.layers import fractional as _fractional
from tinygraph.nn.layers import gates as _gates
from tinygraph.nn.layers import global_pooling as _global_pooling
from tinygraph.nn.layers import gru as _gru
from tinygraph.nn.layers import likelihood as _likelihood
from tinygraph.nn.layers import linear as _linear
from tinygraph.nn.layers import lstm as _lstm
from tinygraph.nn.layers import margin as _margin
from tinygraph.nn.layers import mix as _mix
from tinygraph.nn.layers import noise as _noise
from tinygraph.nn.layers import norm as _norm
from tinygraph.nn.layers import overlap as _overlap
from tinygraph.nn.layers import pad as _pad
from tinygraph.nn.layers import parameters as _parameters
from tinygraph.nn.layers import piecewise as _piecewise
from tinygraph.nn.layers import pooling as _pooling
from tinygraph.nn.layers import position as _position
from tinygraph.nn.layers import probability as _probability
from tinygraph.nn.layers import recurrent as _recurrent
from tinygraph.nn.layers import regression as _regression
from tinygraph.nn.layers import regularization as _regularization
from tinygraph.nn.layers import resize as _resize
from tinygraph.nn.layers import rnn as _rnn
from tinygraph.nn.layers import shuffle as _shuffle
from tinygraph.nn.layers import transformer as _transformer
from tinygraph.nn.layers import unpooling as _unpooling
from tinygraph.nn.layers import variational as _variational
from tinygraph.nn.layers.activation import *
from tinygraph.nn.layers.adaptive import *
from tinygraph.nn.layers.attention import *
from tinygraph.nn.layers.boxes import *
from tinygraph.nn.layers.cells import *
from tinygraph.nn.layers.classification import *
from tinygraph.nn.layers.combine import *
from tinygraph.nn.layers.container import *
from tinygraph.nn.layers.contrastive import *
from tinygraph.nn.layers.conv import *
from tinygraph.nn.layers.ctc import *
from tinygraph.nn.layers.distance import *
from tinygraph.nn.layers.dropout import *
from tinygraph.nn.layers.embedding import *
from tinygraph.nn.layers.feed_forward import *
from tinygraph.nn.layers.fold import *
from tinygraph.nn.layers.fractional import *
from tinygraph.nn.layers.gates import *
from tinygraph.nn.layers.global_pooling import *
from tinygraph.nn.layers.gru import *
from tinygraph.nn.layers.likelihood import *
from tinygraph.nn.layers.linear import *
from tinygraph.nn.layers.lstm import *
from tinygraph.nn.layers.margin import *
from tinygraph.nn.layers.mix import *
from tinygraph.nn.layers.noise import *
from tinygraph.nn.layers.norm import *
from tinygraph.nn.layers.overlap import *
from tinygraph.nn.layers.pad import *
from tinygraph.nn.layers.parameters import *
from tinygraph.nn.layers.piecewise import *
from tinygraph.nn.layers.pooling import *
from tinygraph.nn.layers.position import *
from tinygraph.nn.layers.probability import *
from tinygraph.nn.layers.recurrent import *
from tinygraph.nn.layers.regression import *
from tinygraph.nn.layers.regularization import *
from tinygraph.nn.layers.resize import *
from tinygraph.nn.layers.rnn import *
from tinygraph.nn.layers.shuffle import *
from tinygraph.nn.layers.transformer import *
from tinygraph.nn.layers.unpooling import *
from tinygraph.nn.layers.variational import *

__all__ = [
    *_activation.__all__,
    *_adaptive.__all__,
    *_attention.__all__,
    *_boxes.__all__,
    *_cells.__all__,
    *_classification.__all__,
    *_combine.__all__,
    *_container.__all__,
    *_contrastive.__all__,
    *_conv.__all__,
    *_ctc.__all__,
    *_distance.__all__,
    *_dropout.__all__,
    *_embedding.__all__,
    *_feed_forward.__all__,
    *_fold.__all__,
    *_fractional.__all__,
    *_gates.__all__,
    *_global_pooling.__all__,
    *_gru.__all__,
    *_likelihood.__all__,
    *_linear.__all__,
    *_lstm.__all__,
    *_margin.__all__,
    *_mix.__all__,
    *_noise.__all__,
    *_norm.__all__,
    *_overlap.__all__,
    *_pad.__all__,
    *_parameters.__all__,
    *_piecewise.__all__,
    *_pooling.__all__,
    *_position.__all__,
    *_probability.__all__,
    *_recurrent.__all__,
    *_regression.__all__,
    *_regularization.__all__,
    *_resize.__all__,
    *_rnn.__all__,
    *_shuffle.__all__,
    *_transformer.__all__,
    *_unpooling.__all__,
    *_variational.__all__,
]
