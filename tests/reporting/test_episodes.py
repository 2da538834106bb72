from __future__ import annotations

import json

import pytest

from streamad.core.errors import StateError
from streamad.reporting.episodes import Member, read_episodes


def test_the_latest_event_of_an_episode_counts(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    (episode,) = read_episodes(run.folder / "alerts.jsonl", 10).strongest
    assert (int(run.times[100]), int(run.times[120])) == (episode.start_ns, episode.end_ns)
    assert not episode.is_open


def test_members_are_read_where_there_are_some(make_run):
    path = make_run(episodes=[("pump-1", 100, 120, 4.0)]).folder / "alerts.jsonl"
    assert read_episodes(path, 10).strongest[0].members == ()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    member = {"name": "shape", "score": 6.5, "share": 0.75, "reason": "like nothing before"}
    path.write_text("".join(json.dumps(e | {"members": [member]}) + "\n" for e in events))
    (episode,) = read_episodes(path, 10).strongest
    assert episode.members == (Member("shape", 0.75, "like nothing before"),)


def test_an_episode_without_a_resolve_is_open(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    path = run.folder / "alerts.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert read_episodes(path, 10).strongest[0].is_open


def test_the_gravest_and_strongest_are_kept_and_all_are_counted(make_run):
    peaks = [1.5, 9.0, 2.5, 4.0, 1.2]
    run = make_run(
        episodes=[("pump-1", 100 + 50 * i, 110 + 50 * i, p) for i, p in enumerate(peaks)]
    )
    found = read_episodes(run.folder / "alerts.jsonl", keep=3)
    assert [episode.peak_ratio for episode in found.strongest] == [9.0, 4.0, 2.5]
    assert dict(found.by_severity) == {"critical": 2, "warning": 3}
    assert found.peaks == {"pump-1": 9.0}


def test_a_run_without_alerts_has_no_episodes(tmp_path):
    assert len(read_episodes(tmp_path / "alerts.jsonl", 10)) == 0


def test_a_peak_that_is_not_finite_is_the_strongest(make_run):
    run = make_run(episodes=[("pump-1", 100, 110, 4.0), ("pump-1", 200, 210, 5.0)])
    path = run.folder / "alerts.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    events[1]["peak"]["score_ratio"] = None
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert events[1]["id"] == read_episodes(path, 1).strongest[0].id


@pytest.mark.parametrize("line", ['{"torn": ', "[]", '{"schema": "streamad.alert/2"}'])
def test_a_line_that_is_no_event_is_named(make_run, line):
    path = make_run(episodes=[("pump-1", 100, 110, 4.0)]).folder / "alerts.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(StateError, match=r"alerts\.jsonl:3: expected an event of schema"):
        read_episodes(path, 10)
