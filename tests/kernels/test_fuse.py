"""Fused scores against the formula in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from reference.fuse import fused

from streamad.kernels.fuse import fuse_pass, fuse_tail

WARM_UP = 64


def member_scores(n, lags, seed):
    """Causal scores of three unlike members (n, 3), and finals as they arrive, late by the lags."""
    rng = np.random.default_rng(seed)
    causal = np.stack([rng.gamma(2.0, 1.0, n), 50 + rng.normal(size=n), rng.pareto(1.5, n)], axis=1)
    causal[150:160, 1] *= 3
    by_row = causal + rng.normal(scale=0.1, size=causal.shape)
    arriving = np.full((n, 3), np.nan)
    for j, lag in enumerate(lags):
        arriving[lag:, j] = by_row[: n - lag, j]
    return causal, by_row, arriving


def run(causal, arriving, by_row, lags, values):
    n, m = causal.shape
    depth = max(lags) + 1
    first, rows = np.full(1, -1), np.zeros(1, np.int64)
    stats, waiting = np.zeros((1, 2, m, 6)), np.full((1, m, depth), np.nan)
    standard, out, final = np.empty((n, m)), np.empty(n), np.empty(n)
    lags = np.array(lags)
    codes = np.zeros(n, np.int32)
    fuse_pass(
        codes, values, causal, arriving, lags, rows, first, stats, waiting, WARM_UP, 3,
        standard, out, final,
    )  # fmt: skip
    owed = np.full((m, depth - 1), np.nan)
    for j, lag in enumerate(lags):
        owed[j, depth - 1 - lag :] = by_row[n - lag :, j]
    tail = np.empty(depth - 1)
    fuse_tail(owed, lags, n, int(first[0]), stats[0], waiting[0], WARM_UP, tail)
    return out, np.concatenate((final, tail))[depth - 1 :], tail


@pytest.mark.parametrize("lags", [(0, 0, 0), (0, 7, 2), (5, 5, 5)])
@pytest.mark.parametrize("holes", [False, True])
def test_scores_are_those_of_the_formula(lags, holes):
    causal, by_row, arriving = member_scores(400, lags, 0)
    if holes:
        causal[::7, 0] = np.nan
        causal[250:280] = np.nan
    out, _, _ = run(causal, arriving, by_row, lags, np.ones((400, 1, 1)))
    np.testing.assert_allclose(out, fused(causal, WARM_UP), rtol=1e-9)


@pytest.mark.parametrize("lags", [(0, 0, 0), (0, 7, 2), (5, 5, 5)])
def test_finals_are_fused_row_by_row_whatever_the_lag_of_a_member(lags):
    causal, by_row, arriving = member_scores(400, lags, 1)
    _, final, tail = run(causal, arriving, by_row, lags, np.ones((400, 1, 1)))
    expected = fused(by_row, WARM_UP)
    settled = len(final) - len(tail)
    np.testing.assert_allclose(final[:settled], expected[:settled], rtol=1e-9)
    np.testing.assert_allclose(final[settled:], expected[settled:], rtol=0.05)


def test_the_warm_up_begins_with_the_first_value():
    lags = (0, 0, 0)
    causal, by_row, arriving = member_scores(300, lags, 2)
    values = np.ones((300, 2, 1))
    values[:40] = np.nan
    out, _, _ = run(causal, arriving, by_row, lags, values)
    np.testing.assert_allclose(out, fused(causal, WARM_UP, first=40), rtol=1e-9)


def test_an_infinite_member_score_counts_as_not_judged():
    lags = (0, 0, 0)
    causal, by_row, arriving = member_scores(400, lags, 3)
    causal[200, 0] = np.inf
    out, _, _ = run(causal, arriving, by_row, lags, np.ones((400, 1, 1)))
    assert np.all(np.isfinite(out[200:]))
