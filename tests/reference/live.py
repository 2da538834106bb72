"""An engine over rows in memory that never end, with a clock that moves with every turn."""

from __future__ import annotations

import threading

import numpy as np

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.core.data import Schema
from streamad.core.errors import Disconnected
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.engine import Engine, EngineSettings
from streamad.testing.fakes import FakeClock, ListSink, LiveSource
from streamad.testing.streams import Recipe, channel_names, make_batch, pieces, series_name
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

ROWS = 600
MARK = "ab" * 32


def make_pipeline(_partition="p", detector=None):
    made = detector or make_detector("ewma", {"warm_up": 20})
    stage = Stage(
        "fast",
        made,
        Sliding(made.window),
        FixedLag(made.lag + 1),
        make_threshold("fixed", {"value": 3.0}),
        EpisodeMachine(
            EpisodeRules(), pipeline="plant", detector="fast", detector_type="ewma", labels={}
        ),
    )
    pipeline = Pipeline("plant", EventTime(), [stage])
    pipeline.open(channel_names(1))
    return pipeline


def batches(partitions=("p", "q"), first=0, size=50):
    """Batches of some rows of two series a partition, with spikes; offsets from ``first``."""
    found = []
    for number, partition in enumerate(partitions):
        stream = Recipe(number + 3, ("sine", "noise"), 1, ROWS, spikes=8).stream()
        schema = Schema(channel_names(1), [series_name(0), series_name(1)])
        found += [
            make_batch(schema, stream.take(span), first + span.start, partition)
            for span in pieces(ROWS, size)
        ]
    return found


class Live:
    """Runs an engine until its source has given everything, or some polls are over."""

    def __init__(self, folder, store, source=None, sinks=None, polls=40, **options):
        self.clock = FakeClock()
        self.stop = threading.Event()
        self.source = source or LiveSource(batches())
        self.sink = ListSink()
        self.polls = polls
        settings = {"batch_rows": 50, "checkpoint_every_s": 2.0, "endless": True}
        settings |= options.pop("settings", {})
        self.letters = options.pop("dead_letter", None) or DeadLetterFile(
            folder / "rejects-{partition}.jsonl"
        )
        self.engine = Engine(
            self.source,
            options.pop("make_pipeline", make_pipeline),
            [self.sink] if sinks is None else sinks,
            store,
            self.letters,
            settings=EngineSettings(**settings),
            stop=self.stop,
            clock=self.clock,
            sleep=self.clock.advance,
            **options,
        )
        poll = self.source.poll

        def counted(timeout_s, max_rows):
            self.clock.advance(1.0)
            if self.source.polls + 1 >= self.polls:
                self.stop.set()
            return poll(timeout_s, max_rows)

        self.source.poll = counted

    def run(self):
        return self.engine.run()

    @property
    def telemetry(self):
        return self.engine.telemetry


class Refusing(ListSink):
    """Refuses the writes of one partition between two times of the clock."""

    def __init__(self, error, partition="p", start=4.0, end=12.0):
        super().__init__()
        self.error, self.partition, self.start, self.end = error, partition, start, end
        self.clock = lambda: 0.0

    def write(self, partition, scores, alerts):
        if partition == self.partition and self.start <= self.clock() < self.end:
            raise self.error
        super().write(partition, scores, alerts)


class Deaf(ListSink):
    """Flushes nothing of some partitions between two times of the clock."""

    def __init__(self, partitions=("p", "q"), start=0.0, end=1e9):
        super().__init__()
        self.partitions, self.start, self.end = partitions, start, end
        self.clock = lambda: 0.0

    def flush(self, partition, next_offset):
        if partition in self.partitions and self.start <= self.clock() < self.end:
            raise Disconnected("nobody listens")
        return super().flush(partition, next_offset)


def table(sink, partition):
    """Times, scores and alerts of a partition."""
    rows = sink.scores[partition]
    return (
        np.concatenate([r.times for r in rows]),
        np.concatenate([r.score for r in rows]),
        [(a.id, a.seq, a.event) for a in sink.alerts[partition]],
    )


def assert_same(expected, actual, partitions=("p", "q")):
    for partition in partitions:
        for one, other in zip(table(expected, partition), table(actual, partition), strict=True):
            np.testing.assert_array_equal(one, other)
