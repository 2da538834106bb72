"""Avro without a registry, and what few bytes could do."""

from __future__ import annotations

import io
import json
import time

import fastavro
import numpy as np
import pytest
from reference.payloads import AVRO, CHANNELS, T0_MS, decode, decoder, encode, reasons
from streamad_connectors.payloads.avro_schema import Schema
from streamad_connectors.payloads.decoder import make_decoder

from streamad.core.errors import ConfigError, MissingExtraError

BASE = {"type": "avro", "key": "asset", "time": {"path": "ts", "unit": "ms"}}
OTHER = {
    "type": "record",
    "name": "Other",
    "fields": [
        {"name": "flow", "type": "int"},
        {"name": "ts", "type": "long"},
        {"name": "asset", "type": "string"},
    ],
}


def datum(schema, **row):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), row)
    return out.getvalue()


def record_of(kind):
    return {"type": "record", "name": "R", "fields": [{"name": "flow", "type": kind}]}


@pytest.fixture
def files(tmp_path):
    for name, schema in (("one", AVRO), ("two", OTHER)):
        (tmp_path / name).write_text(json.dumps(schema))
    return {7: str(tmp_path / "one"), "4000000000": str(tmp_path / "two")}


def test_confluent_data_say_the_number_of_their_schema(files):
    made = make_decoder(BASE | {"encoding": "confluent", "schemas": files}, CHANNELS)
    other = datum(OTHER, flow=3, ts=T0_MS, asset="b")
    head = b"\0" + (4_000_000_000).to_bytes(4, "big")
    bad = [b"\0\0\0\0\x08" + other, b"\x01" + head[1:] + other, b"\0\0", head]
    found = decode(made, b"\0\0\0\0\x07" + encode("avro"), head + other, *bad)
    assert found.series == ["pump-1", "b"]
    np.testing.assert_array_equal(found.values, [[20.5, 1.5], [np.nan, 3]])
    assert reasons(found) == ["decode"] * 4
    assert "the schema 8 is not in format.schemas" in found.rejects[0].detail


def test_a_single_object_says_the_fingerprint_of_its_schema(files):
    head = b"\xc3\x01" + Schema(AVRO, "x").fingerprint()
    made = make_decoder(BASE | {"encoding": "single_object", "schemas": files}, CHANNELS)
    found = decode(made, head + encode("avro"), head[:9] + b"x" + encode("avro"), b"\xc3")
    assert found.series == ["pump-1"]
    assert reasons(found) == ["decode", "decode"]


def test_the_fingerprint_is_that_of_the_specification():
    little_endian = (0x63DD24E7CC258F8A).to_bytes(8, "little")
    assert Schema("null", "x").fingerprint() == little_endian


def test_a_schema_file_serves_plain_data(files):
    made = make_decoder(BASE | {"schema_file": files[7]}, CHANNELS)
    assert decode(made, encode("avro")).series == ["pump-1"]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_data_of_another_length_are_refused(cut):
    whole = encode("avro")
    found = decode(decoder("avro"), whole[:-cut], whole + b"x" * cut)
    assert reasons(found) == ["decode", "decode"]


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "null"},
        {"type": "map", "values": {"type": "fixed", "name": "F", "size": 0}},
        {"type": "array", "items": {"type": "record", "name": "E", "fields": []}},
        {"type": "array", "items": {**record_of("null"), "name": "N"}},
        {"type": "array", "items": ["int", {**record_of("null"), "name": "N"}]},
        [{"type": "record", "name": "E", "fields": []}, {"type": "array", "items": "E"}],
    ],
)
def test_items_that_take_no_bytes_are_refused_at_start(kind):
    with pytest.raises(ConfigError, match="takes no bytes"):
        make_decoder({"type": "avro", "schema": record_of(kind)}, ["flow"])


def test_types_that_contain_themselves_are_refused_at_start():
    with pytest.raises(ConfigError, match="contains itself"):
        make_decoder({"type": "avro", "schema": record_of(["null", "R"])}, ["flow"])


def test_types_deep_within_each_other_are_refused_at_start():
    kind = "int"
    for _ in range(40):
        kind = {"type": "array", "items": kind}
    with pytest.raises(ConfigError, match="within each other"):
        make_decoder({"type": "avro", "schema": record_of(kind)}, ["flow"])


@pytest.mark.parametrize("kind", [["null", "int"], {"type": "enum", "name": "E", "symbols": ["a"]}])
def test_items_that_take_a_byte_are_read(kind):
    schema = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "flow", "type": "float"},
            {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": kind}}},
        ],
    }
    made = make_decoder({"type": "avro", "schema": schema, "key": {"message_key": True}}, ["flow"])
    row = datum(schema, flow=1.5, tags={"x": [None if "null" in kind else "a"] * 3})
    assert decode(made, row, keys=[b"a"]).values.tolist() == [[1.5]]


@pytest.mark.parametrize("count", [2**31, 2**62, -(2**62), -(2**63)])
def test_counts_beyond_the_record_are_refused_at_once(count):
    schema = record_of({"type": "array", "items": "int"})
    made = make_decoder({"type": "avro", "schema": schema}, ["flow"])
    zigzag = (count << 1) ^ (count >> 63)
    data = b""
    while zigzag > 0x7F:
        data += bytes([zigzag & 0x7F | 0x80])
        zigzag >>= 7
    start = time.process_time()
    found = decode(made, data + bytes([zigzag]) + b"\0" * 100, keys=[b"a"])
    assert len(found.rejects) == 1
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one of schema, schema_file, schemas"),
        ({"schema": AVRO, "schema_file": "x"}, "one of schema"),
        ({"schema": AVRO, "encoding": "confluent"}, "needs schemas"),
        ({"schemas": {}}, "do not say which schema"),
        ({"schema_file": "/nowhere"}, "/nowhere"),
        ({"schema": "{"}, "no Avro schema"),
        ({"schema": {"type": "recrod"}}, "no Avro schema"),
        ({"schema": {"type": "record", "name": "R"}}, r"no field \$.asset"),
        ({"schema": AVRO, "key": "name"}, r"no field \$.name"),
        ({"schema": AVRO, "values": "$.values"}, r"none of the channels, like \$.values.temp"),
        ({"schema": record_of("Unknown")}, "no Avro schema"),
        ({"schema": AVRO, "time": {"path": "ts", "unit": "s"}}, "expected ms"),
    ],
)
def test_schemas_that_do_not_fit_are_refused_at_start(options, said):
    with pytest.raises(ConfigError, match=said):
        make_decoder(BASE | options, CHANNELS)


def test_numbers_of_schemas_are_numbers(files):
    schemas = {"seven": files[7]}
    with pytest.raises(ConfigError, match="'seven' should be the number"):
        make_decoder(BASE | {"encoding": "confluent", "schemas": schemas}, CHANNELS)


def test_fields_are_found_in_types_that_are_named_before():
    inner = {"type": "record", "name": "I", "fields": [{"name": "flow", "type": "double"}]}
    fields = [{"name": "a", "type": inner}, {"name": "b", "type": ["null", "I"]}]
    schema = {"type": "record", "name": "R", "fields": fields}
    made = make_decoder({"type": "avro", "schema": schema, "values": "$.b"}, ["flow"])
    records = [datum(schema, a={"flow": 1.0}, b=b) for b in ({"flow": 2.0}, None)]
    found = decode(made, *records, keys=[b"x", b"x"])
    assert found.values.tolist() == [[2.0]]
    assert reasons(found) == ["type"]


def test_a_decimal_channel_is_refused_at_start():
    kind = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    with pytest.raises(ConfigError, match=r"\$.flow is a decimal"):
        make_decoder({"type": "avro", "schema": record_of(["null", kind])}, ["flow"])


def test_without_fastavro_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fastavro", None)
    with pytest.raises(MissingExtraError, match=r"streamad-engine\[avro\]"):
        make_decoder({"type": "avro", "schema": AVRO}, CHANNELS)
