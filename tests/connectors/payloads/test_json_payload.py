"""JSON: the typed way and the loose way, and all that is not JSON."""

from __future__ import annotations

import json
import logging
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.payloads import T0, T0_MS, decode, decoder, encode, reasons
from streamad_connectors.payloads.decoder import make_decoder
from streamad_connectors.payloads.json_payload import MAX_DEPTH, too_deep

NS = T0_MS * 10**6
NESTED = {"type": "json", "key": "$.asset", "time": {"path": "$.ts"}, "values": "$.values"}
CHANNELS = ["temperature", "flow"]


def nested(flow="1.5", *, ts=f'"{T0}"', asset='"pump-1"', more=""):
    text = (
        f'{{"asset": {asset}, "ts": {ts}, "values": {{"temperature": 20.5, "flow": {flow}}}{more}}}'
    )
    return text.encode()


def read(*records, **options):
    return decode(make_decoder(NESTED | options, CHANNELS), *records)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("null", "missing"),
        ("NaN", "nan"),
        ("Infinity", "inf"),
        ("-Infinity", "inf"),
        ("1e400", "inf"),
        ("-1e400", "inf"),
        ("9" * 200_000, "inf"),
        ('"1.5"', "text"),
        ("true", "text"),
        ("[1.5]", "text"),
        ('{"a": 1.5}', "text"),
    ],
    ids=lambda said: said[:12],
)
def test_what_is_no_number_is_missing_and_counted_by_kind(said, kind):
    found = read(nested(said))
    np.testing.assert_array_equal(found.values, [[20.5, np.nan]])
    assert found.invalid == {kind: 1}
    assert found.rejects == []


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("-0.0", -0.0),
        ("5e-324", 5e-324),
        ("1e308", 1e308),
        ("3", 3.0),
        ("9" * 30, 1e30),
        ("-9223372036854775809", -(2.0**63)),
    ],
)
def test_odd_numbers_are_numbers(said, number):
    (value,) = read(nested(said)).values[:, 1]
    assert (value, np.signbit(value)) == (number, np.signbit(number))


@pytest.mark.parametrize(
    "record",
    [
        b"{",
        b'{"asset": "a"',
        b"nonsense",
        nested() + b"x",
        nested() + nested(),
        b"\xef\xbb\xbf" + nested(),
        nested().decode().encode("utf-16"),
        nested(asset='"\xff"').decode().encode("latin-1"),
        nested("01"),
        nested(flow="1.5,}"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        nested(more=', "x": ' + "[" * 5000 + "]" * 5000),
        nested(more=', "x": ' + '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH),
    ],
)
def test_what_is_no_json_is_refused(record):
    (reject,) = read(record).rejects
    assert reject.reason == "decode"
    assert len(reject.detail) < 300


@pytest.mark.parametrize("record", [b"null", b"3", b'"text"', b"[]", b"[{}]", b"true"])
def test_what_is_no_object_is_refused(record):
    (reject,) = read(record).rejects
    assert (reject.reason, reject.detail[:18]) == ("type", "expected an object")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{}", "is missing"),
        ("null", "is missing"),
        ("3", "is missing"),
        ('{"heat": 1}', "is missing"),
        ('{"temperature": "high"}', "is 'high'"),
        ('{"temperature": [], "flow": null}', "is a list"),
    ],
)
def test_a_row_without_any_channel_is_refused(values, said):
    record = f'{{"asset": "a", "ts": "{T0}", "values": {values}}}'.encode()
    (reject,) = read(record).rejects
    assert reject.reason == "type"
    assert said in reject.detail


@pytest.mark.parametrize("said", ["NaN", "null"])
def test_a_row_that_says_that_nothing_is_known_is_kept(said):
    record = f'{{"asset": "a", "ts": "{T0}", "values": {{"flow": {said}}}}}'.encode()
    found = read(record)
    assert np.isnan(found.values).all()
    assert len(found) == 1


@pytest.mark.parametrize(
    "asset", ["null", '""', "true", "1.5", "[]", "{}", '"\\ud800"', "9" * 30, "9" * 5000, "NaN"]
)
def test_what_names_no_series_is_refused(asset):
    assert reasons(read(nested(asset=asset))) == ["key"]


def test_a_missing_key_is_refused_and_an_integer_is_a_name():
    found = read(f'{{"ts": "{T0}", "values": {{"flow": 1}}}}'.encode(), nested(asset="-17"))
    assert found.series == ["-17"]
    assert reasons(found) == ["key"]


@pytest.mark.parametrize(
    ("ts", "ns"),
    [
        ("2026-11-23T14:06:05.123456789Z", NS + 123_456_789),
        ("2026-11-23T15:06:05+01:00", NS),
        ("2026-11-23 14:06:05Z", NS),
        ("2026-11-23T14:06:05.5-00:00", NS + 500_000_000),
    ],
)
def test_times_in_iso_8601_are_read_to_the_nanosecond(ts, ns):
    assert read(nested(ts=f'"{ts}"')).times.tolist() == [ns]


@pytest.mark.parametrize(
    "ts",
    [
        "null",
        "true",
        "1795442765",
        '""',
        '"soon"',
        '"2026-11-23T14:06:05"',
        '"0001-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59Z"',
        '"1969-12-31T23:59:59.999999999Z"',
        '"2026-11-24T14:06:05.000000001Z"',
        '"' + "2" * 100_000 + '"',
    ],
    ids=lambda ts: ts[:24],
)
def test_other_times_are_refused(ts):
    (reject,) = read(nested(ts=ts)).rejects
    assert reject.reason == "time"
    assert len(reject.detail) < 500


def test_a_missing_time_is_refused():
    assert reasons(read(b'{"asset": "a", "values": {"flow": 1}}')) == ["time"]


def test_local_times_need_a_zone_and_in_the_hour_that_comes_twice_the_first_counts():
    zone = {"time": {"path": "$.ts", "timezone": "Europe/Berlin"}}
    local = ['"2026-11-23T15:06:05"', f'"{T0}"', '"2026-10-25T02:30:00"', '"x"']
    found = read(*(nested(ts=ts) for ts in local), **zone)
    fold = int(np.datetime64("2026-10-25T00:30:00", "ns").astype(np.int64))
    assert found.times.tolist() == [NS, NS, fold]
    assert reasons(found) == ["time"]


@pytest.mark.parametrize(
    ("unit", "ts", "ns"),
    [
        ("s", T0_MS // 1000, NS),
        ("s", T0_MS / 1000 + 0.25, NS + 250_000_000),
        ("ms", T0_MS, NS),
        ("us", T0_MS * 1000 + 1, NS + 1000),
        ("ns", NS + 1, NS + 1),
    ],
)
def test_times_as_numbers_are_exact(unit, ts, ns):
    time = {"time": {"path": "$.ts", "unit": unit}}
    assert read(nested(ts=json.dumps(ts)), **time).times.tolist() == [ns]


@pytest.mark.parametrize("ts", ["NaN", "1e400", "9" * 30, '"1795442765000"', "true", "-1", "{}"])
def test_what_is_no_time_in_this_unit_is_refused(ts):
    time = {"time": {"path": "$.ts", "unit": "ms"}}
    assert reasons(read(nested(ts=ts), nested(ts=str(T0_MS)), **time)) == ["time"]


def test_integers_of_time_stay_exact_beside_fractions():
    time = {"time": {"path": "$.ts", "unit": "ns"}}
    found = read(nested(ts=str(NS + 1)), nested(ts="1.5e18"), nested(ts=str(NS + 3)), **time)
    assert found.times.tolist() == [NS + 1, 15 * 10**17, NS + 3]


def test_paths_lead_anywhere():
    options = {
        "type": "json",
        "key": "$.meta['the.asset']",
        "time": {"path": "$.meta.when.ts", "unit": "ms"},
        "values": ["$.a.b.c", "flow"],
    }
    document = {"meta": {"the.asset": "x", "when": {"ts": T0_MS}}, "a": {"b": {"c": 1}}, "flow": 2}
    made = make_decoder(options, CHANNELS)
    found = decode(made, json.dumps(document).encode(), json.dumps(document | {"a": 3}).encode())
    np.testing.assert_array_equal(found.values, [[1, 2], [np.nan, 2]])
    assert found.series == ["x", "x"]


def test_the_last_of_two_fields_of_one_name_counts_in_both_ways():
    found = read(nested('1, "flow": 2'), nested('NaN, "flow": 2'), nested('2, "flow": NaN'))
    np.testing.assert_array_equal(found.values[:, 1], [2, 2, np.nan])


def test_rows_of_both_ways_keep_their_order():
    found = read(*[nested("NaN" if i % 3 else str(i), asset=f'"s{i}"') for i in range(10)])
    assert found.series == [f"s{i}" for i in range(10)]
    np.testing.assert_array_equal(
        found.values[:, 1], [np.nan if i % 3 else float(i) for i in range(10)]
    )


def test_a_number_that_no_channel_reads_is_named_once(caplog):
    records = [nested('1, "pressure": 3, "site": "a"')] * 3
    made = make_decoder(NESTED, CHANNELS)
    with caplog.at_level(logging.WARNING):
        decode(made, *records)
        decode(made, *records)
    assert [r.message for r in caplog.records] == [
        "'$.values.pressure' is a number but no channel: it is ignored; list it to use it"
    ]


@given(st.integers(0, 2 * MAX_DEPTH), st.sampled_from(['"]"', '"[\\"["', "1", "[]"]))
def test_depth_is_counted_outside_of_text(depth, inner):
    inside = depth + (inner == "[]")
    assert too_deep(("[" * depth + inner + "]" * depth).encode()) == (inside > MAX_DEPTH)


@pytest.mark.parametrize("text", ['"' * 200_001, '"' + '\\"' * 100_000, '"' + "\\" * 200_000])
def test_counting_depth_takes_linear_time(text):
    start = time.process_time()
    assert not too_deep(text.encode() + b"[{" * 100)
    assert time.process_time() - start < 1


def test_a_wide_object_is_read():
    channels = [f"c{i}" for i in range(500)]
    record = json.dumps({"asset": "a", "values": {name: i for i, name in enumerate(channels)}})
    made = make_decoder(
        {"type": "json", "key": "$.asset", "values": "$.values"}, list(reversed(channels))
    )
    assert decode(made, record.encode()).values[0].tolist() == [*range(499, -1, -1)]


def test_flat_records_with_escaped_names_are_read():
    made = decoder("json", key="asset")
    assert decode(made, encode("json").replace(b"asset", b"\\u0061sset")).series == ["pump-1"]
