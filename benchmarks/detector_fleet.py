"""Many series of one channel through one detector; a part of ``bench_detectors.py``.

python benchmarks/detector_fleet.py '{"detector": "fusion:small", "series": 10000, ...}'
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

import numpy as np
import psutil
from detector_feed import SEED, Feed, contenders
from judge import Floats

BATCH = 50
"""Rows of a series in one call, where it is not one."""
PERIODS = (20, 200)


class Fleet:
    """Noisy sines, each series with a period and a phase of its own, block by block."""

    def __init__(self, n_series: int) -> None:
        self._rng = np.random.default_rng(SEED)
        self._periods = self._rng.integers(*PERIODS, n_series)
        self._phases = self._rng.uniform(0, 2 * np.pi, n_series)
        self._row = 0

    def next(self, n_rows: int) -> Floats:
        """The next rows of every series, float64 (n_rows * n_series, 1), row by row."""
        step = self._row + np.arange(n_rows)[:, None]
        self._row += n_rows
        wave = np.sin(2 * np.pi * step / self._periods + self._phases)
        return (wave + 0.2 * self._rng.normal(size=wave.shape)).reshape(-1, 1)


def phase(feed: Feed, fleet: Fleet, n_rows: int, n_batch: int) -> dict[str, Any]:
    """Give every series so many rows, ``n_batch`` at a time; making the rows is not counted."""
    walls, cpu = [], 0.0
    for at in range(0, n_rows, n_batch):
        values = fleet.next(min(n_batch, n_rows - at))
        started, began = time.process_time(), time.perf_counter()
        feed.push(values)
        walls.append(time.perf_counter() - began)
        cpu += time.process_time() - started
    seconds = sum(walls)
    return {
        "rows_per_series": n_rows,
        "rows_per_call": n_batch * feed.n_series,
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu, 4),
        "rows_per_s": round(n_rows * feed.n_series / seconds),
        "call_ms_p50": round(float(np.quantile(walls, 0.5)) * 1e3, 1),
        "call_ms_p99": round(float(np.quantile(walls, 0.99)) * 1e3, 1),
        "call_ms_max": round(max(walls) * 1e3, 1),
        "rss_mb": rss_mb(),
    }


def rss_mb() -> float:
    """Memory of this process now, 10^6 bytes."""
    return round(float(psutil.Process().memory_info().rss) / 1e6, 1)


def measure(given: dict[str, Any]) -> dict[str, Any]:
    """Warm-up, live polls of one row, live batches."""
    (contender,) = contenders(given["detector"])
    n_series, n_first, n_live = given["series"], given["first"], given["live"]
    Feed(contender, 1, 2, 600).push(Fleet(2).next(1200))
    before = rss_mb()
    feed, fleet = Feed(contender, 1, n_series, n_first), Fleet(n_series)
    phases = {
        "warm_up": phase(feed, fleet, n_first, BATCH),
        "live, one row of every series a call": phase(feed, fleet, n_live, 1),
        f"live, {BATCH} rows of every series a call": phase(feed, fleet, n_live, BATCH),
    }
    seconds = sum(one["seconds"] for one in phases.values())
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    peak = max(highest, before, *(one["rss_mb"] for one in phases.values()))
    return {
        "detector": contender.label,
        "series": n_series,
        "cores": given["cores"],
        "phases": phases,
        "rows_per_s": round((n_first + 2 * n_live) * n_series / seconds),
        "rss_mb_before": before,
        "rss_mb_peak": round(peak, 1),
        "kb_per_series_peak": round((peak - before) * 1e3 / n_series, 1),
    }


def main() -> None:
    given = json.loads(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: given["cores"]]))
    print(json.dumps(measure(given)))


if __name__ == "__main__":
    main()
