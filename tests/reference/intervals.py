"""Range rewards row by row; affiliation by quadrature of its definition."""

import numpy as np
from reference.vus import ranges


def range_reward(labels, flags, existence):
    """Mean reward of the ranges of ``labels`` for being covered by those of ``flags``."""
    rewards = []
    for start, stop in ranges(labels):
        share = np.mean(flags[start:stop])
        touching = sum(a < stop and b > start for a, b in ranges(flags))
        rewards.append(existence + (1 - existence) * share / touching if touching else 0.0)
    return np.mean(rewards) if rewards else 0.0


def affiliation(labels, flags):
    """(precision, recall); quarter rows hold all kinks, so the midpoint rule is exact."""
    truth, n = ranges(labels), len(labels)
    precisions, recalls = [], []
    for i, (a, b) in enumerate(truth):
        low = (truth[i - 1][1] + a) / 2 if i else 0
        high = (b + truth[i + 1][0]) / 2 if i + 1 < len(truth) else n
        x = np.arange(low, high, 0.25) + 0.125
        flagged = np.asarray(flags, bool)[x.astype(int)]
        if not flagged.any():
            recalls.append(0.0)
            continue
        away = np.maximum(np.maximum(a - x, x - b), 0)
        farther = np.maximum(a - low - away, 0) + np.maximum(high - b - away, 0)
        chance = np.where(away > 0, farther / (high - low), 1.0)
        precisions.append(chance[flagged].mean())
        y = x[(x > a) & (x < b)]
        gap = np.abs(y[:, None] - x[flagged]).min(axis=1) - 0.125
        farther = np.maximum(y - gap - low, 0) + np.maximum(high - y - gap, 0)
        recalls.append(np.where(gap > 0, farther / (high - low), 1.0).mean())
    return (np.mean(precisions) if precisions else np.nan), np.mean(recalls)
