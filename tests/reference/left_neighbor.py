"""Left nearest neighbour from its definition: all windows, float64, one distance at a time."""

import numpy as np


def left_neighbor(memory, samples, width, lags):
    """Normalised and centred reach distance of every window end, and the centred one spread.

    Parameters
    ----------
    memory : float64 (m,)
        Samples before the series.
    samples : float64 (n,)
    width, lags : int
        Samples of a window; furthest lag that is searched.

    Returns
    -------
    shape, level, spread : float64 (n,)
    """
    x = np.concatenate((memory, samples))
    known, n = len(memory), len(x)
    padded = np.concatenate((x, np.zeros(max(0, width - n))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    mean, variance = windows.mean(1), windows.var(1)
    odd = np.zeros((2, n))
    given, covered = np.zeros(n), np.zeros(n)
    for t in range(max(known, width), n):
        at = np.arange(width, min(lags, t - width + 1) + 1)
        if t - known < known:
            at = at[np.abs(at - known) >= width]
        if not len(at):
            continue
        here, there = t - width + 1, t - at - width + 1
        difference = (windows[here] - mean[here]) - (windows[there] - mean[there, None])
        centred = (difference**2).mean(1)
        soft = np.sqrt((variance[here] + 0.25) * (variance[there] + 0.25))
        covariance = (variance[here] + variance[there] - centred) / 2
        own = variance[here] / (variance[here] + 0.25)
        normalised = own + variance[there] / (variance[there] + 0.25) - 2 * covariance / soft
        odd[0, t] = max(np.maximum(normalised, 0.95 * odd[0, t - at]).min(), 0.0)
        reached = np.maximum(centred, 0.95 * odd[1, t - at])
        odd[1, t] = reached.min()
        error = difference[reached.argmin()] ** 2
        total = error.sum() + 1e-12
        peak = ((error**2).sum() / total**2 * width - 3) / max(width - 3, 1)
        peak = 0.5 * min(max(peak, 0.0), 1.0)
        given[t - width + 1 : t + 1] += odd[1, t] * ((1 - peak) + peak * width * error / total)
        covered[t - width + 1 : t + 1] += 1
    spread = np.sqrt(given / np.maximum(covered, 1))
    return np.sqrt(odd[0, known:]), np.sqrt(odd[1, known:]), spread[known:]
