"""Scores in, alarm lines out: fixed, running quantile, peaks over threshold."""

from streamad.thresholds.fixed import Fixed
from streamad.thresholds.quantile import Quantile
from streamad.thresholds.registry import make_threshold, threshold_class, threshold_names
from streamad.thresholds.spot import Dspot, Spot

__all__ = [
    "Dspot",
    "Fixed",
    "Quantile",
    "Spot",
    "make_threshold",
    "threshold_class",
    "threshold_names",
]
