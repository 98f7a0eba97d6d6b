"""Small networks, built from nodes, whose graphs the tests look at."""

import numpy as np

from tinygraph.autodiff.reverse import gradients
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import matmul
from tinygraph.ops.conv import conv
from tinygraph.ops.movement import broadcast_to, reshape
from tinygraph.ops.reduce import max as reduce_max
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import DATA, PLACEHOLDER
from tinygraph.ops.windows import no_padding, windows


def fed(*shape, name="x", dtype="float32"):
    return Node(PLACEHOLDER, (), {"name": name}, Aval(shape, np.dtype(dtype)))


def parameter(*shape, name):
    value = np.full(shape, 0.1, "float32")
    return Node(DATA, (), {"name": name}, Aval(shape, value.dtype), grad=True, buffer=value)


class Network:
    """Layers that remember their parameters."""

    def __init__(self):
        self.parameters = []

    def parameter(self, *shape, name):
        self.parameters.append(parameter(*shape, name=name))
        return self.parameters[-1]

    def convolution(self, x, channels, name, size=5):
        w = self.parameter(channels, x.shape[1], size, size, name=f"{name}.weight")
        b = self.parameter(channels, name=f"{name}.bias")
        plain = {"stride": (1, 1), "dilation": (1, 1)}
        y = conv(x, w, padding=no_padding(2), groups=1, **plain)
        return y + broadcast_to(reshape(b, shape=(channels, 1, 1)), shape=y.shape)

    def linear(self, x, features, name):
        w = self.parameter(x.shape[1], features, name=f"{name}.weight")
        return matmul(x, w) + self.parameter(features, name=f"{name}.bias")


def pool(x):
    return reduce_max(windows(x, kernel=(2, 2), stride=(2, 2), dilation=(1, 1)), axis=(4, 5),
                      keepdims=False)  # fmt: skip


def lenet(batch=8):
    """LeNet-5: its input, its output, its parameters."""
    net = Network()
    x = fed(batch, 1, 28, 28)
    h = pool(e.relu(net.convolution(x, 6, "conv1")))
    h = pool(e.relu(net.convolution(h, 16, "conv2")))
    h = reshape(h, shape=(batch, 256))
    h = e.relu(net.linear(h, 120, "fc1"))
    h = e.relu(net.linear(h, 84, "fc2"))
    return x, net.linear(h, 10, "fc3"), net.parameters


def training(x, output, parameters):
    """One step of gradient descent on the mean square of `output`: a graph with updates."""
    loss = reduce_sum(e.square(output), axis=(0, 1), keepdims=False)
    rate = fed(name="rate")
    found = gradients([loss], [broadcast_to(rate * 0 + 1, shape=())], parameters)
    updates = [p - rate * g for p, g in zip(parameters, found, strict=True)]
    return Graph([x, rate, *parameters], [loss, *updates])
