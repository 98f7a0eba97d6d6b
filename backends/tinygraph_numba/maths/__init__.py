"""Mathematical functions in the kernel language, that every kernel may call."""

from __future__ import annotations

MODULES = (
    "tinygraph_numba.maths.exponentials",
    "tinygraph_numba.maths.hyperbolic",
    "tinygraph_numba.maths.trigonometry",
    "tinygraph_numba.maths.powers",
    "tinygraph_numba.maths.gaussian",
    "tinygraph_numba.maths.gamma",
    "tinygraph_numba.maths.division",
    "tinygraph_numba.maths.philox",
)
