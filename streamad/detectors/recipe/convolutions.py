"""Random convolutions as a member."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streamad.core.data import Codes, Floats, Ints
from streamad.detectors.recipe.component import (
    BLOCK,
    Call,
    Component,
    Fitted,
    Prefix,
    Reals,
    hop_of,
)

LENGTHS = (3, 5, 9)
"""Taps of the convolutions, in turn."""

MOST_CHANNELS = 8
"""A convolution sees fewer channels than that."""

BIAS_ROWS = 8192
"""Latest rows of the prefix that give the biases."""

SHORTEST = 8
SMALLEST_DEVIATION = 0.05
NO_SCORES = np.empty((1, 0))

UNIT = 1024.0
"""Features are divided by it while their own scale is sought, so that none is clipped."""


class Convolutions(Component):
    """How unlike the ordinary the answers of random convolutions to the last window are.

    Each convolution sees a random mix of few channels, the lively ones rather than others, and
    gives two features of a window: the mean of what exceeds a bias, and the logarithm of the root
    mean square. The score is the root of the Mahalanobis distance of all of them from their running
    mean, squared and divided by their number; the covariance is shrunk a little to its diagonal.

    Parameters
    ----------
    output : str
        Name of the score.
    kernels : int
        Convolutions.
    seed : int
    short : bool
        True takes a quarter of the window of the series.
    least_hop : int
        Rows between two windows, at least.

    Notes
    -----
    A window ends every sixteenth of its length, and the score is held between. Blocks of 512 rows
    are learned once they are scored, but for rows above the .98 quantile of the latest 20 blocks.
    State: one triangle of the ``2 kernels`` features in float32, and the largest scores of the
    blocks (105 kB at 96 kernels, one channel and a window below 32 rows). Cost: one pass over the
    triangle a window, two where shares are wanted, and a Cholesky factorisation a block.

    References
    ----------
    Dempster, Petitjean & Webb (2020), "ROCKET" (random dilated convolutions of these lengths; its
    features are maxima and shares of positive values, for a classifier with labels). Mixes of
    channels, features and the running distance are our own.
    """

    def __init__(
        self,
        output: str,
        kernels: int = 96,
        seed: int = 6,
        *,
        short: bool = False,
        least_hop: int = 1,
    ) -> None:
        self.output = output
        self.kernels = kernels
        self.seed = seed
        self.short = short
        self.least_hop = least_hop

    @property
    def outputs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of its score."""
        return (self.output,)

    def fit(self, prefix: Prefix) -> Fitted:
        """Convolutions, scale and distribution of the prefix, and the scores of its rows."""
        from streamad.kernels import convolutions as kernels

        n_channels, split = prefix.z.shape
        window = max(SHORTEST, prefix.window // 4) if self.short else prefix.window
        hop = hop_of(window, self.least_hop)
        if n_channels == 1:
            bank = _one_channel(self.kernels, self.seed, window)
        else:
            bank = _draw(prefix.liveliness, self.kernels, self.seed, window)
        head = np.zeros(kernels.HEAD)
        head[: kernels.COUNT] = (
            window,
            hop,
            self.kernels,
            len(bank.levels),
            len(bank.weights),
            len(bank.split),
            n_channels,
            split // hop * hop,
            1 / window,
            1 / (2 * self.kernels),
        )
        parts, size = kernels.layout(head)
        capacity = 2 * window + split
        pool = np.zeros(size + (n_channels * capacity + 1) // 2)
        rows = pool[size:].view(np.float32)[: n_channels * capacity].reshape(n_channels, -1)
        rows[:, -split:] = prefix.z
        warm = _Warm(pool, parts, size, rows, 2 * window)
        warm.block[: len(head)] = head
        warm.part(kernels.WEIGHT)[:] = bank.weights
        warm.part(kernels.PLACE).view(np.int32)[:] = bank.places
        warm.part(kernels.LEVEL).view(np.int32)[:] = bank.levels
        warm.part(kernels.SPLIT)[:] = bank.split
        warm.part(kernels.BIAS)[:] = _biases(bank, prefix.z[:, -BIAS_ROWS:])
        warm.part(kernels.SHARE)[:1] = -1.0
        self._learn_prefix(warm)
        scores = np.empty((1, split))
        self.step(warm.call(0, split, scores), 0, 1)
        scores[:, : hop - 1] = scores[:, hop - 1]
        return Fitted(warm.block.copy(), scores, np.array([window]))

    def _learn_prefix(self, warm: _Warm) -> None:
        """Find the scale of the features, then mean, variance and factor at that scale."""
        from streamad.kernels import convolutions as kernels

        hop, end = int(warm.block[kernels.HOP]), int(warm.block[kernels.FITTED])
        d, n, span = 2 * self.kernels, end // hop, BLOCK // hop * hop
        starts = range(0, end, span)
        center, rate = warm.part(kernels.CENTER), warm.part(kernels.RATE)
        rate[:] = 1 / UNIT
        work, sums, squares = self._scratch(), np.zeros(d), np.zeros(d)
        for start in starts:
            stop = min(end, start + span)
            self._pass(warm.call(start, stop), 0, 1, kernels.EXTRACT, work)
            features = work[: d * ((stop - start) // hop)].reshape(d, -1)
            sums += features.sum(1, dtype=np.float64)
            squares += np.square(features, dtype=np.float64).sum(1)
        mean = sums / n
        deviation = np.sqrt(np.maximum(squares / n - mean**2, 0)) * UNIT
        center[:] = mean * UNIT
        rate[:] = 1 / np.maximum(deviation, SMALLEST_DEVIATION)
        warm.part(kernels.FACTOR)[:] = 1.0
        for start in starts:
            self._pass(warm.call(start, min(end, start + span)), 0, 1, kernels.FIT, work)

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the new rows of these series in order; learn where blocks end."""
        from streamad.kernels.convolutions import SCORE

        self._pass(call, lo, hi, SCORE, self._scratch())

    def _scratch(self) -> Reals:
        d = 2 * self.kernels
        return np.empty(d * max(d, BLOCK), np.float32)

    def _pass(self, call: Call, lo: int, hi: int, task: int, work: Reals) -> None:
        from streamad.kernels.convolutions import convolution_pass

        convolution_pass(
            call.pool,
            call.pool.view(np.float32),
            call.pool.view(np.int32),
            *call.groups,
            call.n_channels,
            lo,
            hi,
            task,
            work,
            work.view(np.int32),
            call.scores[0],
            call.shares.reshape(-1),
        )


@dataclass(frozen=True, slots=True)
class _Warm:
    """An arena of one series: its block, and its prefix as row buffer after ``before`` zeros."""

    pool: Floats
    parts: tuple[int, ...]
    size: int
    rows: Reals
    before: int

    @property
    def block(self) -> Floats:
        return self.pool[: self.size]

    def part(self, which: int) -> Reals:
        """One of the float32 parts of the block."""
        stop = (*self.parts, 2 * self.size)[which + 1]
        return self.block.view(np.float32)[self.parts[which] : stop]

    def call(self, start: int, stop: int, scores: Floats = NO_SCORES) -> Call:
        """Rows of the prefix as if they were new."""
        n_channels, capacity = self.rows.shape
        no_shares = np.empty((0, n_channels), np.float32)
        return Call(
            pool=self.pool,
            counts=np.array([stop - start]),
            first=np.array([0]),
            seen=np.array([start]),
            own=np.array([0]),
            past=np.array([2 * self.size]),
            capacity=np.array([capacity]),
            filled=np.array([self.before + stop]),
            n_channels=n_channels,
            scores=scores,
            finals=scores,
            shares=no_shares,
            expected=no_shares,
        )


@dataclass(frozen=True, slots=True)
class _Bank:
    """Convolutions as sums of terms: weight times the value of a channel so many rows before.

    Terms stand by level: first the first ones of all convolutions, then the second ones; those
    with more terms come before those with fewer.

    Attributes
    ----------
    weights : float32 (terms,)
    places : int32 (terms,)
        Channel and lag.
    levels : int32 (levels,)
        Terms of each level.
    split : float32
        Beside the terms of the first levels: share of the channel in the convolution, once for
        each of its channels, else 0; nothing for one channel.
    quantiles : float64 (K,)
        Of the convolution in the prefix that become biases.
    """

    weights: Reals
    places: Codes
    levels: Codes
    split: Reals
    quantiles: Floats


@lru_cache(maxsize=256)
def _one_channel(kernels: int, seed: int, window: int) -> _Bank:
    """The same for every series with one channel."""
    return _draw(np.ones(1), kernels, seed, window)


def _draw(liveliness: Floats, kernels: int, seed: int, window: int) -> _Bank:
    """Random convolutions over lively channels; what is drawn first does not hang on the window."""
    from streamad.kernels.convolutions import LAG_BITS

    rng = np.random.default_rng(seed)
    channels = np.flatnonzero(liveliness > 0)
    weights = liveliness[channels] + 0.02
    if len(channels) == 0:
        channels, weights = np.arange(len(liveliness)), np.ones(len(liveliness))
    weights = weights / weights.sum()
    effective = np.exp(-(weights * np.log(weights)).sum())
    most = np.log2(min(effective, MOST_CHANNELS) + 1e-9)
    terms, places, split = [], [], []
    quantiles = np.empty(kernels)
    for j in range(kernels):
        length = LENGTHS[j % len(LENGTHS)]
        n = max(1, min(int(2 ** rng.uniform(0, most)), len(channels)))
        seen = channels[_choose(rng, weights, n)]
        mix = rng.standard_normal(n) / np.sqrt(n)
        taps = rng.standard_normal(length)
        if rng.random() < 0.7:
            taps -= taps.mean()
        longest = max((window - 1) / (length - 1), 1.01)
        lags = np.arange(length) * int(2 ** rng.uniform(0, np.log2(longest)))
        quantiles[j] = rng.uniform(0.2, 0.8)
        terms.append(np.outer(taps, mix).ravel())
        places.append(((seen << LAG_BITS) + lags[:, None]).ravel())
        split.append(np.append(mix**2 / (mix**2).sum(), np.zeros(len(terms[-1]) - n)))
    sizes = np.array([len(own) for own in terms])
    order = np.argsort(-sizes, kind="stable")
    level = np.concatenate([np.arange(size) for size in sizes])
    by_level = np.lexsort((np.repeat(np.argsort(order), sizes), level))
    levels = np.bincount(level).astype(np.int32)
    shares = np.concatenate(split)[by_level]
    n_mixed = int(level[by_level][np.flatnonzero(shares)[-1]]) + 1 if len(liveliness) > 1 else 0
    return _Bank(
        np.concatenate(terms)[by_level].astype(np.float32),
        np.concatenate(places)[by_level].astype(np.int32),
        levels,
        shares[: levels[:n_mixed].sum()].astype(np.float32),
        quantiles[order],
    )


def _choose(rng: np.random.Generator, weights: Floats, n: int) -> Ints:
    """``rng.choice(len(weights), n, replace=False, p=weights)``, four times as fast."""
    weights, chosen = weights.copy(), list[int]()
    while len(chosen) < n:
        draws = rng.random(n - len(chosen))
        weights[chosen] = 0
        bounds = weights.cumsum()
        found = (bounds / bounds[-1]).searchsorted(draws, side="right")
        chosen += dict.fromkeys(found.tolist())
    return np.array(chosen)


def _biases(bank: _Bank, z: Reals) -> Reals:
    """Quantiles of the convolutions of rows (C, n), with zeros before them."""
    from streamad.kernels.convolutions import LAGS, convolve

    n_channels, n = z.shape
    before = int((bank.places & LAGS).max())
    rows = np.zeros((n_channels, before + n), np.float32)
    rows[:, before:] = z
    y = np.empty((len(bank.quantiles), n), np.float32)
    for j, own in enumerate(y):
        convolve(
            bank.weights, bank.places, bank.levels, j, rows.ravel(), rows.shape[1], before, own
        )
    y.sort(axis=1)
    place = bank.quantiles * (n - 1)
    below, each = place.astype(np.int64), np.arange(len(y))
    low, high = y[each, below], y[each, np.minimum(below + 1, n - 1)]
    biases: Reals = (low + (place - below) * (high - low)).astype(np.float32)
    return biases
