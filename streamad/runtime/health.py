"""How a living process does: plain numbers that the engine writes and the web page reads."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from streamad.core.data import Batch, Reject
from streamad.core.standing import SourceStanding
from streamad.pipeline import Output
from streamad.runtime.measures import (
    RATIO_BOUNDS,
    ROWS_BOUNDS,
    SECONDS_BOUNDS,
    Buckets,
    PartitionHealth,
    SinkHealth,
    Stage,
)

HARMLESS = frozenset({"tombstone", "late", "duplicate", "data_gap", "state_lost"})
"""Reasons that are no sign of poison: nothing is wrong with such rows, or there are none."""
SHARE_WINDOW_S = 60.0
FAILING_S = 60.0
STUCK_S = 30.0
SILENT_S = 15.0
KEYS_EVERY_S = 10.0
N_KEYS = 5
PHASES = ("whole", "flush", "snapshot", "write", "commit")


class Telemetry:
    """Counters and timestamps of one process; written once a batch, read from any thread.

    Parameters
    ----------
    sinks : sequence of str
        Names of the sinks, in their order.
    max_reject_share : float
        Share of refused rows over a minute above which the process is not ready.
    clock : callable
        Monotonic seconds.
    wall : callable
        Unix seconds; for the timestamps that people read.

    Attributes
    ----------
    started_s, tick_s : float
        Monotonic seconds of the start and of the last turn of the loop.
    doing : str
        The step of the loop that was begun last.
    rows, batches : int
    rejects : Counter of str
        Refused rows by reason.
    scores, judged : Counter of str
        Rows of the score table by detector, and those of them with a score.
    ratios : dict of str to Buckets
        Score ratios by detector.
    alerts : Counter of (event, severity)
    suppressed : Counter of str
        Suppressed openings by reason.
    detector_errors : Counter of (detector, type of the error)
    last_record_ns : int or None
        Latest event time seen.
    batch_rows, processing_s, end_to_end_s : Buckets
        Rows of a batch; poll to sinks; wall clock less event time of the newest row of a batch.
    open_alerts, series, quarantined : int
        Now, over the partitions that are owned.
    evicted : int
        Series whose state was dropped.
    largest_series : dict of str to int
        Those with the most rows in one batch of the last seconds, with these rows.
    partitions : dict of str to PartitionHealth
        Those owned now.
    checkpoints : Counter of str
        ``ok``, ``failed``, ``skipped`` (no time left when a partition was revoked).
    checkpoint_s : dict of str to Buckets
        ``flush``, ``snapshot`` and ``write`` of a partition, ``commit`` of all; the ``whole``.
    checkpoint_bytes : int
        State arrays of the last checkpoint, all partitions together.
    last_checkpoint_s : float or None
        Unix seconds.
    commits : Counter of str
        By the value of ``CommitResult``.
    rebalances : Counter of str
        ``assign``, ``revoke``, ``lost``; one a partition.
    gaps, gap_rows : int
        Times that rows were gone before they were read, and how many offsets that were.
    states_lost : int
        Partitions that had been read and began without a snapshot.
    source_errors : int
        Polls that could not reach the source.
    source_failing_since_s : float or None
        Monotonic seconds.
    source_bytes : int
    invalid : dict of str to int
        Values that the source made missing, by kind.
    joined : bool
        True while a group has given out its partitions.
    source_heard_s : float or None
        Monotonic seconds of the last sign of life of the other side; None = unknown.
    sinks : list of SinkHealth
    dead_letter : SinkHealth
    draining, stalled : bool
    reloads : Counter of str
        Times that the configuration was read again: ``ok``, ``failed``.
    reload_failed : bool
        The last time.
    """

    def __init__(
        self,
        sinks: Sequence[str] = (),
        *,
        max_reject_share: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.wall = wall
        self.max_reject_share = max_reject_share
        self.started_s = self.tick_s = clock()
        self.doing = ""
        self.rows = self.batches = 0
        self.rejects: Counter[str] = Counter()
        self.scores: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        self.ratios: dict[str, Buckets] = {}
        self.alerts: Counter[tuple[str, str]] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.detector_errors: Counter[tuple[str, str]] = Counter()
        self.last_record_ns: int | None = None
        self.batch_rows = Buckets(ROWS_BOUNDS)
        self.processing_s = Buckets(SECONDS_BOUNDS)
        self.end_to_end_s = Buckets(SECONDS_BOUNDS)
        self.open_alerts = self.series = self.quarantined = self.evicted = 0
        self.largest_series: dict[str, int] = {}
        self._keys_at = -KEYS_EVERY_S
        self.partitions: dict[str, PartitionHealth] = {}
        self.checkpoints: Counter[str] = Counter()
        self.checkpoint_s = {phase: Buckets(SECONDS_BOUNDS) for phase in PHASES}
        self.checkpoint_bytes = 0
        self.last_checkpoint_s: float | None = None
        self.commits: Counter[str] = Counter()
        self.rebalances: Counter[str] = Counter()
        self.gaps = self.gap_rows = self.states_lost = 0
        self.source_errors = 0
        self.source_failing_since_s: float | None = None
        self.source_bytes = 0
        self.invalid: dict[str, int] = {}
        self.joined = False
        self.source_heard_s: float | None = None
        self.sinks = [SinkHealth(name) for name in sinks]
        self.dead_letter = SinkHealth("dead_letter")
        self.draining = self.stalled = False
        self.reloads: Counter[str] = Counter()
        self.reload_failed = False
        self._recent: deque[tuple[float, int, int]] = deque()

    def tick(self) -> None:
        """The loop has come round."""
        self.tick_s = self.clock()

    def saw_batch(self, batch: Batch, seconds: float) -> None:
        """A batch went through pipeline and sinks in so many seconds."""
        n = len(batch)
        self.batches += 1
        self.rows += n
        self.batch_rows.add(n)
        self.processing_s.add(seconds)
        self._remember(n, 0)
        if n:
            latest = int(batch.times.max())
            self.last_record_ns = max(latest, self.last_record_ns or latest)
            self.end_to_end_s.add(max(0.0, self.wall() - latest / 1e9))
            if self.clock() - self._keys_at >= KEYS_EVERY_S:
                self._keys_at = self.clock()
                self.largest_series = _largest(batch)

    def saw_output(self, out: Output) -> None:
        """Scores, alerts and failures of detectors."""
        for rows in out.scores:
            self.scores[rows.detector] += len(rows)
            self.judged[rows.detector] += int(np.count_nonzero(~np.isnan(rows.score)))
            if rows.detector not in self.ratios:
                self.ratios[rows.detector] = Buckets(RATIO_BOUNDS)
            self.ratios[rows.detector].add_all(rows.ratio)
        for alert in out.alerts:
            self.alerts[alert.event, alert.severity] += 1
            if alert.suppressed is not None and alert.event == "open":
                self.suppressed[alert.suppressed] += 1
        for failure in out.failures:
            self.detector_errors[failure.detector, failure.error] += 1

    def saw_rejects(self, rejects: Sequence[Reject]) -> None:
        """Rows that were refused, by the source or by a pipeline."""
        if rejects:
            self.rejects.update(reject.reason for reject in rejects)
            self._remember(0, sum(reject.reason not in HARMLESS for reject in rejects))

    def saved(self, seconds: float, n_bytes: int) -> None:
        """A checkpoint is durable."""
        self.checkpoints["ok"] += 1
        self.checkpoint_s["whole"].add(seconds)
        self.checkpoint_bytes = n_bytes
        self.last_checkpoint_s = self.wall()

    def worked(
        self, sink: SinkHealth, stage: Stage = Stage.FLUSHED, rows: int = 0, alerts: int = 0
    ) -> None:
        """A sink took something; that ends an outage if it got as far as what was put off."""
        sink.rows += rows
        sink.alerts += alerts
        if sink.failing_since_s is None or stage >= sink.failing_at:
            sink.last_success_s = self.wall()
            sink.failing_since_s = None
            sink.failing_at = Stage.WRITTEN

    def refused(self, sink: SinkHealth, detail: str, stage: Stage = Stage.FLUSHED) -> None:
        """A sink put something off."""
        sink.refusals += 1
        sink.detail = detail
        sink.failing_at = max(sink.failing_at, stage)
        if sink.failing_since_s is None:
            sink.failing_since_s = self.clock()

    def source_worked(self) -> None:
        """A poll came back, with rows or without."""
        self.source_failing_since_s = None

    def source_failed(self) -> None:
        """A poll could not reach the source."""
        self.source_errors += 1
        if self.source_failing_since_s is None:
            self.source_failing_since_s = self.clock()

    def source_stands(self, standing: SourceStanding) -> None:
        """What the source tells about itself."""
        self.source_bytes = standing.n_bytes
        self.invalid = dict(standing.invalid)
        self.joined = standing.joined
        self.source_heard_s = self.clock() - standing.silent_s

    def reloaded(self, *, ok: bool) -> None:
        """The configuration was read again."""
        self.reloads["ok" if ok else "failed"] += 1
        self.reload_failed = not ok

    @property
    def watermark_ns(self) -> int | None:
        """Lowest event time reached over the partitions that have one."""
        return min(self._watermarks(), default=None)

    @property
    def total_lag(self) -> int:
        """Rows not yet polled, where the source knows."""
        return sum(part.lag or 0 for part in list(self.partitions.values()))

    @property
    def reject_share(self) -> float:
        """Share of refused rows among those of the last minute, harmless ones left out."""
        since = self.clock() - SHARE_WINDOW_S
        recent = [entry for entry in list(self._recent) if entry[0] > since]
        refused = sum(entry[2] for entry in recent)
        return refused / max(1, refused + sum(entry[1] for entry in recent))

    @property
    def poisoned(self) -> bool:
        """True while more rows are refused than ``max_reject_share`` allows."""
        return self.reject_share > self.max_reject_share

    def stuck(self) -> str | None:
        """What keeps the loop from turning; None while the process is alive."""
        still = self.clock() - self.tick_s
        if still <= STUCK_S:
            return None
        step = f": it hangs in the step '{self.doing}'" if self.doing else ""
        return f"the loop has not turned for {still:.0f} s{step}"

    def not_ready(self) -> list[str]:
        """Everything that speaks against sending work here; empty = ready."""
        now, found = self.clock(), []
        if self.draining:
            found.append("draining")
        if not self.partitions and not self.joined:
            found.append("no partition is assigned")
        if self.source_failing_since_s is not None:
            gone_s = now - self.source_failing_since_s
            found.append(f"the source cannot be reached for {gone_s:.0f} s")
        if self.source_heard_s is not None and now - self.source_heard_s > SILENT_S:
            found.append(f"the source has been silent for {now - self.source_heard_s:.0f} s")
        for sink in (*self.sinks, self.dead_letter):
            since = sink.failing_since_s
            if since is not None and now - since > FAILING_S:
                found.append(f"{sink.name} refuses for {now - since:.0f} s: {sink.detail}")
        for name, part in list(self.partitions.items()):
            since = part.held_since_s
            if since is not None and now - since > FAILING_S:
                found.append(f"{name} waits for a sink for {now - since:.0f} s")
        if self.poisoned:
            found.append(
                f"{self.reject_share:.0%} of the rows of the last minute were refused, more than "
                f"{self.max_reject_share:.0%}"
            )
        if self.stalled:
            found.append("rows wait, but none comes")
        return found

    def _watermarks(self) -> Iterable[int]:
        for part in list(self.partitions.values()):
            if part.watermark_ns is not None:
                yield part.watermark_ns

    def _remember(self, rows: int, refused: int) -> None:
        """Rows of the last minute, one entry a second."""
        now = self.clock()
        if self._recent and now - self._recent[-1][0] < 1.0:
            at, before, bad = self._recent[-1]
            self._recent[-1] = (at, before + rows, bad + refused)
        else:
            self._recent.append((now, rows, refused))
        while self._recent and self._recent[0][0] <= now - SHARE_WINDOW_S:
            self._recent.popleft()


def _largest(batch: Batch) -> dict[str, int]:
    """The series with the most rows of a batch."""
    counts = np.bincount(batch.codes)
    codes = [code for code in np.argsort(-counts, kind="stable")[:N_KEYS].tolist() if counts[code]]
    return {batch.schema.series[code]: int(counts[code]) for code in codes}
