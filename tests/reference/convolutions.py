"""Random convolutions with a Mahalanobis distance from their definition: whole arrays, float64."""

import numpy as np


def draw(liveliness, window, kernels, seed):
    """Channels, mix, taps, dilation and quantile of each convolution, in the order of the draws."""
    rng = np.random.default_rng(seed)
    channels = np.flatnonzero(liveliness > 0)
    if not len(channels):
        channels, liveliness = np.arange(len(liveliness)), np.ones(len(liveliness))
    weights = liveliness[channels] + 0.02
    weights /= weights.sum()
    effective = np.exp(-np.sum(weights * np.log(weights)))
    drawn = []
    for j in range(kernels):
        n = int(2 ** rng.uniform(0, np.log2(min(effective, 8) + 1e-9)))
        n = np.clip(n, 1, len(channels))
        own = rng.choice(channels, n, replace=False, p=weights)
        mix = rng.normal(size=n) / np.sqrt(n)
        taps = rng.normal(size=(3, 5, 9)[j % 3])
        taps = taps - taps.mean() if rng.random() < 0.7 else taps
        reach = max((window - 1) / (len(taps) - 1), 1.01)
        dilation = int(2 ** rng.uniform(0, np.log2(reach)))
        drawn.append((own, mix, taps, dilation, rng.uniform(0.2, 0.8)))
    return drawn


def answer(z, own, mix, taps, dilation):
    """One convolution (n,) of rows (C, n), with zeros before them."""
    x = mix @ z[own].astype(np.float64)
    y = np.zeros(len(x))
    for i, tap in enumerate(taps):
        y[i * dilation :] += tap * x[: len(x) - i * dilation]
    return y


def raw_features(z, split, window, hop, drawn):
    """Two features (2 K, n // hop) of each convolution, before they are scaled."""
    ends = np.arange(hop, z.shape[1] + 1, hop)
    excess, level = [], []
    for *convolution, quantile in drawn:
        y = answer(z, *convolution)
        bias = np.quantile(answer(z[:, max(0, split - 8192) : split], *convolution), quantile)
        windows = [y[max(0, end - window) : end] for end in ends]
        excess.append([np.maximum(part - bias, 0).mean() for part in windows])
        level.append([np.log(np.sqrt((part**2).mean()) + 0.05) for part in windows])
    return np.array(excess + level)


def convolutions(z, liveliness, split, window, hop, kernels, seed):
    """Score (n,) and parts of the channels in it (n, C), of scaled rows ``z`` (C, n)."""
    drawn = draw(liveliness, window, kernels, seed)
    d = 2 * kernels
    f = raw_features(z, split, window, hop, drawn).T
    known, block = split // hop, max(1, 512 // hop)
    scale = np.maximum(f[:known].std(0), 0.05)
    f = np.clip((f - f[:known].mean(0)) / scale, -8, 8)
    split_up = np.zeros((d, len(z)))
    for j, (own, mix, *_) in enumerate(drawn):
        split_up[j, own] = split_up[kernels + j, own] = mix**2 / np.sum(mix**2)

    score, parts = np.empty(len(f)), np.empty((len(f), len(z)))
    count, sums, squares = known, f[:known].sum(0), f[:known].T @ f[:known]
    for start in [0, *range(known, len(f), block)]:
        rows = slice(start, start + block if start else known)
        mean = sums / count
        covariance = squares / count - np.outer(mean, mean)
        variance = covariance.diagonal()
        ridge = np.diag(np.maximum(variance, 0.05 * variance.mean() + 1e-6))
        away = f[rows] - mean
        contribution = away @ np.linalg.inv(0.97 * covariance + 0.03 * ridge) * away
        score[rows] = np.sqrt(np.maximum(contribution.sum(1), 0) / d)
        parts[rows] = np.maximum(contribution @ split_up, 0)
        if start:
            lately = score[max(0, start - 20 * block) : rows.stop]
            learned = f[rows][score[rows] <= np.quantile(lately, 0.98)]
            kept = (1 - hop / 20_000) ** len(learned)
            count = kept * count + len(learned)
            sums = kept * sums + learned.sum(0)
            squares = kept * squares + learned.T @ learned
    latest = np.maximum((np.arange(z.shape[1]) + 1) // hop - 1, 0)
    return score[latest], parts[latest]
