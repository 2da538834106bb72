"""Window PCA as a member."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Floats, Ints
from streamad.detectors.recipe.component import Call, Component, Fitted, Prefix, Reals, hop_of

EXPLAINED = 0.95
"""Share of the variance that the subspace holds."""

MOST_WINDOWS = 3000
"""Windows of the prefix that it is fitted to."""

RIDGE = 1e-6
CHUNK = 1024
"""Windows that are scored at once when it is fitted."""


class Subspace(Component):
    """What a window holds outside the directions in which windows of the prefix varied.

    Parameters
    ----------
    dims : int
        Numbers of a window, at most, about: longer ones are thinned to every n-th row.
    least_hop : int
        Rows between two windows, at least.

    Notes
    -----
    The score is the norm of the window less its mean, outside the smallest subspace with 95 % of
    the variance of the prefix windows; it is held until the next window, a sixteenth of a window
    later. The subspace stays; the mean learns blocks of 512 rows without the oddest windows. State:
    the subspace or what is outside of it, whichever is smaller, at most ``dims^2 / 2`` numbers of
    four bytes. Cost: one pass over these numbers a window, two where it lies close to the subspace
    or shares are wanted.

    References
    ----------
    Jackson & Mudholkar (1979), "Control procedures for residuals associated with principal
    component analysis" (its statistic Q; a frozen subspace with a moving mean is our own).
    """

    outputs = ("subspace",)

    def __init__(self, dims: int = 512, least_hop: int = 1) -> None:
        self.dims = dims
        self.least_hop = least_hop

    def fit(self, prefix: Prefix) -> Fitted:
        """Subspace and mean of the prefix windows, and how far each lies outside."""
        from streamad.kernels import subspace as kernels

        n_channels, split = prefix.z.shape
        window = prefix.window
        hop = hop_of(window, self.least_hop)
        step = max(1, -(-window * n_channels // self.dims))
        ends = np.arange(window - 1, split, hop)
        used = np.unique(np.linspace(0, len(ends) - 1, min(MOST_WINDOWS, len(ends))).astype(int))
        samples = _windows(prefix.z, ends[used], window, step)
        mean = samples.mean(0, dtype=np.float64)
        vectors, rank = _principal(samples - mean)
        n_dims = len(mean)
        outside = n_dims - rank < rank
        kept = (vectors[rank:] if outside else vectors[:rank]).astype(np.float32)

        norms = np.empty(len(ends), np.float32)
        for a in range(0, len(ends), CHUNK):
            x = _windows(prefix.z, ends[a : a + CHUNK], window, step) - mean.astype(np.float32)
            inner = x @ kept.T
            norms[a : a + CHUNK] = np.linalg.norm(inner if outside else x - inner @ kept, axis=1)

        head = np.zeros(kernels.HEAD)
        head[kernels.WINDOW], head[kernels.HOP], head[kernels.STEP] = window, hop, step
        head[kernels.KNOWN] = head[kernels.WEIGHT] = len(ends)
        head[kernels.VECTORS], head[kernels.OUTSIDE] = len(kept), outside
        head[kernels.HELD] = norms[-1]
        _, width, height, per_block, n_top = kernels.sizes(head, n_channels)
        basis = np.zeros((height, width), np.float32)
        basis[: len(kept), :n_dims] = kept
        top = np.full((kernels.MEMORY + 1, n_top), -1.0, np.float32)
        for back in range(min(kernels.MEMORY, -(-len(ends) // per_block))):
            scored = norms[: len(ends) - back * per_block][-per_block:]
            largest = np.sort(scored)[-n_top:]
            top[-1 - back, : len(largest)] = largest
        no_parts, no_recent = np.full(n_channels, -1.0), np.zeros(per_block)
        reals = np.concatenate((basis.ravel(), no_parts, no_recent, top.ravel()), dtype=np.float32)
        reals = np.pad(reals, (0, len(reals) % 2))
        block = np.concatenate((head, mean, reals.view(np.float64)))

        scores = norms[np.maximum((np.arange(split) - window + 1) // hop, 0)]
        return Fitted(block, scores[None].astype(np.float64), np.array([window]), rank=rank)

    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the windows that end among the new rows of these series; learn their mean."""
        from streamad.kernels.subspace import subspace_pass

        subspace_pass(
            call.pool,
            call.pool.view(np.float32),
            call.pool.view(np.int32),
            *call.groups,
            lo,
            hi,
            call.n_channels,
            call.scores,
            call.shares,
        )


def _windows(z: Reals, ends: Ints, window: int, step: int) -> Reals:
    """Every ``step``-th row of windows, the last one among them, channel by channel."""
    views = np.lib.stride_tricks.sliding_window_view(z, window, axis=1)
    thinned: Reals = views[:, ends - window + 1, (window - 1) % step :: step]
    return thinned.transpose(1, 0, 2).reshape(len(ends), -1)


def _principal(centred: Floats) -> tuple[Floats, int]:
    """Directions of variance, largest first, and how many hold most of it."""
    n_windows, n_dims = centred.shape
    covariance = centred.T @ centred / n_windows + RIDGE * np.eye(n_dims)
    variance, vectors = np.linalg.eigh(covariance)
    explained = np.cumsum(variance[::-1]) / variance.sum()
    rank = int(np.searchsorted(explained, EXPLAINED)) + 1
    return vectors.T[::-1], min(rank, n_windows // 4 + 1)
