"""What looks after the loop from inside: lag, stalls, too many refused rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from streamad.core.errors import ConnectorError, Disconnected
from streamad.core.protocols import Source
from streamad.core.standing import SourceStanding
from streamad.runtime.partition import Partition
from streamad.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Watch:
    """Keeps the slow numbers of the telemetry, and ends a process that reads nothing any more.

    Parameters
    ----------
    source : Source
    telemetry : Telemetry
    stall_after_s : float
        Rows wait for so long and none comes.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        source: Source,
        telemetry: Telemetry,
        stall_after_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._telemetry = telemetry
        self._stall_after_s = stall_after_s
        self._clock = clock
        self._looked_at = -LOOK_EVERY_S
        self._moved_at = clock()
        self._seen = -1
        self._poisoned = False
        self._standing: Callable[[], SourceStanding] | None = getattr(source, "standing", None)

    def look(self, partitions: Mapping[str, Partition], *, held_back: bool) -> None:
        """Once a second: lag, open alerts, series, and whether the loop still gets anywhere.

        Parameters
        ----------
        partitions : mapping of str to Partition
            Those owned now.
        held_back : bool
            True while a sink refuses, so that nothing can come.

        Raises
        ------
        ConnectorError
            When the source has stalled.
        """
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        telemetry = self._telemetry
        lags = self._lags()
        for name, part in partitions.items():
            health = telemetry.partitions[name]
            health.next_offset, health.lag = part.next_offset, lags.get(name)
            health.watermark_ns = part.pipeline.watermark_ns
            telemetry.evicted += part.pipeline.n_evicted - health.evicted
            health.evicted = part.pipeline.n_evicted
        held = partitions.values()
        telemetry.open_alerts = sum(part.pipeline.open_episodes() for part in held)
        telemetry.series = sum(part.pipeline.series_count() for part in held)
        telemetry.quarantined = sum(part.pipeline.quarantined() for part in held)
        self._look_at_the_source()
        self._look_for_poison()
        self._look_for_a_stall(now, held_back=held_back)

    def _lags(self) -> Mapping[str, int | None]:
        try:
            return self._source.lag()
        except Disconnected:
            return {}

    def _look_at_the_source(self) -> None:
        if self._standing is not None:
            self._telemetry.source_stands(self._standing())

    def _look_for_poison(self) -> None:
        """One line when it begins, one when it ends."""
        poisoned, share = self._telemetry.poisoned, self._telemetry.reject_share
        if poisoned and not self._poisoned:
            log.error(
                "SourceRejecting: %.0f %% of the rows of the last minute were refused", 100 * share
            )
        elif self._poisoned and not poisoned:
            log.info("the share of refused rows is down to %.0f %%", 100 * share)
        self._poisoned = poisoned

    def _look_for_a_stall(self, now: float, *, held_back: bool) -> None:
        telemetry = self._telemetry
        seen = telemetry.rows + telemetry.rejects.total()
        idle = telemetry.total_lag == 0 or held_back
        if seen != self._seen or idle or telemetry.source_failing_since_s is not None:
            self._seen, self._moved_at = seen, now
            return
        if now - self._moved_at >= self._stall_after_s:
            telemetry.stalled = True
            raise ConnectorError(
                f"{telemetry.total_lag} rows wait, but none has come for "
                f"{now - self._moved_at:.0f} s: the source has stalled, start again"
            )
