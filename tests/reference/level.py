"""Deviation from the running level from its equations, one channel at a time."""

import numpy as np


def soft(u, knee):
    return np.where(u > knee, knee * (1 + np.log(np.maximum(u, knee) / knee)), u)


def level(z, split):
    """Standardised deviations (C, n) of scaled rows ``z`` (C, n); the score is their maximum."""
    u = np.empty(z.shape)
    for c, x in enumerate(z.astype(np.float64)):
        first_mean, first_deviation = x[:split].mean(), max(x[:split].std(), 0.05)
        v = np.abs(x - first_mean) / first_deviation
        mean, total = first_mean, first_deviation**2 * split
        for t in range(split, len(x)):
            deviation = max(np.sqrt(total / t), 0.001 * first_deviation)
            v[t] = min(abs(x[t] - mean) / deviation, 50)
            before, mean = mean, mean + (x[t] - mean) / (t + 1)
            total += (x[t] - before) * (x[t] - mean)
        spread = max(v[:split].std(), 0.05)
        u[c] = soft(np.maximum((v - v[:split].mean()) / spread, 0), 30)
    return u
