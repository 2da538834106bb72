"""Window PCA against its definition in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.members import cuts, feed, prepared, waves
from reference.subspace import subspace

from streamad.detectors.recipe.subspace import Subspace
from streamad.kernels.subspace import keep_largest


def compare(values, split, dims):
    """Score a series by the member and by the definition; the rank that both found."""
    prefix, z = prepared(values, split)
    pieces = cuts(np.random.default_rng(1), len(values) - split)
    got = feed(Subspace(dims), [(prefix, z)], [pieces])[0]
    score, squares, rank = subspace(z, split, prefix.window, dims)
    assert got.fitted.rank == rank
    assert got.fitted.lengths == prefix.window
    np.testing.assert_allclose(got.scores[0], score, rtol=1e-4, atol=1e-5)
    if values.shape[1] > 1:
        np.testing.assert_allclose(got.shares, squares[split:], rtol=1e-3, atol=1e-4)
    return rank


@pytest.mark.parametrize(("n_channels", "dims"), [(1, 512), (3, 512), (3, 64), (17, 128)])
def test_scores_and_shares_are_those_of_the_definition(n_channels, dims):
    compare(waves(4000, n_channels), 600, dims)


def test_a_subspace_of_most_directions_is_kept_as_its_complement():
    noise = np.random.default_rng(0).normal(size=(4000, 2))
    assert compare(noise, 1500, 32) > 16


def test_a_window_just_outside_a_narrow_subspace_is_measured_exactly():
    values = np.sin(np.arange(3000) / 8)[:, None]
    values += 1e-4 * np.random.default_rng(0).normal(size=(3000, 1))
    assert compare(values, 800, 512) == 2


def test_blocks_beyond_the_memory_are_forgotten():
    values = np.sin(np.arange(16_000) / 2)[:, None]
    values += (
        np.random.default_rng(0).normal(size=(16_000, 1)) * np.linspace(0.5, 0.1, 16_000)[:, None]
    )
    compare(values, 1000, 512)


@pytest.mark.parametrize("n", [1, 5, 40, 100])
def test_the_largest_scores_are_kept(n):
    values = np.random.default_rng(n).exponential(size=100).astype(np.float32)
    values[50:] = values[:50]
    out = np.empty(n, np.float32)
    keep_largest(values.view(np.int32), out.view(np.int32))
    np.testing.assert_array_equal(np.sort(out), np.sort(values)[-n:])
