"""Alerts in a Postgres database."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

from streamad.core.errors import (
    Backpressure,
    ConfigError,
    ConnectorError,
    MissingExtraError,
    StreamadError,
)
from streamad_connectors.options import seconds, secret
from streamad_connectors.retries import retrying
from streamad_connectors.sql_sink import TABLES, Cursor, SqlSink, T

if TYPE_CHECKING:
    import psycopg

RETRY_AFTER_S = 2.0
_SETTINGS = (
    "SET lock_timeout = '5s'",
    "SET idle_in_transaction_session_timeout = '15s'",
    "SET statement_timeout = '30s'",
)
"""A process that froze inside a transaction gives its locks back, and nobody waits for ever."""
_TABLES_LOCK = "SELECT pg_advisory_xact_lock(7306086884180619620)"
"""Two processes that make the tables at the same time would trip over each other."""


class PostgresSink(SqlSink):
    """Alerts in a Postgres database, one row an episode; see :class:`SqlSink`.

    Scores are not written.

    Parameters
    ----------
    url : str
        ``postgresql://user@host:port/database``, or a connection string of libpq; options like
        ``sslmode=verify-full`` and ``sslrootcert`` belong into it.
    password, password_file : str or None
        Beat a password in ``url``.
    pipeline : str
        Names the rows of the table ``progress``; a configuration gives that of its pipeline.
    timeout : str
        To connect, for one transaction, and for trying again.

    Raises
    ------
    ConfigError
        If the connection string or an option cannot be used.
    Backpressure
        While the server cannot be reached, restarts, or another process holds rows.
    ConnectorError
        When the server refuses for good.
    MissingExtraError
        If psycopg is not installed.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ("pipeline",)

    def __init__(
        self,
        *,
        url: str,
        password: str | None = None,
        password_file: str | None = None,
        pipeline: str = "",
        timeout: str = "10s",
    ) -> None:
        super().__init__(
            _Postgres(
                url, secret("password", password, password_file), seconds("timeout", timeout)
            ),
            pipeline,
        )


class _Postgres:
    """The connection to a server, made when it is needed."""

    def __init__(self, url: str, password: str | None, timeout_s: float) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict
        except ImportError as error:
            raise MissingExtraError("the sink postgres", "sinks") from error
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ConfigError(
                "url must be like postgresql://user@host:port/database, this one is not: "
                f"{_first_line(error)}"
            ) from error
        self._options: dict[str, Any] = {
            **parts,
            **({} if password is None else {"password": password}),
            "connect_timeout": max(2, round(timeout_s)),
        }
        self._where = f"{parts.get('host') or 'the local server'}/{parts.get('dbname') or ''}"
        self._timeout_s = timeout_s
        self._connection: psycopg.Connection[Any] | None = None

    def transaction(self, work: Callable[[Cursor], T]) -> T:
        import psycopg

        try:
            return retrying(
                lambda: self._once(work), _passes, timeout_s=self._timeout_s, longest_wait_s=1.0
            )
        except psycopg.Error as error:
            raise self._translated(error) from error

    def reach(self) -> None:
        """Log in and out again."""
        import psycopg

        try:
            psycopg.connect(**self._options).close()
        except psycopg.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _translated(self, error: psycopg.Error) -> ConnectorError:
        told = f"alerts cannot be stored in {self._where}: {_first_line(error)}"
        if _passes(error):
            return Backpressure(told, RETRY_AFTER_S)
        return ConnectorError(f"{told}; mend it there, nothing is skipped")

    def _once(self, work: Callable[[Cursor], T]) -> T:
        import psycopg

        try:
            if self._connection is None:
                self._connection = self._connect()
            with (
                _bounded(self._connection, self._timeout_s),
                self._connection.transaction(),
                self._connection.cursor() as cursor,
            ):
                return work(_QuestionMarks(cursor))
        except (psycopg.Error, OSError, StreamadError):
            self.close()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg

        connection: psycopg.Connection[Any] = psycopg.connect(**self._options, autocommit=True)
        try:
            with _bounded(connection, self._timeout_s):
                for statement in _SETTINGS:
                    connection.execute(statement)
                with connection.transaction():
                    connection.execute(_TABLES_LOCK)
                    for statement in TABLES:
                        connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection


class _QuestionMarks:
    """A cursor that takes question marks for parameters."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def execute(self, statement: str, values: Any = ()) -> Any:
        return self._cursor.execute(_percent(statement), values)

    def executemany(self, statement: str, rows: Any) -> Any:
        return self._cursor.executemany(_percent(statement), rows)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()


@contextmanager
def _bounded(connection: psycopg.Connection[Any], timeout_s: float) -> Iterator[None]:
    """End a connection whose server has stopped to answer; libpq would wait for ever."""

    def hang_up() -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as held:
            held.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _percent(statement: str) -> Any:
    return cast("Any", statement.replace("?", "%s"))


def _passes(error: Exception) -> bool:
    """True where the same transaction may work later, on a new connection."""
    import psycopg

    wrong = ("28", "3D", "42", "22", "23")
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not (
        state.startswith(wrong)
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
