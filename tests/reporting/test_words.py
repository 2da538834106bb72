from __future__ import annotations

import pytest

from streamad.reporting.episodes import read_episodes
from streamad.reporting.scores import survey
from streamad.reporting.words import Clock, verdict

CLOCK = Clock(counts=False, seconds=False)


def told(run):
    path = run.folder / "alerts.jsonl"
    return verdict(read_episodes(path, 100), survey(run.folder / "scores.parquet"), CLOCK)


def test_the_verdict_names_the_gravest_and_the_strongest(make_run):
    run = make_run(
        series=["a", "b"], episodes=[("a", 100, 160, 4.0), ("b", 300, 300, 1.5)], n_rows=600
    )
    headline, detail = told(run)
    assert headline == "2 episodes on 2 series, 1 of them critical."
    assert "on a, lasted 1 h and came to 4.0 × the alarm line." in detail


def test_a_calm_run_says_how_close_it_came(make_run):
    headline, detail = told(make_run())
    assert headline == "Nothing strange."
    assert "0.3 × the alarm line, on pump-1" in detail


def test_a_run_in_which_nothing_was_judged_is_not_called_calm(make_run):
    assert told(make_run(judged=False))[0] == "No row was judged."


def test_an_empty_run_says_so(make_run):
    assert told(make_run(n_rows=0))[0] == "The run has no rows."


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (Clock(counts=False, seconds=False), "14 Nov 2023, 22:13"),
        (Clock(counts=False, seconds=True), "14 Nov 2023, 22:13:20"),
        (Clock(counts=True, seconds=True), "1,700,000,000 s"),
    ],
)
def test_times_are_told_as_finely_as_the_rows_are(clock, expected):
    assert expected == clock(1_700_000_000 * 10**9)


def test_rows_without_a_time_column_are_counted():
    assert Clock.of(0, 999 * 10**9, 1000).counts
    assert not Clock.of(1_700_000_000 * 10**9, 1_700_001_000 * 10**9, 1000).counts


def test_rows_closer_than_a_minute_show_their_seconds():
    start = 1_700_000_000 * 10**9
    assert Clock.of(start, start + 3600 * 10**9, 3600).seconds
    assert not Clock.of(start, start + 3600 * 10**9, 60).seconds
