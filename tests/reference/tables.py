"""Small files for the tests of sources, the reading of a source, and the order of a merge."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START_NS = 1_700_000_000 * 10**9
JUMP_NS = 366 * 86_400 * 10**9


def stamps(seconds, unit="ns", zone="UTC"):
    """Timestamps so many seconds after the start; None = null."""
    ns = [None if s is None else START_NS + int(s * 10**9) for s in seconds]
    return pa.array(ns, pa.timestamp("ns")).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, zone))


def write(path, columns, **options):
    """Write a Parquet file from columns; its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


@dataclass
class Read:
    """All rows of a source."""

    series: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    values: list = field(default_factory=list)
    offsets: list = field(default_factory=list)
    rejects: list = field(default_factory=list)
    next_offset: int = 0

    def rows(self):
        """Rows as one comparable list (NaN as None)."""
        values = [tuple(None if np.isnan(v) else v for v in row) for row in self.values]
        return list(zip(self.series, self.seconds, values, self.offsets, strict=True))


def read(source, sizes=(1 << 20,)):
    """Read a source to its end, asking for these numbers of rows in turn."""
    source.events()
    found, turn = Read(), 0
    while True:
        batches = source.poll(0.0, sizes[turn % len(sizes)])
        found.rejects += source.rejects()
        turn += 1
        if not batches and source.exhausted():
            source.close()
            return found
        for batch in batches:
            found.series += [batch.schema.series[code] for code in batch.codes]
            found.seconds += ((batch.times - START_NS) / 10**9).tolist()
            found.values += batch.values.tolist()
            found.offsets += [batch.offset(row) for row in range(len(batch))]
            found.next_offset = batch.next_offset


def merge_order(files):
    """Rows of several files in merge order, as (file, row): a stable sort by running maximum.

    ``files`` holds a list of times each; None = the row is refused. A time a year ahead of the
    maximum so far does not move it unless the next time of the file confirms it.
    """
    ranked = []
    for number, times in enumerate(files):
        known = [t for t in times if t is not None]
        reached = known[0] if known else 0
        for row, t in enumerate(times):
            if t is not None:
                later = [x for x in times[row + 1 :] if x is not None][:1]
                spike = t - reached > JUMP_NS and not (later and later[0] >= t - JUMP_NS)
                reached = reached if spike else max(reached, t)
            ranked.append((reached, number, row))
    return [(number, row) for _, number, row in sorted(ranked)]


def pump_lines(rng, begin_s):
    """150 rows of CSV of three pumps in the order of time; some cells are missing or no numbers."""
    seconds = np.sort(rng.integers(0, 200, 150))
    for k, second in enumerate(seconds.tolist()):
        flow = "" if k % 7 == 0 else f"{rng.normal():.4f}"
        level = "broken" if k in {0, 60, 61, 149} else str(k)
        yield f"{begin_s + second},pump-{k % 3},{flow},{level}"
