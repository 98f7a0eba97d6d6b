"""Weights: what is saved is loaded, by the format's own library too; wrong files are named."""

import json
import re
from contextlib import suppress

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygraph import dtypes
from tinygraph.errors import DTypeError, FileFormatError
from tinygraph.io import load, load_metadata, save


class FakeTensor:
    def __init__(self, array):
        self.array = array

    def numpy(self):
        return self.array


def same(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, strict=True)


@pytest.mark.parametrize("dtype", dtypes.ALL, ids=str)
def test_every_dtype_comes_back(tmp_path, dtype):
    state = {"w": np.arange(6).reshape(2, 3).astype(dtype), "scalar": np.ones((), dtype)}
    save(state, tmp_path / "w.safetensors")
    same(load(tmp_path / "w.safetensors"), state)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)
ARRAYS = st.sampled_from(["float32", "int64", "bool"]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)


@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_any_names_and_shapes_come_back(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    save(state, path)
    same(load(path), state)
    same(safetensors.numpy.load_file(path), state)


def test_layout_and_byte_order_do_not_matter(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    state = {"t": array.T, "f": np.asfortranarray(array), "s": array[::-1, ::2], "b": array}
    save(state | {"b": array.astype(">f8")}, tmp_path / "w")
    same(load(tmp_path / "w"), state)


def test_tensors_and_lists_are_taken_and_loaded_arrays_may_be_written_on(tmp_path):
    save({"t": FakeTensor(np.ones(2, ml_dtypes.bfloat16)), "l": [1, 2]}, tmp_path / "w")
    got = load(tmp_path / "w")
    same(got, {"t": np.ones(2, ml_dtypes.bfloat16), "l": np.array([1, 2])})
    got["l"] += 1


def test_metadata_is_kept(tmp_path):
    save({}, tmp_path / "none")
    assert load_metadata(tmp_path / "none") == {}
    save({"w": np.zeros(1)}, tmp_path / "some", {"epoch": "3"})
    assert load_metadata(tmp_path / "some") == {"epoch": "3"}
    assert load(tmp_path / "some").keys() == {"w"}


@pytest.mark.parametrize(
    ("state", "metadata", "error", "message"),
    [
        ({3: np.zeros(1)}, None, TypeError, "expected names that are strings .* got 3"),
        ({"__metadata__": np.zeros(1)}, None, TypeError, "other than __metadata__"),
        ({"w": np.zeros(1)}, {"epoch": 3}, TypeError, "expected metadata of strings"),
        ({"w": np.zeros(1, complex)}, None, DTypeError, r"'w': dtype\('complex128'\) is not"),
        ({"w": [None]}, None, DTypeError, r"'w': dtype\('O'\) is not a dtype"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_no_file_is_left(
    tmp_path, state, metadata, error, message
):
    with pytest.raises(error, match=message):
        save(state, tmp_path / "w", metadata)
    assert list(tmp_path.iterdir()) == []


def a_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype, *offsets):
    return {"w": {"dtype": dtype, "shape": [2], "data_offsets": list(offsets)}}


GOOD = a_file(entry("F32", 0, 8), bytes(8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: expected a safetensors file of at least 8 bytes, got 0"),
        (GOOD[:5], "truncated: expected a safetensors file of at least 8 bytes, got 5"),
        (GOOD[:20], "which calls for a header of 61 bytes, but only 12 follow"),
        (GOOD[:-1], f"truncated: expected {len(GOOD)} bytes as its header says, got"),
        (GOOD + b"?", f"too long: expected {len(GOOD)} bytes as its header says, got"),
        (b"PK\x03\x04" * 9, "truncated, or not a safetensors file: it starts with b'PK"),
        (a_file(b"nonsense"), "not a safetensors file: its header cannot be read"),
        (a_file(b"[" * 100_000), "not a safetensors file: its header cannot be read"),
        (a_file({"w": 3}), "not a safetensors file: its header cannot be read"),
        (a_file(entry("F64", 0, 8), bytes(8)), "not a valid safetensors file"),
        (a_file(entry("F8_E4M3", 0, 2), bytes(2)), "'w' has dtype F8_E4M3, expected one of BOOL"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "file",
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        load(path)
    assert str(path) in str(caught.value)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_file_with_one_wrong_byte_is_loaded_or_refused(tmp_path_factory, place, byte):
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    path.write_bytes(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])
    with suppress(FileFormatError):
        load(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match="is a folder; expected a safetensors file"):
        load(tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file in it"):
        save({}, tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        save({}, tmp_path / "no" / "w")


def test_nested_state_comes_back_as_it_was(tmp_path):
    state = {
        "model": {"w": np.arange(3.0)},
        "groups": [{"lr": 0.1, "betas": (0.9, 0.5), 7: np.ones((), "float32"), "on": True}, {}],
        "epoch": 3, "name": "run", "none": None, "many": float("inf"),
    }  # fmt: skip
    save(state, tmp_path / "c", {"by": "me"})
    assert repr(load(tmp_path / "c")) == repr(state)
    assert load_metadata(tmp_path / "c") == {"by": "me"}
    assert set(safetensors.numpy.load_file(tmp_path / "c")) == {"model.w", "groups.0.7"}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": object()}}, "'a.b': expected an array, .* got object"),
        ({"a": {"b": np.ones(1)}, "a.b": np.ones(1)}, "two arrays would get the name 'a.b'"),
        ({"a": {2.5: np.ones(1)}}, "expected keys of text or integers in 'a', got 2.5"),
        ("w.safetensors", "expected a mapping of names to arrays, then a path, got a str"),
    ],
)
def test_nested_state_that_cannot_be_saved_is_named(tmp_path, state, message):
    with pytest.raises(TypeError, match=message):
        save(state, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_arguments_the_wrong_way_round_are_named(tmp_path):
    with pytest.raises(TypeError, match="expected a path, got a dict"):
        save({}, {})
    with pytest.raises(TypeError, match=r"the name 'tinygraph\.structure' in the metadata is"):
        save({}, tmp_path / "w", {"tinygraph.structure": ""})


@pytest.mark.parametrize("structure", ["{", '{"array": "v"}', '{"a": 1, "b": 2}'])
def test_a_damaged_structure_is_named(tmp_path, structure):
    content = {"__metadata__": {"tinygraph.structure": structure}, **entry("F32", 0, 8)}
    (tmp_path / "w").write_bytes(a_file(content, bytes(8)))
    with pytest.raises(FileFormatError, match=r"its metadata 'tinygraph\.structure' is damaged"):
        load(tmp_path / "w")
