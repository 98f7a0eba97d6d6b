"""Nested state as flat names with arrays, and a text that says how to put it together again.

A state dict of an optimizer, or a checkpoint of several such, has mappings in mappings, lists,
and plain values beside its arrays. The arrays go into the file under dotted names; the rest is
kept as JSON in the metadata, which is data alone, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

STRUCTURE = "tinygraph.structure"  # the metadata's entry
Arrays = dict[str, Any]


def is_nested(state: Mapping[str, Any]) -> bool:
    """Whether a value in `state` is a mapping of its own, or text or None, which no array holds."""
    return any(value is None or isinstance(value, (Mapping, str)) for value in state.values())


def flatten(state: Mapping[str, Any]) -> tuple[Arrays, str]:
    """The arrays in `state` by their dotted names, and the text that `rebuild` needs.

    Raises TypeError for what is neither array nor mapping, list, tuple, number, text or None.
    """
    arrays: Arrays = {}
    return arrays, json.dumps(_described(state, "", arrays))


def _described(value: Any, path: str, arrays: Arrays) -> Any:
    """`value` in terms of JSON, its arrays put into `arrays`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"save: expected keys of text or integers in {path!r}, got {key!r}")
        return {"mapping": [
            [key, _described(entry, _join(path, key), arrays)] for key, entry in value.items()
        ]}  # fmt: skip
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        entries = enumerate(value)
        return {kind: [_described(entry, _join(path, n), arrays) for n, entry in entries]}
    if not (isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "numpy")):
        raise TypeError(
            f"save: {path!r}: expected an array, a mapping, a list, a number, text or None, got "
            f"{type(value).__name__}"
        )
    if path in arrays:
        raise TypeError(f"save: two arrays would get the name {path!r}")
    arrays[path] = value
    return {"array": path}


def _join(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def rebuild(text: str, arrays: Mapping[str, Any]) -> Any:
    """The state that `flatten` took apart. ValueError, KeyError or TypeError if it is not one."""
    return _restored(json.loads(text), arrays)


def _restored(described: Any, arrays: Mapping[str, Any]) -> Any:
    if not isinstance(described, dict):
        return described
    ((kind, content),) = described.items()
    if kind == "array":
        return arrays[content]
    if kind == "mapping":
        return {key: _restored(entry, arrays) for key, entry in content}
    entries = [_restored(entry, arrays) for entry in content]
    return tuple(entries) if kind == "tuple" else entries
