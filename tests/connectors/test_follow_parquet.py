from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reference.followed import EndingParquet, read_on
from streamad_connectors import arriving_parquet

from streamad.core.errors import ConfigError, ConnectorError, DecodeError
from streamad.testing.conformance import SourceConformance

BEGIN = 1_700_000_000


def write(path, first, last):
    seconds = np.arange(first, last)
    table = pa.table(
        {
            "t": pa.array((BEGIN + seconds) * 10**9, pa.timestamp("ns", "UTC")),
            "pump": [f"pump-{k % 3}" for k in seconds],
            "flow": pa.array([None if k % 7 == 6 else float(k) for k in seconds]),
        }
    )
    pq.write_table(table, path, row_group_size=40)
    return path


def follow(folder):
    return EndingParquet(str(folder), time="t", values=["flow"], key="pump", follow=True)


def restarted(source, folder, offset):
    again = follow(folder)
    again.recall(json.loads(json.dumps(source.identity)))
    again.seek("files", offset)
    return again


class TestArrivingParquet(SourceConformance):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path_factory, monkeypatch):
        folder = tmp_path_factory.mktemp("parquet")
        write(folder / "a.parquet", 0, 130)
        write(folder / "b.parquet", 100, 230)
        self.path = folder
        monkeypatch.setattr(arriving_parquet, "PIECE_ROWS", 32)

    def make(self):
        return follow(self.path)


def offsets(seen):
    return [row[3] for row in seen.rows]


def test_new_files_come_in_the_order_of_their_names(tmp_path):
    source = follow(tmp_path)
    assert read_on(source).rows == []
    write(tmp_path / "2.parquet", 10, 20)
    write(tmp_path / "1.parquet", 0, 10)
    seen = read_on(source)
    assert [row[1] - BEGIN for row in seen.rows] == list(range(20))
    assert len(seen.kept) == 1
    write(tmp_path / "3.parquet", 20, 25)
    again = restarted(source, tmp_path, 20)
    assert offsets(read_on(again)) == list(range(20, 25))


def test_the_order_of_a_round_is_kept_whatever_comes_before_a_restart(tmp_path):
    write(tmp_path / "1.parquet", 0, 5)
    write(tmp_path / "3.parquet", 10, 15)
    source = follow(tmp_path)
    kept = read_on(source).kept[-1]
    write(tmp_path / "2.parquet", 5, 10)
    again = follow(tmp_path)
    again.recall(kept)
    again.seek("files", 3)
    seconds = [row[1] - BEGIN for row in read_on(again).rows]
    assert seconds == [3, 4, *range(10, 15), *range(5, 10)]


def test_a_file_without_a_footer_and_those_behind_it_wait(tmp_path):
    source = follow(tmp_path)
    whole = write(tmp_path / "whole", 0, 10).read_bytes()
    (tmp_path / "1.parquet").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "2.parquet", 10, 12)
    assert read_on(source).rows == []
    (tmp_path / "1.parquet").write_bytes(whole)
    assert [row[1] - BEGIN for row in read_on(source).rows] == list(range(12))


def test_a_file_that_never_gets_its_footer_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and no more")
    monkeypatch.setattr(arriving_parquet, "INCOMPLETE_S", 0.0)
    with pytest.raises(DecodeError, match=r"1\.parquet has had no readable footer for"):
        read_on(follow(tmp_path))


def test_a_name_with_a_dot_is_not_looked_at(tmp_path):
    write(tmp_path / ".1.parquet", 0, 5)
    source = follow(tmp_path)
    assert read_on(source).rows == []
    (tmp_path / ".1.parquet").rename(tmp_path / "1.parquet")
    assert len(read_on(source).rows) == 5


def test_a_file_that_was_read_may_go_but_not_change(tmp_path):
    for k in range(2):
        write(tmp_path / f"{k}.parquet", k * 5, k * 5 + 5)
    source = follow(tmp_path)
    assert len(read_on(source).rows) == 10
    (tmp_path / "0.parquet").unlink()
    again = restarted(source, tmp_path, 10)
    seen = read_on(again)
    assert (seen.rows, seen.gaps) == ([], [])
    write(tmp_path / "1.parquet", 7, 20)
    with pytest.raises(ConnectorError, match="was changed after it was followed"):
        read_on(again)


def test_a_file_that_is_only_touched_or_copied_is_the_same(tmp_path):
    path = write(tmp_path / "0.parquet", 0, 5)
    source = follow(tmp_path)
    read_on(source)
    content = path.read_bytes()
    path.unlink()
    path.with_name("copy").write_bytes(content)
    path.with_name("copy").rename(path)
    seen = read_on(restarted(source, tmp_path, 3))
    assert offsets(seen) == [3, 4]


def test_a_file_that_goes_before_it_was_read_is_a_gap(tmp_path):
    write(tmp_path / "0.parquet", 0, 5)
    write(tmp_path / "1.parquet", 5, 10)
    source = follow(tmp_path)
    kept = read_on(source).kept[-1]
    (tmp_path / "0.parquet").unlink()
    again = follow(tmp_path)
    again.recall(kept)
    again.seek("files", 0)
    seen = read_on(again)
    assert "5 rows of it were not read" in seen.gaps[0].detail
    assert seen.rows[0][1:] == (BEGIN + 5, 5.0, 1)


def test_time_and_values_must_be_named(tmp_path):
    with pytest.raises(ConfigError, match="needs time and values by name"):
        EndingParquet(str(tmp_path), follow=True)
