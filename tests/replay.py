"""A small run with checkpoints after every batch, to be killed: ``replay.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from streamad_connectors.jsonl_sink import JsonlSink
from streamad_connectors.parquet_sink import ParquetScoreSink

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.core.data import Schema
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.runtime.checkpoints import FileStateStore
from streamad.runtime.deadletter import DeadLetterFile
from streamad.runtime.engine import Engine, EngineSettings
from streamad.testing.fakes import ListSource
from streamad.testing.streams import (
    SECOND_NS,
    Recipe,
    channel_names,
    disordered,
    make_batch,
    pieces,
    series_name,
)
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

N_SERIES = 3


def make_source() -> ListSource:
    recipe = Recipe(8, ("sine",) * N_SERIES, 2, 600, 0.02, 12)
    stream = disordered(recipe.stream(), 8, 4, 6)
    schema = Schema(channel_names(2), [series_name(code) for code in range(N_SERIES)])
    spans = pieces(len(stream), 60)
    return ListSource([make_batch(schema, stream.take(span), span.start) for span in spans])


def make_pipeline(_partition: str) -> Pipeline:
    detector = make_detector("ewma", {"warm_up": 20})
    stage = Stage(
        "fast",
        detector,
        Sliding(detector.window),
        FixedLag(detector.lag + 1),
        make_threshold("fixed", {"value": 4.0}),
        EpisodeMachine(
            EpisodeRules(), pipeline="plant", detector="fast", detector_type="ewma", labels={}
        ),
    )
    pipeline = Pipeline("plant", EventTime(lateness_ns=3 * SECOND_NS), [stage])
    pipeline.open(channel_names(2))
    return pipeline


def main(folder: Path) -> None:
    Engine(
        make_source(),
        make_pipeline,
        [
            JsonlSink(path=str(folder / "alerts.jsonl")),
            ParquetScoreSink(path=str(folder / "scores.parquet")),
        ],
        FileStateStore(folder / "state", "0" * 64),
        DeadLetterFile(folder / "rejects.jsonl"),
        settings=EngineSettings(batch_rows=60, checkpoint_every_s=0.0),
    ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
