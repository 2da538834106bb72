"""The cost of detectors: what the parts report."""

from __future__ import annotations

import bench_detectors
import detector_cost
import detector_feed
import detector_fleet
import judge
import numpy as np
import pytest
from rich.console import Console

import streamad


def test_rows_reach_a_detector_as_they_do_in_score():
    values = detector_feed.waves(500, 2, 21)
    feed = detector_feed.Feed(judge.contender("knn"), 2, 1, 100)
    causal = np.concatenate([feed.push(values[:300]), feed.push(values[300:])])
    np.testing.assert_array_equal(causal, streamad.score(values, "knn", name="s00000").causal)


def test_many_series_are_fed_row_by_row():
    values = detector_feed.waves(300, 3, 21)
    feed = detector_feed.Feed(judge.contender("ewma"), 1, 3, 100)
    causal = feed.push(values.reshape(-1, 1)).reshape(-1, 3)
    for i in range(3):
        alone = streamad.score(values[:, i], "ewma").causal
        np.testing.assert_array_equal(causal[:, i], alone)


def test_a_fleet_goes_on_where_it_stopped():
    whole, cut = detector_fleet.Fleet(4), detector_fleet.Fleet(4)
    expected = whole.next(10)
    np.testing.assert_allclose(np.concatenate([cut.next(3), cut.next(7)]), expected)


def test_cost_has_time_with_and_without_the_first_rows_and_state():
    values = detector_feed.waves(1300, 1, 21)
    found = detector_cost.ours(judge.contender("knn"), values, 500, 1200)
    assert found["us_per_row"] > 0 < found["us_per_row_after_fit"]
    assert found["single_row_us_p50"] <= found["single_row_us_p99"]
    assert found["state_bytes"] > 10_000
    assert found["lag_rows"] == 95


def test_the_least_of_several_runs_counts():
    assert detector_cost.best([{"a": 2.0, "b": 1}, {"a": 1.5, "b": 3}]) == {"a": 1.5, "b": 1}


def test_a_fit_is_taken_off_by_difference():
    run = {"seconds_first": 1.0, "seconds_all": 4.0, "state_bytes": 9}
    found = detector_cost.by_difference(run, 100, 400)
    assert found == {"us_per_row": 1e4, "us_per_row_after_fit": 1e4, "state_bytes": 9}


@pytest.mark.parametrize("n_channels", [1, 3])
def test_rivals_are_timed_on_the_same_rows(n_channels):
    given = {"what": "rivals", "rows": 200, "first": 100}
    found = detector_cost.calls(given, detector_feed.waves(200, n_channels, 21))
    assert found["river HalfSpaceTrees"]()["us_per_row"] > 0


def test_many_series_report_speed_and_memory_of_each_phase():
    given = {"detector": "ewma", "series": 20, "first": 100, "live": 60, "cores": 2}
    found = detector_fleet.measure(given)
    assert [one["rows_per_series"] for one in found["phases"].values()] == [100, 60, 60]
    assert [one["rows_per_call"] for one in found["phases"].values()] == [1000, 20, 1000]
    assert found["rss_mb_peak"] >= found["rss_mb_before"] > 0


def test_the_table_shows_every_part(capsys):
    phase = {"rows_per_s": 5, "call_ms_p50": 1, "call_ms_p99": 2, "call_ms_max": 3, "rss_mb": 80}
    document = {
        "environment": {"left_out": ["PySAD LODA left out"]},
        "cost": [{"layout": "C = 1", "detector": "x", "us_per_row": 12.34, "state_bytes": 5000}],
        "first_call": {"empty cache": {"seconds": 9.0, "cpu_seconds": 8.5}},
        "fleet": {
            "detector": "fusion small",
            "series": 10_000,
            "cores": 2,
            "phases": {"warm_up": phase},
            "rows_per_s": 123_456,
            "rss_mb_peak": 1500.0,
        },
    }
    bench_detectors.show(document, Console(width=110))
    printed = capsys.readouterr().out
    for said in ("12.3", "empty cache: 9.0 s", "10,000 series", "123,456", "PySAD LODA left out"):
        assert said in printed
