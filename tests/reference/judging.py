"""Series and windows for the tests of detectors."""

from __future__ import annotations

from functools import cache

import numpy as np

from streamad.core.data import Scores, Windows


@cache
def _water_flow():
    from river import datasets

    return np.array([y for _, y in datasets.WaterFlow()], float)


def water_flow(n_rows=1268):
    """Hourly water flow of a pumping station, (n, 1), with real outages."""
    return _water_flow()[:n_rows, None].copy()


def two_pumps(n_rows=1268):
    """The flow, the same three hours later with noise, and a slow drift: (n, 3)."""
    flow = _water_flow()[:n_rows]
    rng = np.random.default_rng(1)
    later = np.roll(flow, 3) + 20 * rng.normal(size=n_rows)
    return np.stack([flow, later, 1e6 + np.cumsum(rng.normal(size=n_rows))], axis=1)


def with_holes(values, seed=0):
    """Some values missing, some infinite, one run of rows without any."""
    rng = np.random.default_rng(seed)
    made = values.copy()
    made[rng.random(values.shape) < 0.03] = np.nan
    made[rng.random(values.shape) < 0.01] = np.inf
    made[rng.random(values.shape) < 0.005] = -np.inf
    made[len(made) // 2 : len(made) // 2 + 20] = np.nan
    return made


def windows_of(values, length, code=0):
    """Every window of one series (n, L, C), as the windowing hands them over."""
    n, c = values.shape
    padded = np.concatenate((np.full((length - 1, c), np.nan), values))
    made = padded[np.arange(n)[:, None] + np.arange(length)]
    made[np.isnan(made).mean(axis=(1, 2)) > 0.5] = np.nan
    return Windows(made, np.full(n, code, np.int32), np.arange(n) * 10**9)


def opened(detector, n_channels, names=("one",)):
    """The detector, ready for these series."""
    detector.open([f"c{c}" for c in range(n_channels)])
    detector.admit(np.arange(len(names), dtype=np.int32), list(names))
    return detector


def judge(detector, values):
    """Causal scores, final scores aligned with them (the last ones from close), and shares."""
    opened(detector, values.shape[1])
    scores = detector.step(windows_of(values, detector.window.length))
    _, owed = detector.close(np.zeros(1, np.int32))
    final = np.concatenate((scores.final, owed))[-len(values) :]
    return Scores(scores.causal, final, None, scores.shares, scores.expected)
