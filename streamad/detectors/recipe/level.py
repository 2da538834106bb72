"""Distance from the running level as a member."""

from __future__ import annotations

import numpy as np

from streamad.detectors.recipe.component import Call, Component, Fitted, Prefix

LEAST_DEVIATION = 0.05
"""Of scaled values, and of their deviations."""


class Level(Component):
    """Distance of the most unusual channel from its running mean, in running deviations.

    Notes
    -----
    v = distance from the mean in standard deviations of all rows before, at most 50; u = (v - usual
    v) / spread of v, both from the prefix; the score is the largest u of the channels, logarithmic
    above 30. The prefix itself is measured by its own mean and deviation. State: 40 bytes a
    channel. Cost: 15 ns a row and 5 more a channel.
    """

    outputs = ("level",)

    def fit(self, prefix: Prefix) -> Fitted:
        """Moments of the prefix, and of the deviations in it."""
        from streamad.kernels import level as kernels

        z = prefix.z.astype(np.float64)
        mean = z.mean(1)
        deviation = np.maximum(z.std(1), LEAST_DEVIATION)
        v = np.abs(z - mean[:, None]) / deviation[:, None]
        usual = v.mean(1)
        unit = np.maximum(v.std(1), LEAST_DEVIATION)
        u = np.maximum((v - usual[:, None]) / unit[:, None], 0.0).max(0)
        knee = kernels.KNEE
        scores = np.where(u > knee, knee * (1.0 + np.log(np.maximum(u, knee) / knee)), u)
        block = np.empty((kernels.PARTS, len(z)))
        block[kernels.MEAN] = mean
        block[kernels.SQUARES] = deviation**2 * prefix.split
        block[kernels.FLOOR] = 1e-3 * deviation
        block[kernels.USUAL], block[kernels.UNIT] = usual, unit
        return Fitted(block.ravel(), scores[None], np.ones(1, np.int64))

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the new rows of these series in order, and learn each after it was scored."""
        from streamad.kernels.level import level_pass

        level_pass(
            call.pool,
            call.pool.view(np.float32),
            *call.groups,
            lo,
            hi,
            call.n_channels,
            call.scores,
            call.shares,
        )
