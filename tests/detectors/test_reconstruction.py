"""The deep detector: fitted to a series' own past, the same bits however the stream comes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import streamad
from streamad.core.errors import ConfigError, NotFittedError, StateError
from streamad.detectors.reconstruction import Reconstruction

pytest.importorskip("torch")
pytestmark = pytest.mark.deep
SMALL = {"length": 32, "hop": 4, "warm_up": 60, "steps": 150}


def heart(n: int = 1600, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    phase = np.arange(n) * 0.35
    return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.03 * rng.normal(size=n)


def test_a_change_of_shape_scores_higher_than_anything_before():
    values = heart()
    values[1200:1230] = -values[1200:1230]
    scored = streamad.score(values, "reconstruction", **SMALL)
    for score in (scored.causal, scored.final):
        judged = np.flatnonzero(~np.isnan(score))
        assert judged[0] >= SMALL["warm_up"] * SMALL["hop"] - 1
        assert 1200 <= judged[np.argmax(score[judged])] < 1270


def test_fitting_helps():
    values = heart()
    values[1200:1230] = -values[1200:1230]

    def contrast(steps: int) -> float:
        score = streamad.score(values, "reconstruction", **{**SMALL, "steps": steps}).final
        return float(np.nanmax(score[1200:1230]) / np.nanquantile(score[:1150], 0.99))

    assert contrast(150) > 1.5 * contrast(0)


def test_the_channel_to_blame_has_the_largest_share():
    values = np.column_stack((heart(seed=1), heart(seed=2)))
    values[1200:1230, 1] = -values[1200:1230, 1]
    scored = streamad.score(values, "reconstruction", **SMALL)
    peak = int(np.nanargmax(scored.causal))
    assert scored.shares[peak, 1] > 0.55


def test_weights_depend_on_the_name_and_the_seed_of_a_series():
    runs = [
        streamad.score(heart(), "reconstruction", name=name, seed=seed, **SMALL).causal
        for name, seed in (("a", 0), ("a", 0), ("b", 0), ("a", 1))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2], equal_nan=True)
    assert not np.array_equal(runs[0], runs[3], equal_nan=True)


def test_a_shared_model_serves_series_that_it_has_not_seen(tmp_path):
    teacher = streamad.score(heart(), "reconstruction", **SMALL).detector
    teacher.save_model(0, tmp_path / "model")
    values = heart(seed=9)
    values[1200:1230] = -values[1200:1230]
    scored = streamad.score(values, "reconstruction", model=str(tmp_path / "model"), **SMALL)
    assert 1200 <= int(np.nanargmax(scored.causal)) < 1270
    assert scored.detector.slab["weights"].size == 0


def test_a_model_for_other_windows_is_refused(tmp_path):
    teacher = streamad.score(heart(), "reconstruction", **SMALL).detector
    teacher.save_model(0, tmp_path)
    with pytest.raises(StateError, match="wanted is a masked autoencoder"):
        Reconstruction(length=64, model=str(tmp_path)).open(["flow"])


def test_a_snapshot_of_another_model_is_refused(tmp_path):
    folders = [str(tmp_path / name) for name in ("a", "b")]
    for seed, folder in enumerate(folders):
        made = streamad.score(heart(), "reconstruction", seed=seed, **SMALL).detector
        made.save_model(0, folder)
    first, second = (Reconstruction(model=folder, **SMALL) for folder in folders)
    first.open(["flow"])
    second.open(["flow"])
    with pytest.raises(StateError, match="another model"):
        second.restore(first.snapshot())


def test_a_series_that_warms_up_has_no_model_to_save(tmp_path):
    made = streamad.score(heart(100), "reconstruction", **SMALL).detector
    with pytest.raises(NotFittedError, match="needs 60 windows first"):
        made.save_model(0, tmp_path)


def test_a_damaged_model_is_refused(tmp_path):
    with pytest.raises(StateError, match=r"manifest\.json"):
        Reconstruction(model=str(tmp_path)).open(["flow"])


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({"length": 30}, "multiple of 8"),
        ({"hop": 0}, "hop"),
        ({"warm_up": 3}, "warm_up"),
        ({"rate": 0.0}, "rate"),
    ],
)
def test_parameters_out_of_range_are_refused(params, part):
    with pytest.raises(ConfigError, match=part):
        Reconstruction(**params)


def test_without_torch_it_says_which_extra_to_install():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from streamad.detectors.reconstruction import Reconstruction\n"
        "made = Reconstruction(); print(made.state_bytes(1))\n"
        "made.open(['flow'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert int(done.stdout) > 1000
    assert "pip install 'streamad-engine[deep]'" in done.stderr
