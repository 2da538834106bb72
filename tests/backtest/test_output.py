"""Which score alerts, and what an alert tells of it: from a file to the run folder and the page."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamad.backtest import backtest
from streamad.config import load_config
from streamad.config.plugins import _offered
from streamad.core.event import alert_schema
from streamad.reporting import write_report

START_NS = 1_700_000_000 * 10**9
MINUTE_NS = 60 * 10**9
KNN = "{type: knn, params: {length: 8, warm_up: 60}, threshold: {type: fixed, value: 1.5}}"
TWO_VIEWS = "{type: two_views, threshold: {type: fixed, value: 12.0}}"


@pytest.fixture
def write(tmp_path):
    """A configuration file over 600 rows of two channels with a jump from row 400 to 403."""
    values = np.random.default_rng(3).normal(size=(600, 2))
    values[400:404, 1] += [15.0, 20.0, 50.0, 10.0]
    times = START_NS + np.arange(600) * MINUTE_NS
    columns = {"time": pa.array(times, pa.timestamp("ns", "UTC"))}
    columns |= {"flow": values[:, 0], "heat": values[:, 1]}
    pq.write_table(pa.table(columns), tmp_path / "data.parquet")

    def put(detector, output=""):
        path = tmp_path / "pipeline.yaml"
        path.write_text(
            f"pipeline: plant\nsource: {{type: parquet, path: {tmp_path}/data.parquet, time: time}}"
            f"\ndetectors: [{detector}]\n{output}\n"
        )
        return path

    return put


@pytest.fixture
def two_views(tmp_path, monkeypatch):
    """The detector with two members, as a package of somebody else."""
    info = tmp_path / "two_views-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two_views\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamad.detectors]\ntwo_views = reference.two_views:TwoViews\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    _offered.cache_clear()
    yield
    _offered.cache_clear()


def run(path, out, *overrides):
    """Score table and events of a run."""
    backtest(load_config(path, overrides=overrides), out)
    events = [json.loads(line) for line in (out / "alerts.jsonl").read_text().splitlines()]
    return pq.read_table(out / "scores.parquet").to_pandas(), events


@pytest.mark.parametrize(
    ("output", "driving"),
    [("", "score"), ("output: causal", "score"), ("output: final", "score_final")],
)
def test_the_score_of_the_configuration_drives_line_and_alerts(write, tmp_path, output, driving):
    table, events = run(write(KNN, output), tmp_path / "out")
    np.testing.assert_array_equal(table["ratio"], table[driving] / 1.5)
    over = table.loc[table["ratio"] >= 1.0, "time"]
    assert len(over) < len(table) // 4
    opened = [event for event in events if event["event"] == "open"]
    assert opened[0]["start"] == f"{over.iloc[0]:%Y-%m-%dT%H:%M:%S}.000Z"


def test_both_outputs_write_the_same_scores(write, tmp_path):
    causal, _ = run(write(KNN), tmp_path / "causal")
    final, _ = run(write(KNN, "output: final"), tmp_path / "final")
    for column in ("score", "score_final"):
        np.testing.assert_array_equal(causal[column], final[column])
    differs = (causal["score"] != causal["score_final"]) & causal["score"].notna()
    assert differs.sum() > len(causal) // 2


def test_the_output_of_a_detector_wins_over_that_of_the_pipeline(write, tmp_path):
    own = KNN.replace("type: knn", "type: knn, output: final", 1)
    table, _ = run(write(own, "output: causal"), tmp_path / "out")
    np.testing.assert_array_equal(table["ratio"], table["score_final"] / 1.5)


@pytest.mark.usefixtures("two_views")
@pytest.mark.parametrize("output", ["causal", "final"])
def test_events_name_members_channels_and_values(write, tmp_path, output):
    table, events = run(write(TWO_VIEWS), tmp_path / "out", f"output={output}")
    validator = jsonschema.Draft202012Validator(alert_schema())
    for event in events:
        validator.validate(event)
    last = next(event for event in events if event["event"] == "resolve")
    within = table["time"].between(last["start"], last["detected_at"])
    row = table.loc[within, "score"].idxmax()
    assert {member["name"] for member in last["members"]} == {"level", "jump"}
    rms = np.sqrt(np.mean([member["score"] ** 2 for member in last["members"]]))
    assert rms == pytest.approx(table["score"][row])
    blamed = last["contributions"][0]
    assert (blamed["channel"], blamed["share"]) == ("heat", table["share_heat"][row])
    assert blamed["actual"] - blamed["expected"] > 30


@pytest.mark.usefixtures("two_views")
def test_the_page_names_the_members_of_an_episode(write, tmp_path):
    _, events = run(write(TWO_VIEWS), tmp_path / "out")
    page = write_report(tmp_path / "out").read_text(encoding="utf-8")
    first = events[-1]["members"][0]
    told = f'title="{first["reason"]}">{first["name"]} {100 * first["share"]:.0f} %</span>'
    assert f'(found by <span class="member" {told}' in page
    assert events[-1]["summary"].removeprefix("data: ") in page
