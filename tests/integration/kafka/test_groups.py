"""Members that come and go: every row once, and partitions handed over with their state."""

from __future__ import annotations

import time

import pytest
from reference.kafka_rows import MemberThread, wait_until
from reference.kafka_team import N_PARTITIONS, all_own, fill, rows_of, team_of

from streamad.core.protocols import Assigned, Lost, Revoked

pytestmark = pytest.mark.kafka


@pytest.fixture(params=["cooperative", "range"])
def assignor(request):
    return request.param


@pytest.fixture
def team(broker, open_source, assignor):
    """Members of one group on a topic, with a shared state."""
    topic = broker.create_topic(f"team-{assignor}", N_PARTITIONS)
    with team_of(lambda: open_source(topic, assignor=assignor)) as (come, members, state):
        yield topic, come, members, state


def test_members_share_the_partitions_and_read_every_row_once(broker, team):
    topic, come, members, state = team
    for size in (1, 2, 3):
        come()
        wait_until(lambda: all_own(members), f"{size} members")
        fill(broker, topic, 50 * (size - 1), 50)
        wait_until(lambda n=50 * size: len(rows_of(members)) == N_PARTITIONS * n, "all rows")
    for size in (2, 1):
        members.pop(0).leave()
        wait_until(lambda: all_own(members), f"{size} members")
    assert state == {f"{topic}/{p}": 150 for p in range(N_PARTITIONS)}


def test_a_partition_is_revoked_and_checkpointed_before_it_is_handed_over(broker, team):
    topic, come, members, _ = team
    first = come()
    wait_until(lambda: all_own(members), "the first")
    fill(broker, topic, 0, 200)
    second = come()
    wait_until(lambda: all_own(members), "the second")
    fill(broker, topic, 200, 100)
    wait_until(lambda: len(rows_of(members)) == N_PARTITIONS * 300, "all rows")
    assert max(rows_of(members).values()) == 1, "a row was read twice"
    given = {name for event in first.heard(Revoked) for name in event.partitions}
    assert second.own <= given
    assert not first.heard(Lost)
    assert not second.heard(Lost)


@pytest.mark.any_broker
def test_an_idle_group_comes_to_rest(broker, team, assignor):
    _, come, members, _ = team
    for _ in range(3):
        come()
    wait_until(lambda: all_own(members), "three members")
    time.sleep(1)
    before = [len(member.heard(Assigned)) for member in members]
    time.sleep(4)
    assert [len(member.heard(Assigned)) for member in members] == before


@pytest.mark.any_broker
def test_a_cooperative_group_keeps_what_stays(broker, open_source):
    topic = broker.create_topic("keeps", N_PARTITIONS)
    state = {}
    first = MemberThread(lambda: open_source(topic), state)
    wait_until(lambda: len(first.own) == N_PARTITIONS, "the first")
    second = MemberThread(lambda: open_source(topic), state)
    wait_until(lambda: len(second.own) == 2, "the second")
    wait_until(lambda: len(first.own) == 2, "half is left")
    taken = [name for event in first.heard(Revoked) for name in event.partitions]
    assert sorted(taken) == sorted(second.own)
    first.leave()
    second.leave()


def test_members_that_come_and_go_lose_nothing(broker, team):
    topic, come, members, state = team
    come()
    gone, n = [], 0
    for turn in range(6):
        fill(broker, topic, n, 40)
        n += 40
        if turn % 2 == 0:
            come()
        else:
            gone.append(members.pop(0))
            gone[-1].leave()
        time.sleep(0.5)
    wait_until(lambda: len(rows_of(members + gone)) == N_PARTITIONS * n, "all rows")
    wait_until(lambda: all_own(members), "the rest")
    wait_until(lambda: set(state.values()) == {n}, "all checkpointed")
    members += gone
    assert max(rows_of(members).values()) == 1, "a row was read twice"
