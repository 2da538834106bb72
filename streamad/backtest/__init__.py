"""Replay stored data through an engine, evaluate what came out, score single arrays."""

from streamad.backtest.array import ScoredSeries, score
from streamad.backtest.batches import read_batches
from streamad.backtest.care import care_backtest
from streamad.backtest.evaluate import evaluate_run, vus_windows
from streamad.backtest.run import RunResult, backtest
from streamad.runtime.telemetry import Progress

__all__ = [
    "Progress",
    "RunResult",
    "ScoredSeries",
    "backtest",
    "care_backtest",
    "evaluate_run",
    "read_batches",
    "score",
    "vus_windows",
]
