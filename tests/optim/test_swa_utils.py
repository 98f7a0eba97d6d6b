"""Averaged models in a loop that is traced, saved and resumed; and what `applied` leaves alone."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import io, nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F
from tinygraph.optim import swa_utils


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def start(**options):
    tg.manual_seed(0)
    model = network()
    averaged = swa_utils.AveragedModel(model, **options)
    return model, averaged, optim.Adam(model.parameters(), lr=0.1)


def batch():
    rng = np.random.default_rng(0)
    return tg.tensor(rng.standard_normal((8, 3)), "float32"), tg.zeros((8, 1))


def step(model, averaged, optimizer, x, y):
    F.mse_loss(model(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
    averaged.update_parameters(model)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("function", [None, swa_utils.get_ema_avg_fn(0.9)])
def test_a_traced_loop_averages(function, use_buffers):
    """As a lazy one does, in one tape; and nothing compiles later."""
    options = {"avg_fn": function, "use_buffers": use_buffers}
    lazy, traced = start(**options), start(**options)
    train = tg.jit(lambda x, y: step(*traced, x, y))
    x, y = batch()
    misses = []
    for _ in range(5):
        step(*lazy, x, y)
        train(x, y)
        misses.append(TAPES.info().misses)
    assert train.traces == 1
    assert len(set(misses[2:])) == 1
    for (name, one), other in zip(
        lazy[1].state_dict().items(), traced[1].state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=name)
    assert traced[1].n_averaged.item() == 5


def test_it_is_saved_and_resumed_bit_by_bit(tmp_path):
    x, y = batch()
    model, averaged, optimizer = start(avg_fn=swa_utils.get_ema_avg_fn(0.5))
    for _ in range(3):
        step(model, averaged, optimizer, x, y)
    parts = {"model": model, "averaged": averaged, "optimizer": optimizer}
    io.save({name: part.state_dict() for name, part in parts.items()}, tmp_path / "all.safetensors")
    step(model, averaged, optimizer, x, y)
    other, resumed, second = start(avg_fn=swa_utils.get_ema_avg_fn(0.5))
    saved = io.load(tmp_path / "all.safetensors")
    for name, part in {"model": other, "averaged": resumed, "optimizer": second}.items():
        part.load_state_dict(saved[name])
    step(other, resumed, second, x, y)
    for one, again in zip(
        averaged.state_dict().values(), resumed.state_dict().values(), strict=True
    ):
        np.testing.assert_array_equal(one, again)


def test_the_average_is_a_model_of_its_own():
    model, averaged, _ = start()
    x, _ = batch()
    averaged.update_parameters(model)
    before = averaged.eval()(x).numpy()
    model[0].weight.set(np.zeros((4, 3)))
    np.testing.assert_array_equal(averaged(x).numpy(), before)
    assert list(averaged.state_dict())[:2] == ["n_averaged", "module.0.weight"]


def test_batch_norm_is_made_anew_even_if_the_loader_fails():
    model = network().eval()
    model[1].train()

    def loader():
        yield batch()
        raise KeyError

    with pytest.raises(KeyError):
        swa_utils.update_bn(loader(), model)
    assert [part.training for part in model] == [False, True, False]
    assert model[1].momentum == 0.1
    x, _ = batch()
    np.testing.assert_allclose(
        model[1].running_mean.numpy(), model[0](x).numpy().mean(0), rtol=1e-4, atol=1e-6
    )
