"""Avro without a registry: the schemas of the writers are in the configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from streamad.core.errors import ConfigError
from streamad_connectors.payloads.avro_schema import Schema, logical_type
from streamad_connectors.payloads.options import AvroFormat, Fields, show_path
from streamad_connectors.payloads.parsed import Parsed, Refused, Why
from streamad_connectors.payloads.picker import Picked, Picker
from streamad_connectors.payloads.times import TimeField

_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"
_UNITS = {"timestamp-millis": "ms", "timestamp-micros": "us", "timestamp-nanos": "ns"}
_HEAD_BYTES = {"binary": 0, "single_object": 10, "confluent": 5}


class AvroParser:
    """Rows of Avro data.

    Parameters
    ----------
    options : AvroFormat
    fields : Fields
    time : TimeField or None

    Raises
    ------
    ConfigError
        If schemas are missing or unfit, or say another unit of time.
    MissingExtraError
        Without fastavro.

    Notes
    -----
    Items of arrays and maps take at least one byte (:class:`.avro_schema.Schema` sees to it), so a
    datum makes at most a few objects for each of its ``max_bytes``.
    """

    def __init__(self, options: AvroFormat, fields: Fields, time: TimeField | None) -> None:
        self._encoding = options.encoding
        self._picker = Picker(fields, time)
        self._time = time
        self._has_key = fields.key is not None
        self._n_channels = len(fields.values)
        schemas = _schemas(options)
        for schema in schemas.values():
            _check_fields(schema, options, fields)
        self._schemas = {head: schema.reader for head, schema in schemas.items()}
        from fastavro import schemaless_reader

        self._read = schemaless_reader

    def parse(self, payloads: Sequence[bytes]) -> Parsed:
        """Rows of these payloads."""
        rows: dict[int, Picked] = {}
        failed: dict[int, Why] = {}
        invalid: Counter[str] = Counter()
        for i, payload in enumerate(payloads):
            try:
                rows[i] = self._picker.pick(self._datum(payload), invalid)
            except Refused as refused:
                failed[i] = refused.why
        picked = list(rows.values())
        values = np.array([row.values for row in picked], np.float64)
        faults: dict[int, Why] = {}
        times = None
        if self._time is not None:
            times, untimed = self._time.read([row.time for row in picked])
            faults = {row: ("time", detail) for row, detail in untimed.items()}
        return Parsed(
            np.array(list(rows), np.int64),
            [row.key for row in picked] if self._has_key else None,
            times,
            values.reshape(-1, self._n_channels),
            faults,
            failed,
            invalid,
        )

    def _datum(self, payload: bytes) -> Any:
        """What the bytes say."""
        size = _HEAD_BYTES[self._encoding]
        schema = self._schemas.get(payload[:size])
        if schema is None:
            raise Refused("decode", self._unknown(payload[:size]))
        body = BytesIO(payload)
        body.seek(size)
        try:
            datum = self._read(body, schema, None)
        except Exception as error:  # the reader raises what it meets
            name = type(error).__name__
            raise Refused("decode", f"no Avro of this schema ({name})") from error
        left = len(payload) - body.tell()
        if left:
            raise Refused("decode", f"no Avro of this schema: {left} bytes are left over")
        return datum

    def _unknown(self, head: bytes) -> str:
        if self._encoding == "confluent":
            if len(head) == _HEAD_BYTES["confluent"] and head[:1] == _CONFLUENT:
                number = int.from_bytes(head[1:], "big")
                return f"the schema {number} is not in format.schemas"
            return f"begins with {head.hex()!r}, expected a zero byte and four of a schema's number"
        return f"begins with {head.hex()!r}, expected the fingerprint of a schema of the format"


def _schemas(options: AvroFormat) -> dict[bytes, Schema]:
    """Schemas by the bytes that stand before their data."""
    given = (options.schema, options.schema_file, options.schemas)
    if sum(one is not None for one in given) != 1:
        raise ConfigError(
            "format: avro needs the schema of the writer: give one of schema, schema_file, schemas"
        )
    if options.schemas is None:
        if options.encoding == "confluent":
            raise ConfigError("format.encoding confluent needs schemas: a file for each number")
        if options.schema_file is not None:
            schema = Schema.read(options.schema_file)
        else:
            schema = Schema(options.schema, "format.schema")
        return {_head(options.encoding, schema): schema}
    if options.encoding == "binary":
        raise ConfigError(
            "format.schemas: plain binary data do not say which schema is theirs: give one schema, "
            "or the encoding confluent or single_object"
        )
    found: dict[bytes, Schema] = {}
    for name, path in options.schemas.items():
        schema = Schema.read(path)
        found[_head(options.encoding, schema, name)] = schema
    return found


def _head(encoding: str, schema: Schema, name: str | int = "") -> bytes:
    if encoding == "single_object":
        return _SINGLE_OBJECT + schema.fingerprint()
    if encoding == "binary":
        return b""
    try:
        return _CONFLUENT + int(name).to_bytes(4, "big")
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"format.schemas: {name!r} should be the number of a schema in 32 bits"
        ) from error


def _check_fields(schema: Schema, options: AvroFormat, fields: Fields) -> None:
    """Raise if a schema lacks what rows need, or says otherwise than the configuration."""
    for what, path in (("key", fields.key), ("time", fields.time)):
        if path is not None and schema.field(path) is None:
            raise ConfigError(f"format.{what}: a schema has no field {show_path(path)}")
    if all(schema.field(path) is None for path in fields.values):
        raise ConfigError(
            f"format.values: a schema has none of the channels, like {show_path(fields.values[0])}"
        )
    said = None if fields.time is None else logical_type(schema.field(fields.time))
    unit = None if said is None else _UNITS.get(said.removeprefix("local-"))
    if unit is not None and unit != options.time.unit:
        raise ConfigError(
            f"format.time.unit is {options.time.unit}, the schema says {said}: expected {unit}"
        )
    for path in fields.values:
        if logical_type(schema.field(path)) == "decimal":
            raise ConfigError(
                f"format: {show_path(path)} is a decimal in the schema, expected a number: write "
                "it as double"
            )
