"""TINYGRAPH_CHECK=nan finds faults, and lets through what is meant."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import config

MODES = pytest.mark.parametrize("mode", [tg.lazy, tg.eager])


@MODES
def test_masked_scores_may_be_minus_infinity(mode):
    scores, mask = tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([[True, False], [True, True]])
    with mode(), config.override("CHECK", "nan"):
        weights = tg.softmax(scores.masked_fill(~mask, -np.inf), axis=-1).numpy()
        bias = tg.triu(tg.full((2, 2), -np.inf), 1) + scores
        assert np.isfinite(tg.softmax(bias, axis=-1).numpy()).all()
    np.testing.assert_allclose(weights[0], [1.0, 0.0])


@MODES
def test_a_row_that_is_masked_altogether_is_found(mode):
    found = pytest.raises(tg.errors.NonFiniteError, match="subtract yielded NaN")
    with mode(), config.override("CHECK", "nan"), found:
        tg.softmax(tg.tensor([-np.inf, -np.inf]), axis=-1).numpy()


@MODES
def test_infinity_from_finite_numbers_is_found(mode):
    found = pytest.raises(tg.errors.NonFiniteError, match="exp yielded infinity")
    with mode(), config.override("CHECK", "nan"), found:
        tg.exp(tg.tensor([1.0, 1000.0])).numpy()


def test_a_wrong_setting_is_not_blamed_on_the_backend():
    from tinygraph.runtime import backend

    def broken():
        raise tg.errors.ConfigError("TINYGRAPH_THREADS='0' is not valid")

    class Point:
        value = "broken"

        def load(self):
            return broken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "available", lambda: {"broken": Point()})
        with pytest.raises(tg.errors.ConfigError, match="THREADS"):
            backend.named("broken")


def test_nan_from_constants_alone_is_named_too():
    with config.override("CHECK", "nan"), pytest.raises(tg.errors.NonFiniteError) as caught:
        (tg.zeros(2) / tg.zeros(2) + 1).realize()
    assert str(caught.value).startswith("divide yielded NaN")
