from __future__ import annotations

import json
import os

import numpy as np
import pytest
from reference.followed import EndingCsv, read_on
from reference.tables import pump_lines
from streamad_connectors import growing_csv

from streamad.core.errors import ConfigError, DecodeError, StateError
from streamad.testing.conformance import SourceConformance

BEGIN = 1_700_000_000


def lines(first, last):
    return "".join(f"{BEGIN + k},{k}\n" for k in range(first, last))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flow.csv"


def follow(path, **options):
    return EndingCsv(str(path), time="t", values=["flow"], follow=True, **options)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def restarted(source, path, offset, **options):
    """A new source that goes on where a snapshot of the old one ends."""
    kept = json.loads(json.dumps(source.identity))
    again = follow(path, **options)
    again.events()
    again.recall(kept)
    assert json.loads(json.dumps(again.identity)) == kept
    again.seek("files", offset)
    return again


@pytest.fixture(scope="class")
def long_folder(tmp_path_factory):
    """Two files with rows that cannot be used, in blocks of a few rows."""
    folder = tmp_path_factory.mktemp("csv")
    rng = np.random.default_rng(4)
    for name in "ab":
        text = ["t,pump,flow,level", *pump_lines(rng, BEGIN)]
        text[40] += ",too,many"
        text[70] = ""
        (folder / f"{name}.csv").write_text("\n".join(text) + "\n")
    return folder


class TestGrowingFolder(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, long_folder, monkeypatch):
        self.path = str(long_folder)
        monkeypatch.setattr(growing_csv, "BLOCK_BYTES", 512)

    def make(self):
        return EndingCsv(self.path, time="t", key="pump", values=["flow", "level"], follow=True)


class TestGrowingSeries(TestGrowingFolder):
    def make(self):
        return EndingCsv(
            self.path, time="t", values=["flow", "level"], layout="series", follow=True
        )


def test_rows_come_as_they_are_appended(path):
    source = follow(path)
    assert read_on(source).rows == []
    path.write_text("t,flow\n" + lines(0, 3))
    assert read_on(source).rows == [("flow", BEGIN + k, float(k), k) for k in range(3)]
    append(path, lines(3, 5))
    assert read_on(source).values == [3, 4]
    assert source.lag() == {"files": 0}
    assert not EndingCsv.__mro__[2].exhausted(source)


def test_a_torn_last_line_waits_for_its_end(path):
    source = follow(path)
    path.write_text("t,flow\n" + lines(0, 2) + f"{BEGIN + 2},1")
    assert read_on(source).values == [0, 1]
    append(path, "2.5")
    assert read_on(source).values == []
    append(path, "\n")
    assert read_on(source).values == [12.5]


def test_a_torn_header_waits_for_its_end(path):
    path.write_text("t,fl")
    source = follow(path)
    assert read_on(source).rows == []
    append(path, "ow\n" + lines(0, 1))
    assert read_on(source).values == [0]


def test_bad_lines_are_refused_alone(path):
    path.write_bytes(
        b"t,flow\nrubbish\n" + lines(0, 2).encode() + b"1,2,3\n\n" + lines(2, 3).encode()
        + b"\xff\xfe,1\n" + b'"open,1\n' + lines(3, 4).encode() + b"\0\n" + b"soon,4\n"
    )  # fmt: skip
    seen = read_on(follow(path))
    assert seen.values == [0, 1, 2, 3]
    assert seen.rejects == [(0, "cells"), *((k, "cells") for k in (3, 5, 6, 8)), (9, "time")]


def test_a_restart_goes_on_without_reading_what_came_before(path, monkeypatch):
    path.write_text("t,flow\n" + lines(0, 2000))
    source = follow(path)
    assert len(read_on(source, commit=True).rows) == 2000
    append(path, lines(2000, 2003))
    again = restarted(source, path, 2000)
    read = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *a: read.append(a[1]) or pread(*a))
    assert [row[2:] for row in read_on(again).rows] == [(k, k) for k in range(2000, 2003)]
    assert sum(read) < 2 * growing_csv.MAX_LINE_BYTES
    again.seek("files", 7)
    with pytest.raises(StateError, match="start from a snapshot"):
        again.poll(0.0, 1)


@pytest.mark.parametrize("offset", [0, 5, 23, 60])
def test_a_restart_inside_a_block_reads_the_block_again(path, offset):
    path.write_text("t,flow\n" + lines(0, 60))
    source = follow(path)
    read_on(source, max_rows=7)
    assert read_on(restarted(source, path, offset)).values == list(range(offset, 60))


def test_how_times_are_written_is_settled_once(path):
    path.write_text("t,flow\n1700000000000,1\n")
    source = follow(path)
    assert read_on(source).rows == [("flow", BEGIN, 1.0, 0)]
    append(path, "1700000001000,2\n5,3\n")
    again = read_on(restarted(source, path, 1))
    assert again.rows == [("flow", BEGIN + 1, 2.0, 1)]
    assert again.rejects == [(2, "time")]


@pytest.mark.parametrize("restart", [False, True])
def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(path, restart):
    path.write_text("t,flow\n" + lines(0, 3))
    source = follow(path)
    assert read_on(source).values == [0, 1, 2]
    append(path, lines(3, 5))
    path.rename(path.with_name("flow.csv.1"))
    append(path.with_name("flow.csv.1"), lines(5, 6))
    path.write_text("t,flow\n" + lines(6, 8))
    if restart:
        source = restarted(source, path, 3)
    seen = read_on(source)
    assert [row[2:] for row in seen.rows] == [(k, k) for k in range(3, 8)]
    assert {row[0] for row in seen.rows} == {"flow"}
    assert seen.gaps == []
    append(path.with_name("flow.csv.1"), lines(8, 9))
    append(path, lines(9, 10))
    assert read_on(source).values == [8, 9]


def test_files_that_were_rotated_while_nobody_looked_are_read_in_their_order(path):
    path.write_text("t,flow\n" + lines(0, 2))
    source = follow(path)
    read_on(source)
    append(path, lines(2, 3))
    times = iter(range(1, 9))
    path.with_name("flow.csv.7").write_text("t,flow\n" + lines(90, 91))
    for k, name in enumerate(["flow.csv.3", "flow.csv.2", "flow.csv.1"]):
        os.utime(path, (BEGIN + next(times),) * 2)
        path.rename(path.with_name(name))
        path.write_text("t,flow\n" + lines(3 + k, 4 + k))
    os.utime(path.with_name("flow.csv.7"), (BEGIN,) * 2)
    assert read_on(restarted(source, path, 2)).values == [2, 3, 4, 5]


def test_a_rotated_file_that_makes_way_for_the_next_one_was_read(path):
    path.write_text("t,flow\n" + lines(0, 30))
    source = follow(path)
    read_on(source)
    path.rename(path.with_name("flow.csv.1"))
    path.write_text("t,flow\n" + lines(30, 33))
    assert read_on(source).values == [30, 31, 32]
    source.close()
    path.replace(path.with_name("flow.csv.1"))
    path.write_text("t,flow\n" + lines(33, 35))
    seen = read_on(restarted(source, path, 33))
    assert (seen.values, seen.gaps) == ([33, 34], [])


def test_the_last_line_of_a_rotated_file_needs_no_end_after_a_while(path, monkeypatch):
    path.write_text("t,flow\n" + lines(0, 2) + f"{BEGIN + 2},2")
    source = follow(path)
    assert read_on(source).values == [0, 1]
    path.rename(path.with_name("flow.csv.1"))
    path.write_text("t,flow\n" + lines(3, 4))
    assert read_on(source).values == [3]
    monkeypatch.setattr(growing_csv, "QUIET_S", 0.0)
    assert read_on(source).values == [2]


def test_a_file_that_is_deleted_is_read_to_its_end_by_who_holds_it(path):
    path.write_text("t,flow\n" + lines(0, 2))
    source = follow(path)
    read_on(source)
    append(path, lines(2, 3))
    path.unlink()
    path.write_text("t,flow\n" + lines(3, 4))
    seen = read_on(source)
    assert (seen.values, seen.gaps) == ([2, 3], [])


def test_a_file_that_is_gone_after_a_restart_is_a_gap(path):
    path.write_text("t,flow\n" + lines(0, 2))
    source = follow(path)
    read_on(source)
    path.unlink()
    again = restarted(source, path, 2)
    seen = read_on(again)
    (gap,) = seen.gaps
    assert (gap.from_offset, gap.to_offset) == (2, 3)
    assert "is gone: what it held behind that cannot be known" in gap.detail
    path.write_text("t,flow\n" + lines(5, 6))
    assert [row[2:] for row in read_on(again).rows] == [(5, 3)]


def test_a_file_that_was_read_to_its_end_may_go_when_later_ones_were_begun(tmp_path):
    for k in range(3):
        (tmp_path / f"{k}.csv").write_text("t,flow\n" + lines(k, k + 1))
    source = follow(tmp_path)
    assert read_on(source).values == [0, 1, 2]
    (tmp_path / "0.csv").unlink()
    again = restarted(source, tmp_path, 3)
    (tmp_path / "3.csv").write_text("t,flow\n" + lines(3, 4))
    seen = read_on(again)
    assert (seen.values, seen.gaps) == ([3], [])
    assert len(again.identity["files"]) == 3


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("longer", [False, True])
def test_a_truncated_file_is_a_gap_and_is_read_from_its_start(path, restart, longer):
    path.write_text("t,flow\n" + lines(0, 50))
    source = follow(path)
    read_on(source)
    os.truncate(path, 0)
    append(path, "t,flow\n" + lines(100, 102 + 100 * longer))
    if restart:
        source = restarted(source, path, 50)
    seen = read_on(source)
    (gap,) = seen.gaps
    assert "truncated or written anew" in gap.detail
    assert (gap.from_offset, gap.to_offset) == (50, 51)
    assert seen.values[:2] == [100, 101]
    assert seen.rows[0][3] == 51


def test_a_gap_is_told_again_after_a_crash_and_then_no_more(path):
    path.write_text("t,flow\n" + lines(0, 50))
    source = follow(path)
    read_on(source)
    path.write_text("t,flow\n" + lines(100, 102))
    seen = read_on(source)
    assert len(seen.gaps) == 1
    again = follow(path)
    again.recall(seen.kept[-1])
    again.seek("files", 50)
    told = read_on(again)
    assert (told.gaps, told.rows) == (seen.gaps, seen.rows)
    assert read_on(restarted(source, path, 53)).gaps == []


def test_a_copy_under_the_same_name_is_the_same_file(path):
    path.write_text("t,flow\n" + lines(0, 50))
    source = follow(path)
    read_on(source)
    copy = path.with_name("copy")
    copy.write_text(path.read_text() + lines(50, 52))
    copy.replace(path)
    again = restarted(source, path, 50)
    seen = read_on(again)
    assert (seen.values, seen.gaps) == ([50, 51], [])


def test_files_that_grow_beside_each_other_come_in_rounds_that_are_kept(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("t,flow\n" + lines(0, 2))
    source = follow(tmp_path, key="@file")
    seen = read_on(source)
    assert [row[::2] for row in seen.rows] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    for name in "ba":
        append(tmp_path / f"{name}.csv", lines(2, 3))
    seen = read_on(source)
    assert [row[::2] for row in seen.rows] == [("a", 2), ("b", 2)]
    (kept,) = seen.kept
    for name in "ab":
        append(tmp_path / f"{name}.csv", lines(3, 4))
    again = follow(tmp_path, key="@file")
    again.recall(kept)
    again.seek("files", 4)
    rows = [row[::2] for row in read_on(again).rows]
    assert rows == [("a", 2), ("b", 2), ("a", 3), ("b", 3)]


def test_one_file_that_grows_needs_no_record_between_its_rows(path):
    path.write_text("t,flow\n" + lines(0, 2))
    source = follow(path)
    assert len(read_on(source).kept) == 2
    append(path, lines(2, 9))
    assert read_on(source).kept == []


def test_marks_are_forgotten_with_a_commit(path):
    source = follow(path)
    path.write_text("t,flow\n")
    for k in range(20):
        append(path, lines(k, k + 1))
        read_on(source, commit=True)
    assert source.identity["marks"] == []
    source.commit({"files": 20})
    assert source.identity["marks"] == []


def test_time_and_values_must_be_named(path):
    with pytest.raises(ConfigError, match="needs time and values by name"):
        EndingCsv(str(path), time="t", follow=True)


def test_a_file_without_the_columns_is_named(path):
    path.write_text("when,flow\n" + lines(0, 2))
    with pytest.raises(ConfigError, match=r"flow\.csv has no time column 't'"):
        read_on(follow(path))


def test_packed_files_are_not_followed(path):
    path.write_bytes(b"\x1f\x8b\x08\0\n")
    with pytest.raises(DecodeError, match="is gzip, which cannot be followed"):
        read_on(follow(path))


def test_bytes_without_the_end_of_a_line_are_no_csv(path, monkeypatch):
    monkeypatch.setattr(growing_csv, "MAX_LINE_BYTES", 100)
    path.write_text("x" * 200)
    with pytest.raises(DecodeError, match="no end of a line"):
        read_on(follow(path))


def test_a_snapshot_of_another_kind_is_refused(path):
    with pytest.raises(StateError, match="how far files were followed"):
        follow(path).recall({"files": []})


def test_without_a_header_every_line_is_a_row(path):
    path.write_bytes(b"\xef\xbb\xbf" + lines(0, 2).encode())
    source = EndingCsv(str(path), time="c0", values=["c1"], header=False, follow=True)
    assert read_on(source).values == [0, 1]
