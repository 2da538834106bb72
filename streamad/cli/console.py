"""Standard error for people: logs, notes, errors. Standard output carries data only."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from streamad.cli.repeats import RepeatLimit
from streamad.cli.secrets import conceal
from streamad.core.errors import ConfigError, StreamadError

if TYPE_CHECKING:
    from rich.console import Console

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("auto", "text", "json")
_COLORS = ("auto", "always", "never")
_PIPE_COLUMNS = 200
LOGGED: Counter[str] = Counter()
"""Lines logged by this process, by level; repetitions that are kept back count too."""


_FLOORS = {
    "numba": logging.WARNING,
    "urllib3": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "kafka": logging.WARNING,
    "kafka.coordinator": logging.ERROR,
    "kafka.net": logging.CRITICAL,
}
"""Lowest level of loggers of others. A client for Kafka tells of every attempt to connect, each in
other words; that brokers cannot be reached is told by our own lines."""
_TOLD_TO_DEBUG = ("kafka", "kafka.coordinator", "kafka.net")


@dataclass(frozen=True, slots=True)
class Settings:
    """Global options; None = as the configuration says."""

    log_level: str | None = None
    log_format: str | None = None
    color: str = "auto"
    quiet: bool = False


_current: list[Settings] = [Settings()]


def settings() -> Settings:
    """Global options of this call."""
    return _current[-1]


def configure(chosen: Settings) -> None:
    """Take the global options and set up the log handlers.

    Raises
    ------
    ConfigError
        A value that is not offered.
    """
    for name, value, known in (
        ("--log-level", chosen.log_level, _LEVELS),
        ("--log-format", chosen.log_format, _FORMATS),
        ("--color", chosen.color, _COLORS),
    ):
        if value is not None and value not in known:
            raise ConfigError(f"{name} should be one of {', '.join(known)}, got {value!r}")
    _current[:] = [chosen]
    configure_logs("warning" if chosen.quiet else "info", "auto")


def configure_logs(level: str, style: str, repeat_limit_s: float = 10.0) -> None:
    """Send logs to standard error; options of the command line win over the first two.

    Parameters
    ----------
    level, style : str
        As in the section ``logging`` of a configuration.
    repeat_limit_s : float
        Time in which the same line is logged once.
    """
    chosen = settings()
    root = logging.getLogger()
    root.handlers[:] = [_LazyHandler(chosen.log_format or style, repeat_limit_s)]
    wanted = (chosen.log_level or level).upper()
    root.setLevel(wanted)
    for logger, floor in _FLOORS.items():
        open_ = wanted == "DEBUG" and logger in _TOLD_TO_DEBUG
        logging.getLogger(logger).setLevel(logging.NOTSET if open_ else floor)


class _LazyHandler(logging.Handler):
    """Imports structlog with the first line that is logged, not before."""

    def __init__(self, style: str, repeat_limit_s: float) -> None:
        super().__init__()
        self._style = style
        self._limit = RepeatLimit(repeat_limit_s)
        self._inner: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        LOGGED[record.levelname.lower()] += 1
        try:
            passed = self._limit.passed(record)
        except Exception:  # noqa: BLE001  (a line that cannot be written ends no run)
            self.handleError(record)
            return
        if passed is None:
            return
        if self._inner is None:
            self._inner = _structlog_handler(self._style)
        self._inner.emit(passed)


def _structlog_handler(style: str) -> logging.Handler:
    import structlog

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    renderers: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        _conceal_values,
    ]
    if style == "text" or (style == "auto" and sys.stderr.isatty()):
        text = structlog.dev.ConsoleRenderer(
            colors=use_color(),
            timestamp_key="ts",
            exception_formatter=structlog.dev.plain_traceback,
        )
        renderers += [_escape_event, text]
    else:
        renderers += [structlog.processors.JSONRenderer(sort_keys=True)]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    return handler


def _conceal_values(_logger: Any, _method: str, event: Any) -> Any:
    """Text, tracebacks included, without the secrets that are known."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = conceal(value)
    return event


def _escape_event(_logger: Any, _method: str, event: Any) -> Any:
    """Names that come from data cannot write lines or colours of their own."""
    event["event"] = printable(str(event["event"]))
    if "exception" in event:
        event["exception"] = "\n".join(map(printable, event["exception"].split("\n")))
    return event


def printable(text: str) -> str:
    r"""Text with control characters written out, so that data cannot steer a terminal.

    Examples
    --------
    >>> printable("pump\x1b[31m\n")
    'pump\\x1b[31m\\n'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def use_color() -> bool:
    """True if standard error takes colour."""
    wanted = settings().color
    if wanted != "auto":
        return wanted == "always"
    return sys.stderr.isatty() and "NO_COLOR" not in os.environ


def error_console() -> Console:
    """Rich console on standard error."""
    from rich.console import Console

    return Console(stderr=True, no_color=not use_color(), highlight=False)


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table on standard output; the last column takes the room that is left."""
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else _PIPE_COLUMNS
    force = {"always": True, "never": False}.get(settings().color)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1])
    for row in rows:
        table.add_row(*map(printable, row))
    Console(width=width, force_terminal=force, markup=False, emoji=False).print(table)


def print_json(document: Any) -> None:
    """A document on standard output."""
    import json

    typer.echo(json.dumps(document, indent=2, default=str))


def note(text: str) -> None:
    """Lines on standard error, unless quiet."""
    if not settings().quiet:
        typer.echo("\n".join(map(printable, conceal(text).split("\n"))), err=True)


def fail(error: Exception) -> None:
    """The message that ends a command; the traceback only for debugging."""
    if settings().log_level == "debug":
        typer.echo(conceal("".join(traceback.format_exception(error))), err=True)
    text = str(error)
    if not isinstance(error, StreamadError | OSError):
        text = (
            f"unexpected {type(error).__name__}: {error} (this is a defect of streamad or of a "
            "plugin: --log-level debug shows where)"
        )
    if not text.startswith("error: ") and ": error: " not in text:
        text = f"error: {text}"
    typer.echo("\n".join(map(printable, conceal(text).split("\n"))), err=True)
