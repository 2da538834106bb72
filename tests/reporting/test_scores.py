from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from streamad.core.errors import ConfigError, StateError
from streamad.reporting.columns import Trace
from streamad.reporting.scores import RATIO_EDGES, read_traces, survey


def test_the_survey_counts_what_a_plain_loop_counts(make_run):
    run = make_run(
        series=["a", "b"], detectors=("ewma", "knn"), episodes=[("b", 100, 104, 7.0)], n_rows=300
    )
    seen = survey(run.folder / "scores.parquet")
    table = pq.read_table(run.folder / "scores.parquet").to_pandas()
    for detector, tally in seen.tallies.items():
        for code, name in enumerate(seen.series):
            rows = table[(table.detector == detector) & (table.series == name)]
            ratio = rows.ratio.to_numpy()
            assert len(rows) == tally.rows[code]
            assert np.isfinite(ratio).sum() == tally.judged[code]
            assert np.nanmax(ratio) == tally.peak[code]
            assert (run.times[0], run.times[-1]) == (tally.first_ns[code], tally.last_ns[code])


def test_the_histogram_parts_at_the_alarm_line(make_run):
    run = make_run(episodes=[("pump-1", 100, 102, 1.0), ("pump-1", 200, 200, 1e9)])
    bins = survey(run.folder / "scores.parquet").tallies["fusion"].bins
    assert RATIO_EDGES[20] == 1.0
    assert (bins[21], bins[-1], bins[:21].sum()) == (3, 1, 600 - 50 - 4)


def test_a_series_that_was_never_judged_has_the_lowest_peak(make_run):
    seen = survey(make_run(judged=False).folder / "scores.parquet")
    assert seen.peaks().tolist() == [-1.0]
    assert seen.n_judged == 0


def test_traces_hold_causal_and_final_score_in_units_of_the_line(make_run):
    run = make_run(episodes=[("pump-1", 100, 110, 5.0)])
    trace = Trace(2, np.array([0, 1]), 1000)
    read_traces(run.folder / "scores.parquet", {("pump-1", "fusion"): trace})
    causal, final = trace.points()[1].T
    np.testing.assert_allclose(run.ratio("pump-1"), causal)
    np.testing.assert_allclose(np.roll(run.ratio("pump-1"), -3), final)


def test_times_in_another_unit_mean_the_same(make_run):
    path = make_run().folder / "scores.parquet"
    before = survey(path).span()
    pq.write_table(pq.read_table(path), path, coerce_timestamps="ms")
    assert before == survey(path).span()


def test_a_folder_without_scores_is_no_run(tmp_path):
    with pytest.raises(ConfigError, match="should hold a finished run"):
        survey(tmp_path / "scores.parquet")


def test_a_truncated_table_is_an_error_that_says_what_to_do(make_run):
    path = make_run().folder / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StateError, match="run the backtest again with --overwrite"):
        survey(path)


def test_memory_does_not_grow_with_the_table(tmp_path):
    code = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from streamad.reporting.scores import survey

path, n, rng = Path(sys.argv[1]), 100_000, np.random.default_rng(0)
writer = None
for part in range(20):
    table = pa.table({
        "series": pa.array(np.zeros(n, np.int8)).cast(pa.string()),
        "time": pa.array(part * n + np.arange(n), pa.timestamp("ns", "UTC")),
        "detector": pa.array(np.zeros(n, np.int8)).cast(pa.string()),
        "ratio": rng.random(n),
    })
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
writer.close()
del table, writer
held, most = pa.total_allocated_bytes, 0
seen = sys.modules["streamad.reporting.scores"]
parts = seen._parts
def watched(*arguments):
    global most
    for part in parts(*arguments):
        most = max(most, held())
        yield part
seen._parts = watched
assert survey(path).n_rows == 20 * n
print(most)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "scores.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 20 * 100_000 * 8 / 2
