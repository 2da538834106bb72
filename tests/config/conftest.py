"""Configuration files to load, and a package of somebody else that offers plugins."""

from __future__ import annotations

import pytest

from streamad.config import load_config
from streamad.config.plugins import _offered
from streamad.core.errors import ConfigError

GOOD = """\
version: 1
pipeline: plant-a
source: {type: parquet, path: data.parquet, time: ts}
window: {period: 10m, allowed_lateness: 1h30m, missing: {fill: hold}}
detectors:
  - {name: fast, type: ewma, params: {alpha: 0.3}, threshold: {type: spot, risk: 1e-4}}
  - {type: knn, output: final}
alerts:
  open: {ratio: 1.0, for: 3m}
  close: {ratio: 0.7, for: 5}
  severity: [{level: critical, when: {ratio: 3, lasting: 10m}}]
"""

FOREIGN = """\
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from nowhere import Clock


class Tls(BaseModel):
    ca: str
    check: bool = True


class VaultSource:
    def __init__(self, schema: str, *, password: str, retries: int | float = 3,
                 folder: Path = Path("x"), hosts: tuple[str, ...] = ("a",), tls: Tls | None = None,
                 marker: object = object()):
        self.given = dict(schema=schema, password=password, folder=folder, hosts=hosts, tls=tls)


class AnySink:
    def __init__(self, **options: str):
        self.options = options


class Untyped:
    def __init__(self, clock: Clock, step=1):
        self.step = step


class Letters:
    def __init__(self, topic: str, *, retries: int = 3):
        self.given = (topic, retries)
"""

ENTRY_POINTS = """\
[streamad.sources]
vault = foreign:VaultSource
broken = foreign:NoSuchClass
[streamad.sinks]
any = foreign:AnySink
untyped = foreign:Untyped
[streamad.dead_letters]
letters = foreign:Letters
[streamad.detectors]
lost = nowhere:Detector
"""


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def write(tmp_path):
    def put(text: str, name: str = "pipeline.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return put


@pytest.fixture
def refusal():
    """The message with which files are refused."""

    def message(*paths, **options) -> str:
        with pytest.raises(ConfigError) as caught:
            load_config(*paths, **options)
        return str(caught.value)

    return message


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """An installed package of somebody else."""
    site = tmp_path / "site"
    info = site / "foreign-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "foreign.py").write_text(FOREIGN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(__import__("sys").modules, "foreign", raising=False)
    _offered.cache_clear()
    yield
    _offered.cache_clear()
