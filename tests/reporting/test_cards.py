from __future__ import annotations

import pytest

from streamad.reporting.cards import card_view, told_by

EVENTS = {
    "n_events": 4,
    "n_found": 3,
    "n_false": 2,
    "precision": 0.6,
    "f05": 0.65,
    "delay_median_s": 90.0,
    "delay_p90_s": 3600.0,
    "missed_share": 0.25,
    "false_per_day": 0.5,
    "alarm_duty": 0.02,
}
CARE = {
    "score": 0.81,
    "coverage": 0.7,
    "accuracy": 0.9,
    "reliability": 0.8,
    "earliness": 0.85,
    "n_detected": 5,
    "n_missed": 2,
    "n_false_alarms": 1,
}


def card(**parts):
    return {"events": EVENTS, "care": CARE, **parts}


def test_found_missed_and_false_are_one_sentence():
    told = told_by({"knn": card()})
    assert told == "Against the labels: 3 of 4 events found, 1 missed, 2 false alarms."


def test_of_several_detectors_each_is_named():
    told = told_by({"knn": card(), "ewma": {"events": {"n_events": 0, "n_false": 1}}})
    assert "knn – 3 of 4 events found, 1 missed, 2 false alarms; " in told
    assert "ewma – no event, 1 false alarm." in told


def test_of_many_detectors_three_are_told():
    told = told_by({f"d{i}": card() for i in range(5)})
    assert told.endswith("; 2 more detectors below.")


def test_care_comes_with_its_parts_and_counts():
    assert card_view("knn", card())["care"] == [
        ("CARE", "0.810"),
        ("Coverage", "0.700"),
        ("Accuracy", "0.900"),
        ("Reliability", "0.800"),
        ("Earliness", "0.850"),
        ("Detected", "5"),
        ("Missed", "2"),
        ("False", "1"),
    ]


def test_care_that_is_not_defined_gives_its_reason():
    view = card_view("knn", card(care={"why": "two events"}))
    assert (view["care"], view["care_why"]) == ([], "two events")


def test_delays_rates_and_duty_have_units():
    told = dict(card_view("knn", card())["alerts"])
    assert told["Missed"] == "25 %"
    assert told["Median delay"] == "1 min 30 s"
    assert told["Delay of nine in ten"] == "at most 1 h"
    assert told["False alarms"] == "0.5 a series-day"
    assert told["Alarm duty"] == "2 % of normal time"


def test_a_ranking_without_final_scores_leaves_a_dash():
    scores = {"vus_pr": 0.5, "auc_pr": 0.25}
    view = card_view("knn", card(ranking={"random": scores, "causal": scores}))
    assert view["ranking"] == [
        ("VUS-PR", ["0.500", "–", "0.500"]),
        ("AUC-PR", ["0.250", "–", "0.250"]),
    ]


def test_legacy_scores_tell_why_they_are_missing():
    legacy = {"nab": {"why": "one row"}, "point_adjusted_f1": {"fixed": 0.9, "oracle_random": 0.8}}
    assert card_view("knn", card(legacy=legacy))["legacy"] == [
        ("NAB", "not defined: one row"),
        ("Point-adjusted F1", "0.900, noise at best 0.800"),
    ]


@pytest.mark.parametrize("given", [{}, {"events": dict.fromkeys(EVENTS), "care": {"score": None}}])
def test_a_card_of_undefined_numbers_is_told_in_dashes(given):
    assert dict(card_view("knn", given)["alerts"])["Missed"] == "–"
