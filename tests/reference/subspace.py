"""Window PCA from its definition: whole windows, float64, the residual as a projection."""

import numpy as np


def subspace(z, split, window, dims):
    """Score (n,), squared residuals by channel (n, C) and rank, of scaled rows ``z`` (C, n)."""
    n_channels, n = z.shape
    hop, step = max(1, window // 16), int(np.ceil(window * n_channels / dims))
    ends = np.arange(window - 1, n, hop)
    x = np.array([z[:, e - window + 1 : e + 1][:, ::-1][:, ::step] for e in ends], np.float64)
    x = x.reshape(len(ends), -1)
    known = int((ends < split).sum())
    fitted = x[np.unique(np.linspace(0, known - 1, min(3000, known)).astype(int))]
    mean = fitted.mean(0)
    _, deviation, directions = np.linalg.svd(fitted - mean, full_matrices=True)
    variance = np.full(x.shape[1], 1e-6)
    variance[: len(deviation)] += deviation**2 / len(fitted)
    explained = np.cumsum(variance) / variance.sum()
    rank = min(1 + int((explained < 0.95).sum()), len(fitted) // 4 + 1)
    beside = np.eye(x.shape[1]) - directions[:rank].T @ directions[:rank]

    residual, norm = np.empty_like(x), np.empty(len(ends))
    per_block, weight = max(1, 512 // hop), float(known)
    for start in [0, *range(known, len(ends), per_block)]:
        block = slice(start, start + per_block if start else known)
        residual[block] = (x[block] - mean) @ beside
        norm[block] = np.linalg.norm(residual[block], axis=1)
        if start:
            lately = norm[max(0, start - 20 * per_block) : block.stop]
            learned = x[block][norm[block] <= np.quantile(lately, 0.98)]
            weight = min(weight, 4000 / hop) + len(learned)
            mean = mean + (learned - mean).sum(0) / weight
    latest = np.maximum((np.arange(n) - window + 1) // hop, 0)
    squares = (residual**2).reshape(len(ends), n_channels, -1).sum(2)
    return norm[latest], squares[latest], rank
