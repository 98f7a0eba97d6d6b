"""Sequential and ModuleList."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn


def test_sequential_by_number_and_by_name():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    assert len(net) == 3
    assert net[-1] is net[2]
    assert net[1:][0] is net[1]
    assert list(net[1:].state_dict()) == ["2.weight", "2.bias"]
    named = nn.Sequential({"in": net[0], "act": net[1], "out": net[2]})
    assert named.act is net[1]
    x = tg.ones((4, 2))
    np.testing.assert_array_equal(named(x).numpy(), net(x).numpy())
    with pytest.raises(IndexError, match="Sequential: index 3 is out of range for 3 modules"):
        net[3]


def test_sequential_is_changed_in_place():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.append(nn.Linear(2, 1))
    net[1] = nn.Tanh()
    assert [type(module).__name__ for module in net] == ["Linear", "Tanh", "Linear"]
    del net[1]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    named = nn.Sequential({"a": nn.ReLU(), "b": nn.Tanh()})
    del named[0]
    assert [name for name, _ in named.named_children()] == ["b"]


def test_module_list():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers.insert(1, nn.Linear(2, 3, bias=False))
    layers.extend([nn.ReLU()])
    assert len(layers) == 4
    assert layers[1].out_features == 3
    assert list(layers[1:3].state_dict()) == ["0.weight", "1.weight", "1.bias"]
    del layers[0]
    assert list(layers.state_dict()) == ["0.weight", "1.weight", "1.bias"]
    with pytest.raises(NotImplementedError, match="call the modules in it"):
        layers(1)
