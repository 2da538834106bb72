"""The CARE protocol: train on normal behaviour, then one verdict a prediction frame."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from streamad.backtest.array import score
from streamad.core.data import Flags, Floats, Ints, alarm_ratio
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.evaluation.care import CareDataset, CareScore
    from streamad.evaluation.care_rules import CareRules


@dataclass(frozen=True, slots=True)
class CareFrame:
    """One data set: a training frame, then a prediction frame.

    Attributes
    ----------
    name : str
    anomaly : bool
        True if its event is an anomaly, False if it is a stretch of normal operation.
    times : int64 (n,)
    values : float64 (n, C)
    normal : bool (n,)
        Rows of normal operation by their status.
    split : int
        Rows of the training frame.
    start, end : int
        First and last row of the event.
    """

    name: str
    anomaly: bool
    times: Ints
    values: Floats
    normal: Flags
    split: int
    start: int
    end: int


def care_backtest(
    folder: str | os.PathLike[str],
    detector: str = "fusion",
    params: Mapping[str, Any] | None = None,
    *,
    threshold: str = "quantile",
    threshold_params: Mapping[str, Any] | None = None,
    output: Literal["causal", "final"] = "causal",
    rules: CareRules | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> CareScore:
    """Run the CARE protocol over a folder of converted data sets.

    Parameters
    ----------
    folder : path
        Holds ``manifest.json`` and Parquet files, as ``benchmarks/datasets.py care`` writes them.
    detector, params, threshold, threshold_params
        As in a configuration; the same for every data set.
    output : str
        Which score meets the threshold.
    rules : CareRules, optional
        Those of energy-fault-detector if left out.
    progress : callable, optional
        Called with (done, total, name) before every data set.

    Returns
    -------
    CareScore

    Raises
    ------
    ConfigError
        If the folder is none, or its data sets lack an event or have one label only.

    Notes
    -----
    Rows of other than normal status are missing for detector and threshold, in both frames, so that
    only normal behaviour is learned. Scoring is prequential; the rows at or over the alarm line
    within the prediction frame are the predictions.
    """
    from streamad.evaluation.care import care_score
    from streamad.evaluation.care_rules import PRESETS
    from streamad.thresholds import make_threshold

    entries = read_manifest(Path(folder))
    datasets: list[CareDataset] = []
    for number, entry in enumerate(entries):
        if progress is not None:
            progress(number, len(entries), entry["name"])
        frame = read_frame(Path(folder), entry)
        scored = score(
            np.where(frame.normal[:, None], frame.values, np.nan),
            detector,
            name=frame.name,
            **dict(params or {}),
        )
        chosen = scored.causal if output == "causal" else scored.final
        line = make_threshold(threshold, threshold_params)
        slot = np.zeros(1, np.int32)
        line.admit(slot)
        ratio = alarm_ratio(chosen, line.step(np.zeros(len(chosen), np.int32), chosen))
        datasets.append(_dataset(frame, ratio >= 1.0))
    return care_score(datasets, rules or PRESETS["efd"])


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """Entries of the manifest that describe CARE data sets.

    Raises
    ------
    ConfigError
        If there is no manifest, or no such entry.
    """
    try:
        document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{folder} should hold a manifest.json of converted data sets: {error}; make it with "
            f"`python benchmarks/datasets.py care DOWNLOAD {folder}`"
        ) from error
    found = [entry for entry in document.get("entries", []) if entry.get("event")]
    if not found:
        raise ConfigError(f"{folder / 'manifest.json'} names no data set with an event window")
    return found


def read_frame(folder: Path, entry: Mapping[str, Any]) -> CareFrame:
    """One data set of the manifest.

    Raises
    ------
    ConfigError
        If its event has no rows.
    """
    import pyarrow.parquet as pq

    event = entry["event"]
    if event["first_row"] is None:
        raise ConfigError(f"data set {entry['name']!r}: its event has no row in the file")
    table = pq.read_table(folder / entry["path"])
    values = np.column_stack([table[name].to_numpy() for name in entry["columns"]])
    status = entry.get("status_column")
    normal = (
        np.isin(table[status].to_numpy(), entry["normal_status"])
        if status
        else np.ones(len(values), np.bool_)
    )
    times = table["timestamp"].cast("int64").to_numpy()
    return CareFrame(
        entry["name"],
        event["label"] == "anomaly",
        times,
        values.astype(np.float64),
        normal,
        int(entry["split_index"]),
        int(event["first_row"]),
        int(event["last_row"]),
    )


def _dataset(frame: CareFrame, flags: Flags) -> CareDataset:
    """The prediction frame as the score takes it."""
    from streamad.evaluation.care import CareDataset

    rest = slice(frame.split, None)
    return CareDataset(
        frame.name,
        frame.anomaly,
        frame.times[rest],
        flags[rest],
        int(frame.times[frame.start]),
        int(frame.times[frame.end]),
        frame.normal[rest],
    )
