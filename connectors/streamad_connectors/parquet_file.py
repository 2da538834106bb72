"""Parquet files, folders, globs and hive partitions as a source."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from streamad_connectors.arriving_parquet import ArrivingParquet
from streamad_connectors.columns import Options
from streamad_connectors.feed import Feed
from streamad_connectors.file_source import FILE_OPTIONS, FileSource
from streamad_connectors.files import find_files, stem_of
from streamad_connectors.finished import FinishedFiles
from streamad_connectors.parquet_table import SUFFIXES, ParquetTable
from streamad_connectors.times import TimeUnit


class ParquetSource(FileSource):
    """Rows of Parquet files in the order of their times.

    Parameters
    ----------
    path : str
        A file, a folder (searched to any depth for ``.parquet`` and ``.pq``), or a glob pattern.
        Folders named ``key=value`` give columns that can be the key.
    time : str or None
        Column with the time: timestamps, dates, numbers or ISO 8601 text. None = there is none and
        the row index counts seconds.
    key : str or None
        Column with the series of a row (text or integers), or ``@file``: each file is a series,
        named by its stem. None = all rows are of one series.
    values : list of str or None
        Columns with numbers; None = all numeric columns besides time and key.
    layout : {"channels", "series"}
        ``channels``: the value columns are channels of the row's series. ``series``: each value
        column is a series of its own, named by its column (``key/column`` with a key), with the one
        channel ``value``.
    series : str or None
        Name of the series where there is no key; None = stem of the file or name of the folder.
    time_unit : {"s", "ms", "us", "ns", "index"} or None
        Unit of a time column of numbers; ``index`` counts rows of one second. None = by magnitude.
    timezone : str or None
        Zone of times without one, as ``Europe/Berlin``; None = UTC. Of the hour that comes twice
        in autumn the first is meant.
    contract : dict or None
        What the values may be, by channel: ``range`` ([lowest, highest]) and ``unit``. A value
        outside is missing, and counted; with ``strict: true`` its row is refused.
    follow : bool
        Rows that come later are read as they come, for ``streamad run``: in files that are
        added. Time and values must be named.
        There is no merge by time then, see :class:`.following.Following`.
    on_gap : {"resume", "stop"}
        What the engine does when rows of a file were gone before they were read.

    Raises
    ------
    ConfigError
        If a column is missing, has the wrong type or differs between files, or nothing is there.
    DecodeError
        If a file is no readable Parquet.

    Notes
    -----
    Files whose times overlap are merged; row group statistics say which do. A channel that a file
    lacks is missing there (one warning). Infinite values count as missing. Rows whose time or key
    cannot be used are refused, see ``rejects``. Page checksums are verified where there are any.
    Files are pinned by size, time and inode, and a change while reading is an error.

    Memory: about one page (usually 1 MB) a column of each file that is open, whatever its size; at
    most 64 files are. Cost: about 30 ns a row with one channel, 300 ns with 38.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = FILE_OPTIONS

    def __init__(
        self,
        path: str,
        *,
        time: str | None = None,
        key: str | None = None,
        values: list[str] | None = None,
        layout: Literal["channels", "series"] = "channels",
        series: str | None = None,
        time_unit: TimeUnit | None = None,
        timezone: str | None = None,
        contract: dict[str, Any] | None = None,
        follow: bool = False,
        on_gap: Literal["resume", "stop"] = "resume",  # noqa: ARG002  (for the engine)
    ) -> None:
        options = Options(time, key, values, layout, series, time_unit, timezone, contract=contract)
        feed: Feed
        if follow:
            feed = ArrivingParquet(path, options)
        else:
            tables = [ParquetTable(file, time, key) for file in find_files(path, SUFFIXES)]
            feed = FinishedFiles(tables, options, stem_of(path))
        super().__init__(feed)
