"""Sources that follow files, read until nothing more comes for now."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamad_connectors import following
from streamad_connectors.csv_file import CsvSource
from streamad_connectors.parquet_file import ParquetSource

from streamad.core.protocols import Assigned, DataGap, Settled


class _Ending:
    """Exhausted when everything that was written is read; rounds come one after the other."""

    idle = 0

    def poll(self, timeout_s, max_rows):
        told = self._notice is not None
        following.ROUND_S, kept = 0.0, following.ROUND_S
        try:
            found = super().poll(0.0, max_rows)
        finally:
            following.ROUND_S = kept
        still = not (found or told or self._notice or self._paused)
        self.idle = self.idle + 1 if still else 0
        return found

    def seek(self, partition, offset):
        self.idle = 0
        super().seek(partition, offset)

    def exhausted(self):
        return self.idle > 1


class EndingCsv(_Ending, CsvSource):
    """A CSV source that follows and ends."""


class EndingParquet(_Ending, ParquetSource):
    """A Parquet source that follows and ends."""


@dataclass
class Seen:
    """What a source gave: rows as (series, second, first value, offset), and all else."""

    rows: list = field(default_factory=list)
    rejects: list = field(default_factory=list)
    gaps: list = field(default_factory=list)
    kept: list = field(default_factory=list)

    @property
    def values(self):
        """First values of the rows."""
        return [row[2] for row in self.rows]


def read_on(source, max_rows=1000, commit=False):
    """Poll until nothing more comes; the identity is kept wherever the engine would keep it."""
    seen = Seen()
    source.idle = 0
    while not source.exhausted():
        batches = source.poll(0.0, max_rows)
        seen.rejects += [(reject.offset, reject.reason) for reject in source.rejects()]
        for event in source.events():
            if isinstance(event, DataGap):
                seen.gaps.append(event)
            else:
                assert isinstance(event, Settled | Assigned)
                seen.kept.append(source.identity)
        for batch in batches:
            for row in range(len(batch)):
                name = batch.schema.series[batch.codes[row]]
                second = int(batch.times[row]) // 10**9
                seen.rows.append((name, second, float(batch.values[row, 0]), batch.offset(row)))
            if commit:
                source.commit({batch.partition: batch.next_offset})
    return seen
