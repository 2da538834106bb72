"""Normalisers, final means and fusion over whole arrays, from their definition."""

import numpy as np


def soft(z, knee):
    return np.where(z > knee, knee * (1 + np.log(np.maximum(z, knee) / knee)), z)


def means_ahead(scores, length):
    """Mean of ``scores[t : t + length]`` (of fewer at the end)."""
    return np.array([scores[t : t + length].mean() for t in range(len(scores))])


def standardised(scores, split, *, plain=False):
    """Deviations above the ordinary: prefix moments that weigh eight times, then running ones."""
    if plain:
        return soft(np.maximum(20 * scores, 0), 20.0)
    prefix = scores[:split]
    mean, variance, count = prefix.mean(), prefix.var(), 8.0 * split
    tail = max(1.0, (np.quantile(prefix, 0.99) - mean) / (3 * prefix.std() + 1e-12))
    z = np.empty(len(scores))
    for t, score in enumerate(scores):
        sd = np.sqrt(variance) + 1e-9 + 1e-3 * abs(mean)
        z[t] = (score - mean) / (sd * tail)
        if t >= split:
            count += 1
            d = min(score, mean + 2 * sd) - mean
            mean += d / count
            variance += (d * (d - d / count) - variance) / count
    return soft(np.maximum(z, 0), 5.0)


def fused(z, weights, power):
    """Weighted power mean over members; ``z`` (m, n)."""
    weights = np.asarray(weights, float)
    return (weights @ z**power / weights.sum()) ** (1 / power)
