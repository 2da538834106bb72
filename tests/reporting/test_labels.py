from __future__ import annotations

import json
import re

import numpy as np
import pytest

from streamad.reporting import write_report
from streamad.reporting.episodes import iter_episodes
from streamad.reporting.labels import Truth

XSS = "<img src=x onerror=alert(1)>"
EPISODES = [("a", 100, 120, 4.0), ("a", 300, 310, 1.5), ("b", 200, 220, 2.0)]
LABELS = {"a": [(110, 130), (400, 420)], "b": [(500, 510)]}


def page_of(run):
    return write_report(run.folder, run.batches()).read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture
def run(make_run, evaluate):
    return evaluate(make_run(series=["a", "b"], episodes=EPISODES), LABELS)


def truth_of(run):
    return Truth.of(json.loads((run.folder / "metrics.json").read_text()))


def test_an_episode_is_a_hit_where_the_evaluation_says_so(run):
    truth = truth_of(run)
    episodes = list(iter_episodes(run.folder / "alerts.jsonl"))
    card = json.loads((run.folder / "metrics.json").read_text())["evaluation"]["fusion"]
    false = [episode for episode in episodes if not truth.met(episode)]
    assert len(false) == card["events"]["n_false"] == 2


@pytest.mark.parametrize(
    ("label", "hit"),
    [((90, 99), False), ((90, 100), True), ((120, 125), True), ((121, 125), False)],
)
def test_the_row_that_closes_an_alarm_is_not_in_it(make_run, label, hit):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    (episode,) = iter_episodes(run.folder / "alerts.jsonl")
    truth = Truth.of({"labels": {"pump-1": [[int(run.times[row]) for row in label]]}})
    assert (len(truth.met(episode)) > 0) == hit


def test_an_episode_that_never_closed_meets_all_later_labels(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    path = run.folder / "alerts.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    (episode,) = iter_episodes(path)
    spans = [[int(run.times[a]), int(run.times[b])] for a, b in ((10, 20), (300, 310), (500, 510))]
    assert list(Truth.of({"labels": {"pump-1": spans}}).met(episode)) == [1, 2]


def test_an_alarm_finds_labels_of_its_own_detector_only(make_run):
    run = make_run(detectors=("ewma", "knn"), episodes=[("pump-1", 100, 120, 4.0)])
    truth = Truth.of({"labels": {"pump-1": [[int(run.times[100]), int(run.times[120])]]}})
    (missed,) = truth.missed(iter_episodes(run.folder / "alerts.jsonl"), ["ewma", "knn"])
    assert missed.detectors == ("knn",)


def test_overlaps_are_those_of_a_plain_search(make_run):
    rng = np.random.default_rng(3)
    firsts = np.sort(rng.choice(np.arange(60, 580, 4), 40, replace=False))
    run = make_run(episodes=[("pump-1", int(f), int(f + rng.integers(0, 3)), 2.0) for f in firsts])
    bounds = np.sort(rng.choice(np.arange(60, 590), 40, replace=False)).reshape(-1, 2)
    truth = Truth.of({"labels": {"pump-1": run.times[bounds].tolist()}})
    for episode in iter_episodes(run.folder / "alerts.jsonl"):
        plain = [
            n
            for n, (start, end) in enumerate(truth.spans("pump-1"))
            if episode.opened_ns <= end and episode.closed_ns > start
        ]
        assert list(truth.met(episode)) == plain


def test_the_verdict_tells_found_missed_and_false(run):
    assert "Against the labels: 1 of 3 events found, 2 missed, 2 false alarms." in page_of(run)


def test_the_table_tells_hit_or_false(run):
    told = re.findall(r'data-label="Label"><span class="(\w+)"', page_of(run))
    assert told == ["hit", "false", "false"]


def test_missed_labels_are_listed_by_their_start(run):
    missed = re.findall(r'<li id="label_\d".*? data-series="(\w)" data-label="(\d)"', page_of(run))
    assert missed == [("a", "1"), ("b", "0")]


def test_label_spans_are_handed_to_their_charts(run):
    a, b = data_of(page_of(run))["series"]
    assert [len(series["labels"]) for series in (a, b)] == [2, 1]
    assert a["labels"][0] == {"start": run.times[110] / 1e9, "end": run.times[130] / 1e9}


def test_a_series_with_a_missed_label_is_drawn_before_calm_ones(make_run, evaluate):
    names = [f"pump-{i}" for i in range(40)]
    run = evaluate(make_run(series=names, n_rows=120), {"pump-39": [(90, 100)]})
    assert data_of(page_of(run))["series"][0]["name"] == "pump-39"


def test_a_silent_run_with_labels_is_not_called_calm(make_run, evaluate):
    page = page_of(evaluate(make_run(), {"pump-1": [(100, 120)]}))
    assert "No episode, but 1 labelled event." in page
    assert '<header class="unknown">' in page


def test_without_an_evaluation_nothing_is_said_of_labels(make_run):
    page = page_of(make_run(episodes=[("pump-1", 100, 120, 4.0)]))
    assert "Against the labels" not in page
    assert '<td data-label="Label">' not in page
    assert 'class="of-label"' not in page


def test_a_hostile_name_is_escaped_among_the_missed(make_run, evaluate):
    run = evaluate(make_run(series=[XSS]), {XSS: [(100, 120)]})
    page = page_of(run)
    assert "Missed events" in page
    assert XSS not in page
