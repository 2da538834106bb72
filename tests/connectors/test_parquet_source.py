from __future__ import annotations

import logging
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.tables import START_NS, merge_order, read, stamps, write
from streamad_connectors import file_source, finished
from streamad_connectors.parquet_file import ParquetSource

from streamad.core.data import Schema
from streamad.core.protocols import Assigned, CommitResult, Source
from streamad.testing.conformance import SourceConformance

NAN = float("nan")


def long_table(n=300, n_series=7):
    rng = np.random.default_rng(3)
    seconds = np.sort(rng.integers(0, n, n))
    values = rng.normal(size=n)
    values[::13] = NAN
    return {
        "time": stamps(seconds),
        "pump": [f"pump-{k}" for k in rng.integers(0, n_series, n)],
        "flow": values,
        "pressure": rng.integers(0, 9, n),
    }


@pytest.fixture(scope="class")
def long_folder(tmp_path_factory):
    """Two overlapping files, small row groups, some rows with a time or key that cannot be used."""
    folder = tmp_path_factory.mktemp("long")
    whole = pa.table(long_table())
    pump = whole.column("pump").to_pylist()
    pump[40] = None
    times = whole.column("time").to_pylist()
    for at in (0, 99, 100, 101, 298, 299):
        times[at] = None
    whole = whole.set_column(1, "pump", pa.array(pump))
    whole = whole.set_column(0, "time", pa.array(times, pa.timestamp("ns", "UTC")))
    pq.write_table(whole.take(np.arange(0, 300, 2)), folder / "a.parquet", row_group_size=37)
    pq.write_table(whole.take(np.arange(1, 300, 2)), folder / "b.parquet", row_group_size=41)
    return folder


class TestLongFolder(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, long_folder):
        self.path = str(long_folder)

    def make(self):
        return ParquetSource(self.path, time="time", key="pump")


class TestSpreadColumns(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, long_folder):
        self.path = str(long_folder / "a.parquet")

    def make(self):
        return ParquetSource(self.path, time="time", values=["flow", "pressure"], layout="series")


def test_a_wide_file_is_one_series_with_a_channel_a_column(tmp_path):
    path = write(
        tmp_path / "pump-7.parquet",
        {"time": stamps([0, 1]), "flow": [1.0, 2.0], "note": ["x", "y"], "level": [3, None]},
    )
    source = ParquetSource(path, time="time")
    assert source.schema.channels == ("flow", "level")
    assert source.total_rows == 2
    assert read(source).rows() == [
        ("pump-7", 0.0, (1.0, 3.0), 0),
        ("pump-7", 1.0, (2.0, None), 1),
    ]


def test_the_series_of_a_wide_file_can_be_named(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0]), "v": [1.0]})
    assert read(ParquetSource(path, time="time", series="plant")).series == ["plant"]


def test_a_key_column_names_the_series_of_each_row(tmp_path):
    path = write(
        tmp_path / "x.parquet",
        {"time": stamps([0, 0, 1]), "pump": ["b", "a", "b"], "v": [1.0, 2.0, 3.0]},
    )
    found = read(ParquetSource(path, time="time", key="pump"))
    assert found.series == ["b", "a", "b"]


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([7, 8, 7], pa.int16()),
        pa.array(["7", "8", "7"]).dictionary_encode(),
        pa.array(["7", "8", "7"], pa.large_string()),
    ],
)
def test_keys_can_be_integers_dictionaries_and_large_strings(tmp_path, keys):
    path = write(
        tmp_path / "x.parquet", {"time": stamps([0, 1, 2]), "id": keys, "v": [1.0, 2.0, 3.0]}
    )
    assert read(ParquetSource(path, time="time", key="id")).series == ["7", "8", "7"]


def test_each_column_can_be_a_series(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1]), "a": [1.0, 2.0], "b": [3.0, NAN]})
    source = ParquetSource(path, time="time", layout="series")
    assert source.schema.channels == ("value",)
    assert source.total_rows == 4
    assert read(source).rows() == [
        ("a", 0.0, (1.0,), 0),
        ("b", 0.0, (3.0,), 1),
        ("a", 1.0, (2.0,), 2),
        ("b", 1.0, (None,), 3),
    ]


def test_columns_of_keyed_rows_are_series_named_by_both(tmp_path):
    path = write(
        tmp_path / "x.parquet", {"time": stamps([0, 0]), "k": ["p", "q"], "a": [1, 2], "b": [3, 4]}
    )
    found = read(ParquetSource(path, time="time", key="k", layout="series"))
    assert list(zip(found.series, found.values, strict=True)) == [
        ("p/a", [1.0]),
        ("p/b", [3.0]),
        ("q/a", [2.0]),
        ("q/b", [4.0]),
    ]


def test_each_file_can_be_a_series(tmp_path):
    for name, value in (("a", 1.0), ("b", 2.0)):
        write(tmp_path / f"{name}.parquet", {"time": stamps([0, 1]), "v": [value, value]})
    found = read(ParquetSource(str(tmp_path), time="time", key="@file"))
    assert found.series == ["a", "b", "a", "b"]


def test_folder_names_can_be_the_key(tmp_path):
    for site in ("north", "south east"):
        folder = tmp_path / f"site={site.replace(' ', '%20')}" / "day=1"
        write(folder / "x.parquet", {"time": stamps([0]), "v": [1.0]})
    found = read(ParquetSource(str(tmp_path), time="time", key="site"))
    assert sorted(found.series) == ["north", "south east"]


def test_a_glob_finds_its_files_and_names_its_series_by_the_folder(tmp_path):
    for day in (1, 2):
        write(tmp_path / "plant" / f"{day}.parquet", {"time": stamps([day]), "v": [1.0]})
    write(tmp_path / "plant" / "other.pq", {"time": stamps([9]), "v": [1.0]})
    found = read(ParquetSource(str(tmp_path / "plant" / "*.parquet"), time="time"))
    assert (found.series, found.seconds) == (["plant", "plant"], [1.0, 2.0])


def test_hidden_files_in_a_folder_are_left_out(tmp_path):
    for name in ("x.parquet", "_temporary/y.parquet", ".z.parquet"):
        write(tmp_path / name, {"time": stamps([0]), "v": [1.0]})
    assert ParquetSource(str(tmp_path), time="time").total_rows == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_any_unit_are_nanoseconds(tmp_path, unit):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1.0], unit), "v": [1.0, 2.0]})
    assert read(ParquetSource(path, time="time")).seconds == [0.0, 1.0]


def test_times_of_another_zone_are_the_same_moments(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([5], zone="Asia/Tokyo"), "v": [1.0]})
    assert read(ParquetSource(path, time="time")).seconds == [5.0]


def test_times_without_a_zone_are_in_the_given_one(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0], "us", None), "v": [1.0]})
    assert read(ParquetSource(path, time="time")).seconds == [0.0]
    berlin = read(ParquetSource(path, time="time", timezone="Europe/Berlin"))
    assert berlin.seconds == [-3600.0]


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_the_unit_of_numbers_is_found_by_magnitude_or_said(tmp_path, unit, factor):
    numbers = (START_NS // 10**9 + np.arange(3)) * factor
    path = write(tmp_path / "x.parquet", {"time": numbers, "v": [1.0, 2.0, 3.0]})
    assert read(ParquetSource(path, time="time")).seconds == [0.0, 1.0, 2.0]
    assert read(ParquetSource(path, time="time", time_unit=unit)).seconds == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("unit", [None, "index", "s"])
def test_a_row_index_counts_seconds(tmp_path, unit):
    path = write(tmp_path / "x.parquet", {"step": np.arange(3), "v": [1.0, 2.0, 3.0]})
    found = read(ParquetSource(path, time="step", time_unit=unit))
    assert [s + START_NS / 10**9 for s in found.seconds] == [0.0, 1.0, 2.0]


def test_seconds_with_a_fraction_keep_their_microseconds(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": [1.7e9 + 0.1, None], "v": [1.0, 2.0]})
    source = ParquetSource(path, time="time")
    assert source.poll(0, 10)[0].times.tolist() == [1_700_000_000_100_000_000]


def test_dates_and_text_are_times(tmp_path):
    days = pa.array([19_000, 19_001], pa.int32()).cast(pa.date32())
    path = write(
        tmp_path / "x.parquet",
        {"day": days, "text": ["2022-01-08T01:00+01:00", "2022-01-09 00:00:00Z"], "v": [1, 2]},
    )
    by_day = read(ParquetSource(path, time="day", values=["v"])).seconds
    by_text = read(ParquetSource(path, time="text", values=["v"])).seconds
    assert by_day == by_text


def test_without_a_time_column_rows_are_a_second_apart(tmp_path):
    path = write(tmp_path / "x.parquet", {"v": np.arange(300.0)}, row_group_size=70)
    source = ParquetSource(path)
    source.seek("files", 200)
    assert source.poll(0, 2)[0].times.tolist() == [200 * 10**9, 201 * 10**9]


def test_numbers_of_every_kind_are_values(tmp_path):
    columns = {
        "f4": pa.array([0.5, None], pa.float32()),
        "u8": pa.array([1, 2], pa.uint64()),
        "dec": pa.array([1, 2], pa.decimal128(9, 2)),
        "flag": pa.array([True, False]),
    }
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1]), **columns})
    assert ParquetSource(path, time="time").schema.channels == ("f4", "u8", "dec")
    found = read(ParquetSource(path, time="time", values=list(columns)))
    assert [row[2] for row in found.rows()] == [(0.5, 1.0, 1.0, 1.0), (None, 2.0, 2.0, 0.0)]


def test_infinite_values_count_as_missing(tmp_path, caplog):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1]), "v": [np.inf, -np.inf]})
    source = ParquetSource(path, time="time")
    with caplog.at_level(logging.WARNING):
        assert [row[2] for row in read(source).rows()] == [(None,), (None,)]
    assert source.n_infinite == 2
    assert "2 infinite values counted as missing" in caplog.text


times = st.lists(st.one_of(st.integers(0, 60), st.none()), min_size=1, max_size=25)


@given(st.lists(times, min_size=1, max_size=4), st.integers(1, 30), st.data())
def test_files_are_merged_like_a_stable_sort(tmp_path_factory, files, group, data):
    folder = tmp_path_factory.mktemp("merge")
    for number, seconds in enumerate(files):
        columns = {"time": stamps(seconds), "v": [float(k) for k in range(len(seconds))]}
        write(folder / f"{number}.parquet", columns, row_group_size=group)
    begun = [[min((s for s in f if s is not None), default=-1), *f] for f in files]
    expected = [(str(n), row - 1) for n, row in merge_order(begun) if row > 0]
    source = ParquetSource(str(folder), time="time", key="@file")
    found = read(source, (data.draw(st.integers(1, 40)),))
    rows = dict(zip(found.offsets, zip(found.series, found.values, strict=True), strict=True))
    for offset, (name, row) in enumerate(expected):
        if files[int(name)][row] is not None:
            assert rows.pop(offset) == (name, [float(row)])
    assert rows == {}
    assert sorted(r.offset for r in found.rejects) == [
        at for at, (n, row) in enumerate(expected) if files[int(n)][row] is None
    ]


def test_rows_of_files_that_follow_each_other_are_skipped_as_whole_files(tmp_path, monkeypatch):
    for day in range(5):
        seconds = range(100 * day, 100 * day + 100)
        write(tmp_path / f"{day}.parquet", {"time": stamps(seconds), "v": np.arange(100.0)})
    source = ParquetSource(str(tmp_path), time="time")
    asked = []
    batches = finished.RowReader.piece
    monkeypatch.setattr(finished.RowReader, "piece", lambda *a: asked.append(a[2]) or batches(*a))
    source.seek("files", 350)
    assert source.poll(0, 10)[0].times[0] == START_NS + 350 * 10**9
    assert asked == [50]


def test_trailing_refused_rows_lie_before_the_next_offset(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1, None, None]), "v": [1, 2, 3, 4]})
    found = read(ParquetSource(path, time="time"))
    assert (found.offsets, found.next_offset) == ([0, 1], 4)
    assert [reject.offset for reject in found.rejects] == [2, 3]


def test_many_refused_rows_are_handed_over_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(file_source, "MAX_REJECTS", 10)
    monkeypatch.setattr(finished, "PIECE_ROWS", 64)
    path = write(tmp_path / "x.parquet", {"time": stamps([None] * 300 + [5]), "v": np.arange(301)})
    source = ParquetSource(path, time="time")
    assert source.poll(0, 100) == []
    assert 0 < len(source.rejects()) < 300
    found = read(source)
    assert found.offsets == [300]


def test_a_file_without_rows_is_exhausted_at_once(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([]), "v": pa.array([], pa.float64())})
    source = ParquetSource(path, time="time")
    assert (source.total_rows, source.lag()) == (0, {"files": 0})
    assert read(source).rows() == []


def test_it_has_the_verbs_of_a_source(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1, 2]), "v": [1.0, 2.0, 3.0]})
    source = ParquetSource(path, time="time")
    assert isinstance(source, Source)
    assert isinstance(source.schema, Schema)
    assert source.events() == [Assigned(("files",))]
    assert source.lag() == {"files": 3}
    source.poll(0, 2)
    assert source.lag() == {"files": 1}
    assert source.commit({"files": 2}) is CommitResult.OK


def test_batches_are_owned_and_writeable(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1]), "v": [1.0, 2.0]})
    batch = ParquetSource(path, time="time").poll(0, 10)[0]
    assert batch.times.flags.writeable
    assert batch.values.flags.writeable
    assert batch.codes.flags.writeable


def test_files_are_closed_when_they_were_read(tmp_path):
    for day in range(3):
        write(tmp_path / f"{day}.parquet", {"time": stamps([day]), "v": [1.0]})
    before = len(os.listdir("/proc/self/fd"))
    source = ParquetSource(str(tmp_path), time="time")
    source.poll(0, 1)
    source.close()
    assert len(os.listdir("/proc/self/fd")) == before
