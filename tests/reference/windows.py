"""Windows, their statistics and final scores, one series at a time in plain numpy."""

from __future__ import annotations

import numpy as np

MEMORY = 256


def windows_of(values, fresh, length, hop, max_missing, scaling):
    """List of ``(row, window, center, scale)`` of one series."""
    found = []
    start = 0
    for i in range(len(values)):
        if fresh[i]:
            start = i
        if (i + 1) % hop:
            continue
        window = np.full((length, values.shape[1]), np.nan)
        rows = values[max(start, i + 1 - length) : i + 1]
        window[length - len(rows) :] = rows
        center = scale = None
        if np.isnan(window).mean() > max_missing + 1e-12:
            window[:] = np.nan
        if scaling != "none":
            statistics = robust if scaling == "robust" else weighted
            columns = [statistics(values[:i, c]) for c in range(values.shape[1])]
            center, scale = np.array(columns).T
            window = (window - center) / scale
        found.append((i, window, center, scale))
    return found


def robust(past):
    """Median and 1.4826 MAD of the last 256 finite values."""
    past = past[np.isfinite(past)][-MEMORY:]
    if len(past) == 0:
        return np.nan, np.nan
    center = np.median(past)
    spread = 1.4826 * np.median(np.abs(past - center))
    if len(past) < 8 or spread <= 1e-9 * abs(center):
        spread = past.max() - past.min()
    return center, positive(spread, center, len(past))


def weighted(past, alpha=1 / MEMORY):
    """Weighted mean and standard deviation, from the weights of each value."""
    past = past[np.isfinite(past)]
    n = len(past)
    if n == 0:
        return np.nan, np.nan
    rates = np.maximum(alpha, 1 / np.arange(1, n + 1))
    weights = rates * np.append(np.cumprod((1 - rates)[::-1])[::-1][1:], 1.0)
    center = np.sum(weights * past)
    spread = np.sqrt(np.sum(weights * (past - center) ** 2))
    return center, positive(spread, center, n)


def positive(spread, center, n):
    """The spread, or a share of the level where nothing has moved."""
    if spread > 1e-9 * abs(center):
        return spread
    return (abs(center) or 1.0) * (1.0 if n < 8 else 1e-3)


def released(depth, steps):
    """Rows given back by ``FixedLag`` for steps ``(slot, time, final, lag)``: (slot, time, final).

    Returns also what still waits: slot -> times.
    """
    waiting, out = {}, []
    for slot, time, final, lag in steps:
        queue = waiting.setdefault(slot, [])
        queue.append(time)
        if 0 <= lag < len(queue):
            while len(queue) > lag + 1:
                out.append((slot, queue.pop(0), np.nan))
            out.append((slot, queue.pop(0), final))
        elif len(queue) == depth:
            out.append((slot, queue.pop(0), np.nan))
    return out, waiting
