"""The accuracy harness: its layout, what it keeps, what it refuses."""

from __future__ import annotations

import json
import os

import accuracy
import pytest
from reference.labelled_folder import labelled_folder

FIELDS = [
    "name",
    "dataset",
    "rows",
    "dims",
    "detector",
    "output",
    "lag_rows",
    "vus_pr",
    "vus_roc",
    "auc_pr",
    "f1_best",
    "random_vus_pr",
    "positive_share",
    "judged_share",
    "seconds",
    "rows_per_s",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return labelled_folder(tmp_path_factory.mktemp("data") / "mine")


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "accuracy.json"
    assert harness(folder, out, "ewma,mahalanobis,norm,random") == 0
    return json.loads(out.read_text())


def harness(folder, out, detector, *more):
    arguments = ["--data", str(folder), "--detector", detector, "--out", str(out), *more]
    return accuracy.main(arguments)


def the(document, detector, output, name="s0"):
    (found,) = [
        r
        for r in document["series"]
        if (r["name"], r["detector"], r["output"]) == (name, detector, output)
    ]
    return found


def test_the_document_has_environment_series_and_overall(made):
    assert list(made) == ["environment", "series", "overall"]


def test_every_entry_has_the_fields_in_order(made):
    assert {tuple(r) for r in made["series"]} == {tuple(FIELDS)}


def test_each_series_and_detector_has_a_causal_and_a_final_entry(made):
    keys = [(r["name"], r["detector"], r["output"]) for r in made["series"]]
    assert len(keys) == len(set(keys)) == 4 * 4 * 2


def test_a_causal_entry_has_no_lag_and_a_final_one_that_of_its_detector(made):
    lags = [the(made, "mahalanobis", output)["lag_rows"] for output in ("causal", "final")]
    assert lags == [0, 2]


def test_a_detector_that_finds_the_bursts_is_far_above_chance(made):
    found = the(made, "mahalanobis", "final")
    assert found["vus_pr"] > 0.5 > 5 * found["random_vus_pr"]


def test_a_random_score_is_near_chance(made):
    found = the(made, "random", "causal")
    assert found["vus_pr"] == pytest.approx(found["random_vus_pr"], abs=0.05)


def test_a_series_without_anomaly_has_no_metrics_but_a_judged_share(made):
    found = the(made, "ewma", "causal", "s2")
    assert (found["vus_pr"], found["f1_best"], found["random_vus_pr"]) == (None, None, None)
    assert found["judged_share"] == pytest.approx(1 - 64 / 900)


def test_overall_has_file_means_and_means_of_dataset_means(made):
    lines = {
        one["mean"]: one
        for one in made["overall"]
        if (one["scope"], one["detector"], one["output"]) == ("all", "norm", "final")
    }
    waves = [the(made, "norm", "final", name)["vus_pr"] for name in ("s0", "s1")]
    pair = the(made, "norm", "final", "s3")["vus_pr"]
    assert lines["files"]["vus_pr"] == pytest.approx((sum(waves) + pair) / 3)
    assert lines["datasets"]["vus_pr"] == pytest.approx((sum(waves) / 2 + pair) / 2)


def test_the_output_names_no_path_and_no_host(made, folder):
    text = json.dumps(made)
    assert str(folder.parent) not in text
    assert os.uname().nodename not in json.dumps(made["environment"])


def test_existing_entries_are_kept_and_only_missing_ones_are_made(folder, tmp_path):
    out = tmp_path / "accuracy.json"
    harness(folder, out, "ewma", "--series", "s0")
    document = json.loads(out.read_text())
    document["series"][0]["seconds"] = 123.0
    out.write_text(json.dumps(document))
    harness(folder, out, "ewma,norm", "--series", "waves/*")
    document = json.loads(out.read_text())
    assert the(document, "ewma", "causal")["seconds"] == 123.0
    assert len(document["series"]) == 3 * 2 * 2
    assert set(document["environment"]["detectors"]) == {"ewma", "norm"}


def test_half_an_entry_is_made_again(folder, tmp_path):
    out = tmp_path / "accuracy.json"
    harness(folder, out, "norm", "--series", "s0")
    document = json.loads(out.read_text())
    del document["series"][0]
    out.write_text(json.dumps(document))
    harness(folder, out, "norm", "--series", "s0")
    outputs = [r["output"] for r in json.loads(out.read_text())["series"]]
    assert outputs == ["causal", "final"]


def test_two_processes_give_the_metrics_of_one(folder, tmp_path, made):
    out = tmp_path / "accuracy.json"
    assert harness(folder, out, "ewma,norm", "--jobs", "2") == 0
    for found in json.loads(out.read_text())["series"]:
        alone = the(made, found["detector"], found["output"], found["name"])
        assert found["vus_pr"] == alone["vus_pr"]


def test_long_series_can_be_left_out(folder, tmp_path, capsys):
    assert harness(folder, tmp_path / "a.json", "norm", "--max-rows", "100") == 2
    assert "none of the 4 series" in capsys.readouterr().err


def test_a_broken_file_is_reported_and_the_others_are_scored(tmp_path):
    folder = labelled_folder(tmp_path / "broken")
    (folder / "s1.parquet").write_bytes(b"no parquet")
    out = tmp_path / "a.json"
    assert harness(folder, out, "norm") == 1
    document = json.loads(out.read_text())
    assert {r["name"] for r in document["series"]} == {"s0", "s2", "s3"}
    assert [f["name"] for f in document["environment"]["failures"]] == ["s1"]


def test_a_failure_that_is_mended_disappears(tmp_path):
    folder = labelled_folder(tmp_path / "mended")
    good = (folder / "s1.parquet").read_bytes()
    (folder / "s1.parquet").write_bytes(b"no parquet")
    harness(folder, tmp_path / "a.json", "norm")
    (folder / "s1.parquet").write_bytes(good)
    assert harness(folder, tmp_path / "a.json", "norm") == 0
    assert json.loads((tmp_path / "a.json").read_text())["environment"]["failures"] == []


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ("fusoin", "did you mean 'fusion'"),
        (" , ", "at least one name"),
        ("ewma:fast", "has no parameter 'preset'"),
    ],
)
def test_a_wrong_detector_is_refused_before_anything_runs(folder, tmp_path, capsys, detector, said):
    assert harness(folder, tmp_path / "a.json", detector) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()


def test_another_file_is_not_overwritten(folder, tmp_path, capsys):
    out = tmp_path / "other.json"
    out.write_text('{"mine": 1}')
    assert harness(folder, out, "norm") == 2
    assert "some other file" in capsys.readouterr().err
    assert out.read_text() == '{"mine": 1}'


def test_a_folder_without_manifest_says_what_makes_one(tmp_path, capsys):
    assert harness(tmp_path, tmp_path / "a.json", "norm") == 2
    assert "datasets.py" in capsys.readouterr().err.replace("\n", "")


def test_published_values_are_shown_with_ours_inserted(tmp_path, capsys):
    folder = labelled_folder(tmp_path / "published")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["entries"][0]["published_vus_pr"] = {"Sub-PCA": 0.999, "LOF": 0.001}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    harness(folder, tmp_path / "a.json", "norm", "--series", "s0")
    printed = capsys.readouterr().out
    order = [printed.index(name) for name in ("Sub-PCA", "norm (final)", "LOF")]
    assert order == sorted(order)


def test_a_run_with_nothing_to_do_leaves_the_file_as_it_is(folder, tmp_path):
    out = tmp_path / "accuracy.json"
    harness(folder, out, "norm", "--series", "s0")
    before = out.read_text()
    assert harness(folder, out, "norm", "--series", "s0", "--jobs", "2") == 0
    assert out.read_text() == before


def test_presets_are_detectors_of_their_own(folder, tmp_path):
    out = tmp_path / "accuracy.json"
    assert harness(folder, out, "fusion:fast,fusion:small", "--series", "s0") == 0
    document = json.loads(out.read_text())
    assert set(document["environment"]["detectors"]) == {"fusion fast", "fusion small"}
    assert document["environment"]["detectors"]["fusion fast"]["warm_up"] == "training prefix"
    assert the(document, "fusion fast", "final")["vus_pr"] > 0.5


def test_a_preset_is_shown_beside_the_reference(tmp_path, capsys):
    folder = labelled_folder(tmp_path / "reference")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["entries"][0]["dataset"] = "SMD"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    harness(folder, tmp_path / "a.json", "fusion:fast", "--series", "s0")
    printed = capsys.readouterr().out
    assert "fusion fast: ours / reference implementation" in printed
    assert "1 of 4" in printed
