"""The CARE score: rules, bounds, edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation.care import CareDataset, care_score, f_beta, score_dataset
from streamad.evaluation.care_rules import PRESETS, CareRules

N = 400
TIMES = np.arange(N)
IN_WINDOW = (TIMES >= 100) & (TIMES <= 300)
SILENT = np.zeros(N, np.bool_)


def dataset(flags, anomaly=True, **options):
    return CareDataset("d", anomaly, TIMES, flags, 100, 300, **options)


def alarms(rng, share):
    return rng.random(N) < share


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=6), st.integers(0, 99))
def test_every_number_lies_between_0_and_1(kinds, seed):
    rng = np.random.default_rng(seed)
    sets = [dataset(alarms(rng, share), anomaly) for anomaly, share in kinds]
    result = care_score([*sets, dataset(alarms(rng, 0.5)), dataset(alarms(rng, 0.1), False)])
    parts = (
        result.score,
        result.coverage,
        result.accuracy,
        result.reliability,
        result.earliness,
    )
    assert all(0.0 <= part <= 1.0 for part in parts)
    assert result.n_detected + result.n_missed == 1 + sum(anomaly for anomaly, _ in kinds)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_silent_detector_scores_0(preset):
    assert care_score([dataset(SILENT), dataset(SILENT, False)], PRESETS[preset]).score == 0.0


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_perfect_detector_scores_1(preset):
    assert care_score([dataset(IN_WINDOW), dataset(SILENT, False)], PRESETS[preset]).score == 1.0


def test_an_alarm_everywhere_scores_its_accuracy_which_is_0():
    assert care_score([dataset(~SILENT), dataset(~SILENT, False)]).score == 0.0


def test_a_false_alarm_alone_lifts_the_score_off_0():
    false = TIMES < 80
    result = care_score([dataset(SILENT), dataset(false, False)])
    assert (result.n_detected, result.n_false_alarms) == (0, 1)
    assert result.score == pytest.approx(2 * 0.8 / 5)


def test_the_paper_accepts_an_accuracy_of_one_half():
    half = dataset((TIMES % 2).astype(np.bool_), anomaly=False)
    assert care_score([dataset(IN_WINDOW), half]).score == 0.5
    assert care_score([dataset(IN_WINDOW), half], PRESETS["arxiv2024"]).score == pytest.approx(0.8)


def test_the_paper_counts_on_after_the_window():
    late = TIMES > 310
    assert not score_dataset(dataset(late)).detected
    assert score_dataset(dataset(late), PRESETS["arxiv2024"]).detected


def test_the_paper_weighs_the_first_half_of_the_window_fully():
    first_half = (TIMES >= 100) & (TIMES < 200)
    found = score_dataset(dataset(first_half), PRESETS["arxiv2024"]).earliness
    assert score_dataset(dataset(first_half)).earliness > found == pytest.approx(2 / 3, abs=0.01)


def test_first_detection_is_where_the_counter_reaches_its_line():
    found = score_dataset(dataset(IN_WINDOW))
    assert (found.first, found.lead) == (171, 129)


def test_lead_is_measured_for_anomalies_only():
    found = score_dataset(dataset(IN_WINDOW, anomaly=False))
    assert (found.detected, found.first, found.lead) == (True, None, None)


def test_rows_out_of_order_change_nothing():
    order = np.random.default_rng(0).permutation(N)
    mixed = CareDataset("d", True, TIMES[order], IN_WINDOW[order], 100, 300)
    assert score_dataset(mixed) == score_dataset(dataset(IN_WINDOW))


def test_rows_of_abnormal_status_are_left_out_of_the_counts():
    normal = TIMES % 2 == 0
    found = score_dataset(dataset(IN_WINDOW, normal=normal))
    assert (found.tp, found.fp, found.fn, found.tn) == (101, 0, 0, 99)


def test_a_normal_frame_without_normal_status_is_left_out_of_the_mean_accuracy():
    unknown = dataset(SILENT, False, normal=SILENT)
    result = care_score([dataset(IN_WINDOW), dataset(SILENT, False), unknown])
    assert result.accuracy == 1.0


@pytest.mark.parametrize(("cut", "n"), [("never", 400), ("always", 301), ("normal", 400)])
def test_rows_behind_the_window_are_cut_where_asked(cut, n):
    found = score_dataset(dataset(SILENT, cut=cut))
    assert found.tp + found.fp + found.fn + found.tn == n


def test_costs_weigh_the_events():
    seen, missed = dataset(IN_WINDOW, cost=3.0), dataset(SILENT)
    result = care_score([seen, missed, dataset(SILENT, False)])
    assert (result.coverage, result.earliness) == (0.75, 0.75)


def test_the_share_of_predicted_rows_can_decide():
    rules = CareRules(method="fraction", min_fraction=0.2)
    assert score_dataset(dataset(TIMES < 80), rules).detected
    assert not score_dataset(dataset(TIMES < 79), rules).detected


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_of_data_sets_is_not_enough(kind):
    with pytest.raises(ConfigError, match="add some of the kind that is missing"):
        care_score([dataset(SILENT, kind)])


def test_a_window_without_a_row_is_refused():
    with pytest.raises(ConfigError, match="no row lies in its event window"):
        score_dataset(replace(dataset(SILENT), start=900, end=950))


def test_flags_of_another_length_are_refused():
    with pytest.raises(ShapeError, match="as many flags"):
        dataset(SILENT[1:])


@pytest.mark.parametrize("descent", [(1, 0), (4, 4), (-1, 4)])
def test_a_descent_outside_the_window_is_refused(descent):
    with pytest.raises(ConfigError, match="share in"):
        CareRules(descent=descent)


def test_nothing_predicted_and_nothing_true_gives_0():
    assert f_beta(0, 0, 0) == 0.0
