"""Run every kernel once and print the cost as JSON: a script for a process of its own."""

from __future__ import annotations

import json
import pkgutil
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

import numpy as np

import streamad
import streamad.kernels
from streamad.alerting import Criticality, EpisodeMachine, EpisodeRules
from streamad.core.data import Rows, Schema, WindowSpec
from streamad.detectors.registry import detector_class, detector_names, make_detector
from streamad.evaluation import (
    CareDataset,
    affiliation,
    agreement,
    best_affiliation,
    best_event_f,
    best_point_adjusted_f1,
    best_range_f1,
    event_f,
    point_adjusted_f1,
    range_f1,
    rank,
    score_dataset,
)
from streamad.kernels import evt, subspace
from streamad.pipeline import Pipeline, Stage
from streamad.testing.streams import (
    SECOND_NS,
    Recipe,
    channel_names,
    disordered,
    make_batch,
    pieces,
)
from streamad.thresholds import make_threshold, threshold_names
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

PARAMS = {
    "fixed": {"value": 3.0},
    "reconstruction": {"length": 32, "hop": 8, "warm_up": 16, "hidden": 4, "steps": 1},
    **{
        name: {"warm_up": 200}
        for name in ("convolutions", "fusion", "level", "neighbor", "ridge", "subspace", "waking")
    },
}
STREAM = disordered(Recipe(1, ("sine",), 2, 1500, 0.02, 20).stream(), 1, 4, 3)


def make_stage(name: str, threshold: str) -> Stage:
    detector = make_detector(name, PARAMS.get(name))
    rules = EpisodeRules()
    return Stage(
        f"{name} {threshold}",
        detector,
        Sliding(detector.window),
        FixedLag(detector.lag + 1),
        make_threshold(threshold, PARAMS.get(threshold)),
        EpisodeMachine(rules, pipeline="p", detector=name, detector_type=name, labels={}),
    )


def run(ordering: EventTime, stages: list[Stage]) -> None:
    """The stream through a pipeline, in two batches."""
    pipeline = Pipeline("p", ordering, stages)
    pipeline.open(channel_names(2))
    schema = Schema(channel_names(2), ["pump"])
    for span in pieces(len(STREAM), 1000):
        pipeline.process(make_batch(schema, STREAM.take(span), span.start))
    pipeline.finish()


def window(spec: WindowSpec) -> None:
    """The stream through a windowing stage."""
    sliding, flags = Sliding(spec), np.zeros(len(STREAM), np.bool_)
    sliding.open(channel_names(2))
    sliding.admit(np.zeros(1, np.int32))
    for _ in sliding.push(Rows(STREAM.codes, STREAM["times"], STREAM["values"], flags, flags)):
        pass


def evaluate() -> None:
    """Scores of the stream against labels."""
    rng = np.random.default_rng(0)
    scores, labels = rng.random(400), np.zeros(400, np.int8)
    labels[100:120] = labels[300:310] = 1
    rank(labels, scores, 10)
    for flags in (scores > 0.9, labels > 0):
        affiliation(labels, flags)
        range_f1(labels, flags)
        event_f(labels, flags)
        point_adjusted_f1(labels, flags)
    for best in (best_affiliation, best_range_f1, best_event_f, best_point_adjusted_f1):
        best(labels, scores)
    agreement(np.repeat([0.0, 1.0, 2.0, 0.0], 100), scores)
    score_dataset(CareDataset("a", True, np.arange(400), scores > 0.9, 100, 120))
    counter = Criticality()
    counter.admit(np.zeros(1, np.int32))
    counter.step(np.zeros(400, np.int32), np.where(scores > 0.5, 1.0, 0.0))


def unused() -> Iterator[str]:
    """Kernels that nothing above has compiled."""
    for found in pkgutil.iter_modules(streamad.kernels.__path__):
        module = import_module(f"streamad.kernels.{found.name}")
        for name, kernel in vars(module).items():
            own = getattr(kernel, "__module__", None) == module.__name__
            if own and hasattr(kernel, "nopython_signatures") and not kernel.nopython_signatures:
                yield f"{found.name}.{name}"


def main() -> None:
    """Compile by use; what torch costs to import is left out."""
    torch = find_spec("torch") is not None and import_module("torch") is not None
    names = [name for name in detector_names() if torch or detector_class(name).info.extra is None]
    started, cpu_before = time.perf_counter(), time.process_time()
    run(EventTime(), [make_stage(name, "fixed") for name in names])
    run(
        EventTime(period_ns=SECOND_NS, fill="hold", lateness_ns=5 * SECOND_NS),
        [make_stage("ewma", threshold) for threshold in threshold_names()],
    )
    for scaling in ("none", "robust", "ew"):
        window(WindowSpec(4, 3, scaling))
    evaluate()
    wave = np.sin(np.arange(400) * 0.2)
    streamad.score(wave, warm_up=200, keep_prefix=True).detector.prefix_scores(0)
    evt.pareto_fit(np.ones(5))
    subspace.keep_largest(np.arange(9, dtype=np.int32), np.empty(3, np.int32))
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_before
    cost = {"wall_s": wall_s, "cpu_s": cpu_s, "unused": sorted(unused())}
    sys.stdout.write(json.dumps(cost) + "\n")


if __name__ == "__main__":
    main()
