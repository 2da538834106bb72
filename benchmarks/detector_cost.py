"""CPU time and state of detectors on one core; a part of ``bench_detectors.py``, which runs it.

python benchmarks/detector_cost.py '{"what": "ours", "detector": "fusion", "rows": 30000, ...}'
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rivals
from detector_feed import Feed, contenders, waves
from judge import Contender, Floats

LAYOUTS: tuple[tuple[int, int | None], ...] = ((1, 21), (1, 30), (1, None), (10, None), (38, None))
"""Channels and period."""
BATCH = 4096
SINGLE_ROWS = 2000
RIVAL_ROWS = 10_000


def layout_name(n_channels: int, period: int | None) -> str:
    """What results call a layout."""
    return f"C = {n_channels}, " + (f"period {period}" if period else "no period")


def ours(contender: Contender, values: Floats, n_first: int, n_rows: int) -> dict[str, Any]:
    """CPU microseconds per row with and without the first rows, of single rows, and state.

    Rows after ``n_rows`` are given one by one.
    """
    feed = Feed(contender, values.shape[1], 1, n_first)
    started = time.process_time()
    feed.push(values[:n_first])
    first = time.process_time() - started
    started = time.process_time()
    for at in range(n_first, n_rows, BATCH):
        feed.push(values[at : min(at + BATCH, n_rows)])
    later = time.process_time() - started
    single = []
    for row in values[n_rows:]:
        begun = time.process_time()
        feed.push(row[None])
        single.append(time.process_time() - begun)
    return {
        "us_per_row": (first + later) / n_rows * 1e6,
        "us_per_row_after_fit": later / (n_rows - n_first) * 1e6,
        "single_row_us_p50": float(np.quantile(single, 0.5)) * 1e6,
        "single_row_us_p99": float(np.quantile(single, 0.99)) * 1e6,
        "state_bytes": feed.state_bytes(),
        "lag_rows": feed.detector.plan(0)["lag"]
        if contender.takes_prefix
        else feed.detector.lag * feed.detector.window.hop,
    }


def rival(one: rivals.Rival, values: Floats) -> dict[str, Any]:
    """CPU microseconds per row, score then learn, and the size of the pickle."""
    model, rows = one.make(rivals.ranges(values)), one.rows(values)
    started = time.process_time()
    for row in rows:
        one.step(model, row)
    seconds = time.process_time() - started
    return {"us_per_row": seconds / len(rows) * 1e6, "state_bytes": rivals.pickle_bytes(model)}


def prototype(path: str, preset: str, values: Floats, n_first: int) -> dict[str, Any]:
    """CPU seconds of the research prototype over the first rows and over all, and what it keeps."""
    module = load(path)
    seconds = []
    for stop in (n_first, len(values)):
        started = time.process_time()
        found = module.score_series(values[:stop], n_first, preset)
        seconds.append(time.process_time() - started)
    window, rank = found["info"]["window"], found["info"]["rank"]
    return {
        "seconds_first": seconds[0],
        "seconds_all": seconds[1],
        "state_bytes": module.state_bytes(values.shape[1], window, preset, rank),
        "lag_rows": found["lag"],
        "window": window,
    }


def by_difference(run: dict[str, Any], n_first: int, n_rows: int) -> dict[str, Any]:
    """A run of the prototype per row: it cannot be stopped between fit and live rows."""
    every, first = run.pop("seconds_all"), run.pop("seconds_first")
    return {
        "us_per_row": round(every / n_rows * 1e6, 3),
        "us_per_row_after_fit": round((every - first) / (n_rows - n_first) * 1e6, 3),
        **run,
    }


def load(path: str) -> Any:
    """A Python file as a module."""
    spec = importlib.util.spec_from_file_location("prototype", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} should be a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The least of every figure: what disturbs a machine only ever adds."""
    return {key: round(min(run[key] for run in runs), 6) for key in runs[0]}


def calls(given: dict[str, Any], values: Floats) -> dict[str, Callable[[], dict[str, Any]]]:
    """What to run on a series, by name; kernels are compiled by now."""
    n_rows, n_first, n_channels = given["rows"], given["first"], values.shape[1]
    found: dict[str, Callable[[], dict[str, Any]]] = {}
    if given["what"] == "ours":
        for one in contenders(given["detector"]):
            Feed(one, n_channels, 1, 600).push(values[:1200])
            found[one.label] = partial(ours, one, values, n_first, n_rows)
    elif given["what"] == "rivals":
        for other in rivals.rivals()[0]:
            found[other.name] = partial(rival, other, values[:RIVAL_ROWS])
    else:
        for preset in ("default", "fast", "small"):
            one_preset = partial(prototype, given["prototype"], preset)
            one_preset(values[:1200], 600)
            found[f"prototype {preset}"] = partial(one_preset, values[:n_rows], n_first)
    return found


def measure(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Every layout for ours, the rivals or the prototype."""
    lines: list[dict[str, Any]] = []
    for n_channels, period in LAYOUTS:
        values = waves(given["rows"] + SINGLE_ROWS, n_channels, period)
        for name, call in calls(given, values).items():
            found = best([call() for _ in range(given["repeat"])])
            if given["what"] == "prototype":
                found = by_difference(found, given["first"], given["rows"])
            lines.append({"layout": layout_name(n_channels, period), "detector": name, **found})
            print(f"{lines[-1]['layout']}: {name}", file=sys.stderr, flush=True)
    return lines


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(json.dumps(measure(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
