"""Pairs in the wrong order, counted while merging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats


@kernel
def inversions(values: Floats, work: Floats) -> int:
    """Number of pairs i < j with ``values[i] > values[j]``, by merge sort from the bottom up.

    Parameters
    ----------
    values : float64 (n,)
        No NaN; sorted when it returns.
    work : float64 (n,)
        Work space.
    """
    n, width, found = values.shape[0], 1, 0
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            left, right = low, middle
            for at in range(low, high):
                if left < middle and (right >= high or values[left] <= values[right]):
                    work[at] = values[left]
                    left += 1
                else:
                    work[at] = values[right]
                    right += 1
                    found += middle - left
        for at in range(n):
            values[at] = work[at]
        width *= 2
    return found
