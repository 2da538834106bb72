"""Folders of labelled series: what is read from them, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import series_folder
from reference.labelled_folder import labelled_folder

from streamad.core.errors import ConfigError

RAW = {
    "name": "a",
    "dataset": "NAB",
    "path": "nab/a.parquet",
    "rows": 10,
    "dims": 1,
    "columns": ["value"],
    "split_index": 3,
}


def test_values_and_labels_are_those_of_the_file(tmp_path):
    folder = labelled_folder(tmp_path)
    entry = series_folder.entries(series_folder.read_manifest(folder))[3]
    values, labels = series_folder.load(folder, entry)
    assert values.shape == (900, 2)
    np.testing.assert_array_equal(np.flatnonzero(labels), np.arange(700, 720))


def test_a_manifest_that_counts_other_rows_is_refused(tmp_path):
    folder = labelled_folder(tmp_path)
    manifest = series_folder.read_manifest(folder)
    manifest["entries"][0]["rows"] = 5
    with pytest.raises(ConfigError, match="900 rows"):
        series_folder.load(folder, series_folder.entries(manifest)[0])


@pytest.mark.parametrize("text", ["{", "[]", '{"entries": 3}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"manifest\.json should be"):
        series_folder.read_manifest(tmp_path)


def test_an_entry_without_columns_is_refused():
    with pytest.raises(ConfigError, match="entry 0"):
        series_folder.entries({"entries": [{"name": "a"}]})


def test_a_series_that_is_listed_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        series_folder.entries({"entries": [RAW, RAW]})


@pytest.mark.parametrize("pattern", ["a", "NAB/*", "nab/*.parquet", "*"])
def test_a_pattern_is_compared_with_name_dataset_and_path(pattern):
    found = series_folder.entries({"entries": [RAW]})
    assert series_folder.select(found, pattern) == found
    assert series_folder.select(found, pattern, 9) == []


def test_boards_are_matched_by_full_name_and_by_collection(tmp_path):
    (tmp_path / "leaderboards").mkdir()
    board = "algorithm,NAB (n=23),UCR (n=70)\nPOLY,0.5,\nLOF,0.1,0.2\n"
    (tmp_path / "leaderboards" / "leaderboard_TSB-AD-U_per_dataset.csv").write_text(board)
    entries = [RAW, RAW | {"name": "b", "dataset": "TSB-AD-U/UCR"}, RAW | {"dataset": "mine"}]
    found = series_folder.published(tmp_path, {"entries": entries})
    assert found["NAB"].values == {"POLY": 0.5, "LOF": 0.1}
    assert found["NAB"].source == "TSB-AD-U evaluation set, 23 files"
    assert found["TSB-AD-U/UCR"].values == {"LOF": 0.2}
    assert "mine" not in found


def test_a_multivariate_set_takes_no_univariate_board(tmp_path):
    (tmp_path / "leaderboards").mkdir()
    board = "algorithm,SMD (n=3)\nPOLY,0.5\n"
    (tmp_path / "leaderboards" / "leaderboard_TSB-AD-U_per_dataset.csv").write_text(board)
    entries = [RAW | {"dataset": "SMD", "dims": 38}]
    assert series_folder.published(tmp_path, {"entries": entries}) == {}


def test_published_values_of_files_are_averaged_and_win(tmp_path):
    entries = [
        RAW | {"published_vus_pr": {"POLY": 0.25}},
        RAW | {"name": "b", "published_vus_pr": {"POLY": 0.75}},
    ]
    manifest = {"entries": entries, "published_vus_pr": {"NAB": {"POLY": 0.9}}}
    assert series_folder.published(tmp_path, manifest)["NAB"].values == {"POLY": 0.5}


def test_a_file_is_replaced_as_a_whole(tmp_path):
    series_folder.write_text(tmp_path / "new" / "a.json", json.dumps({"a": 1}))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]
