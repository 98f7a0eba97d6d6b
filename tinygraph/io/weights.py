"""Save and load named arrays in safetensors format: data alone, which can run no code.

A file is the header's length (8 bytes, little-endian), the header (JSON: for each name the
dtype, the shape and where its bytes lie), and the bytes. Source: the format's description at
github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from tinygraph.dtypes import canonical
from tinygraph.errors import DTypeError, FileFormatError
from tinygraph.io.atomic import replacing
from tinygraph.io.nested import STRUCTURE, flatten, is_nested, rebuild

RESERVED = "__metadata__"
# The format has smaller and complex types too, which tinygraph has not.
READABLE = (
    "BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F16", "BF16", "F32", "F64",
)  # fmt: skip


def save(
    state: Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the arrays of `state` to `path`, all of them or, if anything fails, none.

    Args:
        state: names and arrays or Tensors of any shape and of any dtype that tinygraph has,
            such as a module's `state_dict()`. It may be nested, or hold text or None: the
            `state_dict()` of an optimizer or of a schedule, or
            {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}.
            Then mappings, lists, tuples, numbers, text and None come back as they were.
        path: the file; one that exists is replaced at once and whole (see `replacing`).
        metadata: text to keep beside the arrays; `load_metadata` gives it back.

    Raises TypeError if `state` is no mapping, or a name or the metadata is not text, DTypeError
    if an array has a dtype that tinygraph has not, OSError if the file cannot be written.

    >>> save({"weight": np.ones((2, 3))}, "model.safetensors")  # doctest: +SKIP
    """
    _check_arguments(state, path)
    notes = _checked_metadata(metadata)
    if is_nested(state):
        state, structure = flatten(state)
        notes = {**(notes or {}), STRUCTURE: structure}
    arrays = {_checked_name(name): _array(name, value) for name, value in state.items()}
    with replacing(path) as file:
        file.write(to_bytes(arrays, notes))


def _check_arguments(state: Any, path: Any) -> None:
    if not isinstance(state, Mapping):
        advice = "; save its state_dict()" if hasattr(state, "state_dict") else ""
        raise TypeError(
            "save: expected a mapping of names to arrays, then a path, got a "
            f"{type(state).__name__}{advice}"
        )
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"save: expected a path, got a {type(path).__name__}")


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or name == RESERVED:
        raise TypeError(
            f"save: expected names that are strings other than {RESERVED}, got {name!r}"
        )
    return name


def _array(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of a dtype of ours, C-contiguous and in this machine's byte order."""
    array = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    try:
        dtype = canonical(array.dtype.newbyteorder("="))
    except DTypeError as error:
        raise DTypeError(f"save: {name!r}: {error}") from None
    # Not ascontiguousarray, which would make 0-d arrays 1-d.
    return np.asarray(array, dtype=dtype, order="C")


def _checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    for key, value in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"save: expected metadata of strings, got {key!r}: {value!r}")
        if key == STRUCTURE:
            raise TypeError(f"save: the name {key!r} in the metadata is tinygraph's own")
    return None if metadata is None else dict(metadata)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays in the safetensors file `path`, by name; nested, if they were when saved.

    Raises FileNotFoundError if there is no such file, and FileFormatError, which says what was
    expected and what came, if it is truncated or no safetensors file.
    """
    with _opened(path) as file:
        arrays = {name: _read(file, name, path) for name in sorted(file.keys())}
        structure = (file.metadata() or {}).get(STRUCTURE)
    if structure is None:
        return arrays
    try:
        state: dict[str, Any] = rebuild(structure, arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{path}: its metadata {STRUCTURE!r} is damaged ({error})") from None
    return state


def _read(file: Any, name: str, path: str | os.PathLike[str]) -> NDArray[Any]:
    dtype = file.get_slice(name).get_dtype()
    if dtype not in READABLE:
        raise FileFormatError(
            f"{path}: {name!r} has dtype {dtype}, expected one of {', '.join(READABLE)}"
        )
    array: NDArray[Any] = file.get_tensor(name)
    return array


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text kept in the safetensors file `path` beside its arrays. Raises as `load` does."""
    with _opened(path) as file:
        notes = dict(file.metadata() or {})
    notes.pop(STRUCTURE, None)
    return notes


def _opened(path: str | os.PathLike[str]) -> Any:
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected a safetensors file")
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return safe_open(path, framework="np")
    except SafetensorError as error:
        raise FileFormatError(f"{path}: {_what_is_wrong(Path(path), error)}") from None


def _what_is_wrong(path: Path, error: SafetensorError) -> str:
    """What `error` means: the sizes that the header calls for, beside those of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if size < 8:
            return f"truncated: expected a safetensors file of at least 8 bytes, got {size}"
        if length > size - 8:
            return (
                f"truncated, or not a safetensors file: it starts with {start!r}, which calls "
                f"for a header of {length} bytes, but only {size - 8} follow"
            )
        header = file.read(length)
    try:
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != RESERVED]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return f"not a safetensors file: its header cannot be read ({error})"
    if size != expected:
        wrong = "truncated" if size < expected else "too long"
        return f"{wrong}: expected {expected} bytes as its header says, got {size}"
    return f"not a valid safetensors file: {error}"
