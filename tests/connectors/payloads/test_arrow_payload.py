"""Arrow IPC records, and what few bytes could do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from reference.payloads import T0_MS, arrow, decode, decoder, reasons

NS = T0_MS * 10**6
WHEN = dt.datetime.fromtimestamp(T0_MS / 1000, dt.UTC)
MS = pa.array([T0_MS] * 2)


def table(**columns):
    return {"asset": ["a", "b"], "ts": MS, "temperature": [1.0, 2.0], "flow": [3, None], **columns}


def read(*records, **options):
    return decode(decoder("arrow", **options), *records)


@pytest.mark.parametrize("file", [False, True], ids=["stream", "file"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_streams_and_files_hold_rows_of_one_offset(file, compression):
    found = read(arrow(table(), compression=compression, file=file), arrow(table()))
    assert found.series == ["a", "b"] * 2
    assert found.offsets.tolist() == [100, 100, 101, 101]
    np.testing.assert_array_equal(found.values, [[1, 3], [2, np.nan]] * 2)
    assert found.invalid == {"missing": 2}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2], pa.uint8()),
        pa.array([1, 2], pa.float16()),
        pa.array([Decimal(1), Decimal(2)]),
        pa.array([1.0, 2.0]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_all_kinds_of_numbers_are_read(column):
    assert read(arrow(table(temperature=column))).values[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "column",
    [
        ["1", "2"],
        [True, False],
        [[1], [2]],
        [{"a": 1}] * 2,
        pa.array(["1", "2"]).dictionary_encode(),
    ],
    ids=["text", "bool", "list", "struct", "dictionary"],
)
def test_other_columns_are_missing_and_rows_of_nothing_else_refused(column):
    found = read(arrow(table(temperature=column)))
    np.testing.assert_array_equal(found.values, [[np.nan, 3]])
    (reject,) = found.rejects
    assert (reject.reason, reject.row) == ("type", {"rows": [1]})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2], pa.int16()),
        pa.array(["1", "2"], pa.large_string()),
        pa.array(["1", "2"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_series_are_named_by_text_and_integers(column):
    assert read(arrow(table(asset=column))).series == ["1", "2"]


@pytest.mark.parametrize("column", [[1.5, 2.5], [b"a", b"b"], [["a"], ["b"]], [None, None]])
def test_series_are_named_by_nothing_else(column):
    found = read(arrow(table(asset=column)))
    assert reasons(found) == ["key"]


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (pa.array([WHEN] * 2, pa.timestamp("us", "UTC")), {"path": "ts", "unit": "ns"}),
        (pa.array([WHEN] * 2, pa.timestamp("s", "Europe/Berlin")), {"path": "ts"}),
        (
            pa.array([WHEN.replace(tzinfo=None)] * 2, pa.timestamp("ns")),
            {"path": "ts", "timezone": "UTC"},
        ),
        (pa.array([WHEN.isoformat()] * 2), {"path": "ts"}),
        (pa.array([T0_MS / 1000] * 2), {"path": "ts", "unit": "s"}),
    ],
    ids=["us", "zone", "local", "text", "float"],
)
def test_times_of_all_kinds_are_read(column, options):
    assert read(arrow(table(ts=column)), time=options).times.tolist() == [NS, NS]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([WHEN.replace(tzinfo=None)] * 2, pa.timestamp("ns")),
        pa.array([True, False]),
        pa.array([None, None], pa.int64()),
        pa.array(["soon", "now"]).dictionary_encode(),
        pa.array([-1, 2**62]),
    ],
    ids=["local", "bool", "null", "dictionary", "bounds"],
)
def test_other_times_are_refused(column):
    assert reasons(read(arrow(table(ts=column)))) == ["time"]


def test_columns_are_found_by_name_and_missing_ones_named():
    whole = table()
    found = read(
        arrow(dict(reversed(whole.items()))),
        arrow({n: c for n, c in whole.items() if n != "flow"}),
        arrow({n: c for n, c in whole.items() if n != "asset"}),
        arrow({n: c for n, c in whole.items() if n != "ts"}),
        arrow({n: c for n, c in whole.items() if n in ("asset", "ts")}),
    )
    assert found.offsets.tolist() == [100, 100, 101, 101]
    assert reasons(found) == ["key", "time", "type"]


def test_a_column_that_is_there_twice_is_refused():
    batch = pa.record_batch([*table().values(), [9.0, 9.0]], [*table(), "flow"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    assert reasons(read(sink.getvalue().to_pybytes())) == ["decode"]


def test_a_table_without_rows_is_refused():
    assert reasons(read(arrow({name: pa.array(c)[:0] for name, c in table().items()}))) == [
        "decode"
    ]


@pytest.mark.parametrize("file", [False, True], ids=["stream", "file"])
@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_bomb_is_refused_by_what_it_would_unpack_to(file, compression):
    n = 1_000_000
    columns = {"asset": np.zeros(n, np.int64), "ts": np.full(n, T0_MS), "flow": np.zeros(n)}
    bomb = arrow(columns, compression=compression, file=file)
    assert len(bomb) < 2**18
    before = pa.total_allocated_bytes()
    found = read(bomb, max_rows=10 * n)
    assert reasons(found) == ["size"]
    assert "bytes unpacked, expected at most 1048576" in found.rejects[0].detail
    assert pa.total_allocated_bytes() == before


def test_a_dictionary_counts_as_well():
    names = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array(["a" * 2**21]))
    assert reasons(read(arrow(table(asset=names), compression="zstd"))) == ["size"]


def test_rows_that_take_no_bytes_are_limited():
    nothing = arrow({name: pa.nulls(12_345) for name in table()})
    more = nothing.replace((12_345).to_bytes(8, "little"), (2**60).to_bytes(8, "little"))
    less = nothing.replace((12_345).to_bytes(8, "little"), (-1).to_bytes(8, "little", signed=True))
    assert reasons(read(nothing, more, less)) == ["size", "size", "size"]
    assert str(2**60) in read(more).rejects[0].detail


def test_rows_of_a_record_are_limited():
    assert reasons(read(arrow(table()), max_rows=1)) == ["size"]


@pytest.mark.parametrize("cut", [1, 20, 100, 300, 600])
def test_a_stream_that_is_cut_is_refused_or_whole(cut):
    found = read(arrow(table())[:-cut])
    assert len(found) in (0, 2)
    assert (len(found) == 0) == (reasons(found) == ["decode"])
