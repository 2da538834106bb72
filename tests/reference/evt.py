"""SPOT and DSPOT of one series from lists, the tail fitted on finer and finer grids."""

from __future__ import annotations

import numpy as np

FEW = 8


def log_likelihood(excesses, shape, scale):
    """Of generalised Pareto excesses; a negative one is only known to be at least so large."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log1p(shape * np.abs(excesses) / scale) / shape
    logs = np.where(np.isfinite(logs), logs, np.abs(excesses) / scale)
    known = excesses > 0
    return -known.sum() * np.log(scale) - logs.sum() - shape * logs[known].sum()


def pareto_fit(excesses):
    """Shape between -0.5 and 1, and scale, the most likely ones."""
    largest = np.abs(excesses).max()

    def at(u):
        x = np.expm1(u)
        free = np.log1p(x * np.abs(excesses) / largest).sum() / (excesses > 0).sum()
        shape = np.clip(free, -0.5, 1.0)
        return shape, shape / x * largest

    def loss(u):
        return -log_likelihood(excesses, *at(u))

    low, high = -8.01, 40.1
    for _ in range(5):
        grid = np.linspace(low, high, 400)
        best = grid[np.argmin([loss(u) for u in grid])]
        low, high = best - (grid[1] - grid[0]), best + (grid[1] - grid[0])
    return at(best)


def spot_lines(scores, risk, init, level_share, max_excesses, depth=0):
    """Line before each score."""
    top = int((1 - level_share) * init) + 1
    horizon = int(max_excesses / (1 - level_share))
    lines = np.full(len(scores), np.nan)
    recent, first, excesses = [], [], []
    rows, new, level, rate, tail, over = 0, 0, 0.0, 0.0, np.nan, False
    for i, score in enumerate(scores):
        mean = np.mean(recent[-depth:]) if depth and recent else 0.0
        if rows >= init:
            line = mean + tail
            if np.isnan(tail):
                line = mean + level + abs(mean + level)
            lines[i] = max(line, 1e-12)
        if not np.isfinite(score):
            continue
        again, over = over, not np.isnan(tail) and score >= lines[i]
        if over and again:
            continue
        x = lines[i] if over else score
        if len(recent) >= depth:
            rows += 1
            if rows <= init:
                first.append(x - mean)
                if rows == init:
                    level = np.sort(first)[-top]
                    tie = 1e-9 * abs(mean + level)
                    excesses = [y - level for y in sorted(first)[::-1] if y - level > tie]
                    rate, new = len(excesses) / init, len(excesses)
            else:
                y = x - mean - level
                peak = y > 1e-9 * abs(mean + level)
                rate += (float(peak) - rate) / min(rows, horizon)
                if peak:
                    excesses.append(-y if over else y)
                    new += 1
            held = np.array(excesses[-max_excesses:])
            if len(held) >= FEW and new >= max(1, len(held) // 2):
                new = 0
                if (held > 0).sum() >= FEW:
                    shape, scale = pareto_fit(held)
                    share = risk / rate
                    floor = level + (np.abs(held).max() if share * len(held) < 1 else 0.0)
                    quantile = scale * np.expm1(-shape * np.log(share)) / shape
                    tail = max(level + quantile, floor + 1e-9 * abs(mean + floor))
        recent.append(x)
    return lines
