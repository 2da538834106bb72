"""Blocks of many lengths in one array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.arena import Arena
from streamad.core.errors import StateError

MOVES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=60)


@given(MOVES)
def test_blocks_never_overlap_and_keep_what_they_hold(moves):
    arena, model = Arena(), {}
    for n, (slot, size) in enumerate(moves):
        if size == 0:
            arena.free(slot)
            model.pop(slot, None)
        else:
            arena.allocate(slot, size)[:] = n
            model[slot] = np.full(size, float(n))
        for held in range(6):
            np.testing.assert_array_equal(arena.block(held), model.get(held, np.empty(0)))
    assert arena.bytes_used == 8 * sum(len(block) for block in model.values())


@given(MOVES)
def test_a_restored_arena_goes_on_alike(moves):
    arena = Arena()
    for n, (slot, size) in enumerate(moves):
        arena.allocate(slot, size + 1)[:] = n
    again = Arena()
    again.restore(arena.snapshot(6))
    for slot in range(6):
        np.testing.assert_array_equal(again.block(slot), arena.block(slot))
    again.allocate(2, 4)[:] = -1.0
    for slot in (0, 1, 3, 4, 5):
        np.testing.assert_array_equal(again.block(slot), arena.block(slot))


def test_a_new_block_is_zero_even_where_another_one_was():
    arena = Arena()
    arena.allocate(0, 3)[:] = 7.0
    arena.allocate(1, 1)
    arena.free(0)
    np.testing.assert_array_equal(arena.allocate(2, 3), np.zeros(3))


def test_a_block_of_the_same_length_takes_the_place_of_a_freed_one():
    arena = Arena()
    arena.allocate(9, 1)
    for _ in range(100):
        arena.allocate(0, 50)
        arena.free(0)
    assert len(arena.pool) <= 64


def test_the_pool_is_given_back_with_the_last_block():
    arena = Arena()
    arena.allocate(0, 1000)
    arena.free(0)
    assert len(arena.pool) == 0


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"size": np.array([2]), "blocks": np.zeros(3)},
        {"size": np.array([2.0]), "blocks": np.zeros(2)},
        {"size": np.array([-1, 3]), "blocks": np.zeros(2)},
    ],
)
def test_a_damaged_snapshot_is_refused(damaged):
    with pytest.raises(StateError, match="arena"):
        Arena().restore(damaged)
