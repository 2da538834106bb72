from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from streamad_connectors import sqlite_sink
from streamad_connectors.sqlite_sink import SqliteSink

from streamad.core.errors import Backpressure, ConnectorError, Disconnected
from streamad.core.event import alert_document
from streamad.testing.conformance import SinkConformance
from streamad.testing.sinks import example_output

ALERT = example_output(1)[1][0]


def rows(path, statement="SELECT * FROM alerts ORDER BY id"):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "below" / "alerts.db"


@pytest.fixture
def sink(path, monkeypatch):
    monkeypatch.setattr(sqlite_sink, "BUSY_S", 0.05)
    monkeypatch.setattr(sqlite_sink, "TIMEOUT_S", 0.2)
    made = SqliteSink(path=str(path), pipeline="plant")
    yield made
    made.close()


class TestSqliteSink(SinkConformance):
    effort = 0.5

    def make(self, folder):
        return SqliteSink(path=str(folder / "alerts.db"), pipeline="plant")

    def read(self, folder):
        path = folder / "alerts.db"
        return rows(path), rows(path, "SELECT * FROM progress")


def test_an_episode_is_one_row_with_its_document(sink, path):
    sink.open("sensors/3", None)
    sink.write("sensors/3", [], [ALERT])
    assert sink.flush("sensors/3", 42) == {"next_offset": 42}
    ((*columns, document),) = rows(path)
    assert json.loads(document) == alert_document(ALERT)
    assert columns[:3] == [ALERT.id, ALERT.seq, ALERT.event]
    assert rows(path, "SELECT * FROM progress") == [("plant", "sensors", 3, 42)]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
@pytest.mark.parametrize("flushed", [True, False])
def test_only_the_highest_seq_wins(sink, path, order, flushed):
    sink.open("p", None)
    for seq in order:
        sink.write("p", [], [replace(ALERT, seq=seq, severity=f"level-{seq}")])
        if flushed:
            sink.flush("p", seq)
    sink.flush("p", 9)
    assert rows(path, "SELECT seq, severity FROM alerts") == [(3, "level-3")]


def test_a_verdict_survives_later_events(sink, path):
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    sink.flush("p", 1)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alerts SET verdict = 'true'")
    sink.write("p", [], [replace(ALERT, seq=ALERT.seq + 1)])
    sink.flush("p", 2)
    assert rows(path, "SELECT seq, verdict FROM alerts") == [(ALERT.seq + 1, "true")]


def test_alerts_and_progress_are_one_transaction(sink, path, monkeypatch):
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    monkeypatch.setattr("streamad_connectors.sql_sink.ADVANCE", "INSERT INTO nowhere VALUES (?)")
    with pytest.raises(ConnectorError, match="nowhere"):
        sink.flush("p", 1)
    assert rows(path) == []


def test_progress_never_goes_back(sink, path):
    sink.open("p", None)
    sink.flush("p", 10)
    sink.open("p", {"next_offset": 4})
    sink.flush("p", 6)
    assert rows(path, "SELECT next_offset FROM progress") == [(10,)]


def test_a_fresh_start_keeps_the_alerts_and_begins_to_count_again(sink, path):
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    sink.flush("p", 10)
    sink.open("p", None)
    sink.flush("p", 6)
    assert rows(path, "SELECT next_offset FROM progress") == [(6,)]
    assert len(rows(path)) == 1


def test_a_database_that_knows_less_than_the_checkpoint_is_refused(sink):
    with pytest.raises(ConnectorError, match=r"up to offset 7 are in the database, which knows no"):
        sink.open("p", {"next_offset": 7})


def test_readers_neither_block_nor_are_blocked(sink, path):
    sink.open("p", None)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
        sink.write("p", [], [ALERT])
        sink.flush("p", 1)
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    assert len(rows(path)) == 1


def test_a_file_that_another_writer_holds_is_backpressure_and_nothing_is_forgotten(sink, path):
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(Backpressure, match=r"alerts\.db: database is locked"):
            sink.flush("p", 1)
    sink.flush("p", 1)
    assert len(rows(path)) == 1


def test_a_short_lock_is_waited_for(path):
    sink = SqliteSink(path=str(path))
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, writer.execute, ["ROLLBACK"])
        release.start()
        sink.flush("p", 1)
        release.join()
    sink.close()
    assert len(rows(path)) == 1


def test_a_file_that_is_no_database_is_an_error(tmp_path):
    (tmp_path / "a.db").write_text("no database at all, but long enough to be taken for one" * 20)
    sink = SqliteSink(path=str(tmp_path / "a.db"))
    with pytest.raises(ConnectorError, match=r"a\.db: file is not a database; mend the file"):
        sink.open("p", None)


def test_an_unwritable_path_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConnectorError, match=r"cannot be stored in .*a\.db: .*choose another"):
        SqliteSink(path=str(tmp_path / "file" / "a.db")).open("p", None)


def test_a_dropped_partition_leaves_nothing(sink, path):
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    sink.drop("p")
    sink.drop("never opened")
    sink.open("p", None)
    sink.flush("p", 1)
    assert rows(path) == []


def test_many_alerts_between_two_flushes_are_stored_early_without_progress(sink, path, monkeypatch):
    monkeypatch.setattr("streamad_connectors.sql_sink.MAX_STAGED", 2)
    sink.open("p", None)
    for i in range(5):
        sink.write("p", [], [replace(ALERT, id=f"alt_{i:016x}")])
    assert len(rows(path)) == 4
    assert rows(path, "SELECT * FROM progress") == []
    sink.flush("p", 5)
    assert len(rows(path)) == 5


def test_names_are_values_not_statements(sink, path):
    hostile = replace(ALERT, series="'; DROP TABLE alerts; --\0", pipeline='"x"')
    sink.open("p", None)
    sink.write("p", [], [hostile])
    sink.flush("p", 1)
    assert rows(path, "SELECT series, pipeline FROM alerts") == [
        ("'; DROP TABLE alerts; --\ufffd", '"x"')
    ]


def test_a_check_leaves_nothing_where_there_is_no_file(sink, path):
    sink.check()
    assert not path.exists()


def test_a_check_leaves_a_database_of_others_as_it_is(tmp_path):
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as database:
        database.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / "theirs.db").read_bytes()
    with closing(SqliteSink(path=str(tmp_path / "theirs.db"))) as sink:
        sink.check()
    assert (tmp_path / "theirs.db").read_bytes() == before


def test_a_check_says_that_a_file_is_held_by_another_writer(sink, path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Disconnected, match="locked"):
            sink.check()


def test_a_check_says_that_a_file_is_no_database(tmp_path):
    (tmp_path / "text").write_text("this is no database, " * 100)
    with closing(SqliteSink(path=str(tmp_path / "text"))) as sink, pytest.raises(ConnectorError):
        sink.check()
