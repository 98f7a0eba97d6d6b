"""tinygraph."""
from tinygraph.array.elementwise import *
from tinygraph.runtime.eager import eager, lazy
from tinygraph.tensor import Tensor, enable_grad, no_grad, placeholder, realize, tensor
