"""The ten NAB files: what is warmed up on, what is rated, what stands beside it."""

from __future__ import annotations

import json

import accuracy_nab
import judge
import numpy as np
import pytest
from reference.labelled_folder import write_series

from streamad.evaluation.window import window_length


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "nab"
    root.mkdir()
    entries = []
    for i, name in enumerate(accuracy_nab.TEN):
        n = 400 + 20 * i
        rng = np.random.default_rng(i)
        wave = np.sin(np.arange(n) * 2 * np.pi / 25) + 0.1 * rng.normal(size=n)
        labels = np.zeros(n, np.bool_)
        labels[300:315] = True
        wave[labels] += 5 * rng.normal(size=15)
        entry = write_series(root, f"n{i}", "NAB", wave, labels, 0)
        entries.append({**entry, "name": name})
    (root / "manifest.json").write_text(json.dumps({"entries": entries}))
    return root


def run(folder, out, *more):
    return accuracy_nab.main(["--data", str(folder), "--out", str(out), *more])


def test_the_first_rows_are_a_share_of_the_file_and_the_buffer_its_period(folder):
    series = accuracy_nab.read(folder)
    assert [s.entry.split_index for s in series] == [int(0.15 * len(s.values)) for s in series]
    assert series[4].window == window_length(series[4].values)


def test_only_the_last_rows_are_rated(folder):
    series = accuracy_nab.read(folder)[0]
    n_first = series.entry.split_index

    def perfect_after_noise(one):
        scores = one.labels.astype(float)
        scores[:n_first] = 100.0
        return scores

    assert accuracy_nab.rated(series, perfect_after_noise) == pytest.approx(1.0)


def test_the_second_mean_leaves_the_two_long_files_out():
    found = accuracy_nab.means(
        {name: float(name in accuracy_nab.EIGHT) for name in accuracy_nab.TEN}
    )
    assert (found["ten_files"], found["eight_files"]) == (0.8, 1.0)


def test_what_ran_stands_among_what_was_published_best_first():
    results = [{"detector": "ours", "ten_files": 0.5, "eight_files": 0.35, "files": {}}]
    published = [["a", 0.1, 0.2, None, 0.4], ["b", 0.9, None, None, None]]
    lines = accuracy_nab.ranking(results, published)
    assert [(one["detector"], one["eight_files"]) for one in lines] == [
        ("a, 10 lags", 0.4),
        ("ours", 0.35),
        ("a", 0.2),
    ]


def test_a_run_writes_results_and_ranking_and_shows_it(folder, tmp_path, capsys):
    out = tmp_path / "nab.json"
    assert run(folder, out, "--detector", "mahalanobis", "--no-rivals") == 0
    document = json.loads(out.read_text())
    names = [one["detector"] for one in document["results"]]
    assert names == ["random score", "mahalanobis", "running z-score", "running z-score, 10 lags"]
    assert set(document["results"][1]["files"]) == set(accuracy_nab.TEN)
    assert document["results"][1]["ten_files"] > document["results"][0]["ten_files"]
    assert "mahalanobis" in capsys.readouterr().out


def test_rivals_meet_single_values_and_lagged_ones():
    names = [name for name, _ in accuracy_nab.scorers([judge.contender("ewma")], with_rivals=True)]
    assert names.index("ewma") == 0
    assert {"river HalfSpaceTrees", "river HalfSpaceTrees, 10 lags"} <= set(names)


def test_a_folder_without_the_files_names_them(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text('{"entries": []}')
    assert run(tmp_path, tmp_path / "nab.json", "--detector", "ewma") == 2
    assert "lacks the NAB files" in capsys.readouterr().err
