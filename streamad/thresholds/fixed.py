"""The line that the user gives."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Arrays, Codes, Floats
from streamad.thresholds.base import require


class Fixed:
    """The same line for every row of every series.

    Parameters
    ----------
    value : float
        Above 0.

    Examples
    --------
    >>> import numpy as np
    >>> line = Fixed(3.0)
    >>> line.admit(np.array([0], np.int32))
    >>> line.step(np.zeros(2, np.int32), np.array([0.5, 7.0]))
    array([3., 3.])
    """

    def __init__(self, value: float) -> None:
        require("fixed", "value", value, "a finite number above 0", above=0.0)
        self.value = value

    def admit(self, slots: Codes) -> None:
        """Nothing to start."""

    def step(self, slots: Codes, scores: Floats) -> Floats:  # noqa: ARG002
        """The line, once a row."""
        return np.full(len(scores), float(self.value))

    def snapshot(self) -> Arrays:
        """No arrays: there is no state."""
        return {}

    def restore(self, snapshot: Arrays) -> None:
        """Nothing to take over."""
