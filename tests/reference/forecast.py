"""EWMA detector from its equations, one series, plain numpy."""

import numpy as np


def ewma_scores(x, alpha, alpha_scale, clip, warm_up):
    """Causal scores (n,) of rows x (n, C)."""
    n, c = x.shape
    x = np.where(np.abs(x) < 1e100, x, np.nan)
    mean, variance, seen, rows = np.zeros(c), np.zeros(c), np.zeros(c, int), 0
    scores = np.full(n, np.nan)
    for i, row in enumerate(x):
        known = ~np.isnan(row) & (seen > 1)
        if rows >= warm_up and known.any():
            floor = 1e-18 * mean**2 + 1e-30
            z2 = (row - mean)[known] ** 2 / (variance + floor)[known]
            scores[i] = np.sqrt(z2.mean())
        for j in np.flatnonzero(~np.isnan(row)):
            seen[j] += 1
            if seen[j] == 1:
                mean[j] = row[j]
                continue
            e = row[j] - mean[j]
            limit = clip * np.sqrt(variance[j])
            if seen[j] > 8 and limit > 0:
                e = np.clip(e, -limit, limit)
            mean[j] += alpha * e
            variance[j] += max(alpha_scale, 1 / (seen[j] - 1)) * (e**2 - variance[j])
        rows += not np.isnan(row).all()
    return scores
