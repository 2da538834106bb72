"""Alerts in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from streamad.core.errors import Backpressure, ConnectorError
from streamad_connectors.retries import retrying
from streamad_connectors.sql_sink import TABLES, Cursor, SqlSink, T

BUSY_S = 2.0
TIMEOUT_S = 6.0
RETRY_AFTER_S = 2.0
_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)
"""Primary result codes after which the same transaction may work later."""


class SqliteSink(SqlSink):
    """Alerts in a SQLite file, one row an episode; see :class:`SqlSink`. Scores are not written.

    Parameters
    ----------
    path : str
        The file; folders above it are made. Several processes may share it, on a local disk.
    pipeline : str
        Names the rows of the table ``progress``; a configuration gives that of its pipeline.

    Raises
    ------
    Backpressure
        While another process holds the file, or the disk is full.
    ConnectorError
        When the file is no database, is damaged or cannot be written.

    Notes
    -----
    The file is in WAL mode, so readers block nobody and are blocked by nobody; a flush is on the
    disk when it returns.
    """

    def __init__(self, *, path: str, pipeline: str = "") -> None:
        super().__init__(_Sqlite(Path(path)), pipeline)


class _Sqlite:
    """The connection to a file, made when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def transaction(self, work: Callable[[Cursor], T]) -> T:
        try:
            return retrying(
                lambda: self._once(work), _passes, timeout_s=TIMEOUT_S, longest_wait_s=1.0
            )
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except OSError as error:
            raise ConnectorError(
                f"alerts cannot be stored in {self._path}: {error.strerror}; choose another path"
            ) from error

    def reach(self) -> None:
        """Ask a file that is there for the right to write, and give it back."""
        if not self._path.exists():
            return
        try:
            with closing(
                sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _translated(self, error: sqlite3.Error) -> ConnectorError:
        told = f"alerts cannot be stored in {self._path}: {error}"
        if _passes(error):
            return Backpressure(told, RETRY_AFTER_S)
        return ConnectorError(f"{told}; mend the file or choose another path, nothing is skipped")

    def _once(self, work: Callable[[Cursor], T]) -> T:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection.cursor())
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def _passes(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
