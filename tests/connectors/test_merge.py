from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.tables import JUMP_NS, merge_order
from streamad_connectors.merge import MAX_OPEN, Stream, merge
from streamad_connectors.pieces import Fault, Piece, join

REFUSED = Fault("time", "refused", {})
YEAR_NS = 365 * 86_400 * 10**9


def stream(number, times, cut, opened=None):
    """Rows whose value is their number within the file; None = refused."""
    faults = {row: REFUSED for row, t in enumerate(times) if t is None}
    whole = Piece(
        np.full(len(times), number, np.int32),
        np.array([0 if t is None else t for t in times], np.int64),
        np.arange(len(times), dtype=float)[:, None],
        faults,
    )

    def pieces(row):
        if opened is not None:
            opened.append(number)
        try:
            for start in range(row, len(times), cut):
                yield whole.cut(start, min(start + cut, len(times)))
        finally:
            if opened is not None:
                opened.remove(number)

    known = [t for t in times if t is not None]
    return Stream(known[0] if known else 0, pieces)


def order_of(piece):
    return list(zip(piece.codes.tolist(), piece.values[:, 0].astype(int).tolist(), strict=True))


plain = st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=30)
wild = st.lists(
    st.one_of(st.integers(0, 40), st.none(), st.integers(0, 8).map(lambda k: k * YEAR_NS)),
    max_size=12,
)


@given(
    st.lists(st.one_of(plain, wild), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 12)
)
def test_the_order_is_that_of_a_stable_sort(files, cut, piece_rows):
    streams = [stream(number, times, cut) for number, times in enumerate(files)]
    pieces = list(merge(streams, piece_rows))
    assert all(len(piece) for piece in pieces)
    assert [row for piece in pieces for row in order_of(piece)] == merge_order(files)


@given(st.lists(plain, min_size=2, max_size=4), st.integers(1, 9))
def test_a_refused_row_stays_refused_wherever_the_merge_puts_it(files, cut):
    merged = list(merge([stream(n, times, cut) for n, times in enumerate(files)], 5))
    whole = join(merged) if merged else None
    refused = [] if whole is None else [order_of(whole)[at] for at in whole.faults]
    assert refused == [(n, row) for n, row in merge_order(files) if files[n][row] is None]


@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=30).map(sorted), min_size=1))
def test_sorted_files_give_sorted_rows(files):
    pieces = list(merge([stream(n, times, 7) for n, times in enumerate(files)], 8))
    times = np.concatenate([piece.times for piece in pieces])
    assert np.array_equal(times, np.sort(times))


def test_one_row_of_a_far_year_does_not_hold_back_its_file():
    far = [0, 10, 12 * YEAR_NS, 20, 30]
    pieces = list(merge([stream(0, far, 2), stream(1, [5, 15, 25], 2)], 2))
    order = [row for piece in pieces for row in order_of(piece)]
    assert order == [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (0, 3), (1, 2), (0, 4)]


def test_a_gap_of_years_that_the_next_row_confirms_is_believed():
    pieces = list(merge([stream(0, [0, 5 * JUMP_NS, 5 * JUMP_NS + 1], 1), stream(1, [3], 1)], 1))
    assert [row for piece in pieces for row in order_of(piece)] == [(0, 0), (1, 0), (0, 1), (0, 2)]


def test_no_more_files_are_open_than_allowed():
    opened, most = [], 0
    n = MAX_OPEN + 40
    streams = [stream(number, list(range(20)), 4, opened) for number in range(n)]
    rows = 0
    for piece in merge(streams, 4):
        rows += len(piece)
        most = max(most, len(opened))
    assert rows == 20 * n
    assert most <= MAX_OPEN


def test_only_files_that_overlap_are_open_together():
    opened, most = [], 0
    streams = [stream(k, list(range(100 * k, 100 * k + 50)), 5, opened) for k in range(10)]
    for _ in merge(streams, 5):
        most = max(most, len(opened))
    assert most <= 2


def test_leaving_the_merge_closes_the_files():
    opened = []
    merged = merge([stream(number, list(range(20)), 2, opened) for number in range(3)], 2)
    next(merged)
    assert opened
    merged.close()
    assert opened == []
