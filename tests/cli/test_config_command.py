"""``streamad config``: what it prints works."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from streamad.cli.config_command import LIVE
from streamad.config import load_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "source"), [("file", "parquet"), ("parquet", "parquet"), ("csv", "csv")]
)
def test_a_start_is_a_configuration(streamad, tmp_path, kind, source):
    path = tmp_path / "mine.yaml"
    path.write_text(streamad("config", "init", kind).out)
    config = load_config(path)
    assert config.source.type == source
    assert config.source.options["path"] == f"data.{source}"


def test_the_start_for_kafka_is_a_configuration_and_stands_in_the_docs(streamad, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(streamad("config", "init", "kafka").out)
    config = load_config(path)
    assert config.source.options["security"] == config.source.dead_letter.options["security"]
    assert f"```yaml\n{LIVE}```\n" in (ROOT / "docs" / "run.md").read_text()


def test_a_start_from_a_file_runs(streamad, flow, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(streamad("config", "init", flow).out)
    ended = streamad("validate", path)
    assert ended.code == 0
    assert "channel flow, 2,000 rows" in ended.out


def test_the_shown_configuration_is_a_configuration(streamad, pumps, tmp_path):
    shown = streamad("config", "show", pumps(), "--set", "alerts.open.for=5m").out
    (tmp_path / "again.yaml").write_text(shown)
    assert streamad("config", "show", "again.yaml").out == shown
    assert "for: 5m" in shown


def test_the_schema_is_one(streamad):
    jsonschema.Draft202012Validator.check_schema(json.loads(streamad("config", "schema").out))
