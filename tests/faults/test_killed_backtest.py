"""``streamad backtest`` killed at any moment and called again ends as if nothing had happened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamad.testing.crash import CrashConformance, Ending

STREAMAD = Path(sys.executable).with_name("streamad")
ROWS = 60_000
SETTINGS = [
    "runtime.batch_rows=3000",
    "state.every=1ms",
    "window.allowed_lateness=3m",
    "detectors.0.params.length=16",
    "detectors.0.threshold={type: quantile, q: 0.995, init: 64}",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Five machines of two channels, a little out of order, some rows twice, some in 2099."""
    rng = np.random.default_rng(11)
    step = np.arange(ROWS) // 5
    times = 1_700_000_000 + step * 60 + rng.integers(-60, 60, ROWS)
    times[rng.integers(0, ROWS, 3)] = 4_080_000_000
    columns = {
        "ts": pa.array(times * 10**9, pa.timestamp("ns", "UTC")),
        "machine": pa.array([f"m{i}" for i in range(5)] * (ROWS // 5)).dictionary_encode(),
    }
    for name in ("flow", "heat"):
        values = np.sin(step * 0.07) + 0.1 * rng.normal(size=ROWS)
        values[rng.integers(0, ROWS, 40)] += 6.0
        columns[name] = values
    path = tmp_path_factory.mktemp("data") / "plant.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=10_000)
    return path


@pytest.mark.slow
class TestKilledBacktest(CrashConformance):
    points = ("after_flush", "before_rename", "after_rename", "after_prune", "after_finish")
    kills = int(os.environ.get("STREAMAD_KILLS", "5"))

    @pytest.fixture(autouse=True)
    def _data(self, data):
        self.data = data

    def command(self, folder: Path) -> list[str]:
        settings = [part for text in SETTINGS for part in ("--set", text)]
        return [
            str(STREAMAD), "-q", "backtest", "--data", str(self.data), "--time", "ts",
            "--key", "machine", "--detector", "knn", "--no-report",
            "--out", str(folder / "out"), *settings,
        ]  # fmt: skip

    def finish(self, folder: Path) -> Ending:
        """A run that was complete when it was killed is not started again."""
        if (folder / "out" / "metrics.json").exists():
            return Ending(killed=False, returncode=0, seconds=0.0, output="")
        return super().finish(folder)

    def read(self, folder: Path) -> object:
        out = folder / "out"
        scores = pq.read_table(out / "scores.parquet")
        columns = [column.combine_chunks() for column in scores.select(
            ["time", "score", "score_final", "threshold", "ratio"]
        ).columns]  # fmt: skip
        return (
            scores.num_rows,
            scores["series"].to_pylist(),
            [np.asarray(column).tobytes() for column in columns],
            (out / "alerts.jsonl").read_bytes(),
            (out / "rejects.jsonl").read_bytes(),
        )
