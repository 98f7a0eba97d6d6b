"""Data sets, minibatches and files of data. Everything here is NumPy: the graph starts later."""

from tinygraph.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from tinygraph.data.idx import read_idx, write_idx
from tinygraph.data.loader import DataLoader, collate
from tinygraph.data.sets import digits, fashion_mnist, mnist

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Subset",
    "TensorDataset",
    "collate",
    "digits",
    "fashion_mnist",
    "mnist",
    "random_split",
    "read_idx",
    "write_idx",
]
