"""Label files of every kind."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from streamad.core.errors import ConfigError
from streamad.evaluation.label_files import read_labels
from streamad.evaluation.labels import UNNAMED

HOUR = 3600 * 10**9
NOON = 1_577_880_000 * 10**9
"""2020-01-01 12:00 UTC."""


@pytest.fixture
def write(tmp_path):
    def written(text, name="labels.csv"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return written


def hours(spans):
    return ((spans - NOON) / HOUR).tolist()


def test_a_csv_of_intervals(write):
    path = write(
        "series,start,end,severity\n"
        "a,2020-01-01 12:00:00,2020-01-01 13:00:00,2\n"
        "b,2020-01-01 14:00:00,2020-01-01 15:00:00,1\n"
    )
    found = read_labels(path)
    assert (hours(found.of("a")), hours(found.of("b"))) == ([[0, 1]], [[2, 3]])
    assert found.severity["a"].tolist() == [2.0]


def test_a_csv_of_points(write):
    found = read_labels(
        write("timestamp,is_anomaly\n2020-01-01T12:00:00Z,0\n2020-01-01T13:00:00Z,1\n")
    )
    assert hours(found.of(UNNAMED)) == [[1, 1]]
    assert found.grid[UNNAMED] == (NOON, NOON + HOUR)


def test_a_parquet_of_points(tmp_path):
    times = pa.array(NOON + np.arange(3) * HOUR).cast(pa.timestamp("ns", "UTC"))
    table = pa.table({"timestamp": times, "label": pa.array([0, 1, 1], pa.int8())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert hours(read_labels(tmp_path / "a.parquet").of(UNNAMED)) == [[1, 2]]


def test_nab_windows(write):
    windows = {"a.csv": [["2020-01-01 12:00:00.000000", "2020-01-01 13:00:00.000000"]]}
    assert hours(read_labels(write(json.dumps(windows), "w.json")).of("a.csv")) == [[0, 1]]


@pytest.mark.parametrize(("unit", "divisor"), [("s", 10**9), ("ms", 10**6), ("ns", 1)])
def test_numbers_are_times_of_the_unit_that_fits(write, unit, divisor):
    path = write(f"start,end\n{NOON // divisor},{(NOON + HOUR) // divisor}\n")
    assert hours(read_labels(path).of(UNNAMED)) == [[0, 1]]
    assert hours(read_labels(path, time_unit=unit).of(UNNAMED)) == [[0, 1]]


def test_times_without_a_zone_are_those_of_the_named_one(write):
    path = write("start,end\n2020-01-01 12:00:00,2020-01-01 13:00:00\n")
    assert hours(read_labels(path, timezone="Europe/Berlin").of(UNNAMED)) == [[-1, 0]]


def test_columns_may_be_named(write):
    path = write("asset,a,b\nx,2020-01-01 12:00:00,2020-01-01 13:00:00\n")
    assert hours(read_labels(path, start="a", end="b").of("x")) == [[0, 1]]


def test_a_file_with_a_header_only_has_no_labels(write):
    assert read_labels(write("series,start,end\n")).spans == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo,bar\n1,2\n", "need columns start and end, or time and label; it has 'foo', 'bar'"),
        ("start,end\n2020-01-01T12:00Z,2020-01-01 13:00\n", "with a zone, the other without"),
        ("start,end\n2020-01-01 12:00,\n2020-01-01 12:00,2020-01-02\n", "no time in row 1"),
        ("start,end\nnoon,2020-01-01\n", "'start' should hold times"),
        ("time,label\n2020-01-01,yes\n", "'label' should hold numbers"),
        (
            "start,end\n2020-01-01T12:00:00,2020-01-02\n2020-01-01T12:00:00Z,2020-01-03\n",
            "with a zone and times without",
        ),
    ],
)
def test_what_cannot_be_read_is_told(write, text, message):
    with pytest.raises(ConfigError, match=message):
        read_labels(write(text))


def test_a_named_column_has_to_be_there(write):
    with pytest.raises(ConfigError, match="no column 'truth' for label; it has 'time', 'label'"):
        read_labels(write("time,label\n2020-01-01,1\n"), label="truth")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


def test_an_unknown_zone_is_told(write):
    with pytest.raises(ConfigError, match="a name like Europe/Berlin"):
        read_labels(write("start,end\n"), timezone="Mars/Base")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.xlsx", "", r"\.csv, \.parquet or \.json"),
        ("w.json", "{", "cannot be read as JSON"),
        ("w.json", "[]", "JSON object of windows"),
    ],
)
def test_other_files_are_told(write, name, text, message):
    with pytest.raises(ConfigError, match=message):
        read_labels(write(text, name))
