"""tinygraph."""
from tinygraph.runtime.eager import eager, lazy
from tinygraph.tensor import Tensor, placeholder, realize, tensor, no_grad, enable_grad
from tinygraph.array.elementwise import *
