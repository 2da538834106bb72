"""Left nearest neighbour against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference.left_neighbor import left_neighbor

from streamad.kernels import left_neighbor as kernels


def new_block(memory, width, lags, *, shape, spread):
    block = np.zeros(kernels.block_size(width, lags, shape, spread))
    block[kernels.SCALE] = block[kernels.PER] = 1.0
    block[kernels.WIDTH], block[kernels.MEMORY] = width, lags
    block[kernels.KNOWN] = len(memory)
    feed(block, memory, shape=shape, spread=spread)
    return block


def feed(block, samples, *, shape=True, spread=True):
    n = len(samples)
    scores, finals = np.zeros((1 + shape, n)), np.zeros((1 + shape, n) if spread else (0, 0))
    rows = np.asarray(samples, np.float32)
    count, start = np.array([n]), np.zeros(1, np.int64)
    where = (count, start, start, start, 0, 1)
    kernels.neighbor_pass(
        block, block.view(np.float32), rows, *where, shape, spread, scores, finals
    )
    return scores, finals


def signal(n, seed):
    rng = np.random.default_rng(seed)
    x = np.sin(np.arange(n) * rng.uniform(0.1, 1)) + 0.2 * rng.normal(size=n)
    x[rng.integers(0, n, 3)] += rng.normal(0, 5, 3)
    start = rng.integers(0, n)
    x[start : start + 15] = x[start]
    return x.astype(np.float32).astype(float)


@given(
    st.integers(0, 999),
    st.integers(8, 30),
    st.integers(40, 90),
    st.integers(0, 120),
    st.integers(1, 400),
)
@example(1, 8, 40, 0, 1)
@example(3, 30, 90, 120, 400)
def test_every_window_is_compared_with_all_within_reach(seed, width, lags, known, n):
    x = signal(max(n, known), seed)
    memory = x[max(0, known - lags) : known]
    block = new_block(memory, width, lags, shape=True, spread=True)
    scores, finals = feed(block, x)
    shape, level, spread = left_neighbor(memory, x, width, lags)
    np.testing.assert_allclose(scores, [shape, level], rtol=1e-3, atol=2e-3)
    late = finals[1, width - 1 :]
    off = ~np.isclose(late, spread[: len(late)], rtol=1e-2, atol=1e-2)
    assert np.count_nonzero(off) <= 2 * width, "more than what two ties of neighbours explain"


@pytest.mark.parametrize(("shape", "spread"), [(True, False), (False, True), (True, True)])
def test_cutting_does_not_change_a_bit(shape, spread):
    x = signal(1500, 5)
    how = {"shape": shape, "spread": spread}
    whole, pieces = (new_block(x[:100], 12, 300, **how) for _ in range(2))
    together = feed(whole, x, **how)
    one_by_one = [feed(pieces, part, **how) for part in np.split(x, [1, 2, 300, 812, 813])]
    for k in range(2):
        np.testing.assert_array_equal(
            together[k], np.concatenate([part[k] for part in one_by_one], axis=-1)
        )
    np.testing.assert_array_equal(whole, pieces)


def test_samples_of_several_rows_hold_their_score_until_the_next():
    x = signal(600, 7)
    slow, fast = (new_block(np.empty(0), 10, 100, shape=True, spread=False) for _ in range(2))
    slow[kernels.PER] = 3.0
    held, _ = feed(slow, x, spread=False)
    means = x.reshape(-1, 3).mean(1)
    each, _ = feed(fast, means, spread=False)
    np.testing.assert_allclose(
        held[:, 2:], np.repeat(each, 3, axis=1)[:, :-2], rtol=1e-5, atol=1e-5
    )


def test_sums_stay_exact_after_a_value_far_out():
    x = signal(2500, 9)
    x[1000] = 30.0
    block = new_block(np.empty(0), 16, 200, shape=True, spread=False)
    scores, _ = feed(block, x, spread=False)
    shape, level, _ = left_neighbor(np.empty(0), x, 16, 200)
    np.testing.assert_allclose(scores[:, 1300:], [shape[1300:], level[1300:]], rtol=2e-3)
