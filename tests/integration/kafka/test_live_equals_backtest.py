"""The same rows through Kafka and through Parquet: the same scores and the same alerts."""

from __future__ import annotations

import json
import subprocess

import pytest
from reference.live_plant import (
    ALERTS,
    EWMA,
    Plant,
    jsonl_events,
    live_config,
    saved_offsets,
    score_rows,
)
from reference.live_process import STREAMAD, LiveProcess

pytestmark = pytest.mark.kafka

QUANTILE = {"type": "quantile", "q": 0.9, "init": 32}
FUSION = [{"type": "fusion", "params": {"preset": "small", "warm_up": 200}, "threshold": QUANTILE}]
RECONSTRUCTION = [
    {
        "type": "reconstruction",
        "params": {"length": 32, "hop": 4, "warm_up": 16, "hidden": 8, "steps": 30},
        "threshold": {"type": "fixed", "value": 2.0},
    }
]


def live(broker, folder, plant, detectors):
    """Scores and alerts of `streamad run`, stopped when it has consumed everything."""
    topic = broker.create_topic("rows", plant.partitions)
    config = live_config(folder, broker, topic, sinks=("jsonl", "parquet"), detectors=detectors)
    n = plant.fill(broker, topic)
    with LiveProcess(config) as process:
        process.until(lambda: sum(saved_offsets(folder).values()) == n, "all rows are consumed")
        process.stop()
    return score_rows(folder), jsonl_events(folder)


def replayed(folder, plant, detectors):
    """Scores and alerts of `streamad backtest` over the same rows in a file."""
    folder.mkdir()
    config = folder / "plant.yaml"
    source = {
        "type": "parquet",
        "path": str(plant.write_parquet(folder / "rows.parquet")),
        "time": "t",
        "key": "id",
        "values": ["flow"],
    }
    made = {"pipeline": "plant", "source": source, "detectors": detectors, "alerts": ALERTS}
    config.write_text(json.dumps(made))
    command = [*STREAMAD, "backtest", str(config), "--out", str(folder / "out"), "--no-report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = (folder / "out" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    return score_rows(folder / "out"), events


def by_series(lines):
    """Events of each series in their order, as documents."""
    found = {}
    for document in map(json.loads, lines):
        found.setdefault(document["series"], []).append(document)
    return found


@pytest.mark.any_broker
@pytest.mark.parametrize(
    ("detectors", "plant", "lag"),
    [
        pytest.param(EWMA, Plant(), 0, id="ewma"),
        pytest.param(FUSION, Plant(n_series=16, n_steps=900), 257, id="fusion"),
        pytest.param(
            RECONSTRUCTION, Plant(n_series=16), 7, id="reconstruction", marks=pytest.mark.deep
        ),
    ],
)
def test_live_scores_and_alerts_equal_the_backtest(broker, tmp_path, detectors, plant, lag):
    """A topic has no end: live, rows that wait for their final score come only with later rows,
    and episodes stay open."""
    scores, events = live(broker, tmp_path / "live", plant, detectors)
    expected_scores, expected_events = replayed(tmp_path / "file", plant, detectors)
    assert scores.keys() == expected_scores.keys() == set(plant.names())
    for name, rows in expected_scores.items():
        n = len(scores[name])
        assert len(rows) - lag <= n <= len(rows)
        assert scores[name] == rows[:n]
    ended = [line for line in expected_events if json.loads(line)["reason"] != "end_of_stream"]
    assert by_series(events) == by_series(ended)
    assert len(events) > plant.n_series
