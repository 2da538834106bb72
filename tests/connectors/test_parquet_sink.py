from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamad_connectors import parquet_sink
from streamad_connectors.parquet_parts import parts_of
from streamad_connectors.parquet_sink import ParquetScoreSink

from streamad.core.data import ScoreRows
from streamad.core.errors import ConnectorError, StateError
from streamad.testing.conformance import SinkConformance

NAN = float("nan")


class TestSmallRowGroups(SinkConformance):
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(parquet_sink, "GROUP_ROWS", 4)

    def make(self, folder):
        return ParquetScoreSink(str(folder / "scores.parquet"))

    def read(self, folder):
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        return names, repr(pq.read_table(folder / "scores.parquet").to_pydict())


def rows(detector, n, shares=None, first=0, channels=("flow", "level"), names=("a", "b")):
    score = np.arange(n) + first + 0.5
    return ScoreRows(
        detector,
        list(names),
        (np.arange(n) % len(names)).astype(np.int32),
        np.arange(n) * 10**9,
        score,
        score * 2,
        np.full(n, 3.0),
        score / 3.0,
        None if shares is None else np.full((n, len(channels)), shares, np.float32),
        channels,
    )


def written(path, steps, flush_after=()):
    """The finished table of these writes."""
    sink = ParquetScoreSink(str(path))
    sink.open("p", None)
    for step, scores in enumerate(steps):
        sink.write("p", scores, [])
        if step in flush_after:
            sink.flush("p", step)
    sink.finish("p")
    sink.close()
    return pq.read_table(path)


def test_the_columns_are_those_of_the_run_folder(tmp_path):
    table = written(tmp_path / "s.parquet", [[rows("ewma", 3)]])
    assert table.column_names == [
        "series",
        "time",
        "detector",
        "score",
        "score_final",
        "threshold",
        "ratio",
    ]
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
    assert table.schema.field("series").type == pa.dictionary(pa.int32(), pa.string())
    assert table.column("series").to_pylist() == ["a", "b", "a"]
    assert table.column("score_final").to_pylist() == [1.0, 3.0, 5.0]


def test_not_judged_is_nan(tmp_path):
    part = rows("ewma", 2)
    part.score[0] = NAN
    table = written(tmp_path / "s.parquet", [[part]])
    assert table.column("score").null_count == 0
    assert np.isnan(table.column("score")[0].as_py())


@pytest.mark.parametrize("flush_after", [(), (0,), (0, 1, 2)])
@pytest.mark.parametrize("group_rows", [1, 1000])
def test_detectors_with_and_without_shares_share_a_file(
    tmp_path, monkeypatch, flush_after, group_rows
):
    monkeypatch.setattr(parquet_sink, "GROUP_ROWS", group_rows)
    steps = [
        [rows("plain", 2)],
        [rows("explains", 2, 0.5), rows("plain", 1)],
        [rows("other", 1, 1.0, channels=("heat",))],
    ]
    table = written(tmp_path / "s.parquet", steps, flush_after)
    assert table.column("detector").to_pylist() == [
        "plain",
        "plain",
        "explains",
        "explains",
        "plain",
        "other",
    ]
    shares = {name: table.column(name).to_pylist() for name in table.column_names[7:]}
    assert shares == {
        "share_flow": [None, None, 0.5, 0.5, None, None],
        "share_level": [None, None, 0.5, 0.5, None, None],
        "share_heat": [None, None, None, None, None, 1.0],
    }
    assert table.schema.field("share_flow").type == pa.float32()


def test_series_keep_their_names_when_lists_of_names_differ(tmp_path):
    steps = [[rows("d", 2, names=("a", "b"))], [rows("d", 2, names=("b", "c"))]]
    table = written(tmp_path / "s.parquet", steps)
    assert table.column("series").to_pylist() == ["a", "b", "b", "c"]


def test_a_list_of_names_may_grow_between_writes(tmp_path):
    first, names = rows("d", 2), ["a", "b"]
    first = ScoreRows(first.detector, names, *(getattr(first, f) for f in FIELDS))
    sink = ParquetScoreSink(str(tmp_path / "s.parquet"))
    sink.open("p", None)
    sink.write("p", [first], [])
    names.append("c")
    codes = np.array([2, 0], np.int32)
    grown = ScoreRows(first.detector, names, codes, *(getattr(first, f) for f in FIELDS[1:]))
    sink.write("p", [grown], [])
    sink.finish("p")
    found = pq.read_table(tmp_path / "s.parquet").column("series").to_pylist()
    assert found == ["a", "b", "c", "a"]


FIELDS = ["codes", "times", "score", "score_final", "threshold", "ratio", "shares", "channels"]


@pytest.mark.parametrize("end", ["part", "row group"])
def test_a_row_group_has_the_names_of_its_rows_and_no_others(tmp_path, monkeypatch, end):
    monkeypatch.setattr(parquet_sink, "GROUP_ROWS", 4 if end == "row group" else 1000)
    names, steps = [f"s{i}" for i in range(40)], []
    for first in range(0, 40, 4):
        found = rows("ewma", 4)
        codes = np.arange(first, first + 4, dtype=np.int32)
        steps.append([replace(found, series=names, codes=codes)])
    written(tmp_path / "s.parquet", steps, range(40) if end == "part" else ())
    with pq.ParquetFile(tmp_path / "s.parquet") as file:
        groups = [file.read_row_group(i).column("series") for i in range(file.num_row_groups)]
    assert [len(group.chunk(0).dictionary) for group in groups] == [4] * 10
    assert [name for group in groups for name in group.to_pylist()] == names


def test_parts_are_gone_when_the_file_is_complete(tmp_path):
    written(tmp_path / "s.parquet", [[rows("d", 2)], [rows("d", 2)]], flush_after=(0, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


def test_pages_carry_checksums(tmp_path):
    path = tmp_path / "s.parquet"
    written(path, [[rows("d", 1000)]])
    blob = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(0).column(3)
    blob[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(blob)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_several_partitions_are_one_file_when_the_last_has_ended(tmp_path):
    path = tmp_path / "s.parquet"
    sink = ParquetScoreSink(str(path))
    for partition in ("t/1", "t/0"):
        sink.open(partition, None)
        sink.write(partition, [rows("d", 1, names=(partition,))], [])
    sink.finish("t/1")
    assert not path.exists()
    sink.finish("t/0")
    sink.close()
    assert pq.read_table(path).column("series").to_pylist() == ["t/0", "t/1"]


def test_a_fresh_start_forgets_older_parts_and_files(tmp_path):
    path = tmp_path / "s.parquet"
    written(path, [[rows("d", 5)]])
    sink = ParquetScoreSink(str(path))
    sink.open("p", None)
    sink.write("p", [rows("d", 1)], [])
    sink.flush("p", 1)
    sink.close()
    assert len(written(path, [[rows("d", 2)]])) == 2


def test_what_was_not_flushed_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_sink, "GROUP_ROWS", 1)
    sink = ParquetScoreSink(str(tmp_path / "s.parquet"))
    sink.open("p", None)
    sink.write("p", [rows("d", 5)], [])
    sink.close()
    assert list((tmp_path / "s.parquet.parts").iterdir()) == []


def test_parts_that_are_gone_are_an_error(tmp_path):
    sink = ParquetScoreSink(str(tmp_path / "s.parquet"))
    with pytest.raises(StateError, match="checkpoint has 2 parts of scores, but number 1 of abc"):
        sink.open("p", {"parts": 2, "writer": "abc"})


def test_two_owners_of_a_partition_write_no_file_twice(tmp_path):
    """The first one was frozen, lost the partition unawares, and covers its rows when it wakes."""
    path = tmp_path / "s.parquet"
    first, second = ParquetScoreSink(str(path)), ParquetScoreSink(str(path))
    first.open("p", None)
    first.write("p", [rows("d", 3)], [])
    common = first.flush("p", 3)
    second.open("p", common)
    for sink, numbers in ((second, (3, 6)), (first, (3, 9))):
        for start in range(*numbers, 3):
            sink.write("p", [rows("d", 3, first=start)], [])
            position = sink.flush("p", start + 3)
        tables = [pq.read_table(part) for part in parts_of(path, "p", position)]
        scores = pa.concat_tables(tables)["score"].to_pylist()
        assert scores == [n + 0.5 for n in range(numbers[1])]
    assert len(parts_of(path, "p", common)) == 1


def test_parts_that_a_dead_owner_left_are_deleted_when_they_are_old(tmp_path):
    path = tmp_path / "s.parquet"
    dead = ParquetScoreSink(str(path))
    dead.open("p", None)
    dead.write("p", [rows("d", 3)], [])
    common = dead.flush("p", 3)
    dead.write("p", [rows("d", 3, first=3)], [])
    left = parts_of(path, "p", dead.flush("p", 6))[-1]
    ParquetScoreSink(str(path)).open("p", common)
    assert left.exists()
    os.utime(left, (0, 0))
    os.utime(parts_of(path, "p", common)[0], (0, 0))
    ParquetScoreSink(str(path)).open("p", common)
    assert not left.exists()
    assert len(parts_of(path, "p", common)) == 1


def test_an_unwritable_path_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    sink = ParquetScoreSink(str(tmp_path / "file" / "s.parquet"))
    with pytest.raises(
        ConnectorError, match=r"scores cannot be written to .*s\.parquet: Not a dir"
    ):
        sink.open("p", None)


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    sink = ParquetScoreSink(str(tmp_path / "s.parquet"))
    sink.open("p", None)
    sink.write("p", [rows("d", 1)], [])
    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(
        ConnectorError, match=r"scores cannot be written .*: No space left on device"
    ):
        sink.flush("p", 1)
    sink.close()
