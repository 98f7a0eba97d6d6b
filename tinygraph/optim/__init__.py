"""Optimizers, under PyTorch's names."""

from tinygraph.optim import accumulate as _accumulate
from tinygraph.optim import adabelief as _adabelief
from tinygraph.optim import adafactor as _adafactor
from tinygraph.optim import adam as _adam
from tinygraph.optim import adan as _adan
from tinygraph.optim import adaptive as _adaptive
from tinygraph.optim import average as _average
from tinygraph.optim import averaging as _averaging
from tinygraph.optim import batch_size as _batch_size
from tinygraph.optim import find_lr as _find_lr
from tinygraph.optim import group as _group
from tinygraph.optim import layerwise as _layerwise
from tinygraph.optim import lbfgs as _lbfgs
from tinygraph.optim import lookahead as _lookahead
from tinygraph.optim import lr_scheduler, swa_utils
from tinygraph.optim import master as _master
from tinygraph.optim import muon as _muon
from tinygraph.optim import nadam as _nadam
from tinygraph.optim import optimizer as _optimizer
from tinygraph.optim import perceptron as _perceptron
from tinygraph.optim import radam as _radam
from tinygraph.optim import rprop as _rprop
from tinygraph.optim import sam as _sam
from tinygraph.optim import schedule_free as _schedule_free
from tinygraph.optim import sgd as _sgd
from tinygraph.optim import sign as _sign
from tinygraph.optim import sm3 as _sm3
from tinygraph.optim import transform as _transform
from tinygraph.optim import wrapper as _wrapper
from tinygraph.optim.accumulate import *
from tinygraph.optim.adabelief import *
from tinygraph.optim.adafactor import *
from tinygraph.optim.adam import *
from tinygraph.optim.adan import *
from tinygraph.optim.adaptive import *
from tinygraph.optim.average import *
from tinygraph.optim.averaging import *
from tinygraph.optim.batch_size import *
from tinygraph.optim.find_lr import *
from tinygraph.optim.group import *
from tinygraph.optim.layerwise import *
from tinygraph.optim.lbfgs import *
from tinygraph.optim.lookahead import *
from tinygraph.optim.master import *
from tinygraph.optim.muon import *
from tinygraph.optim.nadam import *
from tinygraph.optim.optimizer import *
from tinygraph.optim.perceptron import *
from tinygraph.optim.radam import *
from tinygraph.optim.rprop import *
from tinygraph.optim.sam import *
from tinygraph.optim.schedule_free import *
from tinygraph.optim.sgd import *
from tinygraph.optim.sign import *
from tinygraph.optim.sm3 import *
from tinygraph.optim.transform import *
from tinygraph.optim.wrapper import *

__all__ = [
    *_accumulate.__all__,
    *_adabelief.__all__,
    *_adafactor.__all__,
    *_adam.__all__,
    *_adan.__all__,
    *_adaptive.__all__,
    *_average.__all__,
    *_averaging.__all__,
    *_batch_size.__all__,
    *_find_lr.__all__,
    *_group.__all__,
    *_layerwise.__all__,
    *_lbfgs.__all__,
    *_lookahead.__all__,
    *_master.__all__,
    *_muon.__all__,
    *_nadam.__all__,
    *_optimizer.__all__,
    *_perceptron.__all__,
    *_radam.__all__,
    *_rprop.__all__,
    *_sam.__all__,
    *_schedule_free.__all__,
    *_sgd.__all__,
    *_sign.__all__,
    *_sm3.__all__,
    *_transform.__all__,
    *_wrapper.__all__,
    "lr_scheduler",
    "swa_utils",
]
