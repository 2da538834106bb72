"""Readers of downloaded anomaly data; each yields its series one by one."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from streamad.core.errors import ConfigError

Files = Mapping[str, Callable[[], bytes]]
UCR_NAME = re.compile(r"(?P<name>.+)_(?P<train>\d+)_(?P<begin>\d+)_(?P<end>\d+)\.txt")
TSB_NAME = re.compile(r"\d+_(?P<dataset>.+?)_id_\d+_.*tr_(?P<train>\d+)_1st_\d+\.csv")
SKAB_TRAIN = 400
NORMAL_STATUS = (0, 2)


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled series.

    Attributes
    ----------
    name, dataset : str
    timestamps : int64 or datetime64[ns, UTC] (n,)
    values : dict of str to float64 (n,)
        By channel.
    labels : (n,)
        1 = anomalous.
    split_index : int
        Rows of the training prefix.
    split_convention, label_origin : str
        Where these come from, in words.
    extra_columns : dict of str to array (n,)
        Columns of the file that are no channels.
    notes : dict
        More fields of the manifest entry.
    """

    name: str
    dataset: str
    timestamps: Any
    values: dict[str, Any]
    labels: Any
    split_index: int
    split_convention: str
    label_origin: str
    extra_columns: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def files(source: Path) -> Files:
    """The files of a folder or a zip file by relative path, each with a function that reads it.

    Raises
    ------
    ConfigError
        If the source is neither.
    """
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.is_file())
        return {path.relative_to(source).as_posix(): path.read_bytes for path in paths}
    try:
        archive = zipfile.ZipFile(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{source} should be a folder or a zip file: {error}") from error
    names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    return {name: lambda name=name: archive.read(name) for name in names}  # type: ignore[misc]


def nab(found: Files) -> Iterator[Series]:
    """Numenta Anomaly Benchmark: a checkout with ``data/*/*.csv`` and ``labels``."""
    windows = json.loads(_ending(found, "labels/combined_windows.json")())
    for path, read in found.items():
        match = re.search(r"(?:^|/)data/(?P<key>[^/]+/[^/]+\.csv)$", path)
        if match is None or match["key"] not in windows:
            continue
        frame = _csv(path, read)
        times = _times(path, frame, "timestamp")
        labels = np.zeros(len(frame), np.int8)
        for begin, end in windows[match["key"]]:
            inside = (times >= _utc(begin)) & (times <= _utc(end))
            labels[inside] = 1
        yield Series(
            match["key"].removesuffix(".csv"),
            "NAB",
            times,
            {"value": _floats(path, frame, "value")},
            labels,
            min(int(0.15 * len(frame)), 750),
            "NAB probationary period: min(15 % of rows, 750)",
            "combined_windows.json: time inside any window, both ends included",
        )


def skab(found: Files) -> Iterator[Series]:
    """Skoltech Anomaly Benchmark: a checkout with ``data/*/*.csv``."""
    for path, read in found.items():
        match = re.search(r"(?:^|/)data/(?P<key>[^/]+/[^/]+)\.csv$", path)
        if match is None:
            continue
        frame = _csv(path, read, ";")
        channels = [c for c in frame if c not in ("datetime", "anomaly", "changepoint")]
        labelled = "anomaly" in frame
        labels = _floats(path, frame, "anomaly") > 0 if labelled else np.zeros(len(frame))
        yield Series(
            "skab_" + match["key"].replace("/", "_"),
            "SKAB",
            _times(path, frame, "datetime"),
            {channel: _floats(path, frame, channel) for channel in channels},
            labels,
            min(SKAB_TRAIN, len(frame)) if labelled else len(frame),
            "first 400 rows of each file" if labelled else "whole file is normal operation",
            "anomaly column of the file" if labelled else "no labels: normal operation",
        )


def smd(found: Files) -> Iterator[Series]:
    """Server Machine Dataset: ``train``, ``test`` and ``test_label`` with ``machine-*.txt``."""
    for path in found:
        match = re.search(r"(?P<root>^|.*/)train/(?P<machine>machine-[^/]+)\.txt$", path)
        if match is None:
            continue
        root, machine = match["root"], match["machine"]
        parts = {}
        for part in ("train", "test", "test_label"):
            at = f"{root}{part}/{machine}.txt"
            parts[part] = _csv(at, _at(found, at), header=None).to_numpy(np.float64)
        train, test, truth = parts["train"], parts["test"], parts["test_label"][:, 0]
        if train.shape[1] != test.shape[1] or len(test) != len(truth):
            raise ConfigError(
                f"{machine}: train {train.shape}, test {test.shape} and {len(truth)} labels should "
                "agree: download the data again"
            )
        values = np.concatenate([train, test])
        yield Series(
            f"smd_{machine}",
            "SMD",
            np.arange(len(values)),
            {f"v{c:02d}": values[:, c] for c in range(values.shape[1])},
            np.concatenate([np.zeros(len(train)), truth > 0]),
            len(train),
            "train file, then test file; train is taken as normal",
            "test_label",
        )


def ucr(found: Files) -> Iterator[Series]:
    """UCR anomaly archive: text files named ``NAME_TRAIN_BEGIN_END.txt``."""
    for path, read in found.items():
        match = UCR_NAME.fullmatch(PurePosixPath(path).name)
        if match is None:
            continue
        try:
            values = np.array(read().split(), np.float64)
        except ValueError as error:
            raise ConfigError(f"{path} should hold numbers only: {error}") from error
        begin, end = int(match["begin"]), int(match["end"])
        labels = np.zeros(len(values), np.int8)
        labels[begin : max(end, begin + 1)] = 1
        yield Series(
            match["name"],
            "UCR",
            np.arange(len(values)),
            {"value": values},
            labels,
            int(match["train"]),
            "UCR archive train length",
            "interval in the file name, its end excluded",
        )


def tsb_ad(found: Files) -> Iterator[Series]:
    """TSB-AD: folders of ``*_id_*_tr_N_1st_M.csv`` with a column Label."""
    for path, read in found.items():
        match = TSB_NAME.fullmatch(PurePosixPath(path).name)
        if match is None:
            continue
        frame = _csv(path, read)
        channels = [column for column in frame if column != "Label"]
        board = "U" if len(channels) == 1 else "M"
        names = ["value"] if board == "U" else [f"v{c:02d}" for c in range(len(channels))]
        columns = zip(names, channels, strict=True)
        yield Series(
            PurePosixPath(path).stem,
            f"TSB-AD-{board}/{match['dataset']}",
            np.arange(len(frame)),
            {name: _floats(path, frame, channel) for name, channel in columns},
            _floats(path, frame, "Label") > 0,
            int(match["train"]),
            "TSB-AD: first tr rows of the file name",
            "Label column",
            notes={"tsb_ad_file": PurePosixPath(path).name, "source_columns": channels},
        )


def care(found: Files) -> Iterator[Series]:
    """CARE to compare: ``Wind Farm X/event_info.csv`` and ``Wind Farm X/datasets/*.csv``.

    Notes
    -----
    A file's rows are its training year, then its prediction frame. Besides the sensors the Parquet
    file keeps ``status_type_id``; the manifest entry has ``event``: label, id, asset, first and
    last row. Status 0 and 2 are normal operation.
    """
    for path, read in found.items():
        match = re.search(r"(?P<root>^|.*/)(?:[a-z]+_)?event_info\.csv$", path)
        if match is None:
            continue
        root = match["root"]
        farm = PurePosixPath(root).name or "Wind Farm"
        for event in _csv(path, read, None).to_dict("records"):
            at = f"{root}datasets/{event['event_id']}.csv"
            yield _care_series(at, _csv(at, _at(found, at), None), farm, event)


def _care_series(path: str, frame: pd.DataFrame, farm: str, event: dict[str, Any]) -> Series:
    fixed = ("time_stamp", "asset_id", "id", "train_test", "status_type_id")
    missing = [name for name in fixed if name not in frame]
    if missing or "event_label" not in event:
        raise ConfigError(
            f"{path} should have the columns {', '.join(fixed)} and event_info.csv an event_label: "
            f"{', '.join(missing) or 'event_label'} missing"
        )
    times = _times(path, frame, "time_stamp")
    training = (frame["train_test"] == "train").to_numpy()
    split = int(training.sum())
    if not training[:split].all():
        raise ConfigError(f"{path}: the rows of the training frame should come first")
    inside = (times >= _utc(event["event_start"])) & (times <= _utc(event["event_end"]))
    rows = np.flatnonzero(inside)
    anomalous = event["event_label"] == "anomaly"
    asset = event.get("asset", event.get("asset_id", frame["asset_id"].iloc[0]))
    return Series(
        f"{farm} {event['event_id']}",
        f"CARE/{farm}",
        times,
        {c: _floats(path, frame, c) for c in frame if c not in fixed},
        inside & anomalous,
        split,
        "train_test column: the training frame",
        "event_info.csv: rows inside the event of an anomaly data set",
        {"status_type_id": frame["status_type_id"].to_numpy(np.int64)},
        {
            "event": {
                "id": int(event["event_id"]),
                "label": event["event_label"],
                "asset": str(asset),
                "first_row": int(rows[0]) if len(rows) else None,
                "last_row": int(rows[-1]) if len(rows) else None,
            },
            "status_column": "status_type_id",
            "normal_status": list(NORMAL_STATUS),
        },
    )


def _ending(found: Files, ending: str) -> Callable[[], bytes]:
    """The one file whose path ends so."""
    paths = [path for path in found if path == ending or path.endswith("/" + ending)]
    if len(paths) != 1:
        raise ConfigError(
            f"expected one file {ending!r} in the source, found {len(paths)}: point at the root of "
            "one download"
        )
    return found[paths[0]]


def _at(found: Files, path: str) -> Callable[[], bytes]:
    """The file with this path."""
    if path not in found:
        raise ConfigError(f"the source should hold {path!r}: download the data again")
    return found[path]


def _csv(
    path: str, read: Callable[[], bytes], separator: str | None = ",", header: int | None = 0
) -> pd.DataFrame:
    """A table; separator None = semicolon if the first line has one, else comma."""
    content = read()
    if separator is None:
        separator = ";" if b";" in content.split(b"\n", 1)[0] else ","
    try:
        return pd.read_csv(io.BytesIO(content), sep=separator, header=header)
    except (ValueError, pd.errors.ParserError) as error:
        raise ConfigError(f"{path} should be a table with {separator!r}: {error}") from error


def _floats(path: str, frame: pd.DataFrame, column: str) -> Any:
    if column not in frame:
        raise ConfigError(f"{path} should have a column {column!r}, it has {list(frame)}")
    try:
        return frame[column].to_numpy(np.float64)
    except ValueError as error:
        raise ConfigError(f"{path}: column {column!r} should hold numbers: {error}") from error


def _times(path: str, frame: pd.DataFrame, column: str) -> pd.DatetimeIndex:
    if column not in frame:
        raise ConfigError(f"{path} should have a column {column!r}, it has {list(frame)}")
    try:
        return pd.DatetimeIndex(pd.to_datetime(frame[column], utc=True)).as_unit("ns")
    except ValueError as error:
        raise ConfigError(f"{path}: column {column!r} should hold times: {error}") from error


def _utc(text: str) -> pd.Timestamp:
    return pd.to_datetime(text, utc=True)
