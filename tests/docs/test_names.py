"""The page of all names; what it says of PyTorch is held in tests/against_torch/test_names.py."""

import importlib

import pytest


def entry(docs, module, name):
    return next(e for e in docs.names.entries(module) if e.name == name)


def test_every_public_name_has_a_row(docs):
    page = docs.names.page()
    for module in docs.peers.HOMES:
        public = docs.api.public_names(importlib.import_module(f"tinygraph.{module}"))
        assert public
        assert all(f"[`{name}`]" in page for name in public)


def test_each_row_says_what_is_computed(docs):
    rows = [e for module in docs.peers.HOMES for e in docs.names.entries(module)]
    assert [e.name for e in rows if len(e.told) < 5] == []


def test_no_entry_is_for_a_name_that_is_gone(docs):
    known = {f"{m}.{e.name}" for m in docs.peers.HOMES for e in docs.names.entries(m)}
    assert sorted((docs.peers.TORCH.keys() | docs.peers.KERAS.keys()) - known) == []


@pytest.mark.parametrize(
    ("module", "name", "torch", "keras"),
    [
        ("nn", "Linear", "nn.Linear", "layers.Dense"),
        ("nn", "Dense", "nn.Linear", "layers.Dense"),  # a second name of the same
        ("nn.functional", "relu", "nn.functional.relu", "activations.relu"),
        ("nn.functional", "hinge_loss", "", "losses.hinge"),
        ("init", "he_normal", "nn.init.kaiming_normal_", "initializers.HeNormal"),
        ("nn.constraints", "MaxNorm", "", "constraints.MaxNorm"),
    ],
)
def test_names_elsewhere(docs, module, name, torch, keras):
    assert entry(docs, module, name)[3:] == (torch, keras)


def test_a_row(docs):
    assert (
        "| [`Dense`](api-nn.md#Dense) | `Linear`: x @ weight.T + bias, also called a dense or "
        'fully connected layer | <code class="path">nn.<wbr>Linear</code> '
        '| <code class="path">layers.<wbr>Dense</code> |'
    ) in docs.names.page()


@pytest.mark.parametrize(
    ("docstring", "told"),
    [
        ("x / 2, i.e. half. More.", "x / 2, i.e. half"),
        ("Yogi: Adam with more.\n\n    v = 1\n", "Yogi: Adam with more"),
        ("The sum:\n\n    y = a + b\n\nMore.", "The sum: y = a + b"),
        ("|e|; see `nn.functional.l1_loss`.", "|e|"),
    ],
)
def test_what_a_docstring_says_is_computed(docs, docstring, told):
    assert docs.names.summary(docstring) == told


def test_what_is_missing_is_told(docs):
    page = docs.names.page()
    assert "nn.<wbr>LazyLinear" in page
    assert all(docs.prose.markdown(why) in page for why in docs.peers.MISSING)
