"""IDX files: what is written is read, and each way to be wrong is named."""

import gzip
import re
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygraph.data import read_idx, write_idx
from tinygraph.errors import DTypeError, FileFormatError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    ),
    st.sampled_from(["a.idx", "a.idx.gz"]),
)
def test_what_is_written_is_read(tmp_path_factory, array, name):
    path = tmp_path_factory.getbasetemp() / name
    write_idx(path, array)
    got = read_idx(path)
    np.testing.assert_array_equal(got, array, strict=True)
    assert got.dtype.isnative
    assert got.flags.writeable


def test_the_bytes_are_those_of_the_format(tmp_path):
    path = tmp_path / "numbers"
    write_idx(path, np.array([[1, -2, 300]], dtype="<i2"))
    data = struct.pack(">BBBBIIhhh", 0, 0, 0x0B, 2, 1, 3, 1, -2, 300)
    assert path.read_bytes() == data
    path.write_bytes(gzip.compress(data))  # gzip is told by its bytes, not by its name
    np.testing.assert_array_equal(read_idx(path), [[1, -2, 300]])


HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
PACKED = gzip.compress(HEADER + bytes(range(6)), mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: expected a header of at least 4 bytes, got 0"),
        (HEADER[:3], "truncated: expected a header of at least 4 bytes, got 3"),
        (HEADER[:9], "truncated: expected a header of 12 bytes for 2 dimensions, got 9"),
        (HEADER + b"12345", "truncated: expected 6 bytes of data for uint8[2, 3], got 5"),
        (HEADER + b"1234567", "too long: expected 6 bytes of data for uint8[2, 3], got 7"),
        (b"<!DOCTYPE html>", "not an IDX file: expected two zero bytes at the start"),
        (b"<!DOCTYPE html>", "got b'<!'"),
        (b"\x00\x00\x0a\x01", "unknown element type 0x0a, expected one of 0x08 uint8"),
        (b"\x00\x00\x08\xc8", "has 200 dimensions, expected at most 64"),
        (PACKED[:-9], f"the gzip file is truncated: its {len(PACKED) - 9} bytes end before"),
        (PACKED[:5], "the gzip file is truncated: its 5 bytes"),
        (PACKED[:-8] + bytes(8), "the gzip file is damaged: CRC check failed"),
        (PACKED[:10] + b"\xff" * 20, "the gzip file is damaged"),
        (b"\x1f\x8b\x07" + PACKED[3:], "the gzip file is damaged: Unknown compression method"),
        (gzip.compress(HEADER), "truncated: expected 6 bytes of data for uint8[2, 3], got 0"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "file",
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda b: b"\0\0" + b)))
def test_any_bytes_are_an_array_or_a_format_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(content)
    with suppress(FileFormatError):
        assert isinstance(read_idx(path), np.ndarray)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")


def test_types_that_the_format_has_not_are_refused(tmp_path):
    with pytest.raises(DTypeError, match=r"IDX files hold uint8, .*; got int64, cast"):
        write_idx(tmp_path / "a", np.zeros(3, np.int64))
