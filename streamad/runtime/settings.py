"""How the loop runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the loop runs; nothing here changes what comes out.

    Attributes
    ----------
    batch_rows : int
        Rows polled at once per partition.
    poll_timeout_s : float
        Longest wait for rows.
    checkpoint_every_s : float
        Seconds of the injected clock between checkpoints.
    keep : int
        Snapshots kept per partition.
    max_failed_checkpoints : int
        Failures in a row after which the engine stops.
    endless : bool
        The source begins where it likes: a partition without a snapshot gets one before its first
        row, so that a crash soon after does not skip any.
    fail_fast : bool
        A source that cannot be reached before its first assignment ends the run.
    on_gap : str
        Rows were gone before they were read: ``resume`` behind them, or ``stop``.
    on_lost : str
        A partition was read before and no snapshot of it is left: ``stop``, ``rebuild`` from the
        first row that there is, or go on ``fresh`` behind what was read.
    on_detector_error : str
        A detector raised: ``quarantine`` it for the series, or ``stop``.
    revoke_timeout_s : float
        Time to checkpoint partitions that are taken away.
    drain_timeout_s : float
        Time to hand everything over after a stop.
    stall_after_s : float
        Rows wait for so long and none comes: the engine stops.
    """

    batch_rows: int = 65_536
    poll_timeout_s: float = 0.2
    checkpoint_every_s: float = 10.0
    keep: int = 3
    max_failed_checkpoints: int = 10
    endless: bool = False
    fail_fast: bool = False
    on_gap: Literal["resume", "stop"] = "resume"
    on_lost: Literal["stop", "rebuild", "fresh"] = "stop"
    on_detector_error: Literal["quarantine", "stop"] = "quarantine"
    revoke_timeout_s: float = 10.0
    drain_timeout_s: float = 30.0
    stall_after_s: float = 600.0
