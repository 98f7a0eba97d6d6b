"""Every test of the array functions runs twice: lazily and eagerly."""

import pytest

import tinygraph as tg


@pytest.fixture(autouse=True, params=["lazy", "eager"])
def mode(request):
    with getattr(tg, request.param)():
        yield request.param
