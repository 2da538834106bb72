"""Changes of a group as events: what may be checkpointed and what is too late."""

from __future__ import annotations

import pytest

pytest.importorskip("kafka")

from kafka import TopicPartition
from streamad_connectors.kafka.group import Change
from streamad_connectors.kafka.ownership import Ownership

from streamad.core.protocols import Assigned, Lost, Revoked

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeGroup:
    def __init__(self, *, eager):
        self.eager = eager
        self.generation = 1
        self.queue = []

    def changes(self):
        found, self.queue = self.queue, []
        return found


def make(*, eager, held=(A, B)):
    group, forgotten = FakeGroup(eager=eager), []
    owned = Ownership(group, forgotten.extend)
    group.queue = [Change("assigned", held, 1)] if held else []
    owned.follow()
    owned.take_events()
    return group, owned, forgotten


def test_what_is_assigned_is_held_and_told():
    group, owned, _ = make(eager=False, held=())
    group.queue = [Change("assigned", (A,), 1)]
    owned.follow()
    assert owned.take_events() == [Assigned(("t/0",))]
    assert owned.take_events() == []
    assert owned.held == {A}


def test_an_eager_join_is_told_before_it_takes_everything_away():
    _, owned, forgotten = make(eager=True)
    assert owned.announce()
    assert owned.take_events() == [Revoked(("t/0", "t/1"))]
    assert (owned.held, owned.leaving, forgotten) == (set(), {A, B}, [A, B])
    assert not owned.announce()
    assert owned.leaving == set()


def test_a_cooperative_join_takes_nothing_away_by_itself():
    _, owned, _ = make(eager=False)
    assert not owned.announce()
    assert owned.held == {A, B}


@pytest.mark.parametrize("eager", [False, True])
def test_a_membership_that_is_gone_is_a_loss(eager):
    group, owned, _ = make(eager=eager)
    group.generation = -1
    assert owned.announce()
    assert owned.take_events() == [Lost(("t/0", "t/1"))]
    assert owned.leaving == set()


def test_what_a_cooperative_group_wants_back_is_ours_until_the_next_join():
    group, owned, _ = make(eager=False)
    group.queue = [Change("revoked", (B,), 1)]
    owned.follow()
    assert owned.take_events() == [Revoked(("t/1",))]
    assert (owned.held, owned.leaving) == ({A}, {B})


def test_what_it_wanted_back_before_another_join_is_lost():
    group, owned, _ = make(eager=False)
    group.queue, group.generation = [Change("revoked", (B,), 1)], 2
    owned.follow()
    assert owned.take_events() == [Lost(("t/1",))]
    assert owned.leaving == set()


def test_an_eager_join_that_nobody_announced_is_a_loss_and_an_assignment():
    group, owned, _ = make(eager=True)
    group.queue = [Change("revoked", (A, B), 1), Change("assigned", (A,), 2)]
    owned.follow()
    assert owned.take_events() == [Lost(("t/0", "t/1")), Assigned(("t/0",))]


def test_what_was_announced_is_not_told_again():
    group, owned, _ = make(eager=True)
    owned.announce()
    owned.take_events()
    group.queue = [Change("revoked", (A, B), 1), Change("assigned", (B,), 2)]
    owned.follow()
    assert owned.take_events() == [Assigned(("t/1",))]


def test_what_the_client_calls_lost_is_lost():
    group, owned, _ = make(eager=False)
    group.queue = [Change("lost", (A,), -1)]
    owned.follow()
    assert owned.take_events() == [Lost(("t/0",))]
