"""The member of random convolutions: what it promises beside its definition."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.members import cuts, feed, prepared, waves

from streamad.detectors.recipe.convolutions import Convolutions, _choose

SPLIT, N = 300, 1800
LARGE = Convolutions("large", 24)
SHORT = Convolutions("short", 9, 5, short=True)


def noise(n, n_channels, seed):
    return np.random.default_rng(seed).normal(size=(n, n_channels))


@cache
def row_by_row(member, kind):
    """Two series, each on its own, one row at a time."""
    series = [prepared(kind(N, 3, seed), SPLIT) for seed in (0, 1)]
    return series, [feed(member, [one], [[1] * (N - SPLIT)])[0] for one in series]


@pytest.mark.parametrize("member", [LARGE, SHORT], ids=lambda member: member.output)
@pytest.mark.parametrize("kind", [waves, noise])
@given(st.integers(0, 2**32 - 1))
def test_neither_cuts_nor_company_change_a_bit(member, kind, seed):
    series, alone = row_by_row(member, kind)
    rng = np.random.default_rng(seed)
    together = feed(member, series, [cuts(rng, N - SPLIT) for _ in series])
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(other.scores, one.scores)
        np.testing.assert_array_equal(other.shares, one.shares)


@pytest.mark.parametrize("length", [1, 8, 15, 16, 17, 63, 100, 512])
def test_rows_one_by_one_and_side_by_side_have_the_same_bits(length):
    series = prepared(waves(N, 3), SPLIT)
    member = Convolutions("convolutions")
    whole = feed(member, [series], [[512, 512, 476]])[0]
    pieces = [length] * (1500 // length) + [1500 % length]
    part = feed(member, [series], [pieces])[0]
    np.testing.assert_array_equal(part.scores, whole.scores)
    np.testing.assert_array_equal(part.shares, whole.shares)


def test_cuts_do_not_change_a_bit_where_running_sums_are_computed_afresh():
    series = prepared(noise(11_000, 1, 0), 9500)
    member = Convolutions("convolutions", 4)
    whole = feed(member, [series], [[512, 512, 476]])[0]
    alone = feed(member, [series], [[1] * 1500])[0]
    np.testing.assert_array_equal(alone.scores, whole.scores)


def test_scores_do_not_depend_on_whether_shares_are_wanted():
    series = prepared(waves(N, 2), SPLIT)
    without, with_shares = (
        feed(LARGE, [series], [[512, 512, 476]], explain)[0] for explain in (False, True)
    )
    np.testing.assert_array_equal(with_shares.scores, without.scores)


def test_shares_that_are_wanted_later_are_those_of_the_window_that_is_held():
    """The same rows, with shares from the start and from row ``late`` on."""
    series = prepared(waves(N, 2), SPLIT)
    late = 602
    whole = feed(LARGE, [series], [[500, late - 500, 400]])[0]
    part = feed(LARGE, [series], [[500, late - 500, 400]], [False, False, True])[0]
    np.testing.assert_allclose(part.shares, whole.shares[late:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_constant_series_scores_nothing(n_channels):
    series = prepared(np.ones((N, n_channels)), SPLIT)
    assert feed(LARGE, [series], [[512, 512, 476]])[0].scores.max() < 1e-3


def test_another_rhythm_is_odd():
    values = np.sin(np.arange(N) / 5)[:, None] + 0.05 * noise(N, 1, 0)
    values[1000:1060, 0] = np.sin(np.arange(60) / 2)
    score = feed(LARGE, [prepared(values, SPLIT)], [[512, 512, 476]])[0].scores[0]
    assert score[1000:1060].max() > 3 * score[:1000].max()


def test_a_level_shift_is_accepted_in_the_end():
    values = np.sin(np.arange(12_000) / 5)[:, None] + 0.2 * noise(12_000, 1, 0)
    values[1000:] += 1
    score = feed(LARGE, [prepared(values, SPLIT)], [[512] * 22 + [436]])[0].scores[0]
    assert score[1100:1500].mean() > 2 * score[:1000].mean()
    assert score[-500:].mean() < 1.3 * score[:1000].mean()


def test_the_channel_that_changed_has_the_largest_share():
    values = waves(N, 3)
    values[1000:1060, 1] = 0
    shares = feed(Convolutions("r"), [prepared(values, SPLIT)], [[512, 512, 476]])[0].shares
    assert (shares[1040 - SPLIT : 1060 - SPLIT].argmax(1) == 1).all()


def test_a_series_of_one_channel_has_less_than_110_kilobytes_of_state():
    prefix, _ = prepared(np.sin(np.arange(1000) * 2 * np.pi / 21)[:, None], 1000)
    assert prefix.window == 21
    assert Convolutions("convolutions").fit(prefix).block.nbytes < 110_000


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_channels_are_chosen_as_numpy_does(n, seed):
    weights = np.random.default_rng(seed).dirichlet(np.full(9, 0.5)) + 1e-3
    weights /= weights.sum()
    mine, numpys = np.random.default_rng(seed), np.random.default_rng(seed)
    expected = numpys.choice(9, n, replace=False, p=weights)
    np.testing.assert_array_equal(_choose(mine, weights, n), expected)
    assert mine.random() == numpys.random()


def test_parameters_are_the_arguments_of_the_constructor():
    arguments = {"output": "short", "kernels": 9, "seed": 5, "short": True, "least_hop": 1}
    assert vars(SHORT) == arguments
    assert SHORT.outputs == ("short",)


SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from reference.members import feed, prepared, waves
from streamad.detectors.recipe.convolutions import Convolutions

series = prepared(waves(1500, 3), 300)
for pieces in ([512, 512, 176], [9] * 133 + [3], [1] * 1200):
    got = feed(Convolutions("convolutions", 24), [series], [pieces])[0]
    print(got.scores.tobytes().hex()[-400:], got.shares.tobytes().hex()[-400:])
"""


@pytest.mark.slow
def test_a_process_that_compiles_and_one_that_loads_compute_the_same_bits(tmp_path, pytestconfig):
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(pytestconfig.rootpath / "tests")],
            env={"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(pytestconfig.rootpath)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].splitlines())) == 1
