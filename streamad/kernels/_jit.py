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

    A private kernel is inlined. Otherwise it exists twice, alone and inside its caller, vectorised
    differently, and whether the process compiled it or loaded it from the cache decides which one
    runs: the same rows gave other last bits after a restart.
    """
    private = function.__name__.startswith("_")
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": FAST_MATH,
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": private,
        "forceinline": private,
    }
    compiled: Callable[P, R] = numba.njit(**options)(function)
    return compiled
