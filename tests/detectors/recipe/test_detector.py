"""Warm-up, rounds and company of detectors made of members."""

from __future__ import annotations

import numpy as np
import pytest

from streamad.core.data import Windows
from streamad.core.errors import ConfigError
from streamad.detectors.members import Level, Neighbor
from streamad.detectors.recipe import parallel

SECOND = 1_000_000_000


def wave(n, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    x = np.sin(np.arange(n)[:, None] * 0.3 + np.arange(channels))
    x += 0.1 * rng.normal(size=(n, channels))
    x[n // 2] += 3.0
    return x


def windows(values, codes=None, start=0, step=SECOND):
    n = len(values)
    codes = np.zeros(n, np.int32) if codes is None else np.asarray(codes, np.int32)
    return Windows(values[:, None, :], codes, start + step * np.arange(n, dtype=np.int64))


def opened(detector, channels=1, series=1):
    detector.open([f"c{c}" for c in range(channels)])
    detector.admit(np.arange(series, dtype=np.int32), [f"s{i}" for i in range(series)])
    return detector


def test_rows_of_the_warm_up_are_not_judged_and_the_next_one_is():
    causal = opened(Level(warm_up=100)).step(windows(wave(101))).causal
    np.testing.assert_array_equal(np.isnan(causal), np.arange(101) < 100)


def test_a_duration_ends_the_warm_up_at_the_first_row_beyond_it():
    causal = opened(Level(warm_up="2m")).step(windows(wave(200))).causal
    np.testing.assert_array_equal(np.isnan(causal), np.arange(200) < 120)


def test_a_duration_of_few_rows_waits_for_32_of_them():
    causal = opened(Level(warm_up="5s")).step(windows(wave(50))).causal
    assert np.count_nonzero(np.isnan(causal)) == 32


def test_a_duration_may_have_more_rows_than_first_room_was_made_for():
    detector = opened(Level(warm_up="1h"))
    values = wave(4000)
    causal = np.concatenate(
        [
            detector.step(windows(part, start=at * SECOND)).causal
            for part, at in zip(np.split(values, [700, 2900]), (0, 700, 2900), strict=True)
        ]
    )
    np.testing.assert_array_equal(np.isnan(causal), np.arange(4000) < 3600)


@pytest.mark.parametrize("warm_up", [31, "soon", "10"])
def test_a_warm_up_that_makes_no_sense_is_refused(warm_up):
    with pytest.raises(ConfigError, match="level: warm_up"):
        Level(warm_up=warm_up)


def test_the_lag_of_a_series_follows_its_window():
    detector = opened(Neighbor(memory=256, warm_up=400))
    scores = detector.step(windows(wave(900)))
    lag = detector.plan(0)["lag"]
    known = np.flatnonzero(scores.lag >= 0)
    assert 15 <= lag <= detector.lag
    assert known[0] == 400 + lag
    assert set(scores.lag[known].tolist()) == {lag}
    assert len(detector.close(np.zeros(1, np.int32))[1]) == lag


def test_threads_do_not_change_a_bit(monkeypatch):
    n, series = 300, 7
    values = np.concatenate([wave(n, seed) for seed in range(series)])
    codes = np.repeat(np.arange(series), n)
    mixed = np.random.default_rng(0).permutation(codes)
    order = np.argsort(mixed, kind="stable")
    shuffled = np.empty_like(values)
    shuffled[order] = values
    got = []
    for threads in (1, 3):
        monkeypatch.setattr(parallel, "_threads", lambda n=threads: _pool(n))
        monkeypatch.setattr(parallel, "LEAST_ROWS", 16)
        detector = opened(Neighbor(memory=128, warm_up=64), series=series)
        got.append(detector.step(windows(shuffled, mixed)))
    np.testing.assert_array_equal(got[0].causal, got[1].causal)
    np.testing.assert_array_equal(got[0].final, got[1].final)
    alone = opened(Neighbor(memory=128, warm_up=64)).step(windows(wave(n, 3)))
    np.testing.assert_array_equal(got[0].causal[mixed == 3], alone.causal)


def _pool(n):
    from concurrent.futures import ThreadPoolExecutor

    return n, ThreadPoolExecutor(n) if n > 1 else None


def test_rooms_of_a_warm_up_are_given_back():
    detector = opened(Level(warm_up=1000), series=3)
    for code in range(3):
        detector.step(windows(wave(1000, code), np.full(1000, code)))
        assert len(detector._fleet._warm.block(code)) == 0
    assert len(detector._fleet._warm.pool) == 0


def test_a_slot_that_is_admitted_again_starts_afresh():
    detector = opened(Level(warm_up=64))
    first = detector.step(windows(wave(200))).causal
    detector.admit(np.zeros(1, np.int32), ["other"])
    np.testing.assert_array_equal(detector.step(windows(wave(200))).causal, first)


def test_each_channel_of_a_neighbour_detector_is_blamed_for_its_own_oddity():
    values = wave(800, channels=3)
    values[400] = values[399]
    values[600:640, 1] = values[600, 1]
    scores = opened(Neighbor(memory=256, warm_up=400), channels=3).step(windows(values))
    worst = int(np.nanargmax(scores.causal))
    assert 600 <= worst < 680
    assert int(scores.shares[worst].argmax()) == 1


def test_prefix_scores_are_kept_on_request_only():
    detector = opened(Level(warm_up=64))
    detector.step(windows(wave(100)))
    with pytest.raises(ConfigError, match="keep_prefix"):
        detector.prefix_scores(0)


def test_ranges_of_series_cover_all_of_them_once(monkeypatch):
    monkeypatch.setattr(parallel, "_threads", lambda: _pool(4))
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    for counts in ([1], [5, 1, 1], [1] * 9, [100, 1], [1, 100]):
        seen = np.zeros(len(counts), int)

        def work(lo, hi, seen=seen):
            seen[lo:hi] += 1

        parallel.over_series(work, np.array(counts))
        np.testing.assert_array_equal(seen, np.ones(len(counts), int))
