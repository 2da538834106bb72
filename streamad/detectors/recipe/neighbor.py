"""Left nearest neighbour in one channel as a member."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Floats
from streamad.detectors.recipe.component import Call, Component, Fitted, Prefix, Reals

SAMPLES_PER_WINDOW = 48
"""Longer windows are searched in means of several rows."""

LONGEST = 256


class Neighbor(Component):
    """Distance of a window to the most similar one among the latest ``memory`` samples.

    Parameters
    ----------
    outputs : sequence of str
        Two names: softly normalised distance, then centred distance; one name: centred only.
    span : float
        Window in units of the series' window; above 1 it is also at most a third of the prefix.
    memory : int
        Samples that are searched.
    spread : bool
        True: the final score of the centred distance is its attribution to the rows of the window.
    channel : int
        The channel that is watched.

    Notes
    -----
    ``reach``: a distance to a window that was itself odd is at least .95 of that window's own.
    State: 24 bytes a sample with both distances, 16 with one. Cost: about 0.7 us per
    1 000 samples of memory, per sample.

    References
    ----------
    Left matrix profile: Yeh et al. (2016), "Matrix profile I"; Lu et al. (2022), "Matrix profile
    XXIV" (left neighbours, streaming). The soft normalisation, the reach and the attribution are
    our own.
    """

    def __init__(
        self,
        outputs: tuple[str, ...],
        span: float,
        memory: int,
        *,
        spread: bool = False,
        channel: int = 0,
    ) -> None:
        self.outputs = outputs
        self.span = span
        self.memory = memory
        self.spread = spread
        self.channel = channel
        self.own_finals = outputs[-1:] if spread else ()

    @property
    def shape(self) -> bool:
        """True if the normalised distance is wanted, too."""
        return len(self.outputs) == 2

    def length(self, prefix: Prefix) -> int:
        """Rows of its window."""
        if self.span > 1:
            longest = min(LONGEST, max(8, prefix.split // 3))
            return int(min(self.span * prefix.window, longest))
        return max(8, round(self.span * prefix.window))

    def fit(self, prefix: Prefix) -> Fitted:
        """Memory of the latest samples of the prefix, then the whole prefix scored against it."""
        from streamad.kernels import left_neighbor as kernels

        length, split = self.length(prefix), prefix.split
        z = prefix.z[self.channel]
        deviation = float(z.std())
        per = max(1, length // SAMPLES_PER_WINDOW)
        width = max(8, round(length / per))
        n_samples = split // per
        scaled = z.astype(np.float64) / (deviation if deviation > 1e-6 else 1.0)
        samples = scaled[: n_samples * per].reshape(n_samples, per).mean(1)
        known = samples[max(0, n_samples - self.memory) :].astype(np.float32)
        block = np.zeros(kernels.block_size(width, self.memory, self.shape, self.spread))
        block[kernels.SCALE] = block[kernels.PER] = 1.0
        block[kernels.WIDTH], block[kernels.MEMORY] = width, self.memory
        block[kernels.KNOWN] = len(known)
        scores = np.zeros((len(self.outputs), split))
        finals = np.zeros((len(self.outputs), split) if self.spread else (0, 0))
        unused = np.empty((len(self.outputs), len(known)))
        self._feed(block, known, unused, unused if self.spread else finals)
        block[kernels.SCALE] = deviation if deviation > 1e-6 else 1.0
        block[kernels.PER] = per
        self._feed(block, z, scores, finals)
        scores[:, : per - 1] = scores[:, per - 1 : per]
        lag = width * per - 1
        lengths = np.full(len(self.outputs), length, np.int64)
        if self.spread:
            lengths[-1] = lag + 1
            finals[:, : split - lag] = finals[:, lag:]
        return Fitted(block, scores, lengths, finals)

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the new rows of these series in order, and remember them."""
        from streamad.kernels.left_neighbor import neighbor_pass

        pool32 = call.pool.view(np.float32)
        neighbor_pass(
            call.pool,
            pool32,
            pool32,
            call.counts,
            call.first,
            call.own,
            call.past + self.channel * call.capacity + call.filled - call.counts,
            lo,
            hi,
            self.shape,
            self.spread,
            call.scores,
            call.finals if self.spread else np.empty((0, 0)),
        )
        if len(call.shares):
            call.shares[:, self.channel] = 1.0

    def _feed(self, block: Floats, rows: Reals, scores: Floats, finals: Floats) -> None:
        """The rows of one series, which is not in the arena yet."""
        from streamad.kernels.left_neighbor import neighbor_pass

        count, start = np.array([len(rows)]), np.zeros(1, np.int64)
        where = (count, start, start, start, 0, 1)
        real = block.view(np.float32)
        neighbor_pass(block, real, rows, *where, self.shape, self.spread, scores, finals)

    def tail(self, block: Floats, rows: int, out: Floats) -> None:
        """Attribution of the last rows from the windows that there are."""
        from streamad.kernels import left_neighbor as kernels

        per, known = int(block[kernels.PER]), int(block[kernels.KNOWN])
        last = rows // per - 1
        n = out.shape[1]
        sample = known + np.minimum(np.arange(rows - n, rows) // per, last)
        given = block[kernels.HEAD :][: 2 * int(block[kernels.WIDTH])].reshape(-1, 2)
        total, covered = given[sample % len(given)].T
        out[-1] = np.sqrt(total / np.maximum(covered, 1.0))
