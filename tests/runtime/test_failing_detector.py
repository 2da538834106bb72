"""A detector that raises: the others go on, and every replay agrees."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reference.live import assert_same, batches, make_pipeline, table
from reference.touchy import Touchy

from streamad.core.errors import DetectorError
from streamad.core.event import alert_document
from streamad.runtime.deadletter import DeadLetterFile
from streamad.testing.fakes import LiveSource
from streamad.testing.streams import series_name

LIMIT = 1.35


def touchy(_partition="p"):
    return make_pipeline(detector=Touchy(LIMIT, warm_up=20))


def failing(live, **options):
    return live(make_pipeline=touchy, **options)


def of_series(sink, partition, code):
    rows = sink.scores[partition]
    return np.concatenate([r.score[r.codes == r.series.index(series_name(code))] for r in rows])


@pytest.fixture
def whole(live, state, tmp_path):
    """A run over everything that nothing disturbs but the detector itself."""
    (tmp_path / "whole").mkdir()
    run = failing(
        live,
        store=state("whole-state"),
        dead_letter=DeadLetterFile(tmp_path / "whole" / "{partition}"),
    )
    run.run()
    return run


def test_the_rows_on_which_it_raises_are_left_out_and_reported(whole, tmp_path):
    values = np.concatenate([b.values[:, 0] for b in batches(("p",))])
    codes = np.concatenate([b.codes for b in batches(("p",))])
    kept = [json.loads(line) for line in (tmp_path / "whole" / "p").read_text().splitlines()]
    for code in (0, 1):
        bad = np.flatnonzero((codes == code) & (values > LIMIT))[:3]
        told = [row for row in kept if row["row"]["series"] == series_name(code)]
        assert len(told) == len(bad)
        assert {row["reason"] for row in told} <= {"detector"}
    assert whole.telemetry.detector_errors["fast", "ZeroDivisionError"] >= len(kept)


def test_after_three_errors_the_series_is_given_up_and_an_alert_says_so(whole):
    told = [a for a in whole.sink.alerts["p"] if a.reason == "detector_failing"]
    opened = [a for a in told if a.event == "open" and a.seq == 1 and np.isnan(a.peak_score)]
    assert opened
    assert {a.severity for a in opened} == {"critical"}
    assert "judges this series no more" in opened[0].summary
    assert alert_document(opened[0])["score"] is None
    assert whole.telemetry.quarantined == sum(
        1 for name in ("p", "q") for a in whole.sink.alerts[name]
        if a.reason == "detector_failing" and a.event == "open"
    )  # fmt: skip


def test_series_on_which_it_does_not_raise_are_judged_as_ever(live, state, calm):
    """Spoil one series only; the other one's scores are those of a calm run, bit for bit."""
    spoiled = batches(("p", "q"))
    for batch in spoiled:
        batch.values[batch.codes == 1] *= np.where(batch.values[batch.codes == 1] > 1.0, 1e6, 1.0)
    run = live(
        source=LiveSource(spoiled), make_pipeline=lambda _: make_pipeline(
            detector=Touchy(1e5, warm_up=20)
        ),
    )  # fmt: skip
    run.run()
    assert run.telemetry.detector_errors
    for partition in ("p", "q"):
        np.testing.assert_array_equal(
            of_series(calm, partition, 0), of_series(run.sink, partition, 0)
        )


@pytest.mark.parametrize("polls", [2, 5, 7, 10])
def test_a_restart_anywhere_leads_to_the_same_output_and_state(live, state, whole, polls):
    store = state("stopped")
    first = failing(live, store=store, polls=polls)
    first.run()
    second = failing(live, store=store, sinks=[first.sink])
    second.run()
    assert_same(whole.sink, first.sink)
    for partition in ("p", "q"):
        one = whole.engine._assignment.held[partition].pipeline.snapshot()
        other = second.engine._assignment.held[partition].pipeline.snapshot()
        assert one.keys() == other.keys()
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("every_s", [1.0, 3.0, 1e9])
def test_how_far_it_goes_back_does_not_show(live, state, whole, every_s):
    run = failing(live, store=state("other"), settings={"checkpoint_every_s": every_s})
    run.run()
    assert_same(whole.sink, run.sink)


def test_a_crash_between_the_error_and_the_replay_does_not_show(live, state, whole):
    store = state("crashed")
    first = failing(live, store=store)

    def crash(held, error):
        raise SystemExit

    first.engine._assignment.go_back = crash
    with pytest.raises(SystemExit):
        first.run()
    second = failing(live, store=store, sinks=[first.sink])
    second.run()
    assert_same(whole.sink, first.sink)


def test_it_stops_the_run_where_the_configuration_says_so(live):
    with pytest.raises(DetectorError, match="ZeroDivisionError: cannot take"):
        failing(live, settings={"on_detector_error": "stop"}).run()


def test_rejects_of_rows_that_are_read_again_are_kept_once(whole, tmp_path):
    lines = (tmp_path / "whole" / "q").read_text().splitlines()
    assert len(lines) == len(set(lines)) > 0


def test_all_partitions_have_the_rows_that_could_be_judged(whole):
    assert len(table(whole.sink, "p")[0]) < 600
