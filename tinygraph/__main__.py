"""`python -m tinygraph`: `info` says what is installed, what can run, and how it is set up;
`cache` shows and clears what backends keep on disk."""

from __future__ import annotations

import argparse
import platform
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tinygraph import config, passes
from tinygraph.errors import BackendError, ConfigError
from tinygraph.runtime import backend

WIDTH = 88


def info() -> str:
    """The versions, the backends and the environment variables, as text to print.

    Raises ConfigError if an environment variable is wrong.
    """
    versions = {
        "tinygraph": version("tinygraph"),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "NumPy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
    }
    lines = [f"{name:10} {value}" for name, value in versions.items()]
    lines += ["", "Backends"]
    for name in backend.backends():
        lines += _wrapped(f"  {name:10} ", _state_of(name))
    lines += ["", "Environment variables"]
    for variable, value, source in config.describe():
        lines.append(f"  {config.PREFIX}{variable.name} = {_shown(value)} ({source})")
        lines += _wrapped("      ", f"{variable.doc} Values: {variable.values}.")
    return "\n".join(lines)


def problems() -> list[str]:
    """What stands in the way: a backend that does not start, passes that do not exist."""
    found = []
    for check in (backend.current, passes.skipped):
        try:
            check()
        except (BackendError, ConfigError) as error:
            found.append(str(error))
    return found


def _state_of(name: str) -> str:
    """Whether backend `name` starts, and if not, why."""
    try:
        backend.named(name)
    except BackendError as error:
        return str(error)
    return "ready"


def caches() -> dict[str, Any]:
    """The caches on disk, by the name of the backend they belong to.

    A backend that keeps one has an attribute `cache` with `info()`, which returns the folder
    (None: nowhere), the number of entries and their bytes; and `clear()`, which deletes them and
    returns their number and bytes.
    """
    found = {}
    for name in backend.backends():
        try:
            cache = getattr(backend.named(name), "cache", None)
        except BackendError:  # it does not start, as `info` shows
            continue
        if cache is not None:
            found[name] = cache
    return found


def cache_report(clear: bool) -> str:
    """The caches, emptied where `clear` asks for it, as text to print."""
    lines = []
    for name, cache in caches().items():
        folder, entries, nbytes = cache.info()
        if folder is None:
            lines.append(f"{name}: no folder that can be used")
        elif clear:
            entries, nbytes = cache.clear()
            lines.append(f"{name}: {folder}: {_amount(entries, nbytes)} deleted")
        else:
            lines.append(f"{name}: {folder}: {_amount(entries, nbytes)}")
    return "\n".join(lines) or "No backend keeps a cache on disk."


def _amount(entries: int, nbytes: int) -> str:
    return f"{entries} {'entry' if entries == 1 else 'entries'}, {nbytes / 2**20:.1f} MiB"


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        value = ",".join(sorted(value)) or None
    return "unset" if value is None else str(value)


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's own) ask for.

    Returns the exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m tinygraph", description="tinygraph's tools.")
    commands = parser.add_subparsers(title="commands", dest="command")
    commands.add_parser("info", help="print versions, backends and environment variables")
    caching = commands.add_parser(
        "cache", help="print where compiled kernels are kept, and how many"
    )
    caching.add_argument("--clear", action="store_true", help="delete them")
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        if options.command == "cache":
            print(cache_report(options.clear))
            return 0
        print(info())
        wrong = problems()
    except ConfigError as error:
        wrong = [str(error)]
    for text in wrong:
        print(f"error: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
