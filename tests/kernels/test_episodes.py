"""The episode kernel, through the machine, against its slow twin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.episodes import EpisodeOracle

from streamad.alerting import EpisodeMachine, EpisodeRules, SeverityRule, machine
from streamad.core.data import Judged, Members

RATIOS = [np.nan, 0.0, 0.3, 0.7, 0.8, 1.0, 1.2, 1.5, 3.0, 5.0, np.inf]
GAPS = [0, 1, 2, 5, 20]
SPANS = st.sampled_from([0, 0, 1, 3, 8])
MAYBE = st.sampled_from([None, None, 1, 4, 15])
LEVELS = st.builds(
    SeverityRule,
    st.sampled_from(["critical", "warning", "notice"]),
    st.sampled_from([None, 1.5, 3.0]),
    st.sampled_from([None, 2, 6]),
)


@st.composite
def rules(draw):
    low, high = draw(st.sampled_from([(0.7, 1.0), (1.0, 1.0), (0.3, 1.5)]))
    return EpisodeRules(
        open_ratio=high,
        open_rows=draw(st.integers(1, 3)),
        open_ns=draw(SPANS),
        close_ratio=low,
        close_rows=draw(st.integers(1, 3)),
        close_ns=draw(SPANS),
        merge_gap_ns=draw(SPANS),
        cool_down_ns=draw(SPANS),
        no_data_after_ns=draw(MAYBE),
        update_every_ns=draw(MAYBE),
        max_open_ns=draw(MAYBE),
        severities=tuple(draw(st.lists(LEVELS, max_size=3))),
    )


def started(rules, n_slots):
    made = EpisodeMachine(rules, pipeline="p", detector="d", detector_type="t", labels={})
    made.open(["x"], Members(("one",)))
    made.admit(np.arange(n_slots, dtype=np.int32), [f"s{slot}" for slot in range(n_slots)])
    return made


def judged(slots, times, ratios, causal, first=0):
    """Rows whose value is their number."""
    n = len(times)
    ratio = np.array(ratios, float)
    return Judged(
        np.array(slots, np.int32),
        np.array(times, np.int64),
        2.0 * ratio,
        np.full(n, 2.0),
        ratio,
        np.empty((0, 1), np.float32),
        first + np.arange(float(n))[:, None],
        np.empty((0, 1)),
        np.ones((n, 1), np.float32),
        np.array(causal, float),
    )


def plain(alert):
    """The alert as the twin writes it."""
    return (
        alert.event,
        alert.reason,
        alert.seq,
        alert.start_ns,
        alert.end_ns,
        alert.detected_ns,
        not np.isnan(alert.ratio),
        alert.severity,
        alert.suppressed,
        alert.peak_ns,
        alert.peak_ratio,
        alert.contributions[0].actual,
    )


@st.composite
def streams(draw):
    """Rows of three series and where to cut them: few are drawn, most come from a seed."""
    n = draw(st.integers(0, 250))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    some = rng.choice(RATIOS, size=draw(st.integers(2, len(RATIOS))), replace=False)
    gaps = rng.choice(GAPS, n, p=rng.dirichlet(np.full(len(GAPS), 0.3)))
    cuts = np.sort(rng.integers(0, n + 1, draw(st.integers(0, 4)))).tolist()
    slots = rng.integers(0, draw(st.integers(1, 3)), n).tolist()
    causal = rng.integers(0, 6, n).tolist()
    return slots, np.cumsum(gaps).tolist(), rng.choice(some, n).tolist(), causal, [0, *cuts, n]


@given(rules=rules(), stream=streams(), room=st.sampled_from([2, 3, 1024]))
def test_events_are_those_of_the_slow_twin_however_the_stream_is_cut(rules, stream, room):
    slots, times, ratios, causal, cuts = stream
    oracles = [EpisodeOracle(rules) for _ in range(3)]
    expected = []
    for number, (slot, *row) in enumerate(zip(slots, times, ratios, causal, strict=True)):
        expected += [(f"s{slot}", *event) for event in oracles[slot].row(*row, number)]
    for slot in range(3):
        expected += [(f"s{slot}", *event) for event in oracles[slot].close("end_of_stream")]

    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_ROOM", room)
        made = started(rules, 3)
        for start, end in itertools.pairwise(cuts):
            part = slice(start, end)
            found += made.step(judged(slots[part], times[part], ratios[part], causal[part], start))
            snapshot = made.snapshot()
            made = started(rules, 1)
            made.restore(snapshot)
        found += made.close(np.arange(3, dtype=np.int32), "end_of_stream")

    assert [(alert.series, *plain(alert)) for alert in found] == expected
    keys = [(alert.id, alert.seq) for alert in found]
    assert len(set(keys)) == len(keys)


@given(rules=rules(), stream=streams())
def test_open_episodes_are_counted(rules, stream):
    slots, times, ratios, causal, _ = stream
    made = started(rules, 3)
    alerts = made.step(judged(slots, times, ratios, causal))
    kinds = [alert.event for alert in alerts]
    assert made.open_count() == kinds.count("open") - kinds.count("resolve")
