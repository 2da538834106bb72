"""Parameters with which a few hundred rows reach every branch of the installed detectors."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from streamad.detectors.registry import detector_class

_EWMA = {"warm_up": 8}
_KNN = {"length": 8, "points": 4, "memory": 24, "keep": 8, "warm_up": 16, "max_skipped": 8}
_MAHALANOBIS = {"warm_up": 12, "horizon": 60, "max_skipped": 8}

SMALL = {
    "convolutions": {"kernels": 16, "warm_up": 48},
    "ewma": _EWMA,
    "fusion": {"preset": "small", "warm_up": 48},
    "knn": _KNN,
    "level": {"warm_up": 48},
    "mahalanobis": _MAHALANOBIS,
    "neighbor": {"memory": 64, "warm_up": 48},
    "reconstruction": {"length": 32, "hop": 4, "warm_up": 16, "hidden": 4, "steps": 4},
    "ridge": {"warm_up": 48},
    "subspace": {"dims": 64, "warm_up": 48},
    "waking": {"warm_up": 48},
}
"""Short warm-ups and small memories; a detector that is not named here runs with its defaults."""


def skip_without_its_extra(name):
    """Skip the running test if a detector needs torch and there is none."""
    if detector_class(name).info.extra == "deep" and find_spec("torch") is None:
        pytest.skip("torch is not installed")
