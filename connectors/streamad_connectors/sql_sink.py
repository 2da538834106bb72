"""Alerts in a table of a database: one row an episode, and how far the rows were judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import orjson

from streamad.core.data import Alert, ScoreRows
from streamad.core.errors import Backpressure, ConnectorError, Disconnected
from streamad.core.event import alert_document

log = logging.getLogger(__name__)

MAX_STAGED = 50_000
"""Episodes held between two flushes; more are stored early, without their progress."""

T = TypeVar("T")

TABLES = (
    """CREATE TABLE IF NOT EXISTS alerts (
        id TEXT PRIMARY KEY, seq INTEGER NOT NULL, event TEXT NOT NULL, pipeline TEXT NOT NULL,
        series TEXT NOT NULL, detector TEXT NOT NULL, severity TEXT NOT NULL,
        start_time TEXT NOT NULL, end_time TEXT, peak_ratio DOUBLE PRECISION, reason TEXT,
        suppressed TEXT, verdict TEXT, doc TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS alerts_open ON alerts(pipeline, series) WHERE end_time IS NULL",
    """CREATE TABLE IF NOT EXISTS progress (
        pipeline TEXT, topic TEXT, part INTEGER, next_offset BIGINT,
        PRIMARY KEY (pipeline, topic, part))""",
)
"""The same for every database; ``doc`` is the document, ``verdict`` belongs to people."""

UPSERT = """INSERT INTO alerts (id, seq, event, pipeline, series, detector, severity, start_time,
        end_time, peak_ratio, reason, suppressed, doc)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, event = excluded.event,
        severity = excluded.severity, end_time = excluded.end_time,
        peak_ratio = excluded.peak_ratio, reason = excluded.reason,
        suppressed = excluded.suppressed, doc = excluded.doc
    WHERE excluded.seq > alerts.seq"""
ADVANCE = """INSERT INTO progress (pipeline, topic, part, next_offset) VALUES (?, ?, ?, ?)
    ON CONFLICT (pipeline, topic, part) DO UPDATE SET next_offset = excluded.next_offset
    WHERE excluded.next_offset > progress.next_offset"""
REACHED = "SELECT next_offset FROM progress WHERE pipeline = ? AND topic = ? AND part = ?"
RESTART = "DELETE FROM progress WHERE pipeline = ? AND topic = ? AND part = ?"


class Cursor(Protocol):
    """What a transaction works with; parameters stand for question marks."""

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Carry out one statement."""
        ...

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> Any:
        """Carry out one statement for many rows."""
        ...

    def fetchone(self) -> Any:
        """The next row that was found, or None."""
        ...


class Database(Protocol):
    """A connection that mends itself."""

    def transaction(self, work: Callable[[Cursor], T]) -> T:
        """Do some work wholly or not at all; it is done again from its beginning after a failure.

        Raises
        ------
        Backpressure
            When it did not work for some time, but may later.
        ConnectorError
            When it will never work.
        """
        ...

    def reach(self) -> None:
        """Return if the database is there; changes nothing in it. Raises like a transaction."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class SqlSink:
    """Alerts in the table ``alerts``: one row an episode, its latest event; scores are not written.

    Parameters
    ----------
    database : Database
    pipeline : str
        Names the rows of the table ``progress``.

    Raises
    ------
    Backpressure
        From ``write`` and ``flush``, while the database cannot be reached or is busy. Nothing is
        forgotten: the same call works later.
    Disconnected
        From the first ``open``, when the database cannot be reached.
    ConnectorError
        When the database refuses for good, or knows less than the checkpoint says.

    Notes
    -----
    A flush is one transaction: the events, where only a higher ``seq`` replaces a row, and the row
    of ``progress`` that says how far the partition was judged. So a replay after a crash leaves no
    trace, two owners of a partition cannot harm each other, and whoever reads both tables in one
    transaction sees each result exactly once. The position in a checkpoint is the next offset;
    going on from one that the database never reached is refused. Thread rule: one thread at a time.
    """

    def __init__(self, database: Database, pipeline: str) -> None:
        self._database = database
        self._pipeline = pipeline
        self._staged: dict[str, dict[str, Alert]] = {}
        self._unchecked: dict[str, Mapping[str, Any] | None] = {}
        self._reached = False

    def check(self) -> None:
        """Return if the database is there and lets us in; nothing is changed in it.

        Raises
        ------
        Disconnected
            If it cannot be reached or is busy.
        ConnectorError
            If it refuses us.
        """
        try:
            self._database.reach()
        except Backpressure as error:
            raise Disconnected(str(error)) from error

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin or go on with a partition; the database has to be there at the first one only."""
        self._staged[partition] = {}
        self._unchecked[partition] = position
        try:
            self._database.transaction(lambda cursor: self._check(cursor, partition))
        except Backpressure as error:
            if not self._reached:
                raise Disconnected(str(error)) from error
            log.warning("%s; partition %s is checked later", error, partition)
        else:
            self._unchecked.pop(partition, None)
            self._reached = True

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Take alerts; of an episode only the latest event is kept."""
        staged = self._staged[partition]
        if len(staged) + len(alerts) > MAX_STAGED:
            self._store(partition, None)
        for alert in alerts:
            if alert.id not in staged or staged[alert.id].seq < alert.seq:
                staged[alert.id] = alert

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:
        """Return when the alerts and the progress are committed, with the next offset."""
        self._store(partition, next_offset)
        return {"next_offset": next_offset}

    def drop(self, partition: str) -> None:
        """Forget the alerts that wait."""
        self._staged.pop(partition, None)
        self._unchecked.pop(partition, None)

    def finish(self, partition: str) -> None:
        """Nothing to complete."""

    def close(self) -> None:
        """Close the connection; what was not flushed is forgotten."""
        self._staged.clear()
        self._database.close()

    def _store(self, partition: str, next_offset: int | None) -> None:
        staged = self._staged[partition]
        rows = [_row(staged[name]) for name in sorted(staged)]

        def work(cursor: Cursor) -> None:
            self._check(cursor, partition)
            if rows:
                cursor.executemany(UPSERT, rows)
            if next_offset is not None:
                cursor.execute(ADVANCE, (*self._place(partition), next_offset))

        self._database.transaction(work)
        staged.clear()
        self._unchecked.pop(partition, None)

    def _check(self, cursor: Cursor, partition: str) -> None:
        """A database that knows less than the checkpoint has lost alerts."""
        if partition not in self._unchecked:
            return
        position, place = self._unchecked[partition], self._place(partition)
        if position is None:
            cursor.execute(RESTART, place)
            return
        cursor.execute(REACHED, place)
        found = cursor.fetchone()
        if found is None or found[0] < position["next_offset"]:
            raise ConnectorError(
                f"the checkpoint of partition {partition!r} says that alerts up to offset "
                f"{position['next_offset']} are in the database, which knows "
                f"{'none' if found is None else f'those up to {found[0]}'}: restore it, or move "
                "the state folder away (on Kafka with state.on_lost: rebuild, which gives the "
                "alerts again)"
            )

    def _place(self, partition: str) -> tuple[str, str, int]:
        """Key of the progress of a partition, which may be called ``topic/number``."""
        topic, slash, number = partition.rpartition("/")
        if slash and number.isdecimal():
            return self._pipeline, topic, int(number)
        return self._pipeline, partition, 0


def _row(alert: Alert) -> tuple[Any, ...]:
    """An alert as a row; text without NUL, which not every database can hold."""
    document = alert_document(alert)
    row = (
        alert.id,
        alert.seq,
        alert.event,
        alert.pipeline,
        alert.series,
        alert.detector,
        alert.severity,
        document["start"],
        document["end"],
        document["peak"]["score_ratio"],
        alert.reason,
        alert.suppressed,
        orjson.dumps(document).decode(),
    )
    return tuple(cell.replace("\0", "\ufffd") if isinstance(cell, str) else cell for cell in row)
