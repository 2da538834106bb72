"""``streamad detectors``: the catalogue."""

from __future__ import annotations

import json


def test_every_detector_is_listed_with_cost_and_state(streamad):
    rows = json.loads(streamad("detectors", "list", "--json").out)
    assert {row["name"] for row in rows} >= {"ewma", "knn", "mahalanobis", "fusion"}
    assert all(row["cost_us"] > 0 and row["state_bytes"] > 0 and row["summary"] for row in rows)


def test_the_table_is_whole_in_a_pipe(streamad):
    table = streamad("detectors", "list").out
    assert "mahalanobis" in table
    assert "river:<Class>" in table
    assert "…" not in table


def test_a_detector_is_shown_with_its_defaults(streamad):
    shown = streamad("detectors", "show", "ewma").out
    assert "Parameters" in shown
    assert "alpha=0.2" in shown
    assert json.loads(streamad("detectors", "show", "ewma", "--json").out)["params"]["alpha"] == 0.2


def test_a_river_detector_is_shown_if_there_is_one(streamad):
    assert "river.anomaly" in streamad("detectors", "show", "river:LODA").out
    assert "did you mean 'river:LODA'?" in streamad("detectors", "show", "river:LODAA").err
