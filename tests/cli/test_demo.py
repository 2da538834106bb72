from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from streamad.cli.demo import PIPELINE, next_commands, pace_of
from streamad.cli.incidents import (
    FAR_L_S,
    HOUR_NS,
    KNOWN,
    Incident,
    Ratios,
    Series,
    outcomes,
    river_file,
)
from streamad.core.errors import ConfigError
from streamad.reporting.episodes import Episode

STREAMAD = Path(sys.executable).with_name("streamad")


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [str(STREAMAD), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder in which the demo ran, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = run("demo", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


@pytest.fixture(scope="module")
def series():
    return Series.read(river_file())


def events_of(folder):
    lines = (folder / "demo-out/alerts.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def episode(first, last, start=0):
    begin, end = start + first, start + last
    return Episode(
        "alt_0", "s", "d", "warning", begin, end, False, begin, end, first, 2.0, (), "", None
    )


def test_the_known_incidents_are_the_hours_far_from_the_median(series):
    values = np.array(series.values)
    far = np.flatnonzero(np.abs(values - np.median(values)) > FAR_L_S)
    runs = np.split(far, np.flatnonzero(np.diff(far) > 1) + 1)
    spans = [(series.times[hours[0]], series.times[hours[-1]]) for hours in runs]
    assert [(incident.start_ns, incident.end_ns) for incident in KNOWN] == spans


def test_the_series_is_found_without_importing_river():
    code = "import sys, streamad.cli.incidents as i; i.river_file(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "river" not in done.stdout.split()


def test_the_demo_writes_a_run_with_its_data_and_configuration(shown):
    folder, _ = shown
    assert {
        "report.html",
        "scores.parquet",
        "alerts.jsonl",
        "pipeline.yaml",
        "metrics.json",
        "config.lock.yaml",
        "water-flow.csv",
    } == {path.name for path in (folder / "demo-out").iterdir()}


def test_every_alert_event_is_told(shown):
    folder, text = shown
    events = events_of(folder)
    assert len(events) > 0
    for event in events:
        when = datetime.fromisoformat(event["detected_at"]).astimezone(UTC)
        assert f"{when:%d %b %H:%M}  {event['event'].upper()}" in text


def test_the_verdict_is_what_the_files_say(shown):
    folder, text = shown
    events = events_of(folder)
    hours = 3600 * 10**9
    spans = [
        (_ns(event["start"]), _ns(event["end"])) for event in events if event["event"] == "resolve"
    ]
    touched = [[i.start_ns <= b and a <= i.end_ns + hours for a, b in spans] for i in KNOWN]
    found = sum(map(any, touched))
    false = len(spans) - sum(map(any, zip(*touched, strict=True)))
    plural = "" if false == 1 else "s"
    assert f"{found} of 4 known incidents found, {false} false alarm{plural}." in text


def test_every_incident_is_found_or_missed_with_its_reason(shown):
    _, text = shown
    for incident in KNOWN:
        when = f"{datetime.fromtimestamp(incident.start_ns / 1e9, UTC):%d %b %H:%M}"
        lines = [line for line in text.splitlines() if when in line and incident.what in line]
        assert len(lines) == 1
        assert "found" in lines[0] or "MISSED" in lines[0]


@pytest.fixture(scope="module")
def coloured(shown):
    """What it prints in the same folder once more, in colour."""
    return run("--color", "always", "demo", "--no-browser", cwd=shown[0]).stdout


def test_it_can_be_repeated(shown, coloured):
    again = re.sub("\x1b\\[[0-9;]*m", "", coloured)
    assert _without_seconds(again) == _without_seconds(shown[1])


def test_colour_comes_only_when_asked_for_where_nobody_looks(shown, coloured):
    assert "\x1b[" not in shown[1]
    assert "\x1b[" in coloured


@pytest.mark.parametrize("number", range(3))
def test_the_suggested_commands_work(shown, number):
    folder, text = shown
    command, _ = next_commands(Path("demo-out"))[number]
    assert command in text
    done = run(*shlex.split(command)[1:], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / done.stdout.strip() / "report.html").exists()


def test_it_refuses_to_replace_another_run(tmp_path):
    out = tmp_path / "precious"
    out.mkdir()
    (out / "metrics.json").write_text('{"pipeline": "plant"}')
    done = run("demo", "--out", out, cwd=tmp_path)
    assert done.returncode == 2
    assert "holds a run that is not the demo's" in done.stderr
    assert [path.name for path in out.iterdir()] == ["metrics.json"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A quiet demo in a folder with an odd name."""
    folder = tmp_path_factory.mktemp("odd")
    return run("--quiet", "demo", "--out", "a $HOME: 'b'", cwd=folder), folder / "a $HOME: 'b'"


def test_a_folder_with_an_odd_name_works(odd):
    done, folder = odd
    assert done.returncode == 0
    assert (folder / "report.html").exists()


def test_quiet_prints_nothing(odd):
    assert (odd[0].stdout, odd[0].stderr) == ("", "")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("demo", "--out", "file/below", cwd=tmp_path)
    assert done.returncode == 2
    assert "the output folder file/below must be writable" in done.stderr


@pytest.mark.parametrize("speed", ["fast", "0", "-3", "inf", "nan"])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ConfigError, match=f"should be max or a positive number, got '{speed}'"):
        pace_of(speed)


def test_watching_it_happen_gives_the_same_alerts(shown, tmp_path):
    folder, text = shown
    done = run("demo", "--speed", "1e6", cwd=tmp_path)
    assert _without_seconds(text) == _without_seconds(done.stdout)
    same = "demo-out/alerts.jsonl"
    assert (folder / same).read_bytes() == (tmp_path / same).read_bytes()


def test_the_scores_are_those_of_a_run_of_the_written_configuration(shown, tmp_path):
    folder, _ = shown
    done = run("backtest", "demo-out/pipeline.yaml", "--out", tmp_path / "again", cwd=folder)
    assert done.returncode == 0, done.stderr
    ours = pq.read_table(folder / "demo-out/scores.parquet").to_pandas()
    assert ours.equals(pq.read_table(tmp_path / "again/scores.parquet").to_pandas())


INCIDENT = Incident(100 * HOUR_NS, 110 * HOUR_NS, "drop")


def ratios(first_judged, ratio=0.3):
    times = np.arange(200) * HOUR_NS
    values = np.full(200, ratio)
    values[:first_judged] = np.nan
    return Ratios(times, values)


@pytest.mark.parametrize(
    ("first", "last", "finds"),
    [(90, 99, False), (90, 100, True), (105, 106, True), (111, 130, True), (112, 130, False)],
)
def test_an_episode_finds_an_incident_when_it_touches_it_or_follows_at_once(first, last, finds):
    found, false = outcomes([INCIDENT], [episode(first * HOUR_NS, last * HOUR_NS)], ratios(10))
    assert finds == found[0].found
    assert finds == (not false)


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        (ratios(150), "the detector was still warming up"),
        (ratios(200), "the detector was still warming up"),
        (ratios(10), "its score came to 0.3 × the line only"),
        (ratios(10, 1.5), "over the line in 11 of its hours only, too few to open an episode"),
    ],
)
def test_a_miss_has_its_reason(scores, why):
    assert why == outcomes([INCIDENT], [], scores)[0][0].why


def test_an_incident_without_a_judged_hour_is_not_blamed_on_the_warm_up():
    scores = ratios(10)
    scores.ratio[100:111] = np.nan
    assert outcomes([INCIDENT], [], scores)[0][0].why == "no hour of it was judged"


def test_the_pipeline_has_the_name_by_which_the_demo_knows_its_own_folder(shown):
    folder, _ = shown
    metrics = json.loads((folder / "demo-out/metrics.json").read_text())
    assert metrics["pipeline"] == PIPELINE


def _ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def _without_seconds(text):
    return [line for line in text.splitlines() if " hours in " not in line]
