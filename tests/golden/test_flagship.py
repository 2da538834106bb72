"""The fusion, member by member, against the scores of its reference implementation."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from streamad.core.data import Windows
from streamad.detectors.fusion import Fusion

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "data" / "flagship" / "scores.json").read_text("utf-8"))
NAMES = {
    "r": "convolutions",
    "rq": "convolutions_short",
    "wp": "subspace",
    "z": "neighbor_shape",
    "c": "neighbor",
    "zh": "neighbor_shape_half",
    "ch": "neighbor_half",
    "cL": "neighbor_long",
    "wake": "waking",
    "var4": "forecast",
    "ptx": "level",
}
CASES = [(series, member) for series, held in GOLDEN.items() for member in held["members"]]


def all_series():
    spec = importlib.util.spec_from_file_location("flagship_series", HERE / "flagship_series.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.golden_series()


@cache
def scored(name):
    """What the fusion says of a golden series: raw scores by member, and everything fused."""
    values, split = all_series()[name]
    n, c = values.shape
    detector = Fusion(warm_up=split, keep_prefix=True)
    detector.open([f"c{i}" for i in range(c)])
    detector.admit(np.zeros(1, np.int32), [name])
    calls = {}
    for component in detector._fleet.components:
        calls[component] = []
        component.step = _recorded(component.step, calls[component], detector._fleet)
    times = np.arange(n, dtype=np.int64)
    found = detector.step(Windows(values[:, None, :], np.zeros(n, np.int32), times))
    raw = np.full((2, len(detector._fleet.outputs), n), np.nan)
    kept = detector._fleet.kept[0]
    raw[0, :, :split] = kept.scores
    raw[1, :, :split] = kept.finals
    j = 0
    for component, recorded in calls.items():
        m = len(component.outputs)
        raw[0, j : j + m, split:] = np.concatenate([call.scores for call in recorded], axis=1)
        finals = np.concatenate([call.finals for call in recorded], axis=1)
        for k in range(m):
            late = kept.lengths[j + k] - 1
            if detector._fleet.uses[component.outputs[k]].final:
                raw[1, j + k, split : n - late] = finals[k, late:]
        j += m
    causal, final = (np.full(n, np.nan) for _ in range(2))
    causal[:split], final[:split] = detector.prefix_scores(0)
    causal[split:] = found.causal[split:]
    known = np.flatnonzero(found.lag >= 0)
    final[known - found.lag[known]] = found.final[known]
    owed = detector.close(np.zeros(1, np.int32))[1]
    final[n - len(owed) :] = owed
    return detector, raw, causal, final, found


def _recorded(step, calls, fleet):
    def recording(call, lo, hi):
        if call.pool is fleet._live.pool:  # and not a call of the component's own, while it fits
            calls.append(call)
        step(call, lo, hi)

    return recording


def rows_of(name):
    return np.array(GOLDEN[name]["rows"])


@pytest.mark.parametrize("name", GOLDEN)
def test_the_series_are_those_of_the_golden_scores(name):
    total = np.nan_to_num(all_series()[name][0]).sum()
    assert total == pytest.approx(GOLDEN[name]["checksum"], rel=1e-9)


@pytest.mark.parametrize(("name", "member"), CASES)
def test_raw_scores_of_a_member(name, member):
    detector, raw, *_ = scored(name)
    at, rows = detector._fleet.outputs.index(NAMES[member]), rows_of(name)
    expected = np.array(GOLDEN[name]["members"][member]["raw_causal"])
    np.testing.assert_allclose(raw[0, at, rows], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "member"), CASES)
def test_raw_final_scores_of_a_member(name, member):
    detector, raw, *_ = scored(name)
    if not detector._fleet.uses[NAMES[member]].final:
        pytest.skip("takes part in the causal score only")
    at, rows = detector._fleet.outputs.index(NAMES[member]), rows_of(name)
    ours = raw[1, at, rows]
    known = ~np.isnan(ours)
    expected = np.array(GOLDEN[name]["members"][member]["raw_final"])
    assert np.count_nonzero(known) >= len(rows) - 8
    np.testing.assert_allclose(ours[known], expected[known], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("name", "member"), CASES)
def test_standardised_scores_of_a_member(name, member):
    detector, *_, found = scored(name)
    rows = rows_of(name)
    live = (rows >= detector.plan(0)["split"]) & ~np.isnan(found.causal[rows])
    at = detector.part_names.index(NAMES[member])
    expected = np.array(GOLDEN[name]["members"][member]["z_causal"])
    np.testing.assert_allclose(found.parts[rows[live], at], expected[live], rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("name", GOLDEN)
def test_fused_scores(name):
    _, _, causal, final, _found = scored(name)
    rows = rows_of(name)
    judged = (rows < 200) | ~np.isnan(causal[rows])
    np.testing.assert_allclose(
        causal[rows][judged], np.array(GOLDEN[name]["causal"])[judged], atol=0.01
    )
    np.testing.assert_allclose(final[rows], GOLDEN[name]["final"], atol=0.01)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_lag(name):
    assert scored(name)[0].plan(0)["lag"] == GOLDEN[name]["lag"]


@pytest.mark.parametrize("name", [name for name in GOLDEN if "top_channel" in GOLDEN[name]])
def test_the_channel_with_the_largest_share(name):
    detector, *_, found = scored(name)
    rows = rows_of(name)
    live = rows >= detector.plan(0)["split"]
    expected = np.array(GOLDEN[name]["top_channel"])[live]
    shares = np.sort(found.shares[rows[live]], axis=1)
    clear = shares[:, -1] - shares[:, -2] > 0.01
    np.testing.assert_array_equal(found.shares[rows[live]].argmax(1)[clear], expected[clear])
