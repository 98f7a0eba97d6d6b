"""IDX files, the format of MNIST: read with every way to be wrong named, and written.

An IDX file is two zero bytes, a byte for the element type, a byte for the number of dimensions,
each dimension as a big-endian uint32, and then the elements, big-endian, in C order; all of it
may be gzip-compressed. Source: the description on the MNIST page, yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygraph.errors import DTypeError, FileFormatError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
GZIP_MAGIC = b"\x1f\x8b"
MOST_DIMENSIONS = 64  # NumPy's limit


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in the IDX file `path`, plain or gzip-compressed, in this machine's byte order.

    Whether it is compressed is told by its first bytes, not by its name.

    Raises FileFormatError if the file is no IDX file, is damaged, or is longer or shorter than
    its header says; OSError (FileNotFoundError ...) if it cannot be opened.
    """
    content = _unpacked(Path(path))
    dtype, shape = _header(content, path)
    start = 4 + 4 * len(shape)
    expected = prod(shape) * dtype.itemsize
    found = len(content) - start
    if found != expected:
        wrong = "truncated" if found < expected else "too long"
        raise FileFormatError(
            f"{path}: the IDX file is {wrong}: expected {expected} bytes of data for "
            f"{dtype.name}{list(shape)}, got {found}"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise FileFormatError(
            f"{path}: the gzip file is truncated: its {len(content)} bytes end before "
            "the compressed data does"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{path}: the gzip file is damaged: {error}") from None


def _header(content: bytes, path: str | os.PathLike[str]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The element type and the shape."""
    if len(content) < 4:
        raise FileFormatError(
            f"{path}: the IDX file is truncated: expected a header of at least 4 bytes, "
            f"got {len(content)}"
        )
    if content[:2] != b"\x00\x00":
        raise FileFormatError(
            f"{path}: not an IDX file: expected two zero bytes at the start "
            f"(or gzip's {GZIP_MAGIC!r}), got {content[:2]!r}"
        )
    code, dimensions = content[2], content[3]
    if code not in TYPES:
        known = ", ".join(f"0x{number:02x} {dtype.name}" for number, dtype in TYPES.items())
        raise FileFormatError(
            f"{path}: not an IDX file: unknown element type 0x{code:02x}, expected one of {known}"
        )
    if dimensions > MOST_DIMENSIONS:
        raise FileFormatError(
            f"{path}: the IDX file has {dimensions} dimensions, expected at most {MOST_DIMENSIONS}"
        )
    length = 4 + 4 * dimensions
    if len(content) < length:
        raise FileFormatError(
            f"{path}: the IDX file is truncated: expected a header of {length} bytes for "
            f"{dimensions} dimensions, got {len(content)}"
        )
    return TYPES[code], tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write `array` to `path` as an IDX file, gzip-compressed if the name ends in `.gz`.

    Raises DTypeError if the format has no such element type (it has uint8, int8, int16, int32,
    float32 and float64).
    """
    array = np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise DTypeError(
            f"write_idx: IDX files hold {', '.join(dtype.name for dtype in codes)}; "
            f"got {array.dtype.name}, cast it first"
        )
    sizes = np.asarray(array.shape, dtype=">u4").tobytes()
    data = array.astype(TYPES[code]).tobytes()
    content = bytes([0, 0, code, array.ndim]) + sizes + data
    compress = Path(path).suffix == ".gz"
    Path(path).write_bytes(gzip.compress(content, mtime=0) if compress else content)
