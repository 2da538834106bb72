"""The CARE protocol over converted data sets: trained on normal behaviour, judged by frame."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from datasets import convert

from streamad.backtest import care_backtest
from streamad.core.errors import ConfigError

TRAIN, FRAME = 3000, 900


def write_event(folder, number: int, label: str, fault: bool) -> dict[str, object]:
    """One turbine: power follows wind; in a fault it does not for 300 rows."""
    rng = np.random.default_rng(number)
    n = TRAIN + FRAME
    wind = 8 + 2 * np.sin(np.arange(n) * 0.05) + 0.2 * rng.normal(size=n)
    power = wind**2 + rng.normal(size=n)
    status = np.zeros(n, int)
    status[1000:1040] = 4
    power[1000:1040] = -50.0
    start, end = TRAIN + 400, TRAIN + 700
    if fault:
        power[start:end] -= 25.0
    stamps = np.datetime64("2020-01-01T00:00") + np.arange(n) * np.timedelta64(10, "m")
    with (folder / "datasets" / f"{number}.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(
            ["time_stamp", "asset_id", "id", "train_test", "status_type_id", "wind", "power"]
        )
        for i in range(n):
            part = "train" if i < TRAIN else "prediction"
            stamp = str(stamps[i]).replace("T", " ") + ":00"
            writer.writerow([stamp, 1, i, part, status[i], wind[i], power[i]])
    shown = [str(stamps[i]).replace("T", " ") + ":00" for i in (start, end - 1)]
    return {
        "asset": 1, "event_id": number, "event_label": label,
        "event_start": shown[0], "event_end": shown[1],
    }  # fmt: skip


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    source = tmp_path_factory.mktemp("care") / "Wind Farm A"
    (source / "datasets").mkdir(parents=True)
    events = [
        write_event(source, number, label, label == "anomaly")
        for number, label in ((1, "anomaly"), (2, "normal"), (3, "anomaly"), (4, "normal"))
    ]
    with (source / "event_info.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(events[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(events)
    out = tmp_path_factory.mktemp("folder")
    convert("care", source.parent, out)
    return out


THRESHOLD = {"threshold": "fixed", "threshold_params": {"value": 1.7}}


def test_faults_are_detected_and_normal_turbines_stay_silent(farm):
    found = care_backtest(farm, "mahalanobis", **THRESHOLD)
    assert (found.n_detected, found.n_missed, found.n_false_alarms) == (2, 0, 0)
    assert found.score > 0.7
    assert found.accuracy > 0.9


def test_a_silent_detector_scores_nothing(farm):
    silent = {"threshold": "fixed", "threshold_params": {"value": 1e9}}
    assert care_backtest(farm, "mahalanobis", **silent).score == 0.0


def test_rows_of_other_status_are_neither_learned_nor_judged(farm):
    found = care_backtest(farm, "ewma", **THRESHOLD)
    assert all(one.tp + one.fp + one.fn + one.tn == FRAME for one in found.datasets)


def test_every_data_set_is_announced(farm):
    told = []
    care_backtest(farm, "ewma", progress=lambda *at: told.append(at), **THRESHOLD)
    assert [(done, total) for done, total, _ in told] == [(i, 4) for i in range(4)]


def test_a_folder_without_data_sets_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"should hold a manifest\.json"):
        care_backtest(tmp_path, "ewma")
    (tmp_path / "manifest.json").write_text('{"entries": [{"name": "a"}]}')
    with pytest.raises(ConfigError, match="no data set with an event window"):
        care_backtest(tmp_path, "ewma")
