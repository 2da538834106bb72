"""Volume under the surface by nested thresholds: every row is read once, not once a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Flags, Floats, Ints

    Bins = NDArray[np.int16]


@kernel
def vus_areas(
    labels: Flags,
    scores: Floats,
    starts: Ints,
    stops: Ints,
    thresholds: Floats,
    n_flagged: Ints,
    area_pr: Floats,
    area_roc: Floats,
) -> None:
    """Areas under the precision-recall and ROC curves with buffers of 0 to W rows.

    Parameters
    ----------
    labels : bool (n,)
        Anomalous rows.
    scores : float64 (n,)
        Higher is stranger; no NaN.
    starts, stops : int64 (A,)
        Anomalies ``[start, stop)`` in order, neither none nor all rows.
    thresholds : float64 (K,)
        Descending; the last is the lowest score. A row is flagged at ``score >= threshold``.
    n_flagged : int64 (K,)
        Rows flagged at each threshold.
    area_pr, area_roc : float64 (W + 1,)
        Out: the area for each buffer width.

    Notes
    -----
    A row flagged at a threshold is flagged at all lower ones, so what is flagged where follows
    from the first threshold of each row: sums over thresholds are cumulative sums over bins, and
    an anomaly is found from its lowest first threshold on. Only buffer rows change with the width.
    Cost O((P + A W) log K + W (A W + K)) for P anomalous rows. State: none.
    """
    n, n_bins, n_widths = labels.shape[0], thresholds.shape[0], area_pr.shape[0]
    first = np.empty(n, np.int16)
    _first_flagged(scores, starts, stops, thresholds, (n_widths - 1) // 2, first)

    n_anomalous = 0
    core = np.zeros(n_bins)
    core_lowest = np.full(starts.shape[0], n_bins, np.int16)
    for s in range(starts.shape[0]):
        n_anomalous += stops[s] - starts[s]
        for i in range(starts[s], stops[s]):
            core[first[i]] += 1.0
            core_lowest[s] = min(core_lowest[s], first[i])

    soft, fade = np.zeros(n), np.empty(n_widths)
    buffer, found = np.empty(n_bins), np.empty(n_bins)
    for width in range(n_widths):
        for distance in range(1, width // 2 + 1):
            fade[distance] = np.sqrt(1.0 - distance / width)
        buffer[:] = 0.0
        found[:] = 0.0
        _soften(starts, stops, width // 2, fade, soft)
        groups = _gather(labels, first, starts, stops, core_lowest, width // 2, soft, buffer, found)
        area_pr[width], area_roc[width] = _areas(
            n, n_anomalous, groups, core, buffer, found, n_flagged
        )


@kernel
def _first_flagged(
    scores: Floats, starts: Ints, stops: Ints, thresholds: Floats, reach: int, first: Bins
) -> None:
    """Index of the first threshold at or below the score, for rows up to ``reach`` from a range."""
    done = 0
    for s in range(starts.shape[0]):
        end = min(stops[s] + reach, scores.shape[0])
        for i in range(max(starts[s] - reach, done), end):
            low, high = 0, thresholds.shape[0] - 1
            while low < high:
                middle = (low + high) // 2
                if thresholds[middle] > scores[i]:
                    low = middle + 1
                else:
                    high = middle
            first[i] = low
        done = max(done, end)


@kernel
def _soften(starts: Ints, stops: Ints, half: int, fade: Floats, soft: Floats) -> None:
    """Add each anomaly's fading label to the rows beside it."""
    for s in range(starts.shape[0]):
        for distance in range(1, min(half, soft.shape[0] - stops[s]) + 1):
            soft[stops[s] - 1 + distance] += fade[distance]
        for distance in range(1, min(half, starts[s]) + 1):
            soft[starts[s] - distance] += fade[distance]


@kernel
def _gather(
    labels: Flags,
    first: Bins,
    starts: Ints,
    stops: Ints,
    core_lowest: Bins,
    half: int,
    soft: Floats,
    buffer: Floats,
    found: Floats,
) -> int:
    """Bin the soft labels and the groups of touching buffers; clear ``soft``; count the groups."""
    groups, lowest = 0, 0
    for s in range(starts.shape[0]):
        if s == 0 or stops[s - 1] - 1 + half < starts[s] - half:
            if s > 0:
                found[lowest] += 1.0
            groups += 1
            lowest = core_lowest[s]
        lowest = min(lowest, core_lowest[s])
        for side in range(2):
            begin = max(starts[s] - half, 0) if side == 0 else stops[s]
            end = starts[s] if side == 0 else min(stops[s] + half, soft.shape[0])
            for i in range(begin, end):
                lowest = min(lowest, first[i])
                if not labels[i]:
                    buffer[first[i]] += min(soft[i], 1.0)
                soft[i] = 0.0
    found[lowest] += 1.0
    return groups


@kernel
def _areas(
    n: int,
    n_anomalous: int,
    groups: int,
    core: Floats,
    buffer: Floats,
    found: Floats,
    n_flagged: Ints,
) -> tuple[float, float]:
    """Area under the precision-recall steps, and under the ROC trapezoids up to (1, 1)."""
    hits = mass = groups_found = recall_before = fall_out_before = area_pr = area_roc = 0.0
    for k in range(core.shape[0]):
        hits += core[k] + buffer[k]
        mass += buffer[k]
        groups_found += found[k]
        positives = n_anomalous + 0.5 * mass
        recall = min(hits / positives, 1.0) * groups_found / groups
        fall_out = (n_flagged[k] - hits) / (n - positives)
        area_pr += (recall - recall_before) * hits / n_flagged[k]
        area_roc += (fall_out - fall_out_before) * 0.5 * (recall + recall_before)
        recall_before, fall_out_before = recall, fall_out
    area_roc += (1.0 - fall_out_before) * 0.5 * (1.0 + recall_before)
    return area_pr, area_roc
