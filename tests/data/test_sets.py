"""Data sets by name: digits, and the IDX files of MNIST and Fashion-MNIST in a folder."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tinygraph import config
from tinygraph.data import digits, fashion_mnist, mnist, write_idx
from tinygraph.data.sets import FILES
from tinygraph.errors import FileFormatError


def test_digits_are_split_always_the_same_way():
    train, test = digits()
    assert (len(train), len(test)) == (1433, 364)
    for part in (train, test):
        images, labels = part.tensors
        assert images.shape == (len(part), 1, 8, 8)
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert (images.min(), images.max()) == (0, 1)
        shares = np.bincount(labels) / len(part)
        np.testing.assert_allclose(shares, 0.1, atol=0.005)
    np.testing.assert_array_equal(test.tensors[1], digits()[1].tensors[1])


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[examples\]' in a copy"):
        digits()


@pytest.fixture
def folder(tmp_path):
    """A folder with a tiny mnist: five pictures to train on, three to test."""
    (tmp_path / "mnist").mkdir()
    for index, name in enumerate(FILES):
        count = 5 if index < 2 else 3
        shape = (count, 28, 28) if "images" in name else (count,)
        values = np.arange(np.prod(shape)) % (256 if "images" in name else 10)
        write_idx(tmp_path / "mnist" / name, values.reshape(shape).astype(np.uint8))
    return tmp_path


def test_files_are_read_from_a_folder(folder):
    train, test = mnist(folder)
    assert (len(train), len(test)) == (5, 3)
    images, labels = train.tensors
    assert images.shape == (5, 1, 28, 28)
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(images[0, 0, 0], np.arange(28) / 255, rtol=1e-6)
    np.testing.assert_array_equal(labels, np.arange(5))


def test_files_are_read_from_where_the_variable_says_and_may_be_unpacked(folder, monkeypatch):
    packed = folder / "mnist" / FILES[0]
    write_idx(packed.with_suffix(""), np.zeros((5, 28, 28), np.uint8))
    packed.unlink()
    monkeypatch.setenv("TINYGRAPH_DATA", str(folder))
    train, _ = mnist()
    assert not train.tensors[0].any()


def test_missing_files_are_named_with_the_place_and_the_cure(folder):
    (folder / "mnist" / FILES[3]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        mnist(folder)
    text = str(caught.value)
    assert f"{folder / 'mnist'} does not hold {FILES[3]}." in text
    assert "TINYGRAPH_DATA" in text
    assert "yann.lecun.com" in text


def test_without_a_folder_the_message_says_how_to_set_one(monkeypatch):
    monkeypatch.delenv("TINYGRAPH_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="TINYGRAPH_DATA is not set") as caught:
        fashion_mnist()
    for name in (*FILES, "github.com/zalandoresearch/fashion-mnist"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("file", "array", "message"),
    [
        (0, np.zeros((5, 8, 8), np.uint8), r"expected uint8 images of 28 x 28, got uint8 .*\[5, 8"),
        (0, np.zeros((5, 28, 28), np.int16), "expected uint8 images of 28 x 28, got int16"),
        (1, np.zeros(4, np.uint8), r"expected 5 uint8 labels, got uint8 of shape \[4\]"),
        (1, np.full(5, 17, np.uint8), "expected labels from 0 to 9, got 17"),
    ],
)
def test_files_that_hold_something_else_are_refused(folder, file, array, message):
    write_idx(folder / "mnist" / FILES[file], array)
    with pytest.raises(FileFormatError, match=message):
        mnist(folder)


@pytest.mark.parametrize(("load", "mean"), [(mnist, 33.79122), (fashion_mnist, 73.14657)])
def test_the_real_files(load, mean):
    root = config.get("DATA")
    if root is None or not (Path(root) / load.__name__).is_dir():
        pytest.skip(f"TINYGRAPH_DATA names no folder that holds {load.__name__}")
    train, test = load()
    assert (len(train), len(test)) == (60000, 10000)
    assert float(test.tensors[0].mean(dtype=np.float64)) * 255 == pytest.approx(mean, abs=1e-4)
    assert np.unique(train.tensors[1]).tolist() == list(range(10))
