"""Our means beside the reference numbers: what counts as too low, and what is not compared."""

from __future__ import annotations

import pytest
import reference_values
import summary

REFERENCE = {
    "tolerance": 0.02,
    "tolerance_one_file": 0.05,
    "datasets": {
        "pair": {"files": 2, "default": {"final": 0.5, "causal": 0.4}},
        "single": {"files": 1, "default": {"final": 0.8, "causal": 0.7}},
    },
    "means": {
        "univariate": {
            "files": {"files": 3, "default": {"final": 0.6, "causal": 0.5}},
            "datasets": {"files": 3, "default": {"final": 0.65, "causal": 0.55}},
        },
    },
}


def results(**finals):
    """Entries of fusion by series: its final value; the causal one is 0.1 lower."""
    return [
        {
            "name": name,
            "dataset": "single" if name == "s" else "pair",
            "dims": 1,
            "detector": "fusion",
            "output": output,
            "vus_pr": value - lower,
            "random_vus_pr": 0.1,
        }
        for name, value in finals.items()
        for output, lower in (("final", 0.0), ("causal", 0.1))
    ]


def line(title, **finals):
    (found,) = [
        one
        for one in reference_values.compared(results(**finals), "default", REFERENCE)
        if one.title == title
    ]
    return found


@pytest.mark.parametrize(("a", "below"), [(0.48, False), (0.43, True), (0.6, False)])
def test_a_mean_is_too_low_beyond_the_tolerance(a, below):
    pair = line("pair", a=a, b=a + 0.0001, s=0.8).pairs["final"]
    assert pair.below == below
    assert pair.difference == pytest.approx(a + 0.00005 - 0.5)


def test_exactly_the_tolerance_is_not_too_low():
    assert not line("pair", a=0.48, b=0.48, s=0.8).pairs["final"].below


@pytest.mark.parametrize(("value", "below"), [(0.76, False), (0.74, True)])
def test_a_data_set_of_one_file_has_a_wider_tolerance(value, below):
    assert line("single", a=0.5, b=0.5, s=value).pairs["final"].below == below


def test_other_files_than_those_of_the_reference_give_no_verdict():
    found = line("pair", a=0.1)
    assert (found.files, found.expected) == (1, 2)
    assert not found.pairs["final"].below


def test_means_are_over_files_and_over_data_sets():
    files = line("univariate, mean over files", a=0.5, b=0.5, s=0.8)
    datasets = line("univariate, mean of data set means", a=0.5, b=0.5, s=0.8)
    assert files.pairs["final"].ours == pytest.approx(0.6)
    assert datasets.pairs["causal"].ours == pytest.approx(0.55)


def test_a_preset_that_was_not_run_has_no_lines():
    assert reference_values.compared(results(a=0.5), "fast", REFERENCE) == []


def test_a_data_set_that_the_reference_lacks_is_left_out():
    mine = [{**one, "dataset": "mine"} for one in results(a=0.5)]
    assert reference_values.compared(mine, "default", REFERENCE) == []


@pytest.mark.parametrize("preset", list(reference_values.PRESETS))
def test_the_means_of_the_reference_are_those_of_its_data_sets(preset):
    reference = reference_values.read()
    multi = {"SKAB", "SMD", "ASD", "TEP", "Kelmarsh", "TSB-AD-M/MSL", "TSB-AD-M/SMAP"}
    entries = [
        {
            "name": str(i),
            "dataset": dataset,
            "dims": 2 if dataset in multi else 1,
            "detector": reference_values.PRESETS[preset],
            "output": output,
            "vus_pr": told[preset][output],
            "random_vus_pr": None,
        }
        for dataset, told in reference["datasets"].items()
        for i in range(told["files"])
        for output in reference_values.OUTPUTS
    ]
    lines = reference_values.compared(entries, preset, reference)
    assert len(lines) == len(summary.ordered(e["dataset"] for e in entries)) + 4
    for one in lines:
        assert one.files == one.expected
        for pair in one.pairs.values():
            assert pair.difference == pytest.approx(0.0, abs=0.0011)
