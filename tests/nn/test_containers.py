"""Modules and parameters by number and by name."""

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


def test_containers_are_changed_as_lists_are():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert net.insert(1, nn.Tanh()) is net
    net += [nn.GELU()]
    assert str([type(m).__name__ for m in net]) == "['Linear', 'Tanh', 'ReLU', 'GELU']"
    assert isinstance(net.pop(-1), nn.GELU)
    del net[1:]
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    longer = net + nn.Sequential(nn.ReLU())
    assert longer(tg.ones((3, 2))).shape == (3, 2)
    assert longer[0] is net[0]
    layers = nn.ModuleList()
    layers += [nn.Linear(2, 2), nn.ReLU(), nn.Tanh()]
    del layers[::2]
    assert [name for name, _ in (layers + [nn.GELU()]).named_children()] == ["0", "1"]
    weights = nn.ParameterList([tg.ones(2)])
    weights += [tg.ones(3)]
    assert [w.shape for w in weights] == [(2,), (3,)]
    assert [w.shape for w in nn.ParameterList(tg.ones((2, 3)))] == [(3,), (3,)]


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict])
def test_containers_may_begin_empty(kind):
    assert len(kind()) == len(kind(None)) == 0
    assert not kind().state_dict()


def test_a_module_list_shows_equal_neighbours_once():
    blocks = [nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU()), nn.Tanh()]
    text = "ModuleList(\n  (0-1): 2 x Sequential(\n    (0): ReLU()\n  )\n  (2): Tanh()\n)"
    assert repr(nn.ModuleList(blocks)) == text
    assert repr(nn.ModuleList()) == "ModuleList()"
