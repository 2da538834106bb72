from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from reference.servers import Postgres
from streamad_connectors.postgres_sink import PostgresSink

from streamad.core.errors import Backpressure, ConfigError, ConnectorError, Disconnected
from streamad.core.event import alert_document
from streamad.testing.conformance import SinkConformance
from streamad.testing.sinks import example_output

ALERT = example_output(1)[1][0]


@pytest.fixture(scope="module")
def server():
    """In a folder that the server's own user can enter."""
    with (
        tempfile.TemporaryDirectory(prefix="streamad-postgres-", ignore_cleanup_errors=True) as at,
        Postgres(Path(at)) as made,
    ):
        yield made


@pytest.fixture
def empty(server):
    if server.process is None or server.process.poll() is not None:
        server.start()
    with server.connect() as database:
        database.execute("DROP TABLE IF EXISTS alerts, progress")
    return server


@pytest.fixture
def make(empty):
    made = []

    def build(**options):
        options = {
            "url": empty.url,
            "password": empty.password,
            "pipeline": "plant",
            "timeout": "1s",
        } | options
        made.append(PostgresSink(**options))
        return made[-1]

    yield build
    for sink in made:
        sink.close()


def rows(server, statement="SELECT * FROM alerts ORDER BY id"):
    with server.connect() as database:
        return database.execute(statement).fetchall()


def signal_all(pids, number):
    """Backends of closed connections may have ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class TestPostgresSink(SinkConformance):
    """The database stands for the folder: a schema a folder, that a copy of the folder keeps."""

    effort = 0.1

    @pytest.fixture(autouse=True)
    def _server(self, empty):
        self.server = empty

    def make(self, folder):
        name = f"s{folder.stat().st_ino}" if not (folder / "schema").exists() else None
        if name:
            (folder / "schema").write_text(name)
            with self.server.connect() as database:
                database.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
                database.execute(f"CREATE SCHEMA {name}")
        schema = (folder / "schema").read_text()
        return PostgresSink(
            url=f"{self.server.url}?options=-csearch_path%3D{schema}",
            password=self.server.password,
        )

    def read(self, folder):
        schema = (folder / "schema").read_text()
        return (
            rows(self.server, f"SELECT * FROM {schema}.alerts ORDER BY id"),
            rows(self.server, f"SELECT * FROM {schema}.progress"),
        )


def test_an_episode_is_one_row_with_its_document(make, empty):
    sink = make()
    sink.open("sensors/3", None)
    sink.write("sensors/3", [], [ALERT])
    assert sink.flush("sensors/3", 2**40) == {"next_offset": 2**40}
    ((*columns, document),) = rows(empty)
    assert json.loads(document) == alert_document(ALERT)
    assert columns[:3] == [ALERT.id, ALERT.seq, ALERT.event]
    assert columns[9] == ALERT.peak_ratio
    assert rows(empty, "SELECT * FROM progress") == [("plant", "sensors", 3, 2**40)]


def test_only_the_highest_seq_wins(make, empty):
    sink = make()
    sink.open("p", None)
    for seq in (2, 3, 1):
        sink.write("p", [], [replace(ALERT, seq=seq, severity=f"level-{seq}")])
        sink.flush("p", seq)
    assert rows(empty, "SELECT seq, severity FROM alerts") == [(3, "level-3")]


def test_a_database_that_knows_less_than_the_checkpoint_is_refused(make):
    with pytest.raises(ConnectorError, match=r"up to offset 7 are in the database, which knows no"):
        make().open("p", {"next_offset": 7})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_restarts_loses_nothing(make, empty, number):
    sink = make()
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    empty.stop(number)
    with pytest.raises(Backpressure, match=r"cannot be stored in 127\.0\.0\.1/postgres: "):
        sink.flush("p", 1)
    empty.start()
    sink.flush("p", 1)
    assert len(rows(empty)) == 1


def test_a_server_that_restarts_inside_a_transaction_leaves_all_or_nothing(make, empty):
    sink = make(timeout="20s")
    sink.open("p", None)
    alerts = [replace(ALERT, id=f"alt_{i:016x}") for i in range(3000)]
    sink.write("p", [], alerts)
    with empty.connect() as blocker:
        blocker.autocommit = False
        blocker.execute("LOCK TABLE progress")
        flushing = threading.Thread(target=sink.flush, args=("p", 1))
        flushing.start()
        deadline = time.monotonic() + 10
        while not rows(empty, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert rows(empty) == []
        empty.stop(signal.SIGQUIT)
        empty.start()
        flushing.join(30)
        blocker.close()
    assert len(rows(empty)) == 3000
    assert rows(empty, "SELECT next_offset FROM progress") == [(1,)]


def test_a_server_that_stops_to_answer_does_not_hold_us_for_ever(make, empty):
    sink = make()
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    pids = [
        int(pid)
        for (pid,) in rows(
            empty, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
    ]
    whole = [*pids, empty.process.pid]
    signal_all(whole, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(Backpressure):
            sink.flush("p", 1)
        assert time.monotonic() - started < 30
    finally:
        signal_all(whole, signal.SIGCONT)
    sink.flush("p", 1)
    assert len(rows(empty)) == 1


def test_a_process_that_froze_inside_a_transaction_is_not_waited_for_for_ever(make, empty):
    first, second = make(), make(timeout="500ms")
    for sink in (first, second):
        sink.open("p", None)
    with empty.connect() as frozen:
        frozen.autocommit = False
        frozen.execute("LOCK TABLE alerts")
        second.write("p", [], [ALERT])
        with pytest.raises(Backpressure):
            second.flush("p", 1)
        frozen.rollback()
    second.flush("p", 1)
    assert len(rows(empty)) == 1


def test_a_server_that_is_away_when_a_partition_comes_later_is_waited_for(make, empty):
    sink = make()
    sink.open("p", None)
    empty.stop()
    sink.open("q", {"next_offset": 5})
    sink.write("q", [], [ALERT])
    empty.start()
    with pytest.raises(ConnectorError, match="up to offset 5"):
        sink.flush("q", 6)


def test_two_processes_that_begin_together_make_one_set_of_tables(make, empty):
    sinks = [make(timeout="10s") for _ in range(4)]
    threads = [threading.Thread(target=s.open, args=(f"p/{i}", None)) for i, s in enumerate(sinks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, sink in enumerate(sinks):
        sink.write(f"p/{i}", [], [ALERT])
        sink.flush(f"p/{i}", i)
    assert len(rows(empty)) == 1
    assert len(rows(empty, "SELECT * FROM progress")) == 4


def test_a_wrong_password_is_told_without_the_password(make):
    with pytest.raises(Disconnected, match="authentication failed") as caught:
        make(password="wrong-canary").open("p", None)
    assert "canary" not in str(caught.value)


def test_a_password_comes_from_a_file(make, empty, tmp_path):
    (tmp_path / "password").write_text(empty.password + "\n")
    make(password=None, password_file=str(tmp_path / "password")).open("p", None)


def test_an_address_that_is_none_is_an_error():
    with pytest.raises(ConfigError, match="url must be like postgresql://"):
        PostgresSink(url="postgresql://h/db?nonsense=1")


def test_text_that_postgres_cannot_hold_is_replaced(make, empty):
    sink = make()
    sink.open("p", None)
    sink.write("p", [], [replace(ALERT, series="a\0b'; DROP TABLE alerts; --")])
    sink.flush("p", 1)
    assert rows(empty, "SELECT series FROM alerts") == [("a\ufffdb'; DROP TABLE alerts; --",)]


def test_a_table_of_another_shape_is_an_error(make, empty):
    with empty.connect() as database:
        database.execute(
            "CREATE TABLE alerts (id TEXT PRIMARY KEY, pipeline TEXT, series TEXT, end_time TEXT)"
        )
    sink = make()
    sink.open("p", None)
    sink.write("p", [], [ALERT])
    with pytest.raises(ConnectorError, match=r"column .* does not exist; mend it there"):
        sink.flush("p", 1)


def test_a_check_logs_in_and_changes_nothing(make, empty):
    make().check()
    with empty.connect() as database:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        assert database.execute(tables).fetchall() == []


def test_a_check_says_that_we_are_not_let_in(make):
    with pytest.raises(ConnectorError, match="password authentication failed"):
        make(password="wrong").check()


def test_a_check_says_that_nobody_is_there(make, empty):
    empty.stop()
    with pytest.raises(Disconnected, match="refused"):
        make().check()
