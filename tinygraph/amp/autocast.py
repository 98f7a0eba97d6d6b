"""autocast: products in 16 bits where they are safe, all else in 32."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from tinygraph.dtypes import BY_NAME, bfloat16, canonical, float16
from tinygraph.errors import DTypeError
from tinygraph.graph.node import STATE

__all__ = ["autocast"]

Result = TypeVar("Result")


class autocast:
    """Within the `with` block, products are computed in 16 bits, and delicate sums in 32.

    In `dtype`: matrix products (`@`, `matmul`, `einsum`, ...), linear layers, convolutions and
    attention cast their operands, and give a result of that dtype. In float32: losses, norms,
    softmax and its kin, sums and means, `tg.linalg`, recurrent layers. Everything else computes
    in the dtypes that it gets; of 16 and 32 bits together that is 32. Parameters stay as they are
    and so do their gradients; an argument of float64 leaves a function untouched.

    Compute the loss within; call `backward()` and `optimizer.step()` outside, as in PyTorch
    (within, they do the same). In a defined graph and under `tg.jit` the casts are part of the
    graph; a function that was traced within `autocast` is traced anew outside of it, and a
    switch within the traced function is simply part of it. With float16, whose smallest number
    is 6e-8, use a `GradScaler`; bfloat16 has the range of float32 and needs none.

    It also stands before a function as a decorator. The switch is of the thread that set it.

    On a CPU 16 bits take half the memory, but more time. The numba backend's kernels read and
    write both dtypes and compute in 32 bits; its products in 32 bits are tuned far better, and a
    training step of a small network took 4 to 20 times as long with 16. The NumPy backend casts
    to 32 bits and back. Use it there to try out what a GPU would compute.

    device_type: ignored, so that PyTorch's scripts run. dtype: "bfloat16" or "float16"; bfloat16
    where it is left out. enabled: False for the same block without autocast, also within
    another one. cache_enabled: ignored: equal casts are merged by the compiler.

    Source: Micikevicius et al., "Mixed Precision Training" (2018).

    >>> import tinygraph as tg
    >>> layer = tg.nn.Linear(3, 2)
    >>> with tg.amp.autocast(dtype="bfloat16"):
    ...     y = layer(tg.ones((4, 3)))
    ...     loss = tg.nn.functional.mse_loss(y, tg.zeros((4, 2)))
    >>> y.dtype.name, loss.dtype.name
    ('bfloat16', 'float32')
    >>> loss.backward()
    >>> layer.weight.grad.dtype.name
    'float32'
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str) or device_type in BY_NAME:
            raise TypeError(
                f"autocast: expected the name of a device first, got {device_type!r}; give the "
                "dtype by name: autocast(dtype='float16')"
            )
        self.dtype = bfloat16 if dtype is None else canonical(dtype)
        if self.dtype not in (float16, bfloat16):
            raise DTypeError(f"autocast: expected bfloat16 or float16, got {self.dtype.name}")
        self.enabled = bool(enabled)
        self._before: list[Any] = []

    def __enter__(self) -> autocast:
        self._before.append(STATE.autocast)
        STATE.autocast = self.dtype if self.enabled else None
        return self

    def __exit__(self, *error: object) -> None:
        STATE.autocast = self._before.pop()

    def __call__(self, function: Callable[..., Result]) -> Callable[..., Result]:
        """`function`, run within autocast each time that it is called."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Result:
            with autocast(dtype=self.dtype, enabled=self.enabled):
                return function(*args, **kwargs)

        return run
