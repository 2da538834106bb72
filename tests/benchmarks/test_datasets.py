"""Converters, on miniature downloads in the layouts of their publishers."""

from __future__ import annotations

import json
import zipfile

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import series_folder

from streamad.core.errors import ConfigError


def converted(converter, source, out):
    """Entries, values and labels of every series, read back as the harness reads them."""
    datasets.convert(converter, source, out)
    manifest = series_folder.read_manifest(out)
    read = [(e, *series_folder.load(out, e)) for e in series_folder.entries(manifest)]
    return manifest["entries"], read


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def nab_checkout(root):
    rows = [f"2014-04-01 0{h}:{m:02d}:00,{10 * h + m}" for h in range(2) for m in range(0, 60, 5)]
    put(root / "data/realTraffic/speed.csv", "timestamp,value\n" + "\n".join(rows) + "\n")
    windows = {"realTraffic/speed.csv": [["2014-04-01 00:10:00.000000", "2014-04-01 00:20:00.0"]]}
    put(root / "labels/combined_windows.json", json.dumps(windows))
    return root


def test_nab_labels_are_the_rows_inside_a_window_ends_included(tmp_path):
    entries, ((_, values, labels),) = converted(
        "nab", nab_checkout(tmp_path / "NAB"), tmp_path / "o"
    )
    assert np.flatnonzero(labels).tolist() == [2, 3, 4]
    assert values[:3, 0].tolist() == [0.0, 5.0, 10.0]
    assert entries[0]["name"] == "realTraffic/speed"
    assert entries[0]["split_index"] == int(0.15 * 24)
    assert entries[0]["anomaly_segments"] == 1


def test_nab_times_are_kept_as_utc(tmp_path):
    entries, _ = converted("nab", nab_checkout(tmp_path / "NAB"), tmp_path / "o")
    table = pq.read_table(tmp_path / "o" / entries[0]["path"])
    assert str(table.schema.field("timestamp").type) == "timestamp[ns, tz=UTC]"
    assert table.schema.names == ["timestamp", "value", "label"]


def test_a_nab_checkout_without_labels_says_what_is_missing(tmp_path):
    (tmp_path / "NAB").mkdir()
    with pytest.raises(ConfigError, match=r"combined_windows\.json"):
        datasets.convert("nab", tmp_path / "NAB", tmp_path / "o")


def test_skab_keeps_eight_like_columns_and_takes_400_rows_as_prefix(tmp_path):
    rows = [
        f"2020-03-08 10:{i // 60:02d}:{i % 60:02d};{i}.5;{-i};{int(i > 410)};0" for i in range(420)
    ]
    put(
        tmp_path / "s/data/valve1/0.csv",
        "datetime;Current;Pressure;anomaly;changepoint\n" + "\n".join(rows),
    )
    free = "datetime;Current;Pressure\n2020-03-08 10:00:00;1;2\n2020-03-08 10:00:01;3;4\n"
    put(tmp_path / "s/data/anomaly-free/anomaly-free.csv", free)
    entries, read = converted("skab", tmp_path / "s", tmp_path / "o")
    by_name = {e["name"]: (e, r) for e, r in zip(entries, read, strict=True)}
    valve, (_, values, labels) = by_name["skab_valve1_0"]
    assert (valve["columns"], valve["split_index"]) == (["Current", "Pressure"], 400)
    assert (values[1].tolist(), int(labels.sum())) == ([1.5, -1.0], 9)
    assert by_name["skab_anomaly-free_anomaly-free"][0]["split_index"] == 2


def test_smd_puts_the_test_file_after_the_train_file(tmp_path):
    root = tmp_path / "ServerMachineDataset"
    put(root / "train/machine-1-1.txt", "0.1,0.2\n0.3,0.4\n")
    put(root / "test/machine-1-1.txt", "0.5,0.6\n0.7,0.8\n0.9,1.0\n")
    put(root / "test_label/machine-1-1.txt", "0\n1\n0\n")
    entries, ((_, values, labels),) = converted("smd", tmp_path, tmp_path / "o")
    assert values[:, 0].tolist() == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert labels.tolist() == [False, False, False, True, False]
    assert entries[0]["split_index"] == 2


def test_smd_with_labels_of_another_length_is_refused(tmp_path):
    put(tmp_path / "train/machine-1-1.txt", "0.1,0.2\n")
    put(tmp_path / "test/machine-1-1.txt", "0.5,0.6\n")
    put(tmp_path / "test_label/machine-1-1.txt", "0\n1\n")
    with pytest.raises(ConfigError, match="2 labels"):
        datasets.convert("smd", tmp_path, tmp_path / "o")


@pytest.mark.parametrize("separator", ["\n", "  "])
def test_ucr_takes_prefix_and_interval_from_the_file_name(tmp_path, separator):
    text = separator.join(f"{value:.7e}" for value in range(60))
    put(tmp_path / "s/AnomalyDatasets_2021/004_UCR_Anomaly_BIDMC1_20_40_44.txt", text)
    entries, ((_, values, labels),) = converted("ucr", tmp_path / "s", tmp_path / "o")
    assert np.flatnonzero(labels).tolist() == [40, 41, 42, 43]
    assert (entries[0]["name"], entries[0]["split_index"]) == ("004_UCR_Anomaly_BIDMC1", 20)
    assert values[-1, 0] == 59.0


def test_a_ucr_interval_of_one_row_has_that_row(tmp_path):
    put(tmp_path / "s/239_UCR_Anomaly_taichi_5_8_8.txt", "\n".join(map(str, range(12))))
    _, ((_, _, labels),) = converted("ucr", tmp_path / "s", tmp_path / "o")
    assert np.flatnonzero(labels).tolist() == [8]


def test_tsb_ad_tells_univariate_from_multivariate(tmp_path):
    put(
        tmp_path / "s/TSB-AD-U/001_NAB_id_1_Facility_tr_2_1st_3.csv",
        "Data,Label\n1,0\n2,0\n3,0\n4,1\n",
    )
    put(
        tmp_path / "s/TSB-AD-M/178_Exathlon_id_5_Facility_tr_1_1st_1.csv",
        "a,b,Label\n1,5,0\n2,6,1\n",
    )
    entries, read = converted("tsb-ad", tmp_path / "s", tmp_path / "o")
    assert {e["dataset"]: e["dims"] for e in entries} == {"TSB-AD-U/NAB": 1, "TSB-AD-M/Exathlon": 2}
    assert {e["dataset"]: e["split_index"] for e in entries} == {
        "TSB-AD-U/NAB": 2,
        "TSB-AD-M/Exathlon": 1,
    }
    assert [labels.tolist()[-1] for _, _, labels in read] == [True, True]


def care_zip(path, separator=";"):
    head = ["time_stamp", "asset_id", "id", "train_test", "status_type_id", "sensor_0_avg"]
    frames = ["train"] * 8 + ["prediction"] * 8
    lines = [
        [
            f"2022-08-04 0{i // 6}:{i % 6}0:00",
            "10",
            f"{i}",
            frame,
            "3" if i == 9 else "0",
            f"{i}.25",
        ]
        for i, frame in enumerate(frames)
    ]
    info = ["asset", "event_id", "event_label", "event_start", "event_start_id"]
    info += ["event_end", "event_end_id", "event_description"]
    times = ["2022-08-04 01:40:00", "10", "2022-08-04 02:00:00", "12"]
    events = [["10", "68", "anomaly", *times, "gearbox"], ["10", "71", "normal", *times, ""]]
    with zipfile.ZipFile(path, "w") as archive:
        root = "CARE_To_Compare/Wind Farm A"
        table = "\n".join(separator.join(line) for line in [info, *events])
        archive.writestr(f"{root}/event_info.csv", table)
        for event in ("68", "71"):
            table = "\n".join(separator.join(line) for line in [head, *lines])
            archive.writestr(f"{root}/datasets/{event}.csv", table)
    return path


@pytest.mark.parametrize("separator", [";", ","])
def test_care_labels_the_event_of_an_anomaly_data_set_only(tmp_path, separator):
    _, read = converted("care", care_zip(tmp_path / "care.zip", separator), tmp_path / "o")
    assert [np.flatnonzero(labels).tolist() for _, _, labels in read] == [[10, 11, 12], []]


def test_care_keeps_status_event_and_training_frame(tmp_path):
    entries, read = converted("care", care_zip(tmp_path / "care.zip"), tmp_path / "o")
    assert entries[1]["event"] == {
        "id": 71,
        "label": "normal",
        "asset": "10",
        "first_row": 10,
        "last_row": 12,
    }
    assert (entries[0]["split_index"], entries[0]["dataset"]) == (8, "CARE/Wind Farm A")
    assert entries[0]["columns"] == ["sensor_0_avg"]
    status = pq.read_table(tmp_path / "o" / entries[0]["path"])["status_type_id"].to_pylist()
    assert np.flatnonzero(status).tolist() == [9]
    assert read[0][1][3, 0] == 3.25


def test_care_reads_the_unpacked_folder_too(tmp_path):
    with zipfile.ZipFile(care_zip(tmp_path / "care.zip")) as archive:
        archive.extractall(tmp_path / "unpacked")
    from_zip, _ = converted("care", tmp_path / "care.zip", tmp_path / "a")
    from_folder, _ = converted("care", tmp_path / "unpacked", tmp_path / "b")
    assert from_zip == from_folder


def test_two_sources_share_a_folder_and_a_second_conversion_replaces(tmp_path):
    checkout = nab_checkout(tmp_path / "NAB")
    datasets.convert("nab", checkout, tmp_path / "o")
    datasets.convert("care", care_zip(tmp_path / "care.zip"), tmp_path / "o")
    datasets.convert("nab", checkout, tmp_path / "o")
    manifest = series_folder.read_manifest(tmp_path / "o")
    assert [entry["dataset"] for entry in manifest["entries"]] == ["CARE/Wind Farm A"] * 2 + ["NAB"]
    assert manifest["series"] == 3


def test_the_command_says_what_it_made(tmp_path, capsys):
    arguments = ["nab", str(nab_checkout(tmp_path / "NAB")), str(tmp_path / "o")]
    assert datasets.main(arguments) == 0
    assert capsys.readouterr().out.startswith("1 series, 24 rows")


@pytest.mark.parametrize(
    ("converter", "said"), [("tsb-ad", "holds no series"), ("skab", "holds no series")]
)
def test_the_wrong_converter_says_what_it_reads(tmp_path, capsys, converter, said):
    arguments = [converter, str(care_folder := tmp_path / "empty"), str(tmp_path / "o")]
    care_folder.mkdir()
    assert datasets.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_source_that_is_neither_folder_nor_zip_is_refused(tmp_path, capsys):
    (tmp_path / "a.rar").write_text("no")
    assert datasets.main(["care", str(tmp_path / "a.rar"), str(tmp_path / "o")]) == 2
    assert "folder or a zip file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [("timestamp,speed", "1", "column 'value'"), ("timestamp,value", "fast", "hold numbers")],
)
def test_a_nab_file_of_another_shape_is_named(tmp_path, header, value, said):
    checkout = nab_checkout(tmp_path / "NAB")
    put(checkout / "data/realTraffic/speed.csv", f"{header}\n2014-04-01 00:00:00,{value}\n")
    with pytest.raises(ConfigError, match=said):
        datasets.convert("nab", checkout, tmp_path / "o")
