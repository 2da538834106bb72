"""A topic whose keys are sessions: what a run keeps of names that never come back."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamad_connectors import names as names_module
from streamad_connectors.kafka.source import KafkaSource
from streamad_connectors.parquet_sink import ParquetScoreSink

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

PARTITIONS = ("t/0", "t/1", "t/2", "t/3")
ROUNDS = 100
NEW_A_ROUND = 500
"""New sessions a round and partition: 200 000 in all."""
STAYING = 20


class Topic:
    """Stands for the member of a group: rounds of records, most of them of new sessions."""

    def __init__(self, *_):
        self.round = 0

    def begun(self):
        return {}

    def close(self):
        pass

    def fetch(self, deadline, max_rows):
        first, self.round = self.round * (NEW_A_ROUND + STAYING), self.round + 1
        return {name: self._records(name, first) for name in PARTITIONS}

    def _records(self, partition, first):
        rng = np.random.default_rng([first, int(partition[-1])])
        values = rng.normal(size=NEW_A_ROUND + STAYING)
        values[rng.random(len(values)) < 0.01] = 30.0
        names = [
            *(f"{partition}/stays-{i}" for i in range(STAYING)),
            *(f"{partition}/session-{first + i}" for i in range(NEW_A_ROUND)),
        ]
        return [
            SimpleNamespace(
                value=b'{"v":%.17g}' % values[i],
                key=name.encode(),
                headers=(),
                timestamp=1000 * self.round,
                offset=first + i,
            )
            for i, name in enumerate(names)
        ]


def opened():
    detector = make_detector("ewma", {"warm_up": 4})
    episodes = EpisodeMachine(
        EpisodeRules(), pipeline="p", detector="d", detector_type="ewma", labels={}
    )
    stage = Stage(
        "d",
        detector,
        Sliding(detector.window),
        FixedLag(detector.lag + 1),
        make_threshold("fixed", {"value": 4.0}),
        episodes,
        "causal",
    )
    pipeline = Pipeline("p", EventTime(lateness_ns=10**9, ttl_ns=15 * 10**8), [stage])
    pipeline.open(("v",))
    return pipeline


@dataclass
class Told:
    """What a run gave, and the most names that a part of it held at once."""

    alerts: list = field(default_factory=list)
    table: object = None
    states: dict = field(default_factory=dict)
    most: dict = field(default_factory=lambda: {"source": 0, "ordering": 0, "pipeline": 0})

    def see(self, where, names):
        self.most[where] = max(self.most[where], len(names))


def run(folder):
    source = KafkaSource(
        brokers=["localhost:1"],
        topics=["t"],
        group="g",
        format={"type": "json", "values": ["$.v"]},
    )
    sink, told = ParquetScoreSink(str(folder / "s.parquet")), Told()
    pipelines = {name: opened() for name in PARTITIONS}
    for name in PARTITIONS:
        sink.open(name, None)
    for step in range(ROUNDS):
        for batch in source.poll(0.0, 1000):
            pipeline = pipelines[batch.partition]
            out = pipeline.process(batch)
            told.alerts += out.alerts
            told.see("ordering", pipeline.ordering._names.series)
            told.see("pipeline", pipeline._names)
            sink.write(batch.partition, out.scores, out.alerts)
            if step % 10 == 9:
                sink.flush(batch.partition, batch.next_offset)
        told.see("source", source.schema.series)
    for name, pipeline in pipelines.items():
        told.states |= {f"{name}/{key}": array for key, array in pipeline.snapshot().items()}
        sink.finish(name)
    told.table = pq.read_table(folder / "s.parquet").to_pandas()
    return told


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run as it is, and one whose source keeps all names."""
    pytest.importorskip("kafka")
    from streamad_connectors.kafka import member

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member, "Member", Topic)
        renewed = run(tmp_path_factory.mktemp("renewed"))
        patch.setattr(names_module, "AT_LEAST", 10**9)
        return renewed, run(tmp_path_factory.mktemp("kept"))


def test_a_run_keeps_a_bounded_number_of_names(runs):
    renewed, kept = runs
    n_series = len(PARTITIONS) * (ROUNDS * NEW_A_ROUND + STAYING)
    assert kept.most["source"] == n_series > 200_000
    assert renewed.most["source"] < 70_000
    assert renewed.most["ordering"] < 5000
    assert renewed.most["pipeline"] < 10_000


def test_what_a_run_gives_does_not_depend_on_it(runs):
    renewed, kept = runs
    assert renewed.alerts == kept.alerts
    assert len(kept.alerts) > 5
    assert renewed.table.equals(kept.table)
    assert len(kept.table["series"]) > 200_000


def test_snapshots_do_not_depend_on_it(runs):
    renewed, kept = runs
    assert renewed.states.keys() == kept.states.keys()
    for name, array in kept.states.items():
        np.testing.assert_array_equal(renewed.states[name], array, err_msg=name)
