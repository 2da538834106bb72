"""The command line inside this process, data and a configuration to give it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from streamad.cli import console, secrets
from streamad.cli.app import run
from streamad.config.plugins import _offered

STREAMAD = Path(sys.executable).with_name("streamad")

VAULT = """\
from streamad_connectors.parquet_file import ParquetSource


class VaultSource(ParquetSource):
    def __init__(self, path: str, *, password: str, time: str | None = None) -> None:
        if password != "hunter2-canary":
            raise ValueError("wrong password")
        super().__init__(path, time=time)


class FaultySink:
    def __init__(self) -> None:
        raise ZeroDivisionError("a slip")
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def streamad(capsys, monkeypatch, tmp_path):
    """Run a command in ``tmp_path``, in this process."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["streamad", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            run()
        told = capsys.readouterr()
        return Ended(int(end.value.code or 0), told.out, told.err)

    yield call
    root.handlers[:] = handlers
    root.setLevel(level)
    console._current[:] = [console.Settings()]
    secrets._known.clear()


@pytest.fixture
def process(tmp_path):
    """Start a command in ``tmp_path``, in a process of its own."""

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(STREAMAD), *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    return start


@pytest.fixture(scope="session")
def flow(tmp_path_factory) -> Path:
    """2000 rows of two pumps with one spike each."""
    n = 2000
    values = np.sin(np.arange(n) * 0.05) + 0.1 * np.random.default_rng(5).normal(size=n)
    values[[1500, 1701]] = 9.0
    times = 1_700_000_000_000_000_000 + np.arange(n) // 2 * 60_000_000_000
    table = pa.table(
        {
            "ts": pa.array(times, pa.timestamp("ns", "UTC")),
            "pump": ["pump-1", "pump-2"] * (n // 2),
            "flow": values,
        }
    )
    path = tmp_path_factory.mktemp("data") / "flow.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture
def pumps(flow, tmp_path):
    """Write the configuration ``pipeline.yaml``, with changed sections."""

    def put(**sections: object) -> Path:
        tree = {
            "version": 1,
            "pipeline": "pumps",
            "source": {"type": "parquet", "path": str(flow), "time": "ts", "key": "pump"},
            "detectors": [{"type": "ewma", "threshold": {"type": "fixed", "value": 8.0}}],
            **sections,
        }
        path = tmp_path / "pipeline.yaml"
        with path.open("w") as file:
            YAML().dump(tree, file)
        return path

    return put


@pytest.fixture
def vault(tmp_path, monkeypatch) -> Path:
    """A package of somebody else with a source that needs a password and a sink that fails."""
    site = tmp_path / "site"
    info = site / "vault-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "vault.py").write_text(VAULT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vault\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamad.sources]\nvault = vault:VaultSource\n"
        "[streamad.sinks]\nfaulty = vault:FaultySink\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "vault", raising=False)
    _offered.cache_clear()
    yield site
    _offered.cache_clear()
