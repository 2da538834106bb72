from __future__ import annotations

import gzip
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.tables import START_NS, pump_lines, read
from streamad_connectors import csv_file
from streamad_connectors.csv_file import CsvSource

from streamad.core.errors import ConfigError, ConnectorError, DecodeError
from streamad.testing.conformance import SourceConformance

SECOND = START_NS // 10**9


@pytest.fixture
def write(tmp_path):
    """Write a text as a file, and give its path."""

    def written(text, name="x.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return written


@pytest.fixture(scope="class")
def long_folder(tmp_path_factory):
    """Two overlapping files with rows that cannot be used; blocks of a few rows."""
    folder = tmp_path_factory.mktemp("csv")
    rng = np.random.default_rng(4)
    for name in "ab":
        lines = ["time,pump,flow,level", *pump_lines(rng, SECOND)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


class TestLongFolder(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, long_folder, monkeypatch):
        self.path = str(long_folder)
        monkeypatch.setattr(csv_file, "BLOCK_BYTES", 512)

    def make(self):
        return CsvSource(self.path, time="time", key="pump")


class TestOneFile(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, long_folder, monkeypatch):
        self.path = str(long_folder / "a.csv")
        monkeypatch.setattr(csv_file, "BLOCK_BYTES", 512)

    def make(self):
        return CsvSource(self.path, time="time", values=["flow", "level"], layout="series")


@pytest.mark.parametrize(
    ("name", "delimiter"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")]
)
def test_the_delimiter_is_found(write, name, delimiter):
    rows = [["time", "flow", "note, or so"], [str(SECOND), "1.5", "x"], [str(SECOND + 1), "", "y"]]
    text = "\n".join(delimiter.join(f'"{c}"' if "," in c else c for c in row) for row in rows)
    found = read(CsvSource(write(text, f"{name}.csv"), time="time"))
    assert found.rows() == [(name, 0.0, (1.5,), 0), (name, 1.0, (None,), 1)]


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_line_ends_a_byte_order_mark_and_gzip_do_not_matter(write, ends, packed, bom):
    text = bom + f"time,flöw{ends}{SECOND},1{ends}{SECOND + 1},2".encode()
    source = CsvSource(write(gzip.compress(text) if packed else text), time="time")
    assert source.schema.channels == ("flöw",)
    assert read(source).seconds == [0.0, 1.0]


def test_without_a_header_columns_are_numbered(write):
    source = CsvSource(write(f"{SECOND},5\n{SECOND + 1},6\n"), time="c0", header=False)
    assert source.schema.channels == ("c1",)
    assert read(source).values == [[5.0], [6.0]]


def test_a_decimal_comma_is_understood(write):
    path = write(f"time;flow\n{SECOND};1,5\n{SECOND + 1};-2,25\n")
    assert read(CsvSource(path, time="time", decimal=",")).values == [[1.5], [-2.25]]


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (["2023-11-14T22:13:20Z", "2023-11-14T22:13:21.5Z"], {}),
        (["2023-11-14 22:13:20", " 2023-11-14 22:13:21.500"], {}),
        (["2023-11-14T23:13:20+01:00", "2023-11-15T00:13:21.500+0200"], {}),
        (["2023-11-14 23:13:20", "2023-11-14 23:13:21.5"], {"timezone": "Europe/Berlin"}),
        (
            ["14.11.2023 22:13:20.0", "14.11.2023 22:13:21.5"],
            {"time_format": "%d.%m.%Y %H:%M:%S.%f"},
        ),
        (
            ["22:13:20 +0000 14/11/23", "22:13:21 +0000 14/11/23"],
            {"time_format": "%H:%M:%S %z %d/%m/%y"},
        ),
        (["1700000000", "1700000001.5"], {}),
        (["1700000000000", "1700000001500"], {}),
        (["1700000000000000000", "1700000001500000000"], {"time_unit": "ns"}),
    ],
)
def test_times_come_in_many_forms(write, texts, options):
    path = write("time,v\n" + "".join(f"{text},1\n" for text in texts))
    first, second = read(CsvSource(path, time="time", **options)).seconds
    assert first == 0.0
    assert second in {1.0, 1.5}


def test_nanoseconds_are_read_exactly(write):
    path = write("time,v\n1700000000123456789,1\n1700000000123456790,1\n")
    batch = CsvSource(path, time="time").poll(0, 10)[0]
    assert batch.times.tolist() == [1700000000123456789, 1700000000123456790]


@pytest.mark.parametrize(
    "text", ["", "NA", "n/a", "NaN", "null", " None ", "1e400", "-inf", "Infinity"]
)
def test_missing_and_infinite_numbers_are_missing(write, text):
    path = write(f"time,v\n{SECOND},{text}\n{SECOND + 1},2\n{SECOND + 2}, 3 \n")
    found = read(CsvSource(path, time="time"))
    assert [row[2] for row in found.rows()] == [(None,), (2.0,), (3.0,)]
    assert found.rejects == []


def test_infinite_numbers_are_counted(write, caplog):
    source = CsvSource(write(f"time,v\n{SECOND},1e400\n{SECOND},-inf\n{SECOND},2\n"), time="time")
    with caplog.at_level(logging.WARNING):
        read(source)
    assert source.n_infinite == 2


def test_text_in_a_numeric_column_is_refused_with_its_line(write):
    path = write(f"time,v,note\n{SECOND},1,a\n{SECOND + 1},high,b\n{SECOND + 2},3,c\n")
    found = read(CsvSource(path, time="time"))
    assert found.offsets == [0, 2]
    (reject,) = found.rejects
    assert (reject.offset, reject.reason) == (1, "type")
    assert reject.detail.endswith("x.csv:3: 'v' should be a number, got 'high'")
    assert reject.row == {"time": str(SECOND + 1), "v": "high"}


def test_a_wanted_column_full_of_text_is_an_error(write):
    path = write("time,v\n1,low\n2,high\n")
    with pytest.raises(ConfigError, match=r"x\.csv: the value column 'v' holds string, expected"):
        CsvSource(path, time="time", values=["v"])


def test_text_instead_of_numbers_in_the_second_file_is_an_error(write, tmp_path):
    write("time,v\n1,1\n", "1.csv")
    write("time,v\n2,low\n", "2.csv")
    with pytest.raises(ConfigError, match=r"2\.csv: the value column 'v' holds string, expected"):
        CsvSource(str(tmp_path), time="time")


def test_a_channel_that_disappears_is_missing(write, tmp_path, caplog):
    write("time,a,b\n1,1,2\n", "1.csv")
    write("time,a\n2,3\n", "2.csv")
    with caplog.at_level(logging.WARNING):
        found = read(CsvSource(str(tmp_path), time="time"))
    assert [row[2] for row in found.rows()] == [(1.0, 2.0), (3.0, None)]
    assert "channel b is missing in 1 of 2 files" in caplog.text


def test_a_time_that_cannot_be_read_is_refused(write):
    lines = [f"{SECOND},1", "later,2", ",3", f"{SECOND}000000000,4", "-5,5"]
    found = read(CsvSource(write("time,v\n" + "\n".join(lines)), time="time"))
    assert found.offsets == [0]
    details = [reject.detail.split("x.csv:")[1] for reject in found.rejects]
    assert details[0].startswith("3: time 'time' is 'later': expected a time from 1971-01-01")
    assert details[1] == "4: time 'time' is missing"
    assert details[2].endswith("; as ns it is 2023-11-14T22:13:20.000Z")
    assert "as s 1969-12-31T23:59:55.000Z" in details[3]


def test_a_mix_of_time_zones_between_files_is_an_error(write, tmp_path):
    write("time,v\n2024-01-01 00:00:00,1\n", "1.csv")
    write("time,v\n2024-01-01T00:00:00Z,1\n", "2.csv")
    with pytest.raises(ConfigError, match=r"\(naive\) in .*1\.csv but times with a zone \(aware\)"):
        CsvSource(str(tmp_path), time="time", timezone="UTC")


def test_a_mix_of_time_zones_within_a_file_refuses_rows(write):
    path = write("time,v\n2024-01-01T00:00:00Z,1\n2024-01-01T00:00:01,2\n")
    (reject,) = read(CsvSource(path, time="time")).rejects
    assert "written in ISO 8601 with zone" in reject.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", r"x\.csv is empty: expected a CSV file with a header line"),
        (b"\xef\xbb\xbf\n\n", r"x\.csv is empty: expected a CSV file"),
        ("time,v\n1,2\n".encode("utf-16"), r"x\.csv is UTF-16, expected UTF-8: convert it"),
        (b"time,v\n1,2\n3,\x00\n", r"x\.csv:3: NUL byte, expected text in UTF-8"),
        (b"time,v\n1,2\n3,4\xb0\n", r"x\.csv:3: byte 0xb0 is not UTF-8: convert the file"),
        (b"time,v,v\n1,2,3\n", r"x\.csv has several columns named 'v': rename"),
    ],
)
def test_what_is_no_csv_is_an_error_at_once(write, text, said):
    with pytest.raises((DecodeError, ConfigError), match=said):
        CsvSource(write(text), time="time")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"5,6,7\n", r"x\.csv:200002: expected 2 cells, got 3: '5,6,7'; mend the line"),
        (b"5\n", r"x\.csv:200002: expected 2 cells, got 1: '5'"),
        (b"5,\xff\n", r"x\.csv:200002: byte 0xff is not UTF-8"),
        (b"5,\x00\n", r"x\.csv:200002: NUL byte"),
    ],
)
def test_damage_far_behind_the_head_names_its_line(write, line, said):
    rows = b"".join(b"%d,5\n" % (SECOND + k) for k in range(200_000))
    source = CsvSource(write(b"time,v\n" + rows + line + rows), time="time")
    with pytest.raises(DecodeError, match=said):
        read(source)


def test_damaged_gzip_is_an_error(write):
    rows = b"".join(b"%d,%d\n" % (SECOND + k, k * k) for k in range(300_000))
    packed = gzip.compress(b"time,v\n" + rows)
    source = CsvSource(write(packed[:-1000]), time="time")
    with pytest.raises(DecodeError, match=r"x\.csv: gzip is damaged behind line \d+"):
        read(source)


def test_a_header_alone_is_a_file_without_rows(write):
    for text in ("time,v", "time,v\n"):
        source = CsvSource(write(text), time="time")
        assert source.total_rows == 0
        assert read(source).rows() == []


def test_empty_lines_are_no_rows(write):
    path = write(f"time,v\n{SECOND},1\n\n{SECOND + 1},x\n\n\n{SECOND + 2},3\n")
    source = CsvSource(path, time="time", values=["v"])
    found = read(source)
    assert found.offsets == [0, 2]
    assert "x.csv: row 1: 'v' should be a number" in found.rejects[0].detail


def test_a_file_without_a_delimiter_has_one_column(write):
    assert read(CsvSource(write("v\n1\n2\n"))).values == [[1.0], [2.0]]


def test_times_of_ambiguous_hours_are_the_first_of_the_two(write):
    path = write("time,v\n2024-10-27 02:30:00,1\n2024-03-31 02:30:00,1\n")
    batch = CsvSource(path, time="time", timezone="Europe/Berlin").poll(0, 10)[0]
    seconds = (batch.times // 10**9).tolist()
    assert seconds == [1729989000, 1711846800]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ",,"}, "delimiter must be one character, got ',,'"),
        ({"decimal": ";"}, "decimal must be . or , but is ';'"),
        ({"decimal": ","}, "comma is both delimiter and decimal mark"),
        ({"time": "tiem"}, r"no time column 'tiem': did you mean 'time'\?"),
    ],
)
def test_options_that_do_not_fit_are_errors(write, options, said):
    with pytest.raises(ConfigError, match=said):
        CsvSource(write("time,v\n1,2\n"), **{"time": "time", **options})


def test_a_file_that_changes_while_it_is_read_is_an_error(write):
    rows = "".join(f"{SECOND + k},5\n" for k in range(300_000))
    path = write("time,v\n" + rows)
    source = CsvSource(path, time="time")
    source.poll(0, 10)
    write("time,v\n1,2\n")
    with pytest.raises(ConnectorError, match=r"x\.csv was changed while it was read"):
        read(source)


def test_progress_is_counted_in_bytes(write, monkeypatch):
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 1 << 14)
    rows = "".join(f"{SECOND + k},5\n" for k in range(500_000))
    source = CsvSource(write("time,v\n" + rows), time="time")
    assert source.total_rows is None
    assert source.lag() == {"files": None}
    source.poll(0, 10)
    assert 0 < source.bytes_done < source.bytes_total
    read(source)
    assert source.bytes_done == source.bytes_total


number = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 5))


@given(
    st.lists(st.tuples(st.integers(0, 9), number, number), min_size=1, max_size=30),
    st.integers(1, 9),
)
def test_any_table_comes_back_as_it_was_written(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    cells = [[f"{SECOND + t}", *("" if v is None else repr(v) for v in pair)] for t, *pair in rows]
    path.write_text("time,a,b\n" + "\n".join(",".join(row) for row in cells))
    found = read(CsvSource(str(path), time="time", values=["a", "b"]), (size,))
    assert [(s, v) for _, s, v, _ in found.rows()] == [(t, (a, b)) for t, a, b in rows]


def test_a_time_column_in_another_format_is_an_error(write):
    path = write("time,v\n13.01.2024 00:00,1\n13.01.2024 00:01,1\n")
    with pytest.raises(ConfigError, match=r"'13\.01\.2024 00:00'.*ISO 8601.*convert the column or"):
        CsvSource(path, time="time")


def test_an_error_comes_again_when_polled_again(write, monkeypatch):
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 1 << 10)
    rows = b"".join(b"%d,5\n" % (SECOND + k) for k in range(100_000))
    source = CsvSource(write(b"time,v\n" + rows + b"1,2,3\n"), time="time")
    for _ in range(2):
        with pytest.raises(DecodeError, match="expected 2 cells, got 3"):
            read(source)
    source.close()
