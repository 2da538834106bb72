"""Run folders as a backtest leaves them, written from the documented layout."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamad.core.data import Alert, Batch, Contribution, Schema
from streamad.core.event import alert_document

START_NS = 1_700_000_000 * 10**9
MINUTE_NS = 60 * 10**9


@dataclass
class Run:
    """A synthetic run: ``series`` x ``n_rows`` minutes, ratio 0.3 but for the episodes."""

    folder: Path
    series: list[str] = field(default_factory=lambda: ["pump-1"])
    channels: tuple[str, ...] = ("flow",)
    detectors: tuple[str, ...] = ("fusion",)
    n_rows: int = 600
    episodes: list[tuple[str, int, int, float]] = field(default_factory=list)
    """Series, first row, last row, peak ratio."""
    judged: bool = True
    lag: bool = True
    start_ns: int = START_NS

    @property
    def times(self):
        return self.start_ns + np.arange(self.n_rows) * MINUTE_NS

    def ratio(self, name):
        ratio = np.full(self.n_rows, 0.3)
        for series, first, last, peak in self.episodes:
            if series == name:
                ratio[first : last + 1] = peak
        ratio[:50] = np.nan
        return ratio if self.judged else np.full(self.n_rows, np.nan)

    def write(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = [self._table(name, detector) for detector in self.detectors for name in self.series]
        pq.write_table(pa.concat_tables(parts), self.folder / "scores.parquet")
        self.write_alerts()
        metrics = {"pipeline": "plant", "rows": self.n_rows * len(self.series), "seconds": 1.5}
        (self.folder / "metrics.json").write_text(json.dumps(metrics))
        return self

    def _table(self, name, detector):
        ratio = self.ratio(name)
        final = np.roll(ratio, -3) if self.lag else ratio
        n = self.n_rows
        return pa.table(
            {
                "series": pa.array([name] * n).dictionary_encode(),
                "time": pa.array(self.times, pa.timestamp("ns", "UTC")),
                "detector": pa.array([detector] * n).dictionary_encode(),
                "score": 2 * ratio,
                "score_final": 2 * final,
                "threshold": np.full(n, 2.0),
                "ratio": ratio,
            }
        )

    def write_alerts(self):
        lines = []
        for number, (series, first, last, peak) in enumerate(self.episodes):
            for event in ("open", "resolve"):
                alert = self.alert(number, series, first, last, peak, event)
                lines.append(json.dumps(alert_document(alert)) + "\n")
        (self.folder / "alerts.jsonl").write_text("".join(lines))

    def alert(self, number, series, first, last, peak, event):
        times = [int(t) for t in self.times]
        ended = event == "resolve"
        return Alert(
            event,
            f"alt_{number:016x}",
            2 if ended else 1,
            "plant",
            series,
            self.detectors[0],
            self.detectors[0],
            "critical" if peak >= 3 else "warning",
            times[first],
            times[last] if ended else None,
            times[min(last + 1, self.n_rows - 1)] if ended else times[first],
            2 * peak,
            2.0,
            peak,
            times[first],
            2 * peak,
            peak,
            (Contribution(self.channels[-1], 0.9, 9.0, 1.0, "above"),),
            "recovered" if ended else "open",
            summary=f"{series}: {self.channels[-1]} 9 (expected 1); {peak:.1f} × threshold",
        )

    def batches(self, rows=65_536):
        schema = Schema(self.channels, self.series)
        n, s = self.n_rows, len(self.series)
        codes = np.tile(np.arange(s, dtype=np.int32), n)
        times = np.repeat(self.times, s)
        values = np.sin(np.arange(n * s) * 0.01)[:, None] * np.ones(len(self.channels))
        values[::100, 0] = np.nan
        for at in range(0, n * s, rows):
            cut = slice(at, at + rows)
            yield Batch(schema, codes[cut], times[cut], values[cut], "files", min(at + rows, n * s))


@pytest.fixture
def make_run(tmp_path):
    def make(**given):
        return Run(tmp_path / "run", **given).write()

    return make


@pytest.fixture
def evaluate():
    """Evaluate a run against labels given as first and last row of each series."""

    def add(run, rows):
        from streamad.backtest import evaluate_run
        from streamad.evaluation.label_files import read_labels

        lines = ["series,start,end"]
        for series, spans in rows.items():
            for first, last in spans:
                start, end = (
                    f"{np.datetime64(int(run.times[row]), 'ns')}Z" for row in (first, last)
                )
                lines.append(f'"{series}",{start},{end}')
        path = run.folder.parent / "labels.csv"
        path.write_text("\n".join(lines) + "\n")
        evaluate_run(run.folder, read_labels(path))
        return run

    return add
