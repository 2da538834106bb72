"""Filling and scaling over whole arrays."""

import numpy as np


def filled(values):
    out = np.zeros_like(values)
    for c, channel in enumerate(values.T):
        last = 0.0
        for t, value in enumerate(channel):
            last = value if abs(value) < 1e100 else last
            out[t, c] = last
    return out


def scaled(values, split):
    """z of every row; a channel constant on the prefix is measured by its first move."""
    x = filled(values)
    z = np.zeros(x.shape)
    for c in range(x.shape[1]):
        prefix = x[:split, c]
        low, high = prefix.min(), prefix.max()
        tiny = 1e-9 * max(1.0, abs(high))
        if high - low > tiny:
            z[:, c] = (x[:, c] - prefix.mean()) / max(prefix.std(), (high - low) / 4)
        else:
            moved = np.flatnonzero(np.abs(x[:, c] - prefix[0]) > tiny)
            if len(moved):
                first = abs(x[moved[0], c] - prefix[0])
                z[moved[0] :, c] = (x[moved[0] :, c] - prefix[0]) / (first / 4)
    return np.clip(z, -8, 8)
