"""The run folder: what goes on, what is refused, what is left alone."""

from __future__ import annotations

import json
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamad.backtest import backtest, read_batches
from streamad.config import config_from, make_source
from streamad.core.errors import ConfigError, ConnectorError, StateError
from streamad.runtime.checkpoints import FileStateStore


def write(path, n: int, *, bad: int = 0) -> None:
    """Rows of one series, then rows whose time is from before 1970."""
    times = np.concatenate((1_700_000_000 + np.arange(n) * 60, np.full(bad, -5)))
    table = pa.table(
        {
            "ts": pa.array(times * 10**9, pa.timestamp("ns", "UTC")),
            "flow": np.sin(np.arange(n + bad) * 0.1),
        }
    )
    pq.write_table(table, path, row_group_size=20_000)


def config(path, **runtime):
    return config_from(
        {
            "pipeline": "p",
            "source": {"type": "parquet", "path": str(path), "time": "ts"},
            "detectors": [{"type": "ewma"}],
            "runtime": runtime,
            "state": {"every": "1ms"},
        }
    )


@pytest.fixture
def data(tmp_path):
    write(tmp_path / "flow.parquet", 3000)
    return tmp_path / "flow.parquet"


def stopped_after(batches: int):
    stop, seen = threading.Event(), []

    def count(_progress):
        seen.append(1)
        if len(seen) == batches:
            stop.set()

    return {"stop": stop, "progress": count}


def test_a_stopped_run_refuses_to_go_on_over_changed_data(data, tmp_path):
    made = config(data, batch_rows=500)
    assert backtest(made, tmp_path / "out", **stopped_after(2)).interrupted
    write(data, 300)
    with pytest.raises(StateError, match="the source has changed since the snapshot"):
        backtest(made, tmp_path / "out")


def test_a_run_that_cannot_start_leaves_the_finished_one_alone(data, tmp_path):
    backtest(config(data), tmp_path / "out")
    before = (tmp_path / "out" / "scores.parquet").read_bytes()
    with pytest.raises((ConfigError, ConnectorError)):
        backtest(config(tmp_path / "typo.parquet"), tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "scores.parquet").read_bytes() == before


def test_overwriting_respects_the_lock_of_a_running_process(data, tmp_path):
    running = FileStateStore(tmp_path / "out" / "state", "ab" * 32)
    with pytest.raises(StateError, match="locked by process"):
        backtest(config(data), tmp_path / "out", overwrite=True)
    running.close()


def test_a_finished_run_is_refused_and_replaced_only_on_request(data, tmp_path):
    first = backtest(config(data), tmp_path / "out")
    with pytest.raises(ConfigError, match="holds a finished run"):
        backtest(config(data), tmp_path / "out")
    again = backtest(config(data), tmp_path / "out", overwrite=True)
    assert again.rows == first.rows == 3000


def test_a_long_stretch_of_refused_rows_is_kept_once_when_a_run_goes_on(tmp_path):
    write(tmp_path / "bad.parquet", 5000, bad=150_000)
    made = config(tmp_path / "bad.parquet", batch_rows=2000)
    assert backtest(made, tmp_path / "out", **stopped_after(3)).interrupted
    result = backtest(made, tmp_path / "out")
    lines = (tmp_path / "out" / "rejects.jsonl").read_bytes().splitlines()
    assert result.rejects == {"time": 150_000}
    assert len({json.loads(line)["offset"] for line in lines}) == len(lines) == 150_000


def test_a_source_with_very_many_refused_rows_is_read_to_its_end(tmp_path):
    write(tmp_path / "bad.parquet", 5000, bad=150_000)
    source = make_source(config(tmp_path / "bad.parquet"))
    assert sum(len(batch) for batch in read_batches(source)) == 5000
    source.close()
