"""The exceptions that tinygraph raises.

Each derives from the built-in exception that a user would expect, so `except ValueError` works.
"""

from __future__ import annotations


class TinygraphError(Exception):
    """The base of every exception of tinygraph's own."""


class ShapeError(TinygraphError, ValueError):
    """Shapes, axes or sizes do not fit an operation."""


class DTypeError(TinygraphError, TypeError):
    """A data type does not fit an operation."""


class GraphError(TinygraphError, RuntimeError):
    """A graph cannot be built, differentiated or run as asked."""


class TraceError(TinygraphError, TypeError):
    """Python asked a traced or symbolic Tensor for a value that it does not have yet."""


class UnfedError(GraphError):
    """A value depends on a placeholder that was not fed."""


class StateError(TinygraphError, RuntimeError):
    """A state dict does not fit the module or the optimizer that is to take it over."""


class NonFiniteError(TinygraphError, FloatingPointError):
    """An operation yielded NaN or infinity while `TINYGRAPH_CHECK=nan` is set."""


class BackendError(TinygraphError, RuntimeError):
    """A backend is unknown, cannot start or cannot do what was asked."""


class ConfigError(TinygraphError, ValueError):
    """A setting or an environment variable is wrong."""


class FileFormatError(TinygraphError, ValueError):
    """A file is truncated or is not what it is meant to be."""
