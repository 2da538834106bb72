"""One-step forecast as a member."""

from __future__ import annotations

import numpy as np

from streamad.detectors.recipe.component import Call, Component, Fitted, Prefix

LEAST_POWER = 0.1
"""Mean square of a channel, for the least residual that counts."""

LEAST_SHARE = 1e-3
"""Of the mean square of a channel, that its residuals are at least taken to have."""


class Ridge(Component):
    """Residual of the forecast of all channels from their last four rows.

    Notes
    -----
    Ridge regression on the values of the last four rows and a constant, fitted to the prefix and
    again after every 512 rows, which displace 1/20 000 of what was learned each. Residuals count in
    units of their root mean square on the prefix, at most 10; the score is their root mean square
    over channels. State, D = 4 C + 1: D^2 / 2 + 3 D C / 2 numbers, about.
    """

    outputs = ("forecast",)

    def fit(self, prefix: Prefix) -> Fitted:
        """Regression on the prefix, and its residuals there."""
        from streamad.kernels import ridge as kernels

        z, split = prefix.z, prefix.split
        n_channels = len(z)
        size = kernels.block_size(n_channels)
        rows = np.concatenate((np.repeat(z[:, :1], kernels.LAGS, 1), z), 1)
        pool = np.zeros(size + (rows.size + 1) // 2)
        pool32 = pool.view(np.float32)
        pool32[2 * size : 2 * size + rows.size] = rows.ravel()
        expected = np.empty((split, n_channels), np.float32)
        scores = np.empty((1, split))
        zero, width = np.zeros(1, np.int64), np.array([rows.shape[1]])
        for work in (kernels.LEARN, kernels.SCORE):
            kernels.ridge_pass(
                pool,
                pool32,
                np.array([split]),
                zero,
                zero,
                zero,
                np.array([2 * size]),
                width,
                width,
                0,
                1,
                n_channels,
                work,
                scores,
                np.empty((0, n_channels), np.float32),
                expected,
            )
        block = pool[:size].copy()
        block[kernels.SPLIT] = split
        residual = (z.T - expected).astype(np.float64)
        power = np.maximum(np.square(z, dtype=np.float64).mean(1), LEAST_POWER)
        variance = np.maximum((residual**2).mean(0), LEAST_SHARE * power) + 1e-6
        unit = 1.0 / np.sqrt(variance)
        block[kernels.UNITS : kernels.UNITS + n_channels] = unit
        ratio = np.minimum(np.abs(residual) * unit, kernels.LARGEST)
        scores[0] = np.sqrt((ratio**2).mean(1))
        return Fitted(block, scores, np.ones(1, np.int64))

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Forecast and score the new rows of these series; learn after every 512 of a series."""
        from streamad.kernels import ridge as kernels

        kernels.ridge_pass(
            call.pool,
            call.pool.view(np.float32),
            *call.groups,
            lo,
            hi,
            call.n_channels,
            kernels.BOTH,
            call.scores,
            call.shares,
            call.expected,
        )
