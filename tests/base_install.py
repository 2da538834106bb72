"""The installed wheel without extras: run as a script by ``make test-base``."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamad
from streamad.core.errors import MissingExtraError

STREAMAD = Path(sys.executable).with_name("streamad")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STREAMAD), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_torch_is_not_installed_and_the_package_is_the_wheel():
    assert importlib.util.find_spec("torch") is None
    assert "site-packages" in (streamad.__file__ or "")


@pytest.mark.parametrize("detector", ["ewma", "knn", "mahalanobis", "fusion"])
def test_a_native_detector_finds_a_spike(detector):
    calm = np.sin(np.arange(1500) * 0.2) + 0.01 * np.cos(np.arange(1500) * 1.7)
    calm[1200] = 6.0
    assert 1200 <= int(np.nanargmax(streamad.score(calm, detector).causal)) < 1300


def test_the_deep_detector_names_the_extra_that_it_needs():
    with pytest.raises(MissingExtraError, match=r"streamad-engine\[deep\]"):
        streamad.score(np.zeros(100), detector="reconstruction")


def test_the_command_answers_its_version(tmp_path):
    done = run("--version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"streamad {streamad.__version__} ")


def test_the_demo_runs_to_its_end_and_writes_a_run_folder(tmp_path):
    done = run("demo", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["rows"] == 1268
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", __file__, *sys.argv[1:]]))
