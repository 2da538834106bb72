"""What the process tells about itself."""

from __future__ import annotations

import numpy as np
import pytest
from reference.live import ROWS, batches

from streamad.core.data import Reject
from streamad.core.standing import SourceStanding
from streamad.runtime.telemetry import Buckets, PartitionHealth, Telemetry
from streamad.testing.fakes import FakeClock, LiveSource


def test_values_fall_into_the_first_bucket_that_holds_them():
    one, many = Buckets((1.0, 2.0)), Buckets((1.0, 2.0))
    values = [0.5, 1.0, 1.5, 2.0, 99.0]
    for value in values:
        one.add(value)
    many.add_all(np.array([*values, np.nan]))
    assert one.counts == many.counts == [2, 2, 1]
    assert one.total == many.total == 104.0


def test_a_loop_that_does_not_turn_is_stuck():
    clock = FakeClock()
    telemetry = Telemetry(clock=clock)
    clock.advance(29.0)
    assert telemetry.stuck() is None
    clock.advance(2.0)
    assert telemetry.stuck() == "the loop has not turned for 31 s"
    telemetry.doing = "sink webhook"
    assert telemetry.stuck().endswith(": it hangs in the step 'sink webhook'")
    telemetry.tick()
    assert telemetry.stuck() is None


def test_a_process_is_ready_when_it_owns_a_partition_and_does_not_drain():
    telemetry = Telemetry(clock=FakeClock())
    assert telemetry.not_ready() == ["no partition is assigned"]
    telemetry.partitions["p"] = PartitionHealth()
    assert telemetry.not_ready() == []
    telemetry.draining = True
    assert telemetry.not_ready() == ["draining"]


def test_a_source_that_cannot_be_reached_is_not_ready_until_it_answers():
    telemetry = Telemetry(clock=FakeClock())
    telemetry.partitions["p"] = PartitionHealth()
    telemetry.source_failed()
    assert telemetry.not_ready() == ["the source cannot be reached for 0 s"]
    telemetry.source_worked()
    assert telemetry.not_ready() == []


def test_a_member_that_a_group_has_nothing_for_stands_by_and_is_ready():
    telemetry = Telemetry(clock=FakeClock())
    telemetry.source_stands(SourceStanding(joined=False))
    assert telemetry.not_ready() == ["no partition is assigned"]
    telemetry.source_stands(SourceStanding(joined=True))
    assert telemetry.not_ready() == []


def test_a_source_of_which_nothing_is_heard_is_not_ready():
    clock = FakeClock()
    telemetry = Telemetry(clock=clock)
    telemetry.source_stands(SourceStanding(silent_s=10.0))
    assert telemetry.not_ready() == []
    clock.advance(6.0)
    assert telemetry.not_ready() == ["the source has been silent for 16 s"]
    telemetry.source_stands(SourceStanding(silent_s=0.0))
    assert telemetry.not_ready() == []


class Telling(LiveSource):
    """Tells about itself; two more bytes a poll."""

    def standing(self):
        return SourceStanding(2 * self.polls, {"inf": self.polls}, silent_s=1.0)


def test_what_a_source_tells_about_itself_is_asked_for_while_it_runs(live):
    run = live(source=Telling(batches()))
    run.run()
    assert run.telemetry.source_bytes == 2 * run.telemetry.invalid["inf"] > 20
    assert run.telemetry.source_heard_s is not None


@pytest.fixture
def ran(live):
    run = live(source=LiveSource(batches()))
    run.run()
    return run


def test_a_run_counts_rows_scores_alerts_and_checkpoints(ran):
    telemetry = ran.telemetry
    assert telemetry.rows == 2 * ROWS
    assert telemetry.batches == telemetry.batch_rows.counts[2] == 24
    assert telemetry.scores["fast"] == 2 * ROWS
    judged = telemetry.judged["fast"]
    assert 0 < judged <= 2 * ROWS
    assert sum(telemetry.ratios["fast"].counts) == judged
    opened = sum(n for (event, _), n in telemetry.alerts.items() if event == "open")
    assert opened == sum(a.event == "open" for p in "pq" for a in ran.sink.alerts[p])
    assert telemetry.checkpoints["ok"] > 5
    assert telemetry.checkpoint_bytes > 1000
    assert telemetry.commits["ok"] > 5
    phases = {name: sum(found.counts) for name, found in telemetry.checkpoint_s.items()}
    assert phases["whole"] == telemetry.checkpoints["ok"]
    assert phases["write"] == phases["snapshot"] > 5
    assert phases["commit"] == telemetry.commits["ok"]
    assert sum(telemetry.sinks[0].seconds.counts) >= telemetry.batches
    assert sum(telemetry.largest_series.values()) == 50


def test_lag_position_and_watermark_are_known_for_each_partition(ran):
    assert ran.telemetry.total_lag == 0
    last = {b.partition: int(b.times[-1]) for b in batches()}
    for name, health in ran.telemetry.partitions.items():
        assert (health.next_offset, health.lag) == (ROWS, 0)
        assert health.watermark_ns == last[name]
    assert ran.telemetry.watermark_ns == min(last.values())
    assert ran.telemetry.series == 4


@pytest.mark.parametrize(
    ("reason", "poisoned"),
    [
        ("decode", True),
        ("value", True),
        ("tombstone", False),
        ("late", False),
        ("duplicate", False),
        ("data_gap", False),
        ("state_lost", False),
    ],
)
def test_rows_that_only_say_that_there_is_nothing_to_judge_are_no_poison(reason, poisoned):
    telemetry = Telemetry(clock=FakeClock())
    telemetry.partitions["p"] = PartitionHealth()
    telemetry.saw_rejects([Reject("p", n, reason, "refused") for n in range(9)])
    assert telemetry.rejects == {reason: 9}
    assert telemetry.poisoned is poisoned
    assert bool(telemetry.not_ready()) is poisoned
