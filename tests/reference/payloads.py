"""Records of all formats with one meaning, and how to decode them in a line."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
from streamad_connectors.payloads.decoder import make_decoder

T0_MS = 1_795_442_765_000
T0 = "2026-11-23T14:06:05Z"
CHANNELS = ["temperature", "flow"]
AVRO = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "asset", "type": ["null", "string"]},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "temperature", "type": ["null", "double"]},
        {"name": "flow", "type": ["null", "double", "string"]},
    ],
}
FORMATS = {
    "json": {"type": "json"},
    "csv": {"type": "csv", "columns": ["asset", "ts", *CHANNELS]},
    "csv with names": {"type": "csv"},
    "avro": {"type": "avro", "schema": AVRO},
    "arrow": {"type": "arrow"},
}


def decoder(name, **options):
    options = {"key": "asset", "time": {"path": "ts", "unit": "ms"}, **options}
    return make_decoder(FORMATS[name] | options, CHANNELS)


def encode(name, asset="pump-1", ms=T0_MS, temperature=20.5, flow=1.5):
    """One record of a format; None = not there, or null where a format has columns."""
    row = {"asset": asset, "ts": ms, "temperature": temperature, "flow": flow}
    if name == "json":
        return json.dumps(row).encode()
    if name.startswith("csv"):
        line = ",".join("" if value is None else str(value) for value in row.values())
        return (",".join(row) + "\n" + line if name == "csv with names" else line).encode()
    if name == "avro":
        import fastavro

        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(AVRO), row)
        return out.getvalue()
    return arrow({name: [value] for name, value in row.items()})


def arrow(columns, *, compression=None, file=False):
    """A stream or file of one batch."""
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if file else pa.ipc.new_stream
    with make(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def decode(made, *values, keys=None, headers=None, ms=T0_MS, first=100):
    n = len(values)
    stamps = [ms] * n if isinstance(ms, int) else ms
    return made.decode(
        values, keys or [None] * n, headers, stamps, "sensors/0", list(range(first, first + n))
    )


def reasons(found):
    return [reject.reason for reject in found.rejects]


def same(found, other):
    """Rows and rejects of two results are equal, NaN included."""
    assert found.series == other.series
    for name in ("times", "values", "offsets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(other, name))
    assert found.rejects == other.rejects
    assert found.invalid == other.invalid
