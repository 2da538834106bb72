from __future__ import annotations

from dataclasses import replace

import pytest
from streamad_connectors.alertmanager_state import AlertStates, batches
from streamad_connectors.prometheus_alert import annotations_of, labels_of

from streamad.core.event import alert_document, iso_time
from streamad.testing.sinks import example_output

ALERT = example_output(1)[1][0]
WALL_S = 1_800_000_000.0


def document(event="open", seq=1, severity="warning", name="alt_0", **changes):
    end_ns = ALERT.start_ns if event == "resolve" else None
    alert = replace(
        ALERT, event=event, seq=seq, severity=severity, id=name, end_ns=end_ns, **changes
    )
    return alert_document(alert)


class World:
    """States, and an Alertmanager that takes what is due at a time."""

    def __init__(self):
        self.states = AlertStates(60.0, "http://page/#/{id}")

    def take(self, at_s, *args, **kwargs):
        self.states.take("p", document(*args, **kwargs), WALL_S + at_s)

    def send(self, at_s):
        """What is sent at this time: (severity, firing) by message."""
        self.last = self.states.due(WALL_S + at_s, at_s)
        self.states.sent(self.last, at_s)
        return [(m.body["labels"]["severity"], m.firing) for m in self.last]


@pytest.fixture
def world():
    return World()


def test_an_open_alert_is_sent_every_round_with_an_end_four_rounds_ahead(world):
    world.take(0, "open")
    sent = {at: world.send(at) for at in (0, 30, 60, 90, 120)}
    assert sent == {
        0: [("warning", True)],
        30: [],
        60: [("warning", True)],
        90: [],
        120: [("warning", True)],
    }
    assert world.last[0].body["endsAt"] == iso_time(int(WALL_S + 120 + 240) * 10**9)
    assert world.last[0].body["startsAt"] == document()["start"]


def test_a_resolved_alert_is_sent_for_15_minutes_with_the_same_end_and_texts(world):
    world.take(0, "open")
    world.send(0)
    world.take(10, "resolve", 2)
    bodies = []
    for at in range(10, 2000, 10):
        if world.send(at):
            assert world.last[0].firing is False
            bodies.append((at, world.last[0].body))
    assert bodies[0][0] == 10
    assert 15 * 60 - 60 <= bodies[-1][0] - bodies[0][0] <= 15 * 60
    assert {body["endsAt"] for _, body in bodies} == {iso_time(int(WALL_S + 10) * 10**9)}
    assert all(body["annotations"] and body["generatorURL"] for _, body in bodies)


def test_an_update_is_sent_at_once(world):
    world.take(0, "open")
    world.send(0)
    world.take(1, "update", 2, summary="worse")
    assert world.send(1) == [("warning", True)]
    assert world.last[0].body["annotations"]["summary"] == "worse"


def test_on_escalation_the_old_label_set_ends_in_the_message_in_which_the_new_one_begins(world):
    world.take(0, "open")
    world.send(0)
    world.take(20, "update", 2, "critical")
    assert sorted(world.send(20)) == [("critical", True), ("warning", False)]
    ends = {m.body["labels"]["severity"]: m.body["endsAt"] for m in world.last}
    assert ends["warning"] == iso_time(int(WALL_S + 20) * 10**9)


def test_on_resolve_both_label_sets_end(world):
    world.take(0, "open")
    world.send(0)
    world.take(20, "update", 2, "critical")
    world.send(20)
    world.take(30, "resolve", 3, "critical")
    assert sorted(world.send(30)) == [("critical", False), ("warning", False)]


def test_a_short_episode_is_announced_before_it_is_resolved(world):
    world.take(0, "open")
    world.take(0, "resolve", 2)
    assert world.send(5) == [("warning", True)]
    assert world.send(35) == []
    assert world.send(65) == [("warning", False)]


def test_a_change_on_the_way_is_not_taken_for_sent(world):
    world.take(0, "open")
    under_way = world.states.due(WALL_S, 0)
    world.take(1, "resolve", 2)
    world.states.sent(under_way, 1)
    assert world.states.n_fresh() == 1
    assert world.send(1) == [("warning", False)]


def test_a_new_episode_with_the_same_labels_takes_the_place_of_the_old_one(world):
    world.take(0, "open")
    world.send(0)
    world.take(10, "resolve", 2)
    world.send(10)
    world.take(20, "open", 1, name="alt_1")
    assert world.send(20) == [("warning", True)]
    assert [world.send(at) for at in (80, 140)] == [[("warning", True)]] * 2


def test_a_restart_goes_on(world):
    world.take(0, "open")
    world.take(0, "open", name="alt_1", series="other")
    world.send(0)
    world.take(10, "resolve", 2)
    position = world.states.position("p")
    again = World()
    again.states.restore("p", position)
    assert sorted(again.send(0)) == [("warning", False), ("warning", True)]
    assert again.states.position("p") == position


def test_a_restart_before_the_announcement_announces(world):
    world.take(0, "open")
    world.take(0, "resolve", 2)
    again = World()
    again.states.restore("p", world.states.position("p"))
    assert again.send(0) == [("warning", True)]


def test_a_forgotten_partition_is_silent(world):
    world.take(0, "open")
    world.states.forget("p")
    assert world.send(0) == []
    assert world.states.position("p") == {"alerts": []}


def test_an_end_is_never_before_the_start(world):
    later = int((WALL_S + 3600) * 1e9)
    world.take(0, "open", start_ns=later)
    world.send(0)
    world.states.take(
        "p",
        document("resolve", 2, start_ns=later) | {"start": iso_time(later)},
        WALL_S + 1,
    )
    world.send(1)
    assert world.last[0].body["endsAt"] == world.last[0].body["startsAt"]


def test_a_batch_never_parts_an_episode(world):
    for i in range(4):
        world.take(0, "open", name=f"alt_{i}", series=f"s{i}")
    world.send(0)
    for i in range(4):
        world.take(1, "update", 2, "critical", name=f"alt_{i}", series=f"s{i}")
    world.send(1)
    parts = [sorted(m.standing.alert_id for m in b) for b in batches(world.last, 5)]
    assert parts == [["alt_0", "alt_0", "alt_1", "alt_1"], ["alt_2", "alt_2", "alt_3", "alt_3"]]


def test_labels_fit_every_alertmanager():
    labels = labels_of(
        document(
            labels={"host.name": "a", "my-label": "b", "empty": "", "series": "mine", "ü": "c"}
        )
    )
    assert labels == {
        "alertname": "StreamadAnomaly",
        "pipeline": "plant",
        "series": "pump-ü",
        "detector": "detector",
        "severity": "warning",
        "host_name": "a",
        "my_label": "b",
        "_": "c",
    }


def test_annotations_are_never_empty():
    found = annotations_of(document(summary="", ratio=float("nan"), contributions=()))
    assert found == {"alert_id": "alt_0", "peak_ratio": f"{ALERT.peak_ratio:.2f}", "reason": "open"}
