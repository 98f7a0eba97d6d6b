"""`python -m tinygraph info`: what is installed, what can run, and how it is set up."""

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
    if parser.parse_args(arguments).command is None:
        parser.print_help()
        return 0
    try:
        print(info())
        wrong = problems()
    except ConfigError as error:
        wrong = [str(error)]
    for text in wrong:
        print(f"error: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
