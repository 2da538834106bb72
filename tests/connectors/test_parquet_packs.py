"""Old parts of a run without an end become few files, and no row is lost or doubled for it."""

from __future__ import annotations

import os

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamad_connectors import parquet_parts, parquet_scores, parquet_sink
from streamad_connectors.parquet_parts import last_of, parts_of
from streamad_connectors.parquet_sink import ParquetScoreSink

from streamad.core.data import ScoreRows
from streamad.core.errors import StateError

PACK = 4
KEPT = 3


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    for module in (parquet_parts, parquet_sink):
        monkeypatch.setattr(module, "PACK", PACK)


@pytest.fixture
def aged(monkeypatch):
    """Every file is old at once."""
    monkeypatch.setattr(parquet_parts, "_FOREIGN_S", -1.0)


class Run:
    """Writes a row a checkpoint, of which the last ones are kept."""

    def __init__(self, path, n=0, position=None):
        self.path, self.n = path, n
        self.sink = ParquetScoreSink(str(path))
        self.sink.open("p", position)
        self.positions = []

    def go(self, n, channels=(), settle=True):
        for _ in range(n):
            self.sink.write("p", [row(self.n, channels)], [])
            self.n += 1
            self.positions = [*self.positions, self.sink.flush("p", self.n)][-KEPT:]
            if settle and len(self.positions) == KEPT:
                self.sink.settle("p", self.positions[0])
        return self

    def files(self):
        return parts_of(self.path, "p", self.positions[-1])

    def scores(self, position=None):
        files = parts_of(self.path, "p", position or self.positions[-1])
        return [one for file in files for one in pq.read_table(file)["score"].to_pylist()]


def row(number, channels=()):
    one = np.array([float(number)])
    shares = np.full((1, len(channels)), 0.5, np.float32) if channels else None
    return ScoreRows(
        "d", [f"s{number % 3}"], np.zeros(1, np.int32), np.array([number]), one, one, one, one,
        shares, channels,
    )  # fmt: skip


def all_of(path):
    return sorted((path.parent / f"{path.name}.parts").iterdir())


@pytest.mark.usefixtures("aged")
@pytest.mark.parametrize("n", [1, 7, 30, 200])
def test_files_grow_with_the_logarithm_of_the_checkpoints(tmp_path, n):
    run = Run(tmp_path / "s.parquet").go(n)
    assert run.scores() == list(range(n))
    assert all_of(run.path) == sorted(run.files())
    assert len(run.files()) <= 3 * PACK + PACK * np.log(n) / np.log(PACK)


@pytest.mark.usefixtures("aged")
def test_every_position_that_is_kept_has_its_rows(tmp_path):
    run = Run(tmp_path / "s.parquet")
    for n in range(1, 60):
        run.go(1)
        assert [run.scores(position) for position in run.positions] == [
            list(range(n + 1 - back)) for back in range(len(run.positions), 0, -1)
        ]


@pytest.mark.usefixtures("aged")
@pytest.mark.parametrize("back", [1, 2, 3])
def test_a_run_goes_on_from_every_position_that_is_kept(tmp_path, back):
    first = Run(tmp_path / "s.parquet").go(50)
    second = Run(first.path, 51 - back, first.positions[-back]).go(30)
    assert second.scores() == list(range(81 - back))
    second.sink.finish("p")
    table = pq.read_table(first.path)
    assert table["score"].to_pylist() == list(range(81 - back))
    assert table["series"].to_pylist() == [f"s{n % 3}" for n in range(81 - back)]


@pytest.mark.usefixtures("aged")
def test_a_packed_file_has_one_row_group_and_the_shares_of_all_parts(tmp_path):
    run = Run(tmp_path / "s.parquet").go(1).go(1, ("flow",)).go(1).go(1, ("heat",)).go(8)
    with pq.ParquetFile(run.files()[0]) as packed:
        assert packed.num_row_groups == 1
        table = packed.read()
    assert table["score"].to_pylist() == [0.0, 1.0, 2.0, 3.0]
    assert table["share_flow"].to_pylist() == [None, 0.5, None, None]
    assert table["share_heat"].to_pylist() == [None, None, None, 0.5]


def test_a_young_part_stays_until_it_is_an_hour_old(tmp_path):
    run = Run(tmp_path / "s.parquet").go(20)
    assert len(run.files()) == 20
    for file in run.files()[:9]:
        os.utime(file, (0, 0))
    run.go(PACK)
    assert len(run.files()) == 20 + PACK - 2 * (PACK - 1)
    assert run.scores() == list(range(20 + PACK))


@pytest.mark.usefixtures("aged")
def test_what_was_not_settled_stays(tmp_path):
    assert len(Run(tmp_path / "s.parquet").go(20, settle=False).files()) == 20


@pytest.mark.usefixtures("aged")
def test_a_file_is_not_packed_beyond_its_size(tmp_path, monkeypatch):
    run = Run(tmp_path / "s.parquet").go(1)
    (part,) = run.files()
    monkeypatch.setattr(parquet_parts, "PACK_BYTES", PACK * (part.stat().st_size + 16))
    run.go(99)
    assert run.scores() == list(range(100))
    assert {len(pq.read_table(file)) for file in run.files()[: -3 * PACK]} == {PACK}


@pytest.mark.usefixtures("aged")
def test_a_crash_before_the_parts_are_deleted_doubles_nothing(tmp_path, monkeypatch):
    class Died(BaseException):
        pass

    def die(*_, **__):
        raise Died

    n = PACK + KEPT
    run = Run(tmp_path / "s.parquet").go(n, settle=False)
    with monkeypatch.context() as patch:
        patch.setattr(type(run.path), "unlink", die)
        with pytest.raises(Died):
            run.sink.settle("p", run.positions[0])
    assert len(all_of(run.path)) == n + 1
    assert run.scores(last_of(run.path, "p")) == list(range(n))
    second = Run(run.path, n, last_of(run.path, "p")).go(20)
    assert second.scores() == list(range(n + 20))
    assert all_of(run.path) == sorted(second.files())


@pytest.mark.usefixtures("aged")
def test_a_disk_that_is_full_leaves_the_parts_as_they_are(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    n = PACK + KEPT
    run = Run(tmp_path / "s.parquet").go(n, settle=False)
    with monkeypatch.context() as patch:
        patch.setattr(parquet_scores, "sync", full)
        run.sink.settle("p", run.positions[0])
    assert "old scores of p in" in caplog.text
    assert "No space left" in caplog.text
    assert len(all_of(run.path)) == len(run.files()) == n
    assert run.go(PACK).scores() == list(range(n + PACK))
    assert len(run.files()) < n


@pytest.mark.usefixtures("aged")
def test_the_oldest_files_may_be_taken_away(tmp_path):
    first = Run(tmp_path / "s.parquet").go(50)
    n_gone = sum(len(pq.read_table(file)) for file in first.files()[:2])
    for file in first.files()[:2]:
        file.rename(tmp_path / file.name)
    second = Run(first.path, 50, first.positions[-1]).go(30)
    assert second.scores() == list(range(n_gone, 80))
    with pytest.raises(StateError, match=rf"the first {n_gone} parts of p are gone .*bring them"):
        second.sink.finish("p")
    for file in tmp_path.glob("p-*"):
        file.rename(f"{first.path}.parts/{file.name}")
    second.sink.finish("p")
    assert pq.read_table(first.path)["score"].to_pylist() == list(range(80))


@pytest.mark.parametrize("gone", [-1, -2])
def test_no_other_file_may_be_taken_away(tmp_path, gone):
    run = Run(tmp_path / "s.parquet").go(5)
    run.files()[gone].unlink()
    with pytest.raises(StateError, match=f"number {5 + gone} of .* is gone .*: bring it back"):
        Run(run.path, 5, run.positions[-1])


def test_whoever_was_frozen_for_less_than_an_hour_finds_the_part_that_it_ended_with(tmp_path):
    frozen = Run(tmp_path / "s.parquet").go(1)
    other = Run(frozen.path, 1, frozen.positions[-1]).go(20)
    assert frozen.go(2).scores() == [0.0, 1.0, 2.0]
    assert other.scores() == list(range(21))
