"""What all formats promise."""

from __future__ import annotations

import numpy as np
import pytest
from reference.payloads import FORMATS, T0_MS, decode, decoder, encode, reasons
from streamad_connectors.payloads.decoder import RAW_BYTES, make_decoder

from streamad.core.errors import ConfigError

NS = T0_MS * 10**6
DAY_MS = 86_400_000
formats = pytest.mark.parametrize("name", FORMATS)


@formats
def test_a_record_becomes_a_row(name):
    found = decode(decoder(name), encode(name), encode(name, "pump-2", T0_MS + 1, 21.0, None))
    assert found.series == ["pump-1", "pump-2"]
    assert found.times.tolist() == [NS, NS + 10**6]
    np.testing.assert_array_equal(found.values, [[20.5, 1.5], [21.0, np.nan]])
    assert found.offsets.tolist() == [100, 101]
    assert found.times.dtype == found.offsets.dtype == np.int64
    assert found.values.dtype == np.float64
    assert found.rejects == []
    assert found.invalid == {"missing": 1}


@formats
def test_no_records_are_no_rows(name):
    found = decode(decoder(name))
    assert (len(found), found.values.shape, found.rejects) == (0, (0, 2), [])


@formats
@pytest.mark.parametrize(
    ("record", "reason"),
    [(None, "tombstone"), (b"", "decode"), (b"\xff\xfe\x00", "decode"), (b"x" * 2000, "size")],
    ids=["tombstone", "empty", "no text", "too large"],
)
def test_a_bad_record_is_a_reject_among_good_ones(name, record, reason):
    made = decoder(name, max_bytes="1500B")
    found = decode(made, encode(name), record, encode(name, "pump-2"))
    assert found.series == ["pump-1", "pump-2"]
    assert found.offsets.tolist() == [100, 102]
    (reject,) = found.rejects
    assert (reject.partition, reject.offset, reject.raw) == ("sensors/0", 101, record)
    assert reject.reason == reason


@formats
@pytest.mark.parametrize(
    ("ms", "accepted"),
    [
        (T0_MS + DAY_MS, True),
        (T0_MS + DAY_MS + 1, False),
        (0, True),
        (-1, False),
        (T0_MS * 1000, False),
        (2**63 - 1, False),
        (-(2**63), False),
    ],
)
def test_a_time_lies_between_1970_and_a_day_after_the_record(name, ms, accepted):
    found = decode(decoder(name), encode(name, ms=ms))
    assert reasons(found) == ([] if accepted else ["time"])
    assert len(found) == accepted


@formats
@pytest.mark.parametrize("stamp", [-1, 2**62])
def test_a_record_without_a_timestamp_of_its_own_bounds_nothing(name, stamp):
    found = decode(decoder(name), encode(name, ms=T0_MS + 3 * DAY_MS), ms=stamp)
    assert found.times.tolist() == [NS + 3 * DAY_MS * 10**6]


@formats
def test_the_records_own_timestamp_can_be_the_time(name):
    made = decoder(name, time={"record": True})
    found = decode(made, encode(name), encode(name), encode(name), ms=[5, -1, 2**62])
    assert found.times.tolist() == [5_000_000]
    assert reasons(found) == ["time", "time"]


@formats
@pytest.mark.parametrize("key", [None, "", "a" * 1025])
def test_a_series_needs_a_name_of_sensible_length(name, key):
    assert reasons(decode(decoder(name), encode(name, key))) == ["key"]


@formats
@pytest.mark.parametrize("key", ["../../etc/passwd", "a\x1b[31mb", "<img src=x>", "Müller/1", "🚰"])
def test_any_other_text_is_a_name(name, key):
    assert decode(decoder(name), encode(name, key)).series == [key]


@formats
def test_the_series_can_be_the_message_key(name):
    made = decoder(name, key={"message_key": True})
    record = encode(name)
    found = decode(made, record, record, record, record, keys=[b"a", None, b"", b"\xff"])
    assert found.series == ["a"]
    assert reasons(found) == ["key"] * 3
    assert "not UTF-8" in found.rejects[2].detail


@formats
def test_the_series_can_be_the_last_header_of_a_name(name):
    made = decoder(name, key={"header": "asset"})
    headers = [(("asset", b"a"), ("asset", b"b"), ("other", b"c")), (("other", b"c"),), ()]
    found = decode(made, *[encode(name)] * 3, headers=headers)
    assert found.series == ["b"]
    assert reasons(found) == ["key", "key"]
    assert len(decode(made, encode(name)).rejects) == 1


@formats
def test_infinity_is_missing(name):
    flow = float("inf")
    found = decode(
        decoder(name), encode(name, flow=flow), encode(name, temperature=None, flow=flow)
    )
    np.testing.assert_array_equal(found.values, [[20.5, np.nan], [np.nan, np.nan]])
    assert found.invalid == {"inf": 2, "missing": 1}


@formats
def test_a_row_that_says_null_everywhere_is_kept(name):
    found = decode(decoder(name), encode(name, temperature=None, flow=None))
    assert np.isnan(found.values).tolist() == [[True, True]]
    assert found.rejects == []


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "arrow"])
def test_text_in_a_number_is_missing_and_a_row_of_nothing_else_is_refused(name):
    records = [encode(name, flow="high"), encode(name, temperature=None, flow="high")]
    found = decode(decoder(name), *records)
    np.testing.assert_array_equal(found.values, [[20.5, np.nan]])
    assert found.invalid["text"] >= 1
    (reject,) = found.rejects
    assert (reject.reason, reject.offset) == ("type", 101)


@formats
def test_a_reject_keeps_what_a_dead_letter_needs(name):
    record = b"\xff" * (RAW_BYTES + 1)
    headers = [(("trace", b"00-ab"), ("binary", b"\xff"), ("empty", None))]
    (reject,) = decode(decoder(name), record, keys=[b"k\xff"], headers=headers).rejects
    assert reject.raw == record[:RAW_BYTES]
    assert reject.headers == {"trace": "00-ab", "binary": "\\xff", "empty": ""}
    assert reject.row == {"message_key": "k\\xff"}
    assert len(reject.detail) < 500


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "xml"}, "one of the types json, csv, avro, arrow"),
        ({}, "type"),
        ({"type": "json", "keys": "$.a"}, "unknown field `keys`.*max_bytes"),
        ({"type": "json", "key": {"header": "a", "message_key": True}}, "one of them"),
        ({"type": "json", "key": {}}, "one of them"),
        ({"type": "json", "key": "$.a[0]"}, r"got '\$.a\[0\]'"),
        ({"type": "json", "key": ""}, "a path"),
        ({"type": "json", "time": {"unit": "s"}}, "one of them"),
        ({"type": "json", "time": {"path": "$.ts", "unit": "min"}}, "min"),
        ({"type": "json", "time": {"path": "$.ts", "timezone": "Mars"}}, "Mars"),
        ({"type": "json", "values": ["$.a"]}, "1 paths for the 2 channels"),
        ({"type": "json", "values": ["$.a", "$.a"]}, r"\$.a cannot be two things"),
        ({"type": "json", "values": ["$.a", "$.a.b"]}, r"\$.a cannot be two things"),
        ({"type": "json", "key": "flow"}, r"\$.flow cannot be two things"),
        ({"type": "json", "max_bytes": "1 potato"}, "1 potato"),
        ({"type": "json", "max_bytes": 0}, "max_bytes"),
        ({"type": "csv", "values": "$.values"}, "one column"),
        ({"type": "csv", "columns": ["temperature"]}, "no 'flow'"),
        ({"type": "csv", "delimiter": ";;"}, "delimiter"),
        ({"type": "arrow", "key": "$.a.b"}, "one column"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(ConfigError, match=said):
        make_decoder(options, ["temperature", "flow"])


@pytest.mark.parametrize("channels", [[], ["a", "a"]])
def test_channels_are_different_names(channels):
    with pytest.raises(ConfigError, match="channels"):
        make_decoder({"type": "json"}, channels)
