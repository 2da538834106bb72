"""Streaming time-series anomaly detection: sources, windows, online detectors, alerts, replay.

Everything named here is imported on first use, so ``import streamad`` costs next to nothing.

Examples
--------
>>> import numpy as np, streamad
>>> calm = np.sin(np.arange(400) * 0.3)
>>> calm[300] = 6.0
>>> scored = streamad.score(calm, detector="ewma")
>>> int(np.nanargmax(scored.causal))
300
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamad.backtest.array import ScoredSeries, score
    from streamad.backtest.run import RunResult
    from streamad.config import Config, load_config
    from streamad.core.data import Alert, Batch, Schema, Scores, Windows, WindowSpec
    from streamad.core.errors import (
        ConfigError,
        ConnectorError,
        StateError,
        StreamadError,
    )
    from streamad.detectors.registry import detector_names, make_detector
    from streamad.pipeline import Pipeline, Stage
    from streamad.runtime.engine import Engine

__version__ = "0.1.0"

_HOMES = {
    "Alert": "streamad.core.data",
    "Batch": "streamad.core.data",
    "Config": "streamad.config",
    "ConfigError": "streamad.core.errors",
    "ConnectorError": "streamad.core.errors",
    "Engine": "streamad.runtime.engine",
    "Pipeline": "streamad.pipeline",
    "RunResult": "streamad.backtest.run",
    "Schema": "streamad.core.data",
    "ScoredSeries": "streamad.backtest.array",
    "Scores": "streamad.core.data",
    "Stage": "streamad.pipeline",
    "StateError": "streamad.core.errors",
    "StreamadError": "streamad.core.errors",
    "WindowSpec": "streamad.core.data",
    "Windows": "streamad.core.data",
    "detector_names": "streamad.detectors.registry",
    "load_config": "streamad.config",
    "make_detector": "streamad.detectors.registry",
    "score": "streamad.backtest.array",
}

__all__ = [
    "Alert",
    "Batch",
    "Config",
    "ConfigError",
    "ConnectorError",
    "Engine",
    "Pipeline",
    "RunResult",
    "Schema",
    "ScoredSeries",
    "Scores",
    "Stage",
    "StateError",
    "StreamadError",
    "WindowSpec",
    "Windows",
    "detector_names",
    "load_config",
    "make_detector",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'streamad' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
