"""Scores of restored patches, window by window, from the definitions."""

from __future__ import annotations

import numpy as np

FLOOR = 0.02


def judge(codes, ready, error, typical, n_covering, patch, hop, rate, clip):
    """Causal scores, final scores, shares and ordinary errors afterwards."""
    typical = typical.copy()
    n, n_patches, n_channels = error.shape
    rows = {code: [] for code in set(codes.tolist())}
    causal, final = np.full(n, np.nan), np.full(n, np.nan)
    shares = np.empty((n, n_channels), np.float32)
    for i, code in enumerate(codes.tolist()):
        relative = error[i] / np.maximum(typical[code], FLOOR)
        ratios = relative.mean(axis=1) if ready[i] else np.full(n_patches, np.nan)
        causal[i] = np.sqrt(np.mean(ratios**2))
        squares = (relative**2).sum(axis=0)
        whole = squares.sum()
        shares[i] = squares / whole if whole > 0 else 1.0 / n_channels
        own = rows[code]
        own.append(ratios)
        if len(own) >= n_covering:
            final[i] = covering(own[-n_covering:], patch, hop)
        if ready[i]:
            ordinary = np.maximum(typical[code], FLOOR)
            clipped = np.minimum(error[i], clip * ordinary)
            typical[code] += rate * (clipped - ordinary)
    return causal, final, shares, typical


def covering(windows, patch, hop):
    """Mean ratio of the patches that hold the last row of the first window."""
    if np.isnan(windows[0][-1]):
        return np.nan
    n_patches = len(windows[0])
    held = [ratios[n_patches - 1 - k * hop // patch] for k, ratios in enumerate(windows)]
    return np.nanmean(held)
