"""The NAB score: bounds, thresholds, quirks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.errors import ConfigError
from streamad.evaluation.nab import PROFILES, NabFile, nab_score, row_weights

WINDOWS = np.array([[120, 159], [260, 299]])
NONE = np.empty((0, 2), np.int64)


def file(rows=(), n=400, windows=WINDOWS, level=0.9):
    scores = np.full(n, 0.1)
    scores[list(rows)] = level
    return NabFile(scores, windows)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_hit_at_each_left_edge_is_perfect(profile):
    assert nab_score([file([120, 260])], profile).normalised == pytest.approx(100.0)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_silent_detector_scores_0(profile):
    assert nab_score([file()], profile, 0.5).normalised == 0.0


@given(st.lists(st.integers(0, 399), max_size=40), st.floats(0.05, 0.95))
def test_the_best_threshold_is_no_worse_than_any(rows, threshold):
    scores = np.random.default_rng(len(rows)).random(400)
    scores[rows] += 0.5
    one = NabFile(scores, WINDOWS)
    assert nab_score([one], threshold=threshold).raw <= nab_score([one]).raw + 1e-12


@given(st.integers(0, 99))
def test_a_monotone_map_of_the_scores_leaves_the_best_score_alone(seed):
    scores = np.random.default_rng(seed).random(400)
    mapped = NabFile(np.exp(3 * scores) / 100, WINDOWS)
    assert nab_score([mapped]).raw == nab_score([NabFile(scores, WINDOWS)]).raw


@given(st.lists(st.integers(60, 399), max_size=30, unique=True))
def test_the_score_is_that_of_the_definition(rows):
    weights, inside = row_weights(400, WINDOWS), np.zeros(400, np.bool_)
    total = 0.0
    for first, last in WINDOWS.tolist():
        inside[first : last + 1] = True
        total += max([-1.0] + [weights[row] for row in rows if first <= row <= last])
    total += sum(weights[row] for row in rows if not inside[row])
    assert nab_score([file(rows)], threshold=0.5).raw == pytest.approx(total)


def test_early_hits_earn_more():
    raw = [nab_score([file([row])], threshold=0.5).raw for row in (120, 130, 140, 159)]
    assert raw == sorted(raw, reverse=True)


def test_rows_of_the_probation_are_not_scored():
    assert nab_score([file(range(60))], threshold=0.5) == nab_score([file()], threshold=0.5)


def test_a_window_in_the_probation_counts_as_perfect_but_cannot_be_hit():
    windows = np.array([[10, 30], [260, 299]])
    found = nab_score([file([10, 260], windows=windows)], threshold=0.5)
    assert (found.perfect, found.null, found.raw) == (2.0, -1.0, pytest.approx(1.0))


def test_where_silence_is_best_the_threshold_is_that_of_the_reference():
    assert nab_score([NabFile(np.linspace(1.0, 0.0, 400), NONE)]).threshold == 1.1


def test_a_file_without_a_window_has_no_normalised_score():
    assert math.isnan(nab_score([file(windows=NONE)]).normalised)


def test_a_row_that_was_not_judged_is_no_detection():
    scores = np.full(400, np.nan)
    scores[120] = 1.0
    found = nab_score([NabFile(scores, WINDOWS)], threshold=0.5)
    assert (found.tp, found.fp, found.fn, found.tn) == (1, 0, 79, 260)


def test_every_row_may_be_a_detection():
    found = nab_score([file()], threshold=0.0)
    assert (found.fn, found.tn) == (0, 0)


def test_behind_a_window_of_one_row_the_score_is_not_defined():
    with pytest.raises(ConfigError, match="window of a single row"):
        nab_score([file(windows=np.array([[150, 150]]))])


def test_a_window_of_one_row_at_the_very_end_is_fine():
    assert nab_score([file([399], windows=np.array([[399, 399]]))]).normalised == 100.0


@pytest.mark.parametrize("windows", [[[50, 40]], [[40, 60], [60, 70]], [[390, 400]], [[-1, 5]]])
def test_windows_that_overlap_or_leave_the_file_are_refused(windows):
    with pytest.raises(ConfigError, match="in order, disjoint"):
        file(windows=np.array(windows))
