"""The checks of the stages around a detector can fail: each broken stage is caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.core.data import Segment, WindowSpec
from streamad.testing.conformance import (
    EpisodesConformance,
    OrderingConformance,
    PendingConformance,
    PipelineConformance,
    ThresholdConformance,
    WindowingConformance,
)
from streamad.testing.partitions import PartitionConformance
from streamad.testing.stages import StageConformance
from streamad.thresholds import Quantile
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

pytestmark = pytest.mark.usefixtures("first_failure_is_enough")


class LearnsMissingScores(Quantile):
    def step(self, slots, scores):
        return super().step(slots, np.nan_to_num(scores))


class GivesInfiniteLines(Quantile):
    def step(self, slots, scores):
        return np.nan_to_num(super().step(slots, scores), nan=np.inf)


class NeverGivesALine(Quantile):
    def step(self, slots, scores):
        return np.full(len(scores), np.nan)


class LearnsTheBatchFirst(Quantile):
    def step(self, slots, scores):
        super().step(slots, scores)
        return super().step(slots, scores)


class OfThreshold(ThresholdConformance):
    def make(self):
        return self.kind(q=0.9, window=40, init=5)


class ReversesWindows(Sliding):
    def push(self, rows):
        for positions, windows in super().push(rows):
            yield positions, replace(windows, values=windows.values[:, ::-1])


class NamesTheWrongRows(Sliding):
    def push(self, rows):
        for positions, windows in super().push(rows):
            yield np.maximum(positions - 1, 0), windows


class OfWindowing(WindowingConformance):
    spec = WindowSpec(length=4, hop=2)

    def make(self):
        return self.kind(self.spec)


class KeepsWhatWaits(FixedLag):
    def close(self, slots, owed, finals):
        return super().close(slots[:0], owed, finals)


class SwapsFinals(FixedLag):
    def step(self, slots, times, payload, shares, final, lag):
        return super().step(slots, times, payload, shares, final + 1.0, lag)


class NeverLooksBack(FixedLag):
    def open(self, n_columns, n_details, *, strongest=False):
        super().open(n_columns, n_details)


class OfPending(PendingConformance):
    depth = 3

    def make(self):
        return self.kind(self.depth)


class NumbersFromZero(EpisodeMachine):
    def step(self, rows):
        return [replace(alert, seq=alert.seq - 1) for alert in super().step(rows)]


class StaysSilent(EpisodeMachine):
    def step(self, rows):
        return []


class AlertsForOthers(EpisodeMachine):
    def step(self, rows):
        return [replace(alert, series="series-7") for alert in super().step(rows)]


class ForgetsTheMembers(EpisodeMachine):
    def step(self, rows):
        return [replace(alert, members=()) for alert in super().step(rows)]


class OfEpisodes(EpisodesConformance):
    def make(self):
        return self.kind(
            EpisodeRules(), pipeline="plant", detector="fast", detector_type="ewma", labels={}
        )


class LosesRejects(EventTime):
    def push(self, batch):
        for segment in super().push(batch):
            yield replace(segment, rejects=())


class TurnsTimeBack(EventTime):
    def push(self, batch):
        for segment in super().push(batch):
            rows = replace(segment.rows, times=segment.rows.times[::-1])
            yield replace(segment, rows=rows)


class SortsWithinABatch(EventTime):
    def push(self, batch):
        order = np.argsort(batch.times, kind="stable")
        yield from super().push(
            replace(
                batch,
                codes=batch.codes[order],
                times=batch.times[order],
                values=batch.values[order],
            )
        )


class ForgetsWhoIsLive(EventTime):
    def restore(self, snapshot):
        pass


class HoldsEverything(EventTime):
    def open(self, channels):
        super().open(channels)
        self.seen = []

    def push(self, batch):
        self.seen.append(batch.times.copy())
        yield from super().push(batch)

    def snapshot(self):
        return super().snapshot() | {"seen": np.concatenate([*self.seen, np.empty(0, np.int64)])}


class AdmitsNobody(EventTime):
    def push(self, batch):
        for segment in super().push(batch):
            yield Segment(segment.evicted, segment.admitted[:0], [], segment.rows, segment.rejects)


class NumbersAllSeries(EventTime):
    """Rows of later series come marked by how many were there before."""

    def push(self, batch):
        for segment in super().push(batch):
            values = segment.rows.values + segment.rows.slots[:, None]
            yield replace(segment, rows=replace(segment.rows, values=values))


class OfOrdering(OrderingConformance):
    def make(self, channels):
        made = self.kind(lateness_ns=2_000_000_000)
        made.open(channels)
        return made


CAUGHT = [
    (OfThreshold, LearnsMissingScores, "test_a_missing_score_is_not_learned"),
    (OfThreshold, GivesInfiniteLines, "test_every_row_gets_a_line_or_nan"),
    (OfThreshold, NeverGivesALine, "test_the_streams_of_the_checks_get_lines"),
    (OfThreshold, LearnsTheBatchFirst, "test_the_cut_into_batches_changes_nothing"),
    (OfThreshold, LearnsTheBatchFirst, "test_the_future_is_not_used"),
    (OfWindowing, ReversesWindows, "test_windows_hold_the_rows_of_their_series"),
    (OfWindowing, NamesTheWrongRows, "test_windows_hold_the_rows_of_their_series"),
    (OfPending, KeepsWhatWaits, "test_every_row_is_released_once"),
    (OfPending, SwapsFinals, "test_every_row_is_released_once"),
    (OfPending, NeverLooksBack, "test_the_strongest_row_comes_with_each"),
    (OfEpisodes, NumbersFromZero, "test_an_episode_opens_first_and_resolves_last"),
    (OfEpisodes, StaysSilent, "test_the_streams_of_the_checks_raise_alerts"),
    (OfEpisodes, ForgetsTheMembers, "test_alerts_name_the_members"),
    (OfEpisodes, AlertsForOthers, "test_company_changes_nothing"),
    (OfOrdering, LosesRejects, "test_every_row_is_accepted_or_rejected"),
    (OfOrdering, TurnsTimeBack, "test_rows_of_a_series_come_in_time_order"),
    (OfOrdering, SortsWithinABatch, "test_the_cut_into_batches_changes_nothing"),
    (OfOrdering, ForgetsWhoIsLive, "test_a_restart_changes_nothing"),
    (OfOrdering, HoldsEverything, "test_memory_is_bounded"),
    (OfOrdering, AdmitsNobody, "test_every_row_is_accepted_or_rejected"),
    (OfOrdering, NumbersAllSeries, "test_company_changes_nothing"),
]


@pytest.mark.parametrize(("suite", "kind", "check"), CAUGHT)
def test_a_broken_stage_is_caught(suite, kind, check):
    made = suite()
    made.kind = kind
    with pytest.raises(AssertionError):
        getattr(made, check)()


def test_every_check_has_a_stage_that_it_catches():
    """Those common to all stages, and to detectors, have theirs among the broken detectors."""
    for suite in (OfThreshold, OfWindowing, OfPending, OfEpisodes, OfOrdering):
        base = PartitionConformance if suite is OfOrdering else StageConformance
        common = set(dir(StageConformance)) if base is StageConformance else set()
        own = {name for name in dir(suite) if name.startswith("test_")} - common
        assert own <= {check for one, _, check in CAUGHT if one is suite}


def test_the_pipeline_is_checked_as_a_partition():
    assert issubclass(PipelineConformance, PartitionConformance)
