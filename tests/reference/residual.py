"""Streaming Mahalanobis distance with the covariance itself and direct solves, one series."""

import numpy as np
from reference.gate import Gate


def mahalanobis_scores(x, n_channels, horizon, ridge, warm_up, quantile=1.0, max_skipped=0):
    """Causal scores (n,), shares (n, C) of vectors x (n, d), and the last covariance."""
    n, d = x.shape
    x = np.where(np.abs(x) < 1e100, x, np.nan)
    gate = Gate(quantile, max_skipped)
    scores, shares = np.full(n, np.nan), np.full((n, n_channels), 1 / n_channels)
    mean, S, learned = np.full(d, np.nan), np.zeros((d, d)), 0
    for i, row in enumerate(x):
        present = ~np.isnan(row)
        if not present.any():
            continue
        delta = np.nan_to_num(row - mean)
        newcomer = (present & np.isnan(mean)).any()
        if learned >= warm_up:
            solved = np.linalg.solve(S, delta)
            scores[i] = np.sqrt(max(delta @ solved, 0) / present.sum())
            parts = np.maximum(delta * solved, 0).reshape(-1, n_channels).sum(axis=0)
            if parts.sum() > 0:
                shares[i] = parts / parts.sum()
            if newcomer:
                mean, S, learned = np.full(d, np.nan), np.zeros((d, d)), 0
                delta = np.zeros(d)
        if learned < warm_up:
            learned += 1
            mean = np.where(np.isnan(mean), row, mean) + delta / learned
            S += np.outer(delta, delta) * (learned - 1) / learned
            if learned == warm_up:
                S /= warm_up
                S += np.diag(ridge * np.diag(S) + floor_of(mean))
            continue
        if gate.lets_in(scores[i]):
            w, turn = 1 / min(learned + 1, horizon), learned % d
            held = S.diagonal().copy()
            S = (1 - w) * S + w * (1 - w) * np.outer(delta, delta)
            S += np.diag(np.where(present, 0, w * held))
            mean = np.where(np.isnan(mean), row, mean) + w * delta
            S[turn, turn] += min(1, d * w) * (ridge * held[turn] + floor_of(mean)[turn])
            learned += 1
        gate.track(scores[i])
    return scores, shares, S


def floor_of(mean):
    return np.where(np.isnan(mean), 0, 1e-18 * mean**2 + 1e-30)
