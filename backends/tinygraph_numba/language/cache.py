"""Compiled kernels on disk, by the hash of all that they are made from.

One file an entry: a header with a checksum, then object code. Whatever is not as it should be is
no entry: it is compiled again and written anew. A file appears by renaming one that is complete,
so any number of processes may use one folder; a power failure may leave an entry cut short,
which its checksum tells. Object code is run, so a folder that others may write to is not used.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tinygraph import config

MAGIC = b"tinygraph kernel, format 1\n"
HEADER = len(MAGIC) + 32
SUFFIX = ".kernel"
LIMIT = 256 << 20  # bytes in the folder, beyond which the least recently used are deleted
KEPT = 0.75  # of LIMIT, after that
EVERY = 200  # writes, of any processes, from one look at the size of the folder to the next
FRESH = 3600.0  # seconds for which an entry counts as just used, and a temporary file as in use

_warned: set[str] = set()


class Info(NamedTuple):
    """The state of the cache: where it is (None: nowhere), its entries and their bytes."""

    folder: Path | None
    entries: int
    nbytes: int


def place() -> Path:
    """Where the folder is, by TINYGRAPH_CACHE or the habits of the system."""
    wanted = config.get("CACHE")
    if wanted is not None:
        return Path(wanted).expanduser()
    if sys.platform == "darwin":
        base = Path("~/Library/Caches").expanduser()
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser()
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return base / "tinygraph" / "kernels"


def folder() -> Path | None:
    """The folder, made if need be; None if there is none that can be used and trusted."""
    path = place()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = _fault(path.stat())
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        if config.get("CACHE") is not None:
            _warn(path, f"it can not be used: {error}")
        return None
    if fault:
        _warn(path, fault)
        return None
    return path


def _fault(status: os.stat_result) -> str:
    """Why a folder or file can not be trusted; nothing if it can."""
    if not hasattr(os, "geteuid"):
        return ""
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    return ""


def _warn(path: Path, fault: str) -> None:
    """Say once what is wrong with a folder or file."""
    text = f"{path} is not used as a cache of kernels: {fault}"
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def load_or_compile(key: str, make: Callable[[], bytes]) -> bytes:
    """The object code kept under `key`; if there is none, what `make` returns, which is kept."""
    code = read(key)
    if code is None:
        code = make()
        write(key, code)
    return code


def read(key: str) -> bytes | None:
    """The object code kept under `key`; None if there is none that is whole."""
    base = folder()
    if base is None:
        return None
    path = base / (key + SUFFIX)
    try:
        with open(path, "rb", opener=_careful) as file:
            status = os.fstat(file.fileno())
            entry = file.read()
    except OSError:
        return None
    fault = _fault(status)
    if fault:
        _warn(path, fault)
        return None
    code = entry[HEADER:]
    if entry[:HEADER] != _header(key, code):
        return None
    if time.time() - status.st_mtime > FRESH:
        _touch(path)
    return code


def _careful(path: str, flags: int) -> int:
    """Open a file, but no link to one."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _header(key: str, code: bytes) -> bytes:
    return MAGIC + sha256(key.encode() + code).digest()


def _touch(path: Path) -> None:
    """Note that an entry is in use, for `trim`. Someone may have deleted it meanwhile."""
    try:
        os.utime(path)
    except OSError:
        return


def write(key: str, code: bytes) -> None:
    """Keep object code. Where that is not possible, on a full disk, it is not kept."""
    base = folder()
    if base is None:
        return
    temporary = base / f".{key[:16]}.{os.getpid()}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb", opener=_private) as file:
            file.write(_header(key, code) + code)
        os.replace(temporary, base / (key + SUFFIX))
    except OSError:
        _delete(temporary)
    if secrets.randbelow(EVERY) == 0:
        trim(base)


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read and write."""
    return os.open(path, flags, 0o600)


def _delete(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _entries(base: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file of the folder was last used, its size, and where it is."""
    with os.scandir(base) as files:
        for file in files:
            if file.name.endswith((SUFFIX, ".tmp")):
                try:
                    status = file.stat(follow_symlinks=False)
                except OSError:  # another process has deleted it
                    continue
                yield status.st_mtime, status.st_size, Path(file.path)


def trim(base: Path) -> None:
    """Delete what processes that were killed have left behind; and, where the folder is larger
    than LIMIT, the entries that were not used for longest."""
    old = time.time() - FRESH
    entries = []
    try:
        for used, nbytes, path in _entries(base):
            if path.suffix == SUFFIX:
                entries.append((used, nbytes, path))
            elif used < old:
                _delete(path)
    except OSError:
        return
    total = sum(nbytes for _, nbytes, _ in entries)
    if total <= LIMIT:
        return
    for _, nbytes, path in sorted(entries):
        if total <= LIMIT * KEPT:
            return
        if _delete(path):
            total -= nbytes


def info() -> Info:
    """Where the cache is, and what it holds."""
    base = folder()
    sizes = [] if base is None else [
        nbytes for _, nbytes, path in _entries(base) if path.suffix == SUFFIX
    ]  # fmt: skip
    return Info(base, len(sizes), sum(sizes))


def clear() -> tuple[int, int]:
    """Delete every entry; how many there were, and their bytes.

    Kernels that are loaded stay so.
    """
    base = folder()
    gone = [] if base is None else [
        nbytes for _, nbytes, path in list(_entries(base)) if _delete(path)
    ]  # fmt: skip
    return len(gone), sum(gone)
