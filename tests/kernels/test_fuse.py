"""Normalising and fusing row by row gives what whole arrays give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference import fuse as reference

from streamad.detectors.recipe.series import Use, _normalisers
from streamad.kernels import fuse

USES = (Use(), Use(final=False), Use(weight=1.5), Use(plain=True), Use())
OWN = (False, False, False, False, True)
LENGTHS = np.array([8, 5, 1, 6, 11])


def member_scores(n, seed):
    rng = np.random.default_rng(seed)
    scores = np.abs(rng.normal(size=(len(USES), n))) ** np.array([[1], [2], [1], [3], [2]])
    scores[:, rng.integers(0, n, 5)] *= 20
    return scores


def run(scores, own_finals, split, cuts):
    """Causal, final and parts of rows from ``split`` on, fed in pieces."""
    m, n = scores.shape
    lag = int(max(LENGTHS[j] - 1 for j, use in enumerate(USES) if use.final))
    finals = np.full((m, split), np.nan)
    for j in range(m):
        known = split - LENGTHS[j] + 1
        ahead = own_finals[j] if OWN[j] else reference.means_ahead(scores[j], LENGTHS[j])
        finals[j, :known] = ahead[:known]
    block = _normalisers(USES, OWN, LENGTHS, scores[:, :split], finals, lag)
    uses = np.array(
        [(u.weight, u.causal, u.final, o) for u, o in zip(USES, OWN, strict=True)], float
    )
    causal, final = np.full((2, n), np.nan)
    parts = np.full((n, sum(use.causal for use in USES)), np.nan, np.float32)
    for a, b in itertools.pairwise(cuts):
        k = b - a
        late = np.zeros((m, k))
        for j in range(m):
            if OWN[j]:
                late[j] = own_finals[j, np.arange(a, b) - LENGTHS[j] + 1]
        one = [np.array([value]) for value in (0, k, 0, a, split, lag)]
        got = [np.empty(k), np.empty(k), np.empty(k, np.int32)]
        part = np.empty((k, parts.shape[1]), np.float32)
        fuse.fuse_pass(
            block,
            *one,
            np.arange(k),
            np.zeros(k, bool),
            uses,
            np.ascontiguousarray(scores[:, a:b]),
            late,
            np.empty((0, 0, 1), np.float32),
            0,
            1,
            *got,
            part,
            np.empty((0, 1), np.float32),
        )
        causal[a:b], parts[a:b] = got[0], part
        known = np.flatnonzero(got[2] >= 0)
        final[a + known - got[2][known]] = got[1][known]
    owed = np.empty(min(lag, n - split))
    tail = np.zeros((m, lag))
    for j in range(m):
        tail[j] = own_finals[j, n - lag :] if OWN[j] else 0
    fuse.fuse_tail(block, tail, n, split, lag + 1, uses, owed)
    final[n - len(owed) :] = owed
    return causal[split:], final[split:], parts[split:]


def expected(scores, own_finals, split):
    m = len(USES)
    z = np.array([reference.standardised(scores[j], split, plain=USES[j].plain) for j in range(m)])
    ahead = [
        own_finals[j] if OWN[j] else reference.means_ahead(scores[j], LENGTHS[j]) for j in range(m)
    ]
    late = np.array(
        [reference.standardised(ahead[j], split, plain=USES[j].plain) for j in range(m)]
    )
    weights = np.array([use.weight for use in USES])
    causal = np.array([use.causal for use in USES])
    final = np.array([use.final for use in USES])
    return (
        reference.fused(z[causal], weights[causal], 1.5)[split:],
        reference.fused(late[final], weights[final], 2.0)[split:],
        z[causal].T[split:],
    )


@given(st.integers(0, 99), st.integers(32, 150), st.integers(1, 120))
@example(0, 32, 1)
@example(1, 101, 60)
def test_rows_one_by_one_give_what_whole_arrays_give(seed, split, more):
    n = split + more
    scores = member_scores(n, seed)
    own = np.abs(np.random.default_rng(seed + 1).normal(size=scores.shape))
    cuts = sorted({split, n, *np.random.default_rng(seed).integers(split, n, 3).tolist()})
    got = run(scores, own, split, cuts)
    for ours, theirs in zip(got, expected(scores, own, split), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-9)


@given(st.integers(0, 999), st.integers(32, 400))
def test_the_normaliser_of_finals_knows_the_exact_quantile(seed, split):
    scores = np.random.default_rng(seed).standard_t(2, split)
    about = np.zeros(fuse.N_NORMALISER)
    top = np.full(int(np.ceil(0.01 * (split - 1))) + 2, -np.inf)
    fuse.collect_finals(scores[:20], split, about, top)
    fuse.collect_finals(scores[20:], split, about, top)
    reach = (np.quantile(scores, 0.99) - scores.mean()) / (3 * scores.std() + 1e-12)
    assert about[fuse.MEAN] == pytest.approx(scores.mean())
    assert about[fuse.VARIANCE] == pytest.approx(scores.var())
    assert about[fuse.TAIL] == pytest.approx(max(1.0, reach))


def shares_of(scores, shares):
    """Channel shares of one row whose members all have mean 0, deviation 1 and weight 1, 1, 1.5."""
    m, c = shares.shape
    head = np.zeros((m, fuse.HEAD))
    head[:, [fuse.VARIANCE, fuse.COUNT, fuse.TAIL]] = 1.0, 800.0, 1.0
    head[:, [fuse.LENGTH, fuse.PLACE]] = 1.0, m * fuse.HEAD + 1
    uses = np.array([[weight, 1.0, 0.0, 0.0] for weight in (1.0, 1.0, 1.5)])[:m]
    one = [np.array([value]) for value in (0, 1, 0, 100, 100, 0)]
    out = np.empty((1, c), np.float32)
    fuse.fuse_pass(
        np.append(head.ravel(), 0.0), *one, np.arange(1), np.zeros(1, bool), uses,
        np.array(scores, float)[:, None], np.zeros((m, 1)), np.float32(shares)[:, None], 0, 1,
        np.empty(1), np.empty(1), np.empty(1, np.int32), np.empty((1, m), np.float32), out,
    )  # fmt: skip
    return out[0]


def test_shares_are_those_of_the_members_weighted_by_their_squares():
    shares = np.array([[3.0, 1.0], [9.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(
        shares_of([2.0, -1.0, 1.0], shares), [3.0 / 5.5, 2.5 / 5.5], rtol=1e-5
    )


def test_shares_are_even_where_nothing_is_unusual():
    np.testing.assert_array_equal(shares_of([-1.0], np.ones((1, 4))), np.full(4, 0.25, np.float32))
