"""Module: registration, modes, saved state, copies, tables."""

import copy
import pickle

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, StateError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.ReLU(), nn.Linear(4, 2, bias=False))
        self.scale = nn.Parameter([2.0, 3.0])
        self.register_buffer("seen", np.zeros(2, np.float32))
        self.register_buffer("scratch", np.ones(1, np.float32), persistent=False)

    def forward(self, x):
        return self.body(self.first(x)) * self.scale


NAMES = ["scale", "first.weight", "first.bias", "body.1.weight"]


def test_parameters_and_buffers_are_found_in_order():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    assert list(net.state_dict()) == ["scale", "seen", "first.weight", "first.bias",
                                      "body.1.weight"]  # fmt: skip
    assert net.num_parameters() == 2 + 12 + 4 + 8
    assert [name for name, _ in net.named_modules()] == ["", "first", "body", "body.0", "body.1"]
    assert [type(child).__name__ for child in net.children()] == ["Linear", "Sequential"]


def test_a_shared_parameter_is_counted_once_and_saved_under_both_names():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    shared = nn.Sequential(net, net)
    assert len(list(shared.modules())) == 4
    assert "1.0.weight" in shared.state_dict()


def test_assignment_replaces_and_deletes():
    net = Net()
    net.scale = None
    assert net.scale is None
    assert "scale" not in net.state_dict()
    net.scale = nn.Parameter([1.0, 1.0])
    net.seen = tg.tensor([5.0, 6.0])
    assert net.seen.is_state
    assert net.state_dict()["seen"].tolist() == [5.0, 6.0]
    del net.first
    with pytest.raises(AttributeError, match="Net has no attribute 'first'"):
        net.first  # noqa: B018


def test_wrong_registrations():
    net = Net()
    with pytest.raises(TypeError, match=r"Net.scale is a Parameter: expected a Parameter or None"):
        net.scale = tg.tensor([1.0, 1.0])
    with pytest.raises(TypeError, match="expected a Module, got int"):
        net.add_module("x", 3)
    with pytest.raises(TypeError, match="expected a Parameter, got float"):
        net.register_parameter("x", 3.0)
    with pytest.raises(ValueError, match=r"has no dot, got 'a.b'"):
        net.add_module("a.b", nn.ReLU())
    with pytest.raises(NotImplementedError, match="Module has no `forward`"):
        nn.Module()(1)

    class Hasty(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) before"):
        Hasty()


def test_parameters_are_floats():
    with pytest.raises(DTypeError, match="gradients exist for floats only"):
        nn.Parameter([1, 2])
    assert not nn.Parameter([1, 2], requires_grad=False).requires_grad


def test_train_eval_apply_and_gradients():
    net = Net()
    assert net.training
    assert not any(module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())
    visited = []
    net.apply(lambda module: visited.append(type(module).__name__))
    assert visited == ["Linear", "ReLU", "Linear", "Sequential", "Net"]
    tg.sum(net(tg.ones((2, 3)))).backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.zero_grad(set_to_none=False)
    assert not net.scale.grad.numpy().any()
    net.zero_grad()
    assert net.scale.grad is None
    net.first.requires_grad_(False)
    assert net.num_parameters(trainable_only=True) == 10
    tg.sum(net(tg.ones((2, 3)))).backward()
    assert net.first.weight.grad is None
    assert net.scale.grad is not None


def test_state_may_be_looked_at_while_a_graph_is_defined():
    """What the graph will assign to it is for each call to come."""
    norm = nn.BatchNorm1d(2)
    x = tg.placeholder((None, 2), name="x")
    y = norm(x)
    state = norm.state_dict()
    assert state["running_mean"].tolist() == [0.0, 0.0]
    norm.load_state_dict({**state, "running_var": np.array([2.0, 2.0])})
    assert copy.deepcopy(norm).state_dict()["running_var"].tolist() == [2.0, 2.0]
    tg.function([x], y, updates={})(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert norm.state_dict()["num_batches_tracked"] == 1


def test_state_dict_is_a_copy_and_loads_again():
    net, other = Net(), Net()
    state = net.state_dict()
    x = tg.tensor(np.arange(6.0).reshape(2, 3), "float32")
    expected = net(x).numpy()
    result = other.load_state_dict(state)
    assert result == ([], [])
    np.testing.assert_array_equal(other(x).numpy(), expected)
    state["scale"][:] = 0
    assert other.scale.tolist() == [2.0, 3.0]
    other.load_state_dict({name: value.astype("float64") for name, value in state.items()})
    assert other.scale.dtype == np.float32


def test_nothing_is_loaded_if_anything_is_wrong():
    net = Net()
    before = net.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    del state["first.bias"]
    state["first.weight"] = np.zeros((4, 2), np.float32)
    state["extra"] = np.zeros(1)
    with pytest.raises(StateError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "the state does not fit Net:\n"
        "  first.weight: expected shape (4, 3), got (4, 2)\n"
        "  first.bias: expected, but missing\n"
        "  extra: got, but not expected"
    )
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(StateError, match=r"first.weight"):
        net.load_state_dict(state, strict=False)
    del state["first.weight"]
    assert net.load_state_dict(state, strict=False) == (["first.weight", "first.bias"], ["extra"])
    np.testing.assert_array_equal(net.state_dict()["scale"], before["scale"] + 1)


def test_a_copy_stands_on_its_own():
    net = Net()
    net.body.eval()
    other = copy.deepcopy(net)
    assert not other.body.training
    assert [name for name, _ in other.named_parameters()] == NAMES
    assert other.seen.is_state
    assert other.seen is not net.seen
    other.scale.set([0.0, 0.0])
    other.seen.assign(other.seen + 1)
    assert net.scale.tolist() == [2.0, 3.0]
    assert net.seen.tolist() == [0.0, 0.0]
    assert other.state_dict()["seen"].tolist() == [1.0, 1.0]
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    copied = copy.deepcopy(tied)
    assert copied[1].weight is copied[0].weight


def test_modules_are_not_pickled():
    with pytest.raises(TypeError, match="a pickle can run code"):
        pickle.dumps(Net())


def test_to_another_dtype():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).to("float64")
    assert {p.dtype.name for p in net.parameters()} == {"float64"}
    assert net[1].running_mean.dtype == np.float64
    assert net[1].num_batches_tracked.dtype == np.int64
    assert net(tg.ones((2, 2), dtype="float64")).dtype == np.float64
    tg.sum(net(tg.ones((2, 2), dtype="float64"))).backward()
    assert net[0].weight.grad.dtype == np.float64
    with pytest.raises(DTypeError, match="expected a floating-point dtype, got int32"):
        net.to("int32")


def test_forward_hooks():
    net = nn.Linear(2, 2)
    calls = []
    handle = net.register_forward_hook(lambda module, args, result: calls.append(args))
    doubled = net.register_forward_hook(lambda module, args, result: result * 2)
    x = tg.ones((1, 2))
    twice = net(x).numpy()
    doubled.remove()
    np.testing.assert_allclose(net(x).numpy() * 2, twice)
    handle.remove()
    net(x)
    assert len(calls) == 2


def test_repr_and_summary():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten())
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (1): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "  (2): Flatten(start_dim=1, end_dim=-1)\n"
        ")"
    )
    net[0].eval()
    table = net.summary((None, 1, 4, 4))
    assert "1 BatchNorm2d  (input_0, 2, 4, 4)           4  4 + 128*input_0" in table
    assert table.endswith("24 parameters, 24 of them trainable")
    assert net[1].training
    assert not net[0].training
    assert net[1].num_batches_tracked.item() == 0
    assert "output shape" not in net.summary()


def test_tensors_bear_their_dotted_names():
    net = nn.Sequential(Net(), nn.BatchNorm1d(2))
    net[1].bias.name = "mine"
    outer = nn.Sequential(net)
    assert {tensor.name for tensor in outer.parameters()} == {
        "0.0.scale", "0.0.first.weight", "0.0.first.bias", "0.0.body.1.weight", "0.1.weight",
        "mine",
    }  # fmt: skip
    assert net[1].running_mean.name == "0.1.running_mean"


def test_a_parameter_says_what_it_is():
    assert repr(nn.Parameter([1.0])) == "Parameter(tensor([1.], requires_grad=True))"


@pytest.mark.parametrize("wrong", [["x", "y"], [1j, 2j], [None, None]])
def test_a_state_that_is_no_numbers_loads_nothing(wrong):
    layer = nn.Linear(2, 2)
    before = layer.weight.numpy()
    with pytest.raises(StateError, match="bias: expected numbers, got dtype"):
        layer.load_state_dict({"weight": np.zeros((2, 2)), "bias": np.array(wrong)})
    np.testing.assert_array_equal(layer.weight.numpy(), before)


def test_a_name_that_the_class_has_is_refused():
    class Shadowed(nn.Module):
        scale = None

    for name in ("scale", "forward"):
        with pytest.raises(ValueError, match=f"the class has an attribute '{name}' already"):
            Shadowed().register_parameter(name, nn.Parameter([1.0]))


@pytest.mark.parametrize("wrong", ["x.safetensors", [1], nn.Linear(1, 1)])
def test_a_state_that_is_no_mapping_is_named(wrong):
    message = rf"names to arrays \(tg\.io\.load.*, got {type(wrong).__name__}"
    with pytest.raises(TypeError, match=message):
        nn.Linear(2, 2).load_state_dict(wrong)


def test_a_module_cannot_contain_itself():
    outer = nn.Sequential(nn.Sequential())
    with pytest.raises(ValueError, match="a module cannot contain itself"):
        outer.append(outer)
    with pytest.raises(ValueError, match="a module cannot contain itself"):
        outer[0].part = outer
    assert len(list(outer.modules())) == 2


def test_shapes_that_summary_takes():
    layer = nn.Linear(3, 2)
    assert layer.summary([5, 3]) == layer.summary((5, 3)) == layer.summary([(5, 3)])
    with pytest.raises(TypeError, match="or a list of them, got 'abc'"):
        layer.summary("abc")
    with pytest.raises(ValueError, match="summary: expected 2 dtypes, got 1"):
        nn.Bilinear(3, 2, 2).summary([(5, 3), (5, 2)], ["float32"])
