"""A line that is logged again and again is logged once in a while."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable

MOST_LINES = 1000


class RepeatLimit:
    """Lets the same line through once in an interval, and tells how many were kept back.

    Parameters
    ----------
    interval_s : float
        0 = everything passes.
    clock : callable
        Monotonic seconds.

    Notes
    -----
    Lines are the same if logger, level and text are. At most ``MOST_LINES`` are remembered.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def passed(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The record to log; None while it is a repetition."""
        if not self._interval_s:
            return record
        now, text = self._clock(), record.getMessage()
        line = (record.name, record.levelno, text)
        since, kept_back = self._seen.pop(line, (None, 0))
        if since is not None and now - since < self._interval_s:
            self._seen[line] = (since, kept_back + 1)
            return None
        self._seen[line] = (now, 0)
        if len(self._seen) > MOST_LINES:
            del self._seen[next(iter(self._seen))]
        if not kept_back:
            return record
        told = copy.copy(record)
        told.msg, told.args = f"{text} ({kept_back} times more since)", ()
        return told
