"""The one decorator of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}
"""Fast-math without ``nnan`` and ``ninf``: NaN means missing everywhere."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a serial kernel: cached on disk, without the GIL, NaN-safe fast-math.

    Notes
    -----
    The disk cache looks at the file of the kernel only, so a kernel calls kernels of its own file
    and no other. After an edit of the flags here, clear ``__pycache__``. Wrappers cost a tenth of
    the compile time: a kernel is no C callback, and a private one (``_name``) is called by kernels
    alone, so that Python cannot call it.
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": FAST_MATH,
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": function.__name__.startswith("_"),
    }
    compiled: Callable[P, R] = numba.njit(**options)(function)
    return compiled
