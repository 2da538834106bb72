"""Nearest neighbours among past windows by brute force, one series, plain numpy."""

from itertools import pairwise

import numpy as np
from reference.gate import Gate


def squash(z):
    far = np.abs(z) > 8
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(far, np.sign(z) * (8 + 8 * np.log(np.abs(z) / 8)), z)


def block_means(column, points):
    """Means of ``points`` blocks, NaN left out."""
    edges = np.arange(points + 1) * len(column) // points
    blocks = [column[a:b] for a, b in pairwise(edges)]
    return np.array([np.nan if np.isnan(b).all() else np.nanmean(b) for b in blocks])


def representation(window, center, scale, features, points):
    """Numbers (C, per channel) that stand for a window (L, C)."""
    parts = []
    for column in squash((window - center) / scale).T:
        if np.isnan(column).all():
            mean = variance = np.nan
        else:
            mean, variance = np.nanmean(column), np.nanvar(column)
        means, spread = block_means(column, points), np.log(np.sqrt(variance) + 0.05)
        if features == "raw":
            parts.append(means)
        elif features == "level":
            parts.append([mean, spread])
        else:
            shape = (means - mean) / np.sqrt(variance + 0.25)
            parts.append([*shape, *np.sqrt(points) * np.array([mean, spread])])
    return np.array(parts)


def knn_scores(
    windows, features, points, k, memory, keep, every, warm_up, quantile=1.0, max_skipped=0
):
    """Causal scores (n,) and shares (n, C) of windows (n, L, C)."""
    n, length, n_channels = windows.shape
    windows = np.where(np.abs(windows) < 1e100, windows, np.nan)
    gate = Gate(quantile, max_skipped)
    scores, shares = np.full(n, np.nan), np.full((n, n_channels), 1 / n_channels)
    fixed, ring = [], []
    center, scale = np.zeros(n_channels), np.full(n_channels, np.nan)
    moving, final = [[] for _ in range(n_channels)], np.zeros(n_channels, bool)
    learned = now = 0
    for i, window in enumerate(windows):
        blank = np.isnan(window).all()
        if blank:
            now += now > 0
            continue
        if learned >= warm_up // 2:
            query = representation(window, center, scale, features, points)
        if learned >= warm_up:
            found = []
            for number, past in fixed + ring:
                squares = (past - query) ** 2
                if now - number >= length and not np.isnan(squares).all():
                    found.append((np.nanmean(squares), number, squares))
            found = sorted(found, key=lambda f: f[0])[:k]
            if len(found) == k:
                scores[i] = np.mean([np.sqrt(f[0]) for f in found])
                parts = np.nansum([f[2] for f in found], axis=(0, 2))
                if parts.sum() > 0:
                    shares[i] = parts / parts.sum()
        for c in measure(window[-1], moving, final, center, scale, warm_up // 2):
            for _, past in fixed + ring:
                past[c] = np.nan
        if learned == warm_up // 2 - 1:
            for c in np.flatnonzero(np.isnan(scale)):
                if len(moving[c]) == 1:
                    center[c], scale[c] = moving[c][0], least_scale(moving[c][0])
        if learned >= warm_up // 2 and now % every == 0 and gate.lets_in(scores[i]):
            if len(fixed) < keep:
                fixed.append((now, query))
            else:
                ring = [*ring, (now, query)][-(memory - keep) :]
        gate.track(scores[i])
        learned += 1
        now += 1
    return scores, shares


def measure(row, moving, final, center, scale, needed):
    """Fix centre and scale of channels that gave enough values since they first moved.

    Gives the channels that had a provisional scale before.
    """
    changed = []
    for c, value in enumerate(row):
        if np.isnan(value) or final[c]:
            continue
        if len(set(moving[c])) == 1 and moving[c][0] == value:
            moving[c] = [value]
        else:
            moving[c].append(value)
        known = np.array(moving[c])
        if len(known) >= needed and np.ptp(known) > 0:
            if not np.isnan(scale[c]):
                changed.append(c)
            center[c] = known.mean()
            scale[c] = max(known.std(), np.ptp(known) / 4, least_scale(center[c]))
            final[c] = True
    return changed


def least_scale(center):
    return 1e-9 * abs(center) + 1e-12
