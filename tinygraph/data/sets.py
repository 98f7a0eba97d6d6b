"""Well-known data sets, read from an installed package or from a folder; never downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygraph import config
from tinygraph.data.dataset import TensorDataset
from tinygraph.data.idx import read_idx
from tinygraph.errors import FileFormatError

Folder = str | os.PathLike[str] | None
Split = tuple[TensorDataset, TensorDataset]

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def digits() -> Split:
    """scikit-learn's handwritten digits, as `(train, test)`.

    1,797 pictures of 8 x 8 pixels in 10 classes. Each sample is an image, float32 of shape
    (1, 8, 8) from 0 to 1, and a label, int64. Every fifth picture of each class is for testing:
    the split is always the same, and both parts hold the classes in equal shares.

    Raises ImportError if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "digits: scikit-learn, which holds the data, cannot be imported "
            f"({error}); install it with: pip install '.[examples]' in a copy of the repository"
        ) from error
    source = load_digits()
    images = (source.images[:, None] / 16).astype(np.float32)
    labels = source.target.astype(np.int64)
    test = _every_fifth_of_each_class(labels)
    return TensorDataset(images[~test], labels[~test]), TensorDataset(images[test], labels[test])


def _every_fifth_of_each_class(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[::5]] = True
    return chosen


def mnist(folder: Folder = None) -> Split:
    """MNIST, handwritten digits in 10 classes, as `(train, test)`; see `fashion_mnist`.

    The files are looked for in the subfolder `mnist`.
    """
    return _images_and_labels("mnist", folder, "MNIST, from yann.lecun.com/exdb/mnist")


def fashion_mnist(folder: Folder = None) -> Split:
    """Fashion-MNIST, pictures of clothes in 10 classes, as `(train, test)`.

    60,000 and 10,000 pictures of 28 x 28 pixels. Each sample is an image, float32 of shape
    (1, 28, 28) from 0 to 1, and a label, int64.

    Args:
        folder: holds the subfolder `fashion_mnist` with the four IDX files, gzip-compressed or
            not; by default the folder that TINYGRAPH_DATA names.

    Raises FileNotFoundError, which says what is missing and where to get it; FileFormatError if
    a file is damaged or holds something else. Source: Xiao, Rasul and Vollgraf 2017,
    arXiv:1708.07747.
    """
    source = "Fashion-MNIST, from github.com/zalandoresearch/fashion-mnist (data/fashion)"
    return _images_and_labels("fashion_mnist", folder, source)


def _images_and_labels(name: str, folder: Folder, source: str) -> Split:
    paths = _find(name, folder, source)
    return _read_pair(*paths[:2]), _read_pair(*paths[2:])


def _find(name: str, folder: Folder, source: str) -> list[Path]:
    """The paths of the four files, each with or without its `.gz`."""
    root = folder if folder is not None else config.get("DATA")
    if root is None:
        problem = f"TINYGRAPH_DATA is not set, so nothing says where {', '.join(FILES)} are"
        raise FileNotFoundError(_how_to_get(name, source, problem))
    place = Path(root).expanduser() / name
    found = [_existing(place / file) for file in FILES]
    missing = [file for file, path in zip(FILES, found, strict=True) if path is None]
    if missing:
        problem = f"{place} does not hold {', '.join(missing)}"
        raise FileNotFoundError(_how_to_get(name, source, problem))
    return [path for path in found if path is not None]


def _existing(path: Path) -> Path | None:
    plain = path.with_suffix("")
    return path if path.is_file() else plain if plain.is_file() else None


def _how_to_get(name: str, source: str, problem: str) -> str:
    return (
        f"{name}: {problem}. Nothing is downloaded for you: get these files of {source}, "
        f"put them into a folder called {name}, and set TINYGRAPH_DATA to the folder that "
        "holds it (or pass that as folder=)"
    )


def _read_pair(image_path: Path, label_path: Path) -> TensorDataset:
    images, labels = read_idx(image_path), read_idx(label_path)
    _check(image_path, "uint8 images of 28 x 28", images, images.shape[1:] == (28, 28))
    _check(label_path, f"{len(images)} uint8 labels", labels, labels.shape == images.shape[:1])
    if labels.size and labels.max() > 9:
        raise FileFormatError(f"{label_path}: expected labels from 0 to 9, got {labels.max()}")
    scaled = images[:, None] / np.float32(255)
    return TensorDataset(scaled, labels.astype(np.int64))


def _check(path: Path, expected: str, array: NDArray[Any], fits: bool) -> None:
    if array.dtype != np.uint8 or not fits:
        raise FileFormatError(
            f"{path}: expected {expected}, got {array.dtype} of shape {list(array.shape)}"
        )
