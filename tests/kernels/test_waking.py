"""Novelty of waking channels against its definition in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.members import cuts, feed, prepared, waves
from reference.waking import waking

from streamad.detectors.recipe.waking import Waking


@pytest.mark.parametrize(
    ("n", "split", "n_channels", "quiet"), [(4000, 400, 4, 3), (1500, 44, 2, 2), (900, 40, 1, 1)]
)
def test_scores_and_shares_are_those_of_the_definition(n, split, n_channels, quiet):
    """Long and short windows; more windows than are remembered."""
    prefix, z = prepared(waves(n, n_channels, quiet=quiet), split)
    got = feed(Waking(), [(prefix, z)], [cuts(np.random.default_rng(1), n - split)])[0]
    novelty = waking(z, prefix.constant, split)
    assert novelty.max() > 1
    np.testing.assert_allclose(got.scores[0], novelty.max(0), rtol=1e-4, atol=1e-5)
    if n_channels > 1:
        np.testing.assert_allclose(got.shares, novelty[:, split:].T ** 2, rtol=1e-3, atol=1e-5)
