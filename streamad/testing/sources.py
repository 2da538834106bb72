"""The promises of a source."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from streamad.core.data import Batch, Reject
from streamad.core.protocols import Assigned, CommitResult, Source
from streamad.testing.strategies import for_all
from streamad.testing.tables import Table, join, same

WHOLE = 1 << 20
"""Rows a poll when the cut does not matter."""


class SourceConformance:
    """What a source of finished data promises: subclass it and override :meth:`make`.

    Write a few hundred rows of several series once (a class-scoped fixture), with missing values
    and, where the format allows, rows that are refused.

    Attributes
    ----------
    effort : float
        Share of the examples of the active Hypothesis profile.
    idle_polls : int
        Empty polls in a row after which a source that is not exhausted hangs.

    Examples
    --------
    ::

        class TestMySource(SourceConformance):
            def make(self):
                return MySource(path="rows.bin")
    """

    effort: float = 1.0
    idle_polls: int = 100

    def make(self) -> Source:
        """A new source over the same data."""
        raise NotImplementedError

    def test_it_has_the_verbs_of_a_source(self) -> None:
        """It answers to every name of the protocol, and announces its partitions once."""
        source = self.make()
        assert isinstance(source, Source)
        partitions = started(source)
        assert partitions, "no partition was assigned"
        assert len(set(partitions)) == len(partitions)
        assert list(source.events()) == [], "the partitions were assigned twice"
        source.close()

    def test_rows_do_not_depend_on_how_many_are_asked_for(self) -> None:
        """Promise 1: any sequence of ``max_rows`` gives the same rows, offsets and rejects."""
        whole, refused = self.read([WHOLE])

        @for_all(self.effort, sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5))
        def holds(sizes: list[int]) -> None:
            rows, rejects = self.read(sizes)
            same(whole, rows, f"asking for {sizes} rows")
            assert rejects == refused, f"other rows are refused when {sizes} rows are asked for"

    def test_seeking_is_skipping(self) -> None:
        """Promise 2: from any offset on come the rows that a whole reading gives from there on."""
        whole, _ = self.read([WHOLE])
        for partition, table in whole.items():
            self._seek_anywhere(partition, table)

    def test_seeking_back_reads_again(self) -> None:
        """Seek works at any time, not only before the first poll."""
        whole, _ = self.read([WHOLE])
        source = self.make()
        for partition in started(source):
            source.seek(partition, 0)
        list(batches_of(source, [23], self.idle_polls))
        for partition in whole:
            source.seek(partition, 0)
        again = tables(batches_of(source, [31], self.idle_polls))
        source.close()
        same(whole, again, "seeking back to the start")

    def test_batches_keep_the_contract(self) -> None:
        """Dtypes, contiguity, no infinite value, known codes, offsets that grow."""
        source = self.make()
        for partition in started(source):
            source.seek(partition, 0)
        reached: dict[str, int] = {}
        for batch in batches_of(source, [37], self.idle_polls):
            n, c = len(batch), len(batch.schema.channels)
            assert 0 < n <= 37, f"a batch of {n} rows when at most 37 were asked for"
            assert batch.schema.channels == source.schema.channels
            for name, shape, dtype in (
                ("codes", (n,), np.int32),
                ("times", (n,), np.int64),
                ("values", (n, c), np.float64),
            ):
                array = getattr(batch, name)
                assert (array.shape, array.dtype) == (shape, dtype), name
                assert array.flags.c_contiguous, f"{name} is not C-contiguous"
            assert not np.any(np.isinf(batch.values)), "infinite values; missing is NaN"
            assert np.all((batch.codes >= 0) & (batch.codes < len(batch.schema.series)))
            offsets = np.array([batch.offset(row) for row in range(n)])
            assert np.all(np.diff(offsets) > 0), "offsets do not grow"
            assert offsets[0] >= reached.get(batch.partition, 0), "an offset came twice"
            assert batch.next_offset > offsets[-1]
            reached[batch.partition] = batch.next_offset
        source.close()

    def test_batches_handed_out_stay_as_they_are(self) -> None:
        """Promise 3: later polls and close change nothing in earlier batches."""
        source = self.make()
        for partition in started(source):
            source.seek(partition, 0)
        kept = [(batch, batch.values.copy()) for batch in batches_of(source, [29], self.idle_polls)]
        source.close()
        for batch, values in kept:
            np.testing.assert_array_equal(batch.values, values)

    def test_it_ends(self) -> None:
        """At the end it is exhausted, polls give nothing, nothing lags, and close works twice."""
        source = self.make()
        for partition in started(source):
            source.seek(partition, 0)
        assert not source.exhausted()
        n = sum(len(batch) for batch in batches_of(source, [41], self.idle_polls))
        assert source.exhausted()
        assert list(source.poll(0.0, 10)) == []
        assert source.exhausted()
        assert all(lag in {0, None} for lag in source.lag().values())
        assert source.total_rows is None or source.total_rows >= n
        source.close()
        source.close()

    def test_a_commit_is_accepted(self) -> None:
        """Commit answers OK and moves nothing."""
        whole, _ = self.read([WHOLE])
        source = self.make()
        for partition in started(source):
            source.seek(partition, 0)
        batches = []
        for batch in batches_of(source, [19], self.idle_polls):
            assert source.commit({batch.partition: batch.next_offset}) is CommitResult.OK
            batches.append(batch)
        source.close()
        same(whole, tables(batches), "committing after every batch")

    def test_a_paused_partition_is_silent(self) -> None:
        """Pause stops the rows of a partition, resume goes on without a gap."""
        whole, _ = self.read([WHOLE])
        source = self.make()
        partitions = started(source)
        for partition in partitions:
            source.seek(partition, 0)
        batches = list(source.poll(1.0, 13))
        source.pause(partitions)
        assert list(source.poll(0.0, 13)) == [], "rows of a paused partition"
        assert not source.exhausted()
        source.resume(partitions)
        batches += batches_of(source, [13], self.idle_polls)
        source.close()
        same(whole, tables(batches), "a pause")

    def read(
        self, sizes: list[int], offsets: dict[str, int] | None = None
    ) -> tuple[dict[str, Table], list[Reject]]:
        """All rows by partition and all rejects, from these offsets on."""
        source = self.make()
        for partition in started(source):
            source.seek(partition, (offsets or {}).get(partition, 0))
        rejects: list[Reject] = []
        batches = []
        for batch in batches_of(source, sizes, self.idle_polls):
            batches.append(batch)
            rejects += source.rejects()
        rejects += source.rejects()
        source.close()
        return tables(batches), sorted(rejects, key=lambda r: (r.partition, r.offset or 0))

    def _seek_anywhere(self, partition: str, whole: Table) -> None:
        """Compare readings from drawn offsets on with the rest of a whole one."""

        @for_all(
            self.effort,
            offset=st.integers(0, int(whole["offset"][-1]) + 1),
            size=st.integers(1, 60),
        )
        def holds(offset: int, size: int) -> None:
            rest = whole.take(np.flatnonzero(whole["offset"] >= offset))
            rows, _ = self.read([size], {partition: offset})
            found = rows.get(partition, rest.take(slice(0, 0)))
            same({partition: rest}, {partition: found}, f"seeking {partition} to {offset}")


def started(source: Source) -> list[str]:
    """Partitions that a new source assigns."""
    return [
        partition
        for event in source.events()
        if isinstance(event, Assigned)
        for partition in event.partitions
    ]


def batches_of(source: Source, sizes: list[int], idle_polls: int) -> Iterator[Batch]:
    """Poll to the end, asking for these numbers of rows in turn."""
    turn = idle = 0
    while idle < idle_polls:
        batches = source.poll(0.01, sizes[turn % len(sizes)])
        turn += 1
        idle = 0 if batches else idle + 1
        yield from batches
        if not batches and source.exhausted():
            return
    raise AssertionError(f"{idle_polls} empty polls in a row and still not exhausted")


def tables(batches: list[Batch] | Iterator[Batch]) -> dict[str, Table]:
    """Rows of each partition, with the names of their series."""
    parts: dict[str, list[Table]] = {}
    for batch in batches:
        columns = {
            "series": np.array([batch.schema.series[code] for code in batch.codes], np.object_),
            "times": batch.times.copy(),
            "values": batch.values.copy(),
            "offset": np.array([batch.offset(row) for row in range(len(batch))], np.int64),
        }
        part = Table(np.zeros(len(batch), np.int32), columns)
        parts.setdefault(batch.partition, []).append(part)
    return {partition: join(found) for partition, found in parts.items()}
