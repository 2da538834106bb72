"""The promises of DESIGN section 4 as pytest classes, one per protocol.

Subclass one, override ``make`` (and what else its docstring names), and pytest runs every check on
your object. Hypothesis draws the streams; its active profile says how many.
"""

from streamad.testing.crash import CrashConformance
from streamad.testing.detectors import DetectorConformance
from streamad.testing.partitions import OrderingConformance, PipelineConformance
from streamad.testing.sinks import SinkConformance
from streamad.testing.sources import SourceConformance
from streamad.testing.thresholds import EpisodesConformance, ThresholdConformance
from streamad.testing.windowing import PendingConformance, WindowingConformance

__all__ = [
    "CrashConformance",
    "DetectorConformance",
    "EpisodesConformance",
    "OrderingConformance",
    "PendingConformance",
    "PipelineConformance",
    "SinkConformance",
    "SourceConformance",
    "ThresholdConformance",
    "WindowingConformance",
]
