"""How the CARE score judges, by version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamad.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CareRules:
    """How data sets are judged; the defaults are those of energy-fault-detector 0.8.1.

    Attributes
    ----------
    coverage_beta, reliability_beta : float
        Of the two F scores; below 1 precision counts more.
    coverage_weight, accuracy_weight, earliness_weight, reliability_weight : float
        Of the sub-scores in the final one.
    method : {"criticality", "fraction"}
        A data set counts as detected when its counter reaches ``criticality_rows``, or when at
        least ``min_fraction`` of its judged rows are predicted.
    criticality_rows : int
        12 hours of rows of ten minutes.
    criticality_cap : int or None
        Highest value of the counter.
    min_fraction : float
    descent : (int, int)
        Numerator and denominator of the share of the event window after which the weights of
        earliness descend.
    count_whole_frame : bool
        Whether the counter runs on after the end of the event window.
    accept_half : bool
        Whether a mean accuracy of exactly one half is enough for the weighted score.
    """

    coverage_beta: float = 0.5
    reliability_beta: float = 0.5
    coverage_weight: float = 1.0
    accuracy_weight: float = 2.0
    earliness_weight: float = 1.0
    reliability_weight: float = 1.0
    method: Literal["criticality", "fraction"] = "criticality"
    criticality_rows: int = 72
    criticality_cap: int | None = 1000
    min_fraction: float = 0.1
    descent: tuple[int, int] = (1, 4)
    count_whole_frame: bool = False
    accept_half: bool = False

    def __post_init__(self) -> None:
        if self.method not in ("criticality", "fraction"):
            raise ConfigError(f"method must be criticality or fraction, got {self.method!r}")
        numerator, denominator = self.descent
        if denominator <= 0 or not 0 <= numerator < denominator:
            raise ConfigError(
                f"descent must be a share in [0, 1) as (numerator, denominator), got {self.descent}"
            )


PRESETS: dict[str, CareRules] = {
    "efd": CareRules(),
    "arxiv2024": CareRules(
        descent=(1, 2), criticality_cap=None, count_whole_frame=True, accept_half=True
    ),
}
"""Rules by name: energy-fault-detector 0.3.0 to 0.8.1, and arXiv:2404.10320v2 as printed."""
