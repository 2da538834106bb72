"""Bad input to the Parquet source: what is refused, what is an error, and what the message says."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.tables import START_NS, read, stamps, write
from streamad_connectors.parquet_file import ParquetSource

from streamad.core.errors import ConfigError, ConnectorError, DecodeError, StreamadError


def refused(path, **options):
    """Reason and detail of every refused row."""
    return [(r.offset, r.reason, r.detail) for r in read(ParquetSource(path, **options)).rejects]


@pytest.fixture
def plain(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"time": stamps(range(4000)), "value": rng.normal(size=4000)}
    return write(tmp_path / "plain.parquet", columns, row_group_size=1000, write_page_checksum=True)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "path must name a file, a folder or a glob pattern"),
        ("nowhere.parquet", "there is no file or folder nowhere.parquet: check the path"),
        ("*.nothing", "nothing to read at .*: the pattern matches no file"),
    ],
)
def test_a_path_without_a_file_is_an_error(path, said):
    with pytest.raises(ConfigError, match=said):
        ParquetSource(path)


def test_a_folder_without_parquet_is_an_error(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(ConfigError, match=r"no file in it ends in \.parquet or \.pq"):
        ParquetSource(str(tmp_path))


def test_an_empty_file_is_an_error(tmp_path):
    path = tmp_path / "empty.parquet"
    path.touch()
    with pytest.raises(
        DecodeError, match=r"empty\.parquet is empty \(0 bytes\), expected a Parquet"
    ):
        ParquetSource(str(path))


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    path = tmp_path / "text.parquet"
    path.write_text("time,value\n1,2\n" * 100)
    with pytest.raises(DecodeError, match=r"text\.parquet: its footer cannot be read .*damaged"):
        ParquetSource(str(path))


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_file_is_an_error(plain, share):
    os.truncate(plain, int(os.path.getsize(plain) * share))
    with pytest.raises(DecodeError, match=r"plain\.parquet: its footer cannot be read") as caught:
        ParquetSource(plain, time="time")
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_an_error_that_names_the_row_group(plain):
    chunk = pq.read_metadata(plain).row_group(2).column(1)
    with open(plain, "r+b") as file:
        file.seek(chunk.data_page_offset + 200)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))
    source = ParquetSource(plain, time="time")
    with pytest.raises(
        DecodeError, match=r"plain\.parquet: row group 2 cannot be read \(.*CRC"
    ) as e:
        read(source, (100,))
    assert "\n" not in str(e.value)


@given(st.data())
def test_whatever_is_damaged_gives_rows_or_an_error_of_ours(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    columns = {"time": stamps(range(40)), "key": ["a", "b"] * 20, "value": np.arange(40.0)}
    path = write(folder / "x.parquet", columns, row_group_size=20)
    blob = bytearray((folder / "x.parquet").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "x.parquet").write_bytes(blob)
    with suppress(StreamadError):
        read(ParquetSource(path, time="time", key="key"))
    shutil.rmtree(folder)


def test_a_missing_time_column_is_an_error_that_names_near_ones(plain):
    with pytest.raises(
        ConfigError, match=r"no time column 'tmie': did you mean 'time'\? it has 'time', 'value'"
    ):
        ParquetSource(plain, time="tmie")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "keyy"}, "has no key column 'keyy'"),
        ({"values": ["valeu"]}, "has no value column 'valeu': did you mean 'value'"),
        ({"values": ["value", "value"]}, "values has several columns named 'value'"),
        ({"values": ["time"]}, "'time' cannot be a value column: it is time or key already"),
        ({"key": "value"}, "key column 'value' holds double, expected text or integers"),
        ({"layout": "wide"}, "layout must be channels or series, got 'wide'"),
        ({"timezone": "Mars/Olympus"}, "timezone must be a name like .* got 'Mars/Olympus'"),
    ],
)
def test_options_that_do_not_fit_are_errors(plain, options, said):
    with pytest.raises(ConfigError, match=said):
        ParquetSource(plain, **{"time": "time", **options})


def test_a_column_that_occurs_twice_is_an_error(tmp_path):
    table = pa.Table.from_arrays(
        [stamps([0]), pa.array([1.0]), pa.array([2.0])], ["time", "v", "v"]
    )
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match=r"x\.parquet has several columns named 'v': rename"):
        ParquetSource(str(tmp_path / "x.parquet"), time="time")


def test_text_in_a_value_column_is_an_error(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0]), "v": ["high"]})
    with pytest.raises(ConfigError, match="value column 'v' holds string, expected numbers"):
        ParquetSource(path, time="time", values=["v"])


def test_a_file_without_numbers_is_an_error(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": stamps([0]), "v": ["high"]})
    with pytest.raises(
        ConfigError, match="no numeric column besides time and key: it has 'time', 'v'"
    ):
        ParquetSource(path, time="time")


def test_a_time_column_of_another_type_is_an_error(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": [[1], [2]], "v": [1.0, 2.0]})
    with pytest.raises(ConfigError, match=r"time column 'time' holds list.*expected timestamps"):
        ParquetSource(path, time="time")


def test_a_channel_that_disappears_is_missing_and_warned_about_once(tmp_path, caplog):
    write(tmp_path / "1.parquet", {"time": stamps([0]), "a": [1.0], "b": [2.0]})
    for day in (2, 3):
        write(tmp_path / f"{day}.parquet", {"time": stamps([day]), "a": [3.0]})
    with caplog.at_level(logging.WARNING):
        found = read(ParquetSource(str(tmp_path), time="time"))
    assert [row[2] for row in found.rows()] == [(1.0, 2.0), (3.0, None), (3.0, None)]
    assert len(caplog.records) == 1
    assert "channel b is missing in 2 of 3 files (first: " in caplog.text


def test_text_instead_of_numbers_in_the_second_file_is_an_error(tmp_path):
    write(tmp_path / "1.parquet", {"time": stamps([0]), "a": [1.0]})
    write(tmp_path / "2.parquet", {"time": stamps([1]), "a": ["1.0"]})
    with pytest.raises(
        ConfigError, match=r"2\.parquet: the value column 'a' holds string, expected"
    ):
        ParquetSource(str(tmp_path), time="time")


def test_a_mix_of_time_zones_is_an_error(tmp_path):
    write(tmp_path / "1.parquet", {"time": stamps([0], zone=None), "a": [1.0]})
    write(tmp_path / "2.parquet", {"time": stamps([1]), "a": [1.0]})
    with pytest.raises(
        ConfigError,
        match=r"without a zone \(naive\) in .*1\.parquet but times with a zone \(aware\)",
    ):
        ParquetSource(str(tmp_path), time="time")
    mended = read(ParquetSource(str(tmp_path), time="time", timezone="UTC"))
    assert mended.seconds == [0.0, 1.0]


def test_numbers_and_timestamps_as_time_are_an_error(tmp_path):
    write(tmp_path / "1.parquet", {"time": stamps([0]), "a": [1.0]})
    write(tmp_path / "2.parquet", {"time": [1], "a": [1.0]})
    with pytest.raises(ConfigError, match=r"but numbers in .*2\.parquet: write both alike"):
        ParquetSource(str(tmp_path), time="time")


def test_several_files_without_a_time_column_are_an_error(tmp_path):
    for name in "12":
        write(tmp_path / f"{name}.parquet", {"a": [1.0]})
    with pytest.raises(ConfigError, match=r"2 files without a time column have no order.*@file"):
        ParquetSource(str(tmp_path))
    assert read(ParquetSource(str(tmp_path), key="@file")).series == ["1", "2"]


def test_a_missing_time_or_key_refuses_the_row(tmp_path):
    columns = {"time": stamps([0, None, 2]), "k": [None, "a", "a"], "v": [1.0, np.nan, 3.0]}
    path = write(tmp_path / "x.parquet", columns)
    found = read(ParquetSource(path, time="time", key="k"))
    assert found.offsets == [2]
    first, second = found.rejects
    assert (first.reason, second.reason) == ("key", "time")
    assert "row 0 (row group 0): key 'k' is missing, expected the series" in first.detail
    assert "row 1 (row group 0): time 'time' is missing" in second.detail
    assert first.row == {"time": "2023-11-14T22:13:20+00:00", "k": None, "v": 1.0}
    assert second.row == {"time": None, "k": "a", "v": None}


def test_nanoseconds_among_milliseconds_are_refused_and_the_unit_is_named(tmp_path):
    ms = START_NS // 10**6
    path = write(tmp_path / "x.parquet", {"time": [ms, ms + 1, (ms + 2) * 10**6], "v": [1, 2, 3]})
    ((offset, reason, detail),) = refused(path, time="time")
    assert (offset, reason) == (2, "time")
    assert "as ms beyond the calendar: expected a time from 1971-01-01 to 2099-12-31" in detail
    assert detail.endswith("; as ns it is 2023-11-14T22:13:20.002Z")


def test_milliseconds_among_nanoseconds_are_refused_and_the_unit_is_named(tmp_path):
    times = pa.array([START_NS, START_NS + 1, START_NS // 10**6], pa.timestamp("ns", "UTC"))
    path = write(tmp_path / "x.parquet", {"time": times, "v": [1, 2, 3]})
    ((offset, reason, detail),) = refused(path, time="time")
    assert (offset, reason) == (2, "time")
    assert "1970-01-01T00:28:20" in detail
    assert "as ms it is 2023-11-14T22:13:20.000Z" in detail


def test_a_time_unit_that_cannot_be_is_an_error_that_names_the_likely_one(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": [START_NS, START_NS + 1], "v": [1, 2]})
    with pytest.raises(ConfigError, match=r"with time_unit ms should lie .*; use time_unit ns"):
        ParquetSource(path, time="time", time_unit="ms")


@pytest.mark.parametrize("year", ["1969-12-31", "2100-01-01", "0001-01-01"])
def test_times_before_1970_and_after_2099_are_refused(tmp_path, year):
    times = pa.array([np.datetime64(year, "us"), np.datetime64("1975-01-01", "us")])
    path = write(tmp_path / "x.parquet", {"time": times, "v": [1.0, 2.0]})
    ((offset, reason, detail),) = refused(path, time="time")
    assert (offset, reason) == (0, "time")
    assert f"{year}T00:00:00" in detail
    assert "expected a time from 1970-01-01 to 2099-12-31" in detail


def test_a_row_in_2099_out_of_order_and_duplicate_rows_pass_as_they_are(tmp_path):
    path = write(
        tmp_path / "x.parquet", {"time": stamps([5, 2_400_000_000, 3, 3]), "v": [1, 2, 3, 4]}
    )
    found = read(ParquetSource(path, time="time"))
    assert (found.seconds, found.rejects) == ([5.0, 2.4e9, 3.0, 3.0], [])


def test_text_that_is_no_time_is_refused(tmp_path):
    texts = ["2024-01-01T00:00:00Z"] * 3 + ["yesterday", "2024-01-01 00:00:02", None]
    path = write(tmp_path / "x.parquet", {"time": texts, "v": range(6)})
    details = [detail for _, _, detail in refused(path, time="time")]
    assert "time 'time' is 'yesterday': expected a time" in details[0]
    assert "written in ISO 8601 with zone" in details[1]
    assert "is missing" in details[2]


def test_a_file_that_changes_while_it_is_read_is_an_error(plain):
    source = ParquetSource(plain, time="time")
    source.poll(0, 10)
    write_again = pq.read_table(plain)
    pq.write_table(write_again.slice(0, 100), plain)
    source.seek("files", 3500)
    with pytest.raises(ConnectorError, match=r"plain\.parquet was changed while it was read"):
        source.poll(0, 10)


def test_a_file_that_disappears_is_an_error(plain):
    source = ParquetSource(plain, time="time")
    os.unlink(plain)
    with pytest.raises(ConnectorError, match=r"plain\.parquet cannot be read: No such file"):
        source.poll(0, 10)


@pytest.mark.parametrize(("partition", "offset"), [("other", 0), ("files", -1)])
def test_a_position_that_cannot_be_is_an_error(plain, partition, offset):
    with pytest.raises(ConfigError, match="files are one partition 'files' with offsets from 0"):
        ParquetSource(plain, time="time").seek(partition, offset)


def test_a_key_that_is_not_text_is_an_error(tmp_path):
    raw = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    path = write(tmp_path / "x.parquet", {"time": stamps([0, 1]), "k": raw, "v": [1.0, 2.0]})
    with pytest.raises(DecodeError, match=r"x\.parquet: row 0 .*key 'k' is not UTF-8"):
        read(ParquetSource(path, time="time", key="k"))


def test_a_time_column_without_any_time_refuses_all_rows(tmp_path):
    path = write(tmp_path / "x.parquet", {"time": pa.nulls(2), "v": [1.0, 2.0]})
    assert [offset for offset, _, _ in refused(path, time="time")] == [0, 1]
