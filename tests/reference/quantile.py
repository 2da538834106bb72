"""The running quantile from all scores and their weights."""

from __future__ import annotations

import numpy as np

EDGES = np.array([2.0**octave * (1 + step / 16) for octave in range(-32, 64) for step in range(16)])
"""Lower edges of the buckets; below the first edge is the first bucket too."""


def quantile_lines(scores, q, window, factor, init):
    """Line before each score; scores over it are taken to lie just above the quantile."""
    upper = np.append(EDGES[1:], np.finfo(float).max)
    learned, lines = [], np.full(len(scores), np.nan)
    for i, score in enumerate(scores):
        if len(learned) >= init:
            buckets = np.array(learned)
            weights = np.exp(-np.arange(len(learned))[::-1] / window)
            present = np.unique(buckets)
            above = np.array([weights[buckets > bucket].sum() for bucket in present])
            bucket = present[above <= (1 - q) * weights.sum()][0]
            lines[i] = min(factor * float(upper[bucket]), np.finfo(float).max)
        if np.isfinite(score):
            own = max(np.searchsorted(EDGES, score, side="right") - 1, 0)
            learned.append(min(own, bucket + 1) if score >= lines[i] else own)
    return lines
