"""Whatever the bytes are: nothing raises, nothing is lost, calls may be cut anywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference.payloads import FORMATS, T0_MS, decode, decoder, encode, same
from streamad_connectors.payloads.decoder import Decoded

MADE = {name: decoder(name) for name in FORMATS}
NUMBERS = st.none() | st.floats()
KEYS = st.none() | st.text(max_size=8).filter(lambda key: not set(key) & set(',"\n\r'))
TIMES = st.sampled_from([T0_MS, 0, -1, 2**62]) | st.integers(-(2**63), 2**63 - 1)


@st.composite
def records(draw, name):
    """Random bytes, whole records, and records with a few bytes changed or cut."""
    kind = draw(st.sampled_from(["bytes", "whole", "changed"]))
    if kind == "bytes":
        return draw(st.none() | st.binary(max_size=200))
    record = bytearray(encode(name, draw(KEYS), draw(TIMES), draw(NUMBERS), draw(NUMBERS)))
    if kind == "changed" and record:
        for at in draw(st.lists(st.integers(0, len(record) - 1), max_size=4)):
            record[at] = draw(st.integers(0, 255))
        record = record[: draw(st.integers(0, len(record)))] if draw(st.booleans()) else record
    return bytes(record)


def joined(parts):
    return Decoded(
        [name for part in parts for name in part.series],
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("times", "values", "offsets")),
        [reject for part in parts for reject in part.rejects],
        dict(sum((Counter(part.invalid) for part in parts), start=Counter())),
    )


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_every_record_ends_as_rows_or_as_a_reject(name, data):
    batch = data.draw(st.lists(records(name), max_size=6))
    found = decode(MADE[name], *batch)
    ends = set(found.offsets.tolist()) | {reject.offset for reject in found.rejects}
    assert ends == set(range(100, 100 + len(batch)))
    assert (np.diff(found.offsets) >= 0).all()
    assert not np.isinf(found.values).any()
    assert (found.times >= 0).all()
    assert len(found.series) == len(found.times) == len(found.values) == len(found.offsets)
    assert all(len(series.encode()) > 0 for series in found.series)
    reasons = {reject.reason for reject in found.rejects}
    assert reasons <= {"decode", "type", "time", "size", "key", "tombstone"}


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
def test_the_cut_of_the_calls_never_shows(name, data):
    batch = data.draw(st.lists(records(name), min_size=1, max_size=6))
    cut = data.draw(st.integers(0, len(batch)))
    whole = decode(MADE[name], *batch)
    parts = [decode(MADE[name], *batch[:cut]), decode(MADE[name], *batch[cut:], first=100 + cut)]
    same(whole, joined(parts))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(asset=JSON, ts=JSON | TIMES, temperature=JSON, flow=JSON)
@example(asset="a", ts=T0_MS, temperature=10**400, flow=None)
def test_any_json_in_any_field_ends_as_a_row_or_a_reject(asset, ts, temperature, flow):
    found = decode(MADE["json"], encode("json", asset, ts, temperature, flow))
    assert len(found) + len(found.rejects) == 1
    if len(found):
        for value, number in zip((temperature, flow), found.values[0].tolist(), strict=True):
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
            good = good and abs(value) < 1e308
            assert number == value if good else not abs(number) < 1e308
