"""Peaks over threshold: alarm lines from a generalised Pareto tail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Flags, Floats, Ints

FEW = 8
"""Known excesses below which no tail is fitted."""
LOWEST_SHAPE = -0.5
"""Below it the maximum-likelihood estimator is not regular (Smith 1985)."""
LARGEST_SHAPE = 1.0
"""Above it the tail has no mean, and few excesses would put the line anywhere."""
SMALLEST_LINE = 1e-12
_MARGIN = 1e-9
_GRID_LOW, _GRID_STEP, _GRID_SIZE = -8.0, 1.5, 33
_TOLERANCE = 1e-5
_GOLDEN = 0.6180339887498949


@kernel
def tail_pass(
    slots: Codes,
    scores: Floats,
    risk: float,
    init: int,
    top: int,
    horizon: int,
    rows: Ints,
    peaks: Ints,
    fitted: Ints,
    level: Floats,
    rate: Floats,
    tail: Floats,
    over: Flags,
    excesses: Floats,
    pushed: Ints,
    recent: Floats,
    lines: Floats,
) -> None:
    """Alarm line of each score by SPOT or DSPOT, then learn the score.

    Parameters
    ----------
    slots : int32 (n,)
    scores : float64 (n,)
        Not finite = not learned.
    risk : float
        Probability of a score over the line.
    init : int
        Scores that set the level; they have no line.
    top : int
        The level is the ``top``-th largest of them; at most K.
    horizon : int
        Rows over which the rate of peaks is averaged.
    rows, peaks, fitted : int64 (slots,)
        Scores learned, excesses stored, excesses stored at the last fit; updated.
    level, rate, tail : float64 (slots,)
        Level t, share of scores above it, and line; level and line are relative to the moving
        mean. Updated.
    over : bool (slots,)
        True if the latest score was an alarm; updated.
    excesses : float64 (slots, K)
        Ring of the latest excesses over the level; a negative one means "at least so much". While
        calibrating, the largest scores in falling order. Updated.
    pushed : int64 (slots,)
        Scores pushed to ``recent``; updated.
    recent : float64 (slots, depth)
        Ring behind the moving mean of DSPOT; depth 0 = SPOT. Updated.
    lines : float64 (n,)
        Out: the line before the score was learned, NaN while calibrating.

    Notes
    -----
    Algorithms 1 and 2 of Siffer, Fouque, Termier and Largouët (2017), with these differences. A
    ring of excesses stands for all of them, and the tail is fitted again when half of it is
    new. The size of an alarm is never learned, but the first alarm of a run is learned as "at least
    on the line" (a censored excess): a bounded ring without its largest members would lower the
    line from fit to fit. Below ``FEW`` excesses the line is twice the level and every score is
    learned.
    """
    depth, size = recent.shape[1], excesses.shape[1]
    for i in range(slots.shape[0]):
        s = slots[i]
        x = scores[i]
        mean = 0.0
        for k in range(depth):
            mean += recent[s, k]
        mean /= max(depth, 1)
        line = np.nan
        if rows[s] >= init:
            line = mean + tail[s]
            if np.isnan(line):
                line = mean + level[s] + abs(mean + level[s])
            line = max(line, SMALLEST_LINE)
        lines[i] = line
        if not np.isfinite(x):
            continue
        again = over[s]
        over[s] = x >= line and not np.isnan(tail[s])
        if over[s]:
            if again:
                continue
            x = line
        if pushed[s] >= depth:
            rows[s] += 1
            if rows[s] <= init:
                _keep_largest(excesses[s], min(rows[s] - 1, top), top, x - mean)
                if rows[s] == init:
                    level[s] = excesses[s, top - 1]
                    smallest = _smallest_excess(mean + level[s])
                    while peaks[s] < top and excesses[s, peaks[s]] - level[s] > smallest:
                        excesses[s, peaks[s]] -= level[s]
                        peaks[s] += 1
                    rate[s] = peaks[s] / init
            else:
                excess = x - mean - level[s]
                peak = excess > _smallest_excess(mean + level[s])
                rate[s] += ((1.0 if peak else 0.0) - rate[s]) / min(rows[s], horizon)
                if peak:
                    excesses[s, peaks[s] % size] = -excess if over[s] else excess
                    peaks[s] += 1
            held = min(peaks[s], size)
            if held >= FEW and peaks[s] - fitted[s] >= max(1, held // 2):
                fitted[s] = peaks[s]
                tail[s] = _line(excesses[s, :held], level[s], risk / rate[s], mean, tail[s])
        if depth > 0:
            recent[s, pushed[s] % depth] = x
            pushed[s] += 1


@kernel
def pareto_fit(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto distribution of most likely excesses.

    Parameters
    ----------
    excesses : float64 (m,)
        Finite, not 0. A negative one is censored: at least its absolute value. One at least is
        positive.

    Returns
    -------
    shape, scale : float
        The shape lies between ``LOWEST_SHAPE`` and ``LARGEST_SHAPE``.

    Notes
    -----
    As Grimshaw (1993), for given theta = shape / scale the best shape is the sum of
    log(1 + theta y) over all excesses divided by the number of known ones, or the nearest bound,
    which leaves a search in one dimension. It runs over u = log(1 + theta max(y)), on a grid and
    then by golden section: 60 passes over the excesses.
    """
    return _pareto_fit(excesses)


@kernel
def _pareto_fit(excesses: Floats) -> tuple[float, float]:
    """See :func:`pareto_fit`."""
    largest = 0.0
    for j in range(excesses.shape[0]):
        largest = max(largest, abs(excesses[j]))
    best, best_value = 0, -np.inf
    for k in range(_GRID_SIZE):
        value = _profile(_GRID_LOW + k * _GRID_STEP, excesses, largest)[0]
        if value > best_value:
            best, best_value = k, value
    low = _GRID_LOW + (best - 1) * _GRID_STEP
    high = _GRID_LOW + (best + 1) * _GRID_STEP
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left = _profile(left, excesses, largest)[0]
    at_right = _profile(right, excesses, largest)[0]
    while high - low > _TOLERANCE:
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = _profile(right, excesses, largest)[0]
        else:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = _profile(left, excesses, largest)[0]
    _, shape, scale = _profile(left if at_left > at_right else right, excesses, largest)
    return shape, scale


@kernel
def _profile(u: float, excesses: Floats, largest: float) -> tuple[float, float, float]:
    """Mean log-likelihood but for a constant, shape and scale at ``u``."""
    x = math.expm1(u)
    known = 0
    total, logs, known_logs = 0.0, 0.0, 0.0
    product, known_product = 1.0, 1.0
    for j in range(excesses.shape[0]):
        y = abs(excesses[j]) / largest
        term = 1.0 + x * y
        total += y
        product *= term
        if excesses[j] > 0.0:
            known += 1
            known_product *= term
        if j % 8 == 7:
            logs += math.log(product)
            known_logs += math.log(known_product)
            product = known_product = 1.0
    free = (logs + math.log(product)) / known
    shape = min(max(free, LOWEST_SHAPE), LARGEST_SHAPE)
    near_exponential = abs(u) < 1e-5
    scale = total / known if near_exponential else shape / x
    survival = 1.0 if near_exponential else free / shape
    value = -math.log(scale) - survival - (known_logs + math.log(known_product)) / known
    return value, shape, scale * largest


@kernel
def _line(excesses: Floats, level: float, share: float, mean: float, before: float) -> float:
    """Line that a share of the excesses passes (eq. 1 of Siffer et al.), relative to the mean."""
    known, largest = 0, 0.0
    for j in range(excesses.shape[0]):
        known += excesses[j] > 0.0
        largest = max(largest, abs(excesses[j]))
    if known < FEW:
        return before
    shape, scale = _pareto_fit(excesses)
    steps = -math.log(share)
    quantile = scale * steps
    if abs(shape) > 1e-9:
        quantile = scale * (math.expm1(shape * steps) / shape)
    floor = level + largest if share * excesses.shape[0] < 1.0 else level
    return max(level + quantile, floor + _smallest_excess(mean + floor))


@kernel
def _smallest_excess(line: float) -> float:
    """What a score must exceed a line by to be more than a tie."""
    return max(_MARGIN * abs(line), 1e-300)


@kernel
def _keep_largest(kept: Floats, count: int, size: int, y: float) -> None:
    """Put ``y`` into the ``size`` largest numbers so far, which are in falling order."""
    if count == size and y <= kept[size - 1]:
        return
    place = min(count, size - 1)
    while place > 0 and kept[place - 1] < y:
        kept[place] = kept[place - 1]
        place -= 1
    kept[place] = y
