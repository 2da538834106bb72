"""Plain numbers about distributions, sinks and partitions."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from streamad.core.data import Floats

RATIO_BOUNDS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
SECONDS_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS_BOUNDS = (1.0, 10.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0)


@dataclass(slots=True)
class Buckets:
    """Counts of values up to each bound, those above the last one, and their sum.

    Attributes
    ----------
    bounds : tuple of float
        Ascending; a value belongs to the first bound that is not below it.
    counts : list of int
        One a bound and one above them all; not cumulated.
    total : float
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_all(self, values: Floats) -> None:
        """Count values; NaN counts nowhere, an infinite one is left out of the sum."""
        known = values[~np.isnan(values)]
        places = np.searchsorted(self.bounds, known)
        for place, n in enumerate(np.bincount(places, minlength=len(self.counts)).tolist()):
            self.counts[place] += n
        self.total += float(known[np.isfinite(known)].sum())


class Stage(IntEnum):
    """How far output has come with a sink."""

    WRITTEN = 0
    FLUSHED = 1
    COMMITTED = 2


@dataclass(slots=True)
class SinkHealth:
    """How a sink or the dead letters do.

    Attributes
    ----------
    name : str
    rows, alerts : int
        Taken by it; rejected rows for the dead letters.
    refusals : int
        Writes and flushes that it put off.
    last_success_s : float or None
        Unix seconds of the last write or flush that worked, outside of outages.
    failing_since_s : float or None
        Monotonic seconds since which what it put off has not worked; None = all has.
    failing_at : Stage
        What that was: a sink that stores with the flush takes rows during its outages, too.
    detail : str
        Why it refused last.
    seconds : Buckets
        Of its writes and flushes, those that it put off included.
    """

    name: str
    rows: int = 0
    alerts: int = 0
    refusals: int = 0
    last_success_s: float | None = None
    failing_since_s: float | None = None
    failing_at: Stage = Stage.WRITTEN
    detail: str = ""
    seconds: Buckets = field(default_factory=lambda: Buckets(SECONDS_BOUNDS))


@dataclass(slots=True)
class PartitionHealth:
    """Where a partition that is owned now stands.

    Attributes
    ----------
    next_offset : int
    lag : int or None
        Rows not yet polled; None = unknown.
    watermark_ns : int or None
        Event time reached.
    last_row_s : float
        Monotonic seconds of its last row, or of its assignment.
    held_since_s : float or None
        Monotonic seconds since which a sink or the dead letters refuse its output; None = not now.
    evicted : int
        Series that it has dropped since its assignment.
    """

    next_offset: int = 0
    lag: int | None = None
    watermark_ns: int | None = None
    last_row_s: float = 0.0
    held_since_s: float | None = None
    evicted: int = 0
