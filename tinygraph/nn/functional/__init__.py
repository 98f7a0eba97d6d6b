"""Functions that layers are made of, under PyTorch's names. They take Tensors and keep no state."""

from tinygraph.nn.functional import activation as _activation
from tinygraph.nn.functional import adaptive as _adaptive
from tinygraph.nn.functional import attention as _attention
from tinygraph.nn.functional import binary as _binary
from tinygraph.nn.functional import boxes as _boxes
from tinygraph.nn.functional import categorical as _categorical
from tinygraph.nn.functional import classification as _classification
from tinygraph.nn.functional import contrastive as _contrastive
from tinygraph.nn.functional import conv as _conv
from tinygraph.nn.functional import ctc as _ctc
from tinygraph.nn.functional import distance as _distance
from tinygraph.nn.functional import dropout as _dropout
from tinygraph.nn.functional import efficient as _efficient
from tinygraph.nn.functional import embedding as _embedding
from tinygraph.nn.functional import focal as _focal
from tinygraph.nn.functional import fold as _fold
from tinygraph.nn.functional import fractional as _fractional
from tinygraph.nn.functional import gates as _gates
from tinygraph.nn.functional import global_pooling as _global_pooling
from tinygraph.nn.functional import hinge as _hinge
from tinygraph.nn.functional import likelihood as _likelihood
from tinygraph.nn.functional import linear as _linear
from tinygraph.nn.functional import margin as _margin
from tinygraph.nn.functional import masks as _masks
from tinygraph.nn.functional import mix as _mix
from tinygraph.nn.functional import multihead as _multihead
from tinygraph.nn.functional import noise as _noise
from tinygraph.nn.functional import norm as _norm
from tinygraph.nn.functional import overlap as _overlap
from tinygraph.nn.functional import pad as _pad
from tinygraph.nn.functional import piecewise as _piecewise
from tinygraph.nn.functional import pooling as _pooling
from tinygraph.nn.functional import position as _position
from tinygraph.nn.functional import probability as _probability
from tinygraph.nn.functional import regression as _regression
from tinygraph.nn.functional import resize as _resize
from tinygraph.nn.functional import shuffle as _shuffle
from tinygraph.nn.functional import tiled as _tiled
from tinygraph.nn.functional import unpooling as _unpooling
from tinygraph.nn.functional import variational as _variational
from tinygraph.nn.functional import windowed as _windowed
from tinygraph.nn.functional.activation import *
from tinygraph.nn.functional.adaptive import *
from tinygraph.nn.functional.attention import *
from tinygraph.nn.functional.binary import *
from tinygraph.nn.functional.boxes import *
from tinygraph.nn.functional.categorical import *
from tinygraph.nn.functional.classification import *
from tinygraph.nn.functional.contrastive import *
from tinygraph.nn.functional.conv import *
from tinygraph.nn.functional.ctc import *
from tinygraph.nn.functional.distance import *
from tinygraph.nn.functional.dropout import *
from tinygraph.nn.functional.efficient import *
from tinygraph.nn.functional.embedding import *
from tinygraph.nn.functional.focal import *
from tinygraph.nn.functional.fold import *
from tinygraph.nn.functional.fractional import *
from tinygraph.nn.functional.gates import *
from tinygraph.nn.functional.global_pooling import *
from tinygraph.nn.functional.hinge import *
from tinygraph.nn.functional.likelihood import *
from tinygraph.nn.functional.linear import *
from tinygraph.nn.functional.margin import *
from tinygraph.nn.functional.masks import *
from tinygraph.nn.functional.mix import *
from tinygraph.nn.functional.multihead import *
from tinygraph.nn.functional.noise import *
from tinygraph.nn.functional.norm import *
from tinygraph.nn.functional.overlap import *
from tinygraph.nn.functional.pad import *
from tinygraph.nn.functional.piecewise import *
from tinygraph.nn.functional.pooling import *
from tinygraph.nn.functional.position import *
from tinygraph.nn.functional.probability import *
from tinygraph.nn.functional.regression import *
from tinygraph.nn.functional.resize import *
from tinygraph.nn.functional.shuffle import *
from tinygraph.nn.functional.tiled import *
from tinygraph.nn.functional.unpooling import *
from tinygraph.nn.functional.variational import *
from tinygraph.nn.functional.windowed import *

__all__ = [
    *_activation.__all__,
    *_adaptive.__all__,
    *_attention.__all__,
    *_binary.__all__,
    *_boxes.__all__,
    *_categorical.__all__,
    *_classification.__all__,
    *_contrastive.__all__,
    *_conv.__all__,
    *_ctc.__all__,
    *_distance.__all__,
    *_dropout.__all__,
    *_efficient.__all__,
    *_embedding.__all__,
    *_focal.__all__,
    *_fold.__all__,
    *_fractional.__all__,
    *_gates.__all__,
    *_global_pooling.__all__,
    *_hinge.__all__,
    *_likelihood.__all__,
    *_linear.__all__,
    *_margin.__all__,
    *_masks.__all__,
    *_mix.__all__,
    *_multihead.__all__,
    *_noise.__all__,
    *_norm.__all__,
    *_overlap.__all__,
    *_pad.__all__,
    *_piecewise.__all__,
    *_pooling.__all__,
    *_position.__all__,
    *_probability.__all__,
    *_regression.__all__,
    *_resize.__all__,
    *_shuffle.__all__,
    *_tiled.__all__,
    *_unpooling.__all__,
    *_variational.__all__,
    *_windowed.__all__,
]
