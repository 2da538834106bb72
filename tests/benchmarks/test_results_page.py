"""The page of results: what it shows, and that it says where the detector loses."""

from __future__ import annotations

import json
import sys

import pytest
import results_page
import summary


def result(dataset, name, detector, output, vus_pr, dims=1):
    return {
        "name": name,
        "dataset": dataset,
        "rows": 1000,
        "dims": dims,
        "detector": detector,
        "output": output,
        "lag_rows": 0,
        "vus_pr": vus_pr,
        "vus_roc": vus_pr,
        "auc_pr": vus_pr,
        "f1_best": vus_pr,
        "random_vus_pr": None if vus_pr is None else 0.05,
        "positive_share": 0.02,
        "judged_share": 0.9,
        "seconds": 0.5,
        "rows_per_s": 2000.0,
    }


def document(**changes):
    series = [
        result("NAB", name, detector, output, value)
        for name, values in {
            "a": {"fusion": 0.5, "knn": 0.4, "norm": 0.7, "random": 0.04},
            "b": {"fusion": 0.3, "knn": 0.2, "norm": 0.2, "random": 0.06},
            "none": dict.fromkeys(("fusion", "knn", "norm", "random")),
        }.items()
        for detector, value in values.items()
        for output in ("causal", "final")
    ]
    board = {"NAB": {"source": "a board, 3 files", "vus_pr": {"POLY": 0.45, "LOF": 0.1}}}
    environment = {
        "streamad-engine": "0.1.0",
        "system": "Linux",
        "machine": "x86_64",
        "data": "data",
        "series_in_manifest": 9,
        "published": board,
        "failures": [],
    }
    series = changes.get("series", series)
    return {"environment": environment, "series": series, "overall": summary.overall(series)}


def test_the_page_says_where_the_lead_loses():
    text = results_page.page(document())
    assert "* NAB, final: not better than the window norm (0.450 against 0.400)." in text
    assert "random scores (" not in text


def test_the_page_counts_published_values_above_the_lead():
    text = results_page.page(document())
    assert "(a board, 3 files): 1 of 2 are above its 0.400" in text


def test_a_rival_is_compared_on_shared_files_only():
    series = [
        result("NAB", "a", "fusion", "final", 0.5),
        result("NAB", "b", "fusion", "final", 0.1),
        result("NAB", "a", "knn", "final", 0.4),
    ]
    assert results_page.paired(series) == {"knn": (0.4, 0.5)}


def test_a_win_is_said_as_well():
    series = [
        result("NAB", "a", "fusion", "final", 0.5),
        result("NAB", "a", "knn", "final", 0.4),
    ]
    text = results_page.page(document(series=series))
    assert "* NAB, final: better than all of `knn`." in text


def test_a_series_without_anomaly_is_counted_as_run_and_not_as_rated():
    text = results_page.page(document())
    assert "3 of the 9 series of the folder `data` were run, 2 of them" in text


def test_ours_are_inserted_into_the_published_ranking():
    ranked = summary.ranking({"POLY": 0.45, "LOF": 0.1}, {"fusion": 0.4, "norm": 0.3})
    assert [(rank, name) for rank, name, _, _ in ranked] == [
        (1, "POLY"),
        (2, "fusion"),
        (2, "norm"),
        (2, "LOF"),
    ]


def test_the_best_of_a_row_is_bold():
    assert "| NAB | 2 | 1 | 0.020 | 0.050 | 0.400 | 0.300 | **0.450** | 0.050 |" in (
        results_page.page(document())
    )


def test_means_are_taken_over_files_and_over_data_sets():
    series = [
        result("NAB", "a", "knn", "final", 0.2),
        result("NAB", "b", "knn", "final", 0.4),
        result("SMD", "c", "knn", "final", 0.9, dims=38),
    ]
    means = {(one["scope"], one["mean"]): one["vus_pr"] for one in summary.overall(series)}
    assert means["all", "files"] == pytest.approx(0.5)
    assert means["all", "datasets"] == pytest.approx(0.6)
    assert means["multivariate", "files"] == pytest.approx(0.9)


def test_the_script_prints_the_page(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.json").write_text(json.dumps(document()))
    monkeypatch.setattr(sys, "argv", ["results_page.py", str(tmp_path / "a.json")])
    assert results_page.main() == 0
    assert capsys.readouterr().out == results_page.page(document())


def reference_document(value):
    series = [
        result("TSB-AD-U/TAO", "a", "fusion", output, value) for output in ("causal", "final")
    ]
    return document(series=series)


def test_a_data_set_below_the_reference_is_bold():
    text = results_page.page(reference_document(0.5))
    assert "| TSB-AD-U/TAO | 1 of 1 | - | 0.050 | 0.500 | 0.627 | **-0.127** |" in text


def test_a_data_set_within_the_tolerance_is_not():
    text = results_page.page(reference_document(0.6))
    assert "| 0.600 | 0.627 | -0.027 | 0.600 | 0.455 | +0.145 |" in text


def test_the_page_has_no_reference_section_without_a_preset_that_it_knows():
    series = [result("NAB", "a", "knn", output, 0.4) for output in ("causal", "final")]
    assert "reference implementation" not in results_page.page(document(series=series))


def test_the_ten_files_are_shown_beside_other_packages():
    lines = [
        {"detector": "fusion", "origin": "this run", "ten_files": 0.5, "eight_files": 0.4},
        {"detector": "slow", "origin": "published", "ten_files": None, "eight_files": 0.3},
    ]
    text = results_page.page(document(), {"ranking": lines})
    assert "| fusion | this run | 0.500 | 0.400 |\n| slow | published | – | 0.300 |" in text
