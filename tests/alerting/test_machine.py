"""Episodes by example: each rule on a few rows of one series."""

from __future__ import annotations

import jsonschema
import numpy as np
import pytest

from streamad.alerting import EpisodeMachine, EpisodeRules, SeverityRule, alert_id
from streamad.core.data import NO_MEMBERS, Contribution, Judged, MemberPart, Members
from streamad.core.errors import NotFittedError, ShapeError, StateError
from streamad.core.event import alert_document, alert_schema

NAN = float("nan")
VALIDATOR = jsonschema.Draft202012Validator(alert_schema())
MEMBERS = Members(("shape", "level"), {"shape": "like nothing in the last 4 096 rows"}, (1.0, 1.5))


def make(rules=None, channels=("x",), names=("pump-7",), members=NO_MEMBERS):
    machine = EpisodeMachine(
        rules or EpisodeRules(),
        pipeline="plant-a",
        detector="fast",
        detector_type="ewma",
        labels={"team": "plant-ops"},
    )
    machine.open(channels, members)
    machine.admit(np.arange(len(names), dtype=np.int32), names)
    return machine


def rows(
    ratios,
    times=None,
    slots=None,
    values=None,
    shares=None,
    expected=None,
    parts=None,
    causal=None,
):
    n = len(ratios)
    ratio = np.array(ratios, float)
    values = np.zeros((n, 1)) if values is None else np.array(values, float)
    c = values.shape[1]
    return Judged(
        np.zeros(n, np.int32) if slots is None else np.array(slots, np.int32),
        np.arange(n) if times is None else np.array(times, np.int64),
        2.0 * ratio,
        np.full(n, 2.0),
        ratio,
        np.empty((0, c), np.float32) if shares is None else np.array(shares, np.float32),
        values,
        np.empty((0, c)) if expected is None else np.array(expected, float),
        None if parts is None else np.array(parts, np.float32),
        None if causal is None else np.array(causal, float),
    )


def events(rules, ratios, times=None):
    """(event, reason, detected) of one series."""
    alerts = make(rules).step(rows(ratios, times))
    for alert in alerts:
        VALIDATOR.validate(alert_document(alert))
    return [(alert.event, alert.reason, alert.detected_ns) for alert in alerts]


def test_an_episode_opens_on_the_line_and_closes_below_the_lower_one():
    assert events(EpisodeRules(), [0.9, 1.0, 0.9, 0.7, 0.69, 0.9]) == [
        ("open", "open", 1),
        ("resolve", "recovered", 4),
    ]


def test_start_end_and_peak_are_rows_over_the_line():
    opened, resolved = make(EpisodeRules(open_rows=2)).step(rows([1.5, 1.2, 0.8, 1.1, 0.9, 0.1]))
    assert (opened.start_ns, opened.detected_ns, opened.end_ns) == (0, 1, None)
    assert (resolved.start_ns, resolved.detected_ns, resolved.end_ns) == (0, 5, 3)
    assert (resolved.peak_ns, resolved.peak_score, resolved.peak_ratio) == (0, 3.0, 1.5)
    assert (opened.score, opened.threshold, opened.ratio) == (2.4, 2.0, 1.2)


@pytest.mark.parametrize("broken_by", [0.9, 0.1])
def test_open_rows_must_follow_each_other(broken_by):
    rules = EpisodeRules(open_rows=3)
    assert events(rules, [1.1, 1.1, broken_by, 1.1, 1.1]) == []
    assert events(rules, [1.1, 1.1, 1.1]) == [("open", "open", 2)]


def test_open_for_a_duration_counts_from_the_first_row_over_the_line():
    rules = EpisodeRules(open_ns=10)
    assert events(rules, [1.1, 1.1, 1.1], [0, 9, 10]) == [("open", "open", 10)]


def test_close_rows_and_duration_must_both_be_met():
    rules = EpisodeRules(close_rows=2, close_ns=10)
    assert events(rules, [2, 0, 0, 0], [0, 1, 2, 11])[1:] == [("resolve", "recovered", 11)]
    assert events(rules, [2, 0, 0], [0, 1, 50])[1:] == [("resolve", "recovered", 50)]


def test_a_row_between_the_lines_starts_the_recovery_anew():
    rules = EpisodeRules(close_rows=2)
    assert events(rules, [2, 0, 0.8, 0, 0])[1:] == [("resolve", "recovered", 4)]


def test_a_crossing_within_the_merge_gap_continues_the_episode():
    rules = EpisodeRules(merge_gap_ns=10)
    alerts = make(rules).step(rows([2, 0, 2, 0, 0], [0, 1, 11, 12, 22]))
    assert [(alert.event, alert.seq) for alert in alerts] == [("open", 1), ("resolve", 2)]
    assert (alerts[1].start_ns, alerts[1].end_ns, alerts[1].detected_ns) == (0, 11, 22)


def test_a_crossing_after_the_merge_gap_is_a_new_episode():
    rules = EpisodeRules(merge_gap_ns=10)
    assert events(rules, [2, 0, 2], [0, 1, 12]) == [
        ("open", "open", 0),
        ("resolve", "recovered", 11),
        ("open", "open", 12),
    ]


def test_missing_rows_hold_an_open_episode():
    rules = EpisodeRules(close_rows=2)
    assert events(rules, [2, 0, NAN, NAN, 0])[1:] == [("resolve", "recovered", 4)]
    assert events(rules, [2, NAN, NAN, NAN]) == [("open", "open", 0)]


def test_missing_rows_hold_a_pending_episode():
    assert events(EpisodeRules(open_rows=2), [2, NAN, 2]) == [("open", "open", 2)]


def test_no_data_resolves_at_the_time_it_ran_out():
    rules = EpisodeRules(no_data_after_ns=10)
    assert events(rules, [2, NAN, NAN], [0, 10, 11]) == [
        ("open", "open", 0),
        ("resolve", "no_data", 10),
    ]


def test_a_row_after_silence_begins_a_new_episode():
    rules = EpisodeRules(no_data_after_ns=10)
    assert events(rules, [2, 2], [0, 50]) == [
        ("open", "open", 0),
        ("resolve", "no_data", 10),
        ("open", "open", 50),
    ]


def test_silence_forgets_a_pending_run():
    assert events(EpisodeRules(open_rows=2, no_data_after_ns=10), [2, 2], [0, 50]) == []


def test_an_event_without_a_row_has_no_score():
    alerts = make(EpisodeRules(no_data_after_ns=10)).step(rows([2, 2], [0, 50]))
    assert np.isnan([alerts[1].score, alerts[1].threshold, alerts[1].ratio]).all()


def test_the_longest_episode_ends_and_what_goes_on_is_a_new_one():
    rules = EpisodeRules(max_open_ns=10)
    assert events(rules, [2, 2, 2, 2], [0, 5, 10, 12]) == [
        ("open", "open", 0),
        ("resolve", "timeout", 10),
        ("open", "open", 10),
    ]


def test_updates_come_periodically_while_it_is_open():
    rules = EpisodeRules(update_every_ns=10, close_rows=9)
    assert events(rules, [2, 2, 0, NAN, 2, 2], [0, 9, 10, 20, 21, 31])[1:] == [
        ("update", "periodic", 10),
        ("update", "periodic", 21),
        ("update", "periodic", 31),
    ]


def test_severity_follows_the_peak_and_never_falls():
    rules = EpisodeRules(severities=(SeverityRule("critical", 3.0), SeverityRule("warning")))
    alerts = make(rules).step(rows([1.5, 3.5, 1.1, 4.0, 0.0]))
    assert [(alert.event, alert.reason, alert.severity) for alert in alerts] == [
        ("open", "open", "warning"),
        ("update", "severity", "critical"),
        ("resolve", "recovered", "critical"),
    ]


def test_severity_rises_with_time():
    rules = EpisodeRules(
        severities=(SeverityRule("critical", 1.5, lasting_ns=3), SeverityRule("notice"))
    )
    assert [
        (alert.detected_ns, alert.severity)
        for alert in make(rules).step(rows([1.6, 1.1, 1.1, 1.1]))
    ] == [(0, "notice"), (3, "critical")]


def test_severity_is_a_warning_where_no_rule_holds():
    rules = EpisodeRules(severities=(SeverityRule("critical", 3.0),))
    assert make(rules).step(rows([1.5]))[0].severity == "warning"


def test_two_rules_of_one_level_are_no_rise():
    rules = EpisodeRules(severities=(SeverityRule("critical", 5.0), SeverityRule("critical", 2.0)))
    assert len(make(rules).step(rows([2.5, 6.0]))) == 1


def test_an_episode_within_the_cool_down_is_suppressed():
    alerts = make(EpisodeRules(cool_down_ns=10)).step(rows([2, 0, 2, 0, 2], [0, 5, 14, 15, 16]))
    assert [(alert.event, alert.suppressed) for alert in alerts] == [
        ("open", None),
        ("resolve", None),
        ("open", "cool_down"),
        ("resolve", "cool_down"),
        ("open", None),
    ]


def test_a_suppressed_episode_does_not_prolong_the_cool_down():
    flapping = [2, 0] * 20
    alerts = make(EpisodeRules(cool_down_ns=10)).step(rows(flapping))
    assert [
        alert.start_ns for alert in alerts if alert.event == "open" and not alert.suppressed
    ] == [
        0,
        12,
        24,
        36,
    ]


def test_an_open_episode_resolves_at_the_last_row_of_its_series():
    machine = make()
    machine.step(rows([2, 1.5, NAN], [0, 3, 7]))
    (alert,) = machine.close(np.array([0], np.int32), "end_of_stream")
    VALIDATOR.validate(alert_document(alert))
    assert (alert.event, alert.reason, alert.seq) == ("resolve", "end_of_stream", 2)
    assert (alert.end_ns, alert.detected_ns) == (3, 7)
    assert machine.open_count() == 0


def test_a_pending_episode_yields_nothing_at_the_end():
    machine = make(EpisodeRules(open_rows=2))
    machine.step(rows([2]))
    assert machine.close(np.array([0], np.int32), "end_of_stream") == []


def test_closing_goes_in_slot_order():
    machine = make(names=("a", "b", "c"))
    machine.step(rows([2, 2, 2], slots=[2, 0, 1]))
    closed = machine.close(np.array([2, 0], np.int32), "no_data")
    assert [alert.series for alert in closed] == ["a", "c"]
    assert machine.open_count() == 1


def test_a_slot_starts_afresh_with_its_next_series():
    machine = make()
    machine.step(rows([2, 2]))
    machine.admit(np.array([0], np.int32), ["pump-8"])
    (alert,) = machine.step(rows([2], [0]))
    assert (alert.series, alert.seq, alert.start_ns) == ("pump-8", 1, 0)


def test_rows_of_one_moment_never_make_two_episodes_of_one_identity():
    alerts = make().step(rows([2, 0, 2, 0, 2], [5, 5, 5, 5, 6]))
    assert [(alert.start_ns, alert.seq) for alert in alerts] == [(5, 1), (5, 2), (6, 1)]


def test_the_identity_is_a_hash_of_pipeline_series_detector_and_start():
    start_ns = 1_795_442_640_000_000_000
    (alert,) = make().step(rows([2], [start_ns]))
    assert alert.id == "alt_48118392befb2363"
    assert alert.id == alert_id("plant-a", "pump-7", "fast", start_ns)
    assert alert.id != alert_id("plant-b", "pump-7", "fast", start_ns)


def test_contributions_are_those_of_the_peak_and_survive_a_restart():
    values = [[84.2, 12.9], [90.0, 16.5], [59.0, 16.0]]
    expected = [[59.7, 16.5]] * 3
    shares = [[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]]
    rules = EpisodeRules(close_rows=1)
    machine = make(rules, ("temperature", "flow"))
    machine.step(rows([3.8, 1.2], [0, 1], None, values[:2], shares[:2], expected[:2]))
    restored = make(rules, ("temperature", "flow"), ())
    restored.restore(machine.snapshot())
    (alert,) = restored.step(rows([0.2], [2], None, values[2:], shares[2:], expected[2:]))
    assert alert.contributions == (
        Contribution("temperature", 0.75, 84.2, 59.7, "above"),
        Contribution("flow", 0.25, 12.9, 16.5, "below"),
    )
    assert alert.peak_ns == 0
    assert alert.series == "pump-7"


def test_members_are_those_of_the_largest_causal_score_whatever_drives():
    alerts = make(channels=("flow", "pressure"), members=MEMBERS).step(
        rows(
            [1.5, 2.4, 1.2, 0.1],
            values=[[1, 2], [3, 4], [5, 9.8], [7, 8]],
            shares=[[0.5, 0.5], [1, 0], [0.2, 0.8], [1, 0]],
            expected=[[1, 4.1]] * 4,
            parts=[[1, 1], [0, 4], [6, 2], [0, 0]],
            causal=[2, 3, 8, 0],
        )
    )
    opened, resolved = alerts
    assert opened.members == (
        MemberPart("level", 1.0, 0.6),
        MemberPart("shape", 1.0, 0.4, MEMBERS.reasons["shape"]),
    )
    assert [(part.name, part.score) for part in resolved.members] == [("shape", 6), ("level", 2)]
    assert resolved.members[0].share == 36 / 42
    assert [(part.channel, part.actual) for part in resolved.contributions] == [
        ("pressure", 9.8),
        ("flow", 5.0),
    ]
    assert (resolved.peak_ns, resolved.peak_ratio) == (1, 2.4)
    for alert in alerts:
        VALIDATOR.validate(alert_document(alert))


def test_without_another_causal_score_the_one_that_drives_names_the_members():
    alerts = make(members=MEMBERS).step(rows([1.5, 2.4, 0.1], parts=[[1, 0], [0, 4], [9, 9]]))
    assert [part.name for part in alerts[-1].members] == ["level"]


def test_members_survive_a_restart_without_rows_of_their_own():
    machine = make(members=MEMBERS)
    machine.step(rows([1.5, 1.2], parts=[[3, 0], [0, 4]], causal=[2, 1]))
    restored = make(members=MEMBERS, names=())
    restored.restore(machine.snapshot())
    (alert,) = restored.close(np.array([0], np.int32), "end_of_stream")
    assert [(part.name, part.score) for part in alert.members] == [("shape", 3.0)]


def test_the_cause_may_lie_before_the_peak_and_in_an_earlier_step():
    machine = make(members=MEMBERS)
    machine.step(rows([1.5, 1.2], [0, 1], parts=[[3, 0], [0, 4]], causal=[1, 2]))
    (alert,) = machine.step(rows([3.5, 0.1], [2, 3], parts=[[9, 9], [9, 9]], causal=[1.5, 0]))[-1:]
    assert (alert.peak_ns, [part.name for part in alert.members]) == (2, ["level"])


def test_a_member_that_did_not_judge_is_not_named():
    (alert,) = make(members=MEMBERS).step(rows([1.5], parts=[[NAN, 2.0]]))
    assert alert.members == (MemberPart("level", 2.0, 1.0),)


def test_rows_without_parts_name_no_member():
    (alert,) = make(members=MEMBERS).step(rows([1.5], values=[[3]]))
    assert alert.members == ()
    assert alert.summary == "pump-7: x 3; 1.5 × threshold"


def test_the_summary_gives_the_reason_of_the_first_member():
    minute = 60_000_000_000
    opened, resolved = make(channels=("flow", "pressure"), members=MEMBERS).step(
        rows(
            [2.4, 2.4, 0.1],
            [0, 3 * minute, 4 * minute],
            values=[[5, 9.8]] * 3,
            shares=[[0.19, 0.81]] * 3,
            expected=[[5, 4.1]] * 3,
            parts=[[6, 2]] * 3,
        )
    )
    told = (
        "2.4 × the line, like nothing in the last 4 096 rows; pressure 81 %, expected 4.1, was "
        "9.8; flow 19 %, expected 5, was 5"
    )
    assert opened.summary == f"pump-7: {told}"
    assert resolved.summary == f"pump-7: back to normal after 3 min; at its peak {told}"


def test_an_update_tells_how_long_it_has_lasted():
    second = 1_000_000_000
    rules = EpisodeRules(update_every_ns=second)
    alerts = make(rules, ("flow",), members=MEMBERS).step(
        rows([2.0, 2.0], [0, 5 * second], values=[[3], [3]], parts=[[6, 2]] * 2)
    )
    assert alerts[1].summary == (
        "pump-7: 2.0 × the line for 5 s, like nothing in the last 4 096 rows; flow, was 3"
    )


def test_the_summary_is_a_plain_sentence():
    (alert,) = make(channels=("temperature", "flow")).step(
        rows([3.8], [0], None, [[84.2, 12.9]], [[0.7, 0.3]], [[59.7, 16.5]])
    )
    assert alert.summary == (
        "pump-7: temperature 84.2 (expected 59.7), flow 12.9 (expected 16.5); 3.8 × threshold"
    )


def test_a_single_channel_has_the_whole_share():
    (alert,) = make(channels=("flow",)).step(rows([2.0], values=[[12.9]]))
    assert alert.contributions == (Contribution("flow", 1.0, 12.9),)


def test_several_channels_without_shares_have_no_contributions():
    (alert,) = make(channels=("a", "b")).step(rows([2.0], values=[[1.0, 2.0]]))
    assert alert.contributions == ()
    assert alert.summary == "pump-7: score 4; 2.0 × threshold"


def test_the_summary_of_an_end_says_how_and_after_how_long():
    minute = 60_000_000_000
    alerts = make().step(rows([2, 2, 0], [0, 142 * minute, 143 * minute], values=[[3], [4], [0]]))
    assert alerts[-1].summary == (
        "pump-7: back to normal after 2 h 22 min; at its peak x 3; 2.0 × threshold"
    )


def test_a_machine_that_was_not_opened_says_so():
    machine = EpisodeMachine(
        EpisodeRules(), pipeline="p", detector="d", detector_type="t", labels={}
    )
    with pytest.raises(NotFittedError, match="call open"):
        machine.step(rows([1.0]))


def test_a_slot_that_was_never_admitted_is_refused():
    with pytest.raises(NotFittedError, match="slot 3 was never admitted"):
        make().step(rows([1.0], slots=[3]))


def test_every_slot_needs_a_name():
    with pytest.raises(ShapeError, match="2 slots came with 1 names"):
        make().admit(np.array([0, 1], np.int32), ["a"])


def test_a_snapshot_of_other_channels_is_refused():
    with pytest.raises(StateError, match="cause_values"):
        make(channels=("a", "b")).restore(make(channels=("a",)).snapshot())


def test_criticality_opens_an_episode_only_when_rows_over_the_line_pile_up():
    rules = EpisodeRules(criticality_rows=3)
    ratios = [1.2, 0.1, 1.2, 1.2, 0.1, 1.2, 1.2, 0.1, 0.1, 0.1, 0.1]
    assert events(rules, ratios) == [("open", "open", 6), ("resolve", "recovered", 7)]


def test_the_count_of_criticality_goes_through_a_snapshot():
    rules = EpisodeRules(criticality_rows=3)
    first = make(rules)
    first.step(rows([1.2, 1.2]))
    second = make(rules)
    second.restore(first.snapshot())
    assert [alert.event for alert in second.step(rows([1.2], times=[2]))] == ["open"]


def test_with_criticality_rows_that_were_not_judged_still_end_by_no_data():
    rules = EpisodeRules(criticality_rows=3, no_data_after_ns=5)
    found = events(rules, [1.2, 1.2, 1.2] + [NAN] * 10)
    assert found == [("open", "open", 2), ("resolve", "no_data", 7)]


def test_alerts_of_criticality_tell_the_score_over_its_line():
    alerts = make(EpisodeRules(criticality_rows=3)).step(rows([4.0, 4.0, 9.0]))
    assert (alerts[0].ratio, alerts[0].peak_ratio) == (9.0, 9.0)
