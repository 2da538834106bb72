"""The engine with its real sinks and state folder survives kill -9 anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamad.testing.conformance import CrashConformance

REPLAY = Path(__file__).parents[1] / "replay.py"


@pytest.mark.slow
class TestEngine(CrashConformance):
    def command(self, folder):
        return [sys.executable, str(REPLAY), str(folder)]

    def read(self, folder):
        return {
            "alerts": (folder / "alerts.jsonl").read_text(),
            "rejects": (folder / "rejects.jsonl").read_text(),
            "scores": repr(pq.read_table(folder / "scores.parquet").to_pydict()),
        }

    def test_the_run_has_something_to_lose(self, tmp_path):
        output, _ = self.calm(tmp_path)
        assert output["alerts"].count("\n") > 4
        assert output["rejects"].count("\n") > 2
        assert output["scores"].count("nan") > 60
