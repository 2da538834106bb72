"""Channels that wake up as a member."""

from __future__ import annotations

import numpy as np

from streamad.detectors.recipe.component import Call, Component, Fitted, Prefix

LONGEST, SHORTEST = 64, 8
"""Bounds of its window, in rows; between them it is a quarter of the prefix."""


class Waking(Component):
    """Novelty of channels that were constant in the warm-up, once they move.

    Notes
    -----
    Level and logarithmic spread of the latest window, eight times a window, against those of eight
    windows of the prefix and of the 256 latest: mean distance to the two nearest that do not
    overlap it, largest of the channels. Repeats become cheap. State: 2 kB for each channel that was
    constant, none for others. Cost: about 20 ns a row for each channel that moved.
    """

    outputs = ("waking",)

    def fit(self, prefix: Prefix) -> Fitted:
        """Memory of channels that stand still; the score of the prefix is 0."""
        from streamad.kernels import waking as kernels

        watched = np.flatnonzero(prefix.constant)
        length = min(LONGEST, max(SHORTEST, prefix.split // 4))
        head = np.zeros(kernels.HEAD)
        head[kernels.SPLIT], head[kernels.LENGTH] = prefix.split, length
        head[kernels.WATCHED] = len(watched)
        parts = np.zeros((len(watched), kernels.PER_CHANNEL))
        parts[:, kernels.CHANNEL] = watched
        rings = parts[:, kernels.PER_CHANNEL - kernels.MEMORY :].view(np.float32)
        rings[:, kernels.MEMORY :] = head[kernels.STILL] = 0.5 * np.log(kernels.LEAST_SPREAD)
        block = np.concatenate((head, parts.ravel()))
        return Fitted(block, np.zeros((1, prefix.split)), np.array([length]))

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the windows that end among the new rows of these series, and remember them."""
        from streamad.kernels import waking as kernels

        distance = np.empty(kernels.MEMORY + kernels.EARLY, np.float32)
        kernels.waking_pass(
            call.pool,
            call.pool.view(np.float32),
            *call.groups,
            lo,
            hi,
            distance,
            distance.view(np.int32),
            call.scores,
            call.shares,
        )
