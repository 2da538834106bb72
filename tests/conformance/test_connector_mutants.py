"""The checks of sources and sinks can fail: honest ones pass, each broken one is caught."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from streamad.core.data import Schema
from streamad.core.protocols import CommitResult
from streamad.testing.conformance import SinkConformance, SourceConformance
from streamad.testing.fakes import ListSource
from streamad.testing.streams import Recipe, channel_names, make_batch, pieces, series_name

pytestmark = pytest.mark.usefixtures("first_failure_is_enough")


def batches():
    stream = Recipe(4, ("sine", "walk"), 2, 200, 0.05, 2).stream()
    schema = Schema(channel_names(2), [series_name(code) for code in range(2)])
    return [make_batch(schema, stream.take(span), span.start) for span in pieces(200, 50)]


class LosesARowBetweenPolls(ListSource):
    def poll(self, timeout_s, max_rows):
        found = super().poll(timeout_s, max_rows)
        self._next = {name: min(at + 1, self._end[name]) for name, at in self._next.items()}
        return found


class SeeksOneTooFar(ListSource):
    def seek(self, partition, offset):
        super().seek(partition, offset + (offset > 0))


class CannotSeekBack(ListSource):
    def seek(self, partition, offset):
        super().seek(partition, max(offset, self._next[partition]))


class GivesInfiniteValues(ListSource):
    def poll(self, timeout_s, max_rows):
        found = super().poll(timeout_s, max_rows)
        return [replace(batch, values=batch.values / 0.0) for batch in found]


class GivesColumnsInFortranOrder(ListSource):
    def poll(self, timeout_s, max_rows):
        found = super().poll(timeout_s, max_rows)
        return [replace(batch, values=np.asfortranarray(batch.values)) for batch in found]


class UsesItsBufferAgain(ListSource):
    def poll(self, timeout_s, max_rows):
        found = super().poll(timeout_s, max_rows)
        self.buffer = getattr(self, "buffer", np.empty((50, 2)))
        for i, batch in enumerate(found):
            self.buffer[: len(batch)] = batch.values
            found[i] = replace(batch, values=self.buffer[: len(batch)])
        return found


class NeverEnds(ListSource):
    def exhausted(self):
        return False


class AssignsTwice(ListSource):
    def events(self):
        self._announced = False
        return super().events()


class MovesOnCommit(ListSource):
    def commit(self, offsets):
        self._next = {name: max(0, at - 1) for name, at in self._next.items()}
        return CommitResult.LOST


class SpeaksWhilePaused(ListSource):
    def pause(self, partitions):
        pass


CAUGHT_SOURCES = [
    (LosesARowBetweenPolls, "test_rows_do_not_depend_on_how_many_are_asked_for"),
    (SeeksOneTooFar, "test_seeking_is_skipping"),
    (CannotSeekBack, "test_seeking_back_reads_again"),
    (GivesInfiniteValues, "test_batches_keep_the_contract"),
    (GivesColumnsInFortranOrder, "test_batches_keep_the_contract"),
    (UsesItsBufferAgain, "test_batches_handed_out_stay_as_they_are"),
    (NeverEnds, "test_it_ends"),
    (AssignsTwice, "test_it_has_the_verbs_of_a_source"),
    (MovesOnCommit, "test_a_commit_is_accepted"),
    (SpeaksWhilePaused, "test_a_paused_partition_is_silent"),
]


class SourceSuite(SourceConformance):
    effort = 0.5

    def __init__(self, kind):
        self.kind = kind

    def make(self):
        return self.kind(batches())


@pytest.mark.parametrize("check", [name for name in dir(SourceSuite) if name.startswith("test_")])
def test_an_honest_source_passes(check):
    getattr(SourceSuite(ListSource), check)()


@pytest.mark.parametrize(("kind", "check"), CAUGHT_SOURCES)
def test_a_broken_source_is_caught(kind, check):
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        getattr(SourceSuite(kind), check)()


class Lines:
    """Bytes that are appended to a file when they are flushed, whoever has written meanwhile."""

    def __init__(self, path):
        self._file = path.open("ab", buffering=0)
        self._waiting = []

    def cut(self, length):
        self._file.truncate(length)

    def write(self, data):
        self._waiting.append(data)

    def flush(self):
        self._file.write(b"".join(self._waiting))
        self._waiting.clear()
        return self._file.seek(0, 2)

    def close(self):
        self._file.close()


class LineSink:
    """Scores and alerts as lines of one file, truncated to the position when it is opened."""

    def __init__(self, path):
        self.path = path
        self.file = None

    def open(self, partition, position):
        self.close()
        self.file = Lines(self.path)
        self.file.cut(position["bytes"] if position else 0)

    def write(self, partition, scores, alerts):
        for item in (*scores, *alerts):
            self.file.write(json.dumps(repr(item)).encode() + b"\n")

    def flush(self, partition, next_offset):
        return {"bytes": self.file.flush()}

    def drop(self, partition):
        self.close()

    def finish(self, partition):
        self.file.flush()

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None


class DoesNotTruncate(LineSink):
    def open(self, partition, position):
        self.close()
        self.file = Lines(self.path)
        if not position:
            self.file.cut(0)


class StartsAgain(LineSink):
    def open(self, partition, position):
        super().open(partition, None)


class DoesNotDeliverOnFlush(LineSink):
    waiting = 0

    def write(self, partition, scores, alerts):
        self.file.write(b"line\n")
        self.waiting += 5

    def flush(self, partition, next_offset):
        return {"bytes": self.path.stat().st_size + self.waiting}


class DeliversOnDrop(LineSink):
    def drop(self, partition):
        if self.file is not None:
            self.file.flush()
        super().drop(partition)


class DeletesOnDrop(LineSink):
    def drop(self, partition):
        super().drop(partition)
        self.path.unlink(missing_ok=True)


class CutsOnDrop(LineSink):
    covered = 0

    def flush(self, partition, next_offset):
        self.covered = self.file.flush()
        return {"bytes": self.covered}

    def drop(self, partition):
        if self.file is not None:
            self.file.cut(self.covered)
        super().drop(partition)


class MovesItsFileOnFinish(LineSink):
    def finish(self, partition):
        super().finish(partition)
        self.path.replace(self.path.with_name("done"))


class NeedsRows(LineSink):
    def open(self, partition, position):
        super().open(partition, position)
        self.rows = 0

    def write(self, partition, scores, alerts):
        super().write(partition, scores, alerts)
        self.rows += 1

    def finish(self, partition):
        assert self.rows


class WritesNothing(LineSink):
    def write(self, partition, scores, alerts):
        pass


class HasNoFinish(LineSink):
    finish = None


class HasNoDrop(LineSink):
    drop = None


CAUGHT_SINKS = [
    (DoesNotTruncate, "test_a_crash_does_not_show"),
    (StartsAgain, "test_a_crash_does_not_show"),
    (DoesNotDeliverOnFlush, "test_a_crash_does_not_show"),
    (DeliversOnDrop, "test_a_drop_does_not_show"),
    (DeletesOnDrop, "test_a_drop_does_not_show"),
    (CutsOnDrop, "test_a_drop_does_not_show"),
    (MovesItsFileOnFinish, "test_finishing_twice_is_finishing_once"),
    (NeedsRows, "test_a_run_without_rows_is_complete"),
    (WritesNothing, "test_what_was_flushed_is_in_the_output"),
    (HasNoFinish, "test_it_has_the_verbs_of_a_sink"),
    (HasNoDrop, "test_it_has_the_verbs_of_a_sink"),
]


class SinkSuite(SinkConformance):
    def __init__(self, kind):
        self.kind = kind

    def make(self, folder):
        return self.kind(folder / "lines")


@pytest.mark.parametrize("check", [name for name in dir(SinkSuite) if name.startswith("test_")])
def test_an_honest_sink_passes(check):
    getattr(SinkSuite(LineSink), check)()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "check"), CAUGHT_SINKS)
def test_a_broken_sink_is_caught(kind, check):
    with pytest.raises(AssertionError):
        getattr(SinkSuite(kind), check)()


def test_every_check_has_something_that_it_catches():
    for suite, caught in ((SourceSuite, CAUGHT_SOURCES), (SinkSuite, CAUGHT_SINKS)):
        checks = {name for name in dir(suite) if name.startswith("test_")}
        assert {check for _, check in caught} == checks
