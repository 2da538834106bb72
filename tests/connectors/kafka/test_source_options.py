"""The options of the Kafka source, as a configuration gives them; nothing connects."""

from __future__ import annotations

import subprocess
import sys

import pytest
from streamad_connectors.kafka.security import Security
from streamad_connectors.kafka.source import KafkaSource
from streamad_connectors.payloads.channels import channel_names

from streamad.config.plugins import given, options_model
from streamad.core.errors import ConfigError, MissingExtraError

OPTIONS = {
    "brokers": ["localhost:1"],
    "topics": ["t"],
    "group": "g",
    "format": {"type": "json", "key": "$.id", "values": ["$.flow"]},
}


def test_the_security_block_is_checked_like_other_options():
    checked = options_model(KafkaSource).model_validate(
        OPTIONS | {"security": {"protocol": "SSL", "ca_file": "ca.crt"}}
    )
    assert given(checked)["security"] == Security(protocol="SSL", ca_file="ca.crt")


@pytest.mark.parametrize(
    "wrong",
    [
        {"assignor": "eager"},
        {"on_gap": "ignore"},
        {"security": {"protokol": "SSL"}},
        {"security": {"protocol": "TLS"}},
        {"topic": "t"},
    ],
)
def test_an_option_that_is_not_there_is_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        options_model(KafkaSource).model_validate(OPTIONS | wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"topics": []}, "topics"),
        ({"group": ""}, "group"),
        ({"start": "yesterday"}, "start must be latest"),
        ({"start": "2026-11-24T06:00:00"}, "with its zone"),
        ({"session_timeout": "30"}, "source.session_timeout: .* unit"),
        ({"format": OPTIONS["format"] | {"values": "$"}}, "source.channels"),
    ],
)
def test_values_that_cannot_work_are_refused_before_anything_connects(wrong, words):
    pytest.importorskip("kafka")
    with pytest.raises(ConfigError, match=words):
        KafkaSource(**OPTIONS | wrong)


def test_channels_are_the_last_names_of_the_paths():
    assert channel_names({"values": ["$.a.x", "$['b'].y"]}, None) == ["x", "y"]


def test_channels_that_are_listed_win():
    assert channel_names({"values": "$.v"}, ["x", "y"]) == ["x", "y"]


def test_paths_that_end_alike_need_names():
    with pytest.raises(ConfigError, match="a name for every path"):
        channel_names({"values": ["$.a.x", "$.b.x"]}, None)


def test_the_module_loads_no_client():
    code = (
        "import sys; import streamad_connectors.kafka.source; "
        "print([m for m in ('kafka', 'pyarrow', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_other_client_its_extra_is_named(monkeypatch):
    pytest.importorskip("kafka")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "confluent_kafka" else name
    )
    with pytest.raises(MissingExtraError, match=r"streamad-engine\[confluent\]"):
        KafkaSource(**OPTIONS, client="confluent")


def test_without_the_client_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"streamad-engine\[kafka\]"):
        KafkaSource(**OPTIONS)
