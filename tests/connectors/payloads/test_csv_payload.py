"""CSV records."""

from __future__ import annotations

import numpy as np
import pytest
from reference.payloads import T0_MS, decode, decoder, reasons

LINE = f"pump-1,{T0_MS},20.5,1.5"


def read(*records, name="csv", **options):
    return decode(decoder(name, **options), *(record.encode() for record in records))


def test_a_record_may_hold_several_lines_of_one_offset():
    found = read(f"{LINE}\n{LINE}\r\n\n{LINE}\n", LINE)
    assert found.offsets.tolist() == [100, 100, 100, 101]
    assert found.rejects == []


def test_a_first_line_names_the_columns_of_its_record():
    found = read(
        f"flow,asset,ts\n1.5,a,{T0_MS}",
        f"asset,ts,temperature,site\nb,{T0_MS},2,x\nc,{T0_MS},3,y",
        name="csv with names",
    )
    assert found.series == ["a", "b", "c"]
    np.testing.assert_array_equal(found.values, [[np.nan, 1.5], [2, np.nan], [3, np.nan]])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("asset,ts,heat,rate", "type"),
        ("asset,ts,flow,flow", "decode"),
        ("ts,flow,a,b", "decode"),
        ("name,ts,temperature,flow", "key"),
        ("asset,when,temperature,flow", "time"),
    ],
)
def test_a_first_line_without_what_is_needed_is_refused(header, reason):
    cells = LINE if not header.startswith("ts") else "1,2,3"
    assert reasons(read(f"{header}\n{cells}", name="csv with names")) == [reason]


def test_a_first_line_alone_is_no_row():
    assert reasons(read("asset,ts,temperature,flow\n", name="csv with names")) == ["decode"]


def test_refused_rows_of_a_record_are_one_reject_for_each_reason():
    found = read(f"{LINE}\na,b\n{LINE}\na,never,1,1\nb,never,1,1\n,{T0_MS},1,1\na,b,c,d,e")
    assert len(found) == 2
    assert [(r.reason, r.row) for r in found.rejects] == [
        ("decode", {"rows": [1, 6]}),
        ("time", {"rows": [3, 4]}),
        ("key", {"rows": [5]}),
    ]
    assert found.rejects[0].detail.startswith("row 1 of 7: 2 cells, expected the 4")
    assert found.rejects[0].detail.endswith("; 2 rows in all")


def test_quoted_cells_may_hold_anything():
    found = read(f'"a ""b"",\nc",{T0_MS},"20.5",1.5')
    assert found.series == ['a "b",\nc']
    assert found.values.tolist() == [[20.5, 1.5]]


@pytest.mark.parametrize("record", ['"a', 'a"b"c,"d', '"' + "x" * 200_000 + '",1,2,3'])
def test_broken_quotes_stay_within_their_record(record):
    found = read(record, LINE)
    assert found.offsets.tolist() == [101]
    assert len(found.rejects) == 1


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("", "missing"),
        ("NaN", "missing"),
        ("null", "missing"),
        ("inf", "inf"),
        ("1e999", "inf"),
        ("9" * 500, "inf"),
        ("9" * 200_000, "text"),
        ("true", "text"),
        ("1_000", "text"),
        ("0x1p3", "text"),
        ("1\0", "text"),
        ("١", "text"),
    ],
    ids=lambda cell: cell[:12],
)
def test_a_cell_that_is_no_number_is_missing_by_kind(cell, kind):
    found = read(f"a,{T0_MS},1,{cell}")
    np.testing.assert_array_equal(found.values, [[1, np.nan]])
    assert found.invalid == {kind: 1}


def test_delimiter_and_decimal_mark_are_options():
    found = read(f"a;{T0_MS};20,5;1,5", delimiter=";", decimal=",")
    assert found.values.tolist() == [[20.5, 1.5]]


def test_rows_of_a_record_are_limited():
    found = read(f"{LINE}\n" * 3, f"{LINE}\n" * 2, max_rows=2)
    assert found.offsets.tolist() == [101, 101]
    assert reasons(found) == ["size"]


def test_a_byte_order_mark_is_passed_over():
    assert read("\ufeff" + LINE).series == ["pump-1"]


def test_a_time_of_megabytes_is_refused_in_few_words():
    (reject,) = read(f"a,{'1' * 500_000},1,1").rejects
    assert reject.reason == "time"
    assert len(reject.detail) < 500
