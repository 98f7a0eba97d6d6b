"""Writing a file so that it is either the old one or the whole new one, and nothing between."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new binary file that takes the place of `path` when the `with` block ends well.

    The bytes go to a temporary file in the same folder, reach the disk, and only then does the
    file get its name, in one step that the operating system does wholly or not at all. If the
    block raises, the temporary file is removed and `path` is as it was; if the process is
    killed, `path` is as it was. A file that is replaced hands on its permissions; a new one has
    those that `open` would give it. A symbolic link stays, and what it points to is replaced.

    Raises IsADirectoryError if `path` is a folder, FileNotFoundError if its folder is missing,
    PermissionError if it is read-only.

    >>> with replacing("notes.bin") as file:  # doctest: +SKIP
    ...     file.write(b"all or nothing")
    """
    target = Path(os.path.realpath(path))
    _check_writable(path, target)
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _check_writable(path: str | os.PathLike[str], target: Path) -> None:
    """Refuse what `open(path, "wb")` would refuse, and devices, which must not be replaced."""
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {target.parent} does not exist")
    if not target.exists():
        return
    if not target.is_file():
        raise OSError(f"cannot write {path}: it is not an ordinary file")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"cannot write {path}: the file is read-only")


def _sync_folder(folder: Path) -> None:
    """Bring the file's new name to the disk too, on systems that let a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
