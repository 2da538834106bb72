"""The proof of the demonstration can fail: each way to lose or double an alert is told."""

from __future__ import annotations

import pytest

from streamad.cli.demo_proof import END_OF_STREAM, Proof, compare, read_events
from streamad.core.errors import StateError


def event(name, seq, reason="open", **more):
    return {"id": name, "seq": seq, "reason": reason} | more


SINGLE_PASS = [event("a", 1), event("a", 2, "recovered"), event("b", 1)]


def test_the_same_events_in_another_order_hold():
    proof = compare(SINGLE_PASS, SINGLE_PASS[::-1])
    assert proof == Proof(2, 3, 0, 0, 0, 0)
    assert proof.holds


def test_the_end_of_a_file_is_no_event_of_a_topic():
    assert compare([*SINGLE_PASS, event("b", 2, END_OF_STREAM)], SINGLE_PASS).holds


@pytest.mark.parametrize(
    ("got", "fault"),
    [
        (SINGLE_PASS[:2], "lost"),
        ([*SINGLE_PASS, SINGLE_PASS[0]], "duplicated"),
        ([*SINGLE_PASS[:2], event("b", 1, peak=2.0)], "changed"),
        ([*SINGLE_PASS, event("c", 1)], "foreign"),
    ],
)
def test_one_fault_is_counted_and_the_proof_does_not_hold(got, fault):
    proof = compare(SINGLE_PASS, got)
    counts = {name: getattr(proof, name) for name in ("lost", "duplicated", "changed", "foreign")}
    assert counts == {name: int(name == fault) for name in counts}
    assert not proof.holds


def test_nothing_against_nothing_proves_nothing():
    assert not compare([], []).holds


def test_a_torn_line_is_an_error(tmp_path):
    path = tmp_path / "alerts.jsonl"
    assert read_events(path) == []
    path.write_text('{"id": "a", "seq": 1}\n{"id": "b"')
    with pytest.raises(StateError, match="no JSON document"):
        read_events(path)
