"""What confluent-kafka is told, and what its errors mean; nothing connects."""

from __future__ import annotations

import pytest

pytest.importorskip("kafka")
pytest.importorskip("confluent_kafka")

from confluent_kafka import Consumer, KafkaError
from kafka import errors as kafka_errors
from streamad_connectors.kafka.confluent_settings import as_kafka_error, confluent_settings
from streamad_connectors.kafka.errors import LOST_RIGHTS, is_passing
from streamad_connectors.kafka.member import MemberOptions
from streamad_connectors.kafka.security import Security, client_settings

OPTIONS = MemberOptions(
    client="confluent",
    topics=("t",),
    group="g",
    start="latest",
    stop_on_gap=False,
    instance_id="one",
    assignor="cooperative",
    isolation="read_committed",
    fetch_bytes=1_048_576,
    session_s=30.0,
    poll_interval_s=300.0,
    metadata_s=30.0,
    connect_s=10.0,
    rights_s=60.0,
    commit_s=3.0,
)


def told(**security):
    settings = client_settings(Security(**security), ["a:1", "b:2"])
    return confluent_settings(settings | {"client_id": "me"}, OPTIONS)


def test_a_consumer_takes_all_settings():
    found = told(protocol="SASL_SSL", mechanism="PLAIN", username="u", password="p")
    assert found["bootstrap.servers"] == "a:1,b:2"
    assert (found["sasl.username"], found["sasl.password"]) == ("u", "p")
    Consumer(found).close()


def test_a_certificate_and_its_key_are_named(tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(name)
    (tmp_path / "password").write_text("secret\n")
    files = {f"{name}_file": str(tmp_path / name) for name in ("ca", "cert", "key")}
    found = told(protocol="SSL", key_password_file=str(tmp_path / "password"), **files)
    assert found["ssl.ca.location"] == files["ca_file"]
    assert found["ssl.certificate.location"] == files["cert_file"]
    assert found["ssl.key.location"] == files["key_file"]
    assert found["ssl.key.password"] == "secret"


def test_a_token_is_read_again_from_its_file(tmp_path):
    (tmp_path / "token").write_text("old")
    found = told(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=str(tmp_path / "token"))
    assert found["oauth_cb"]("")[0] == "old"
    (tmp_path / "token").write_text("new\n")
    assert found["oauth_cb"]("")[0] == "new"


@pytest.mark.parametrize("code", [KafkaError._ALL_BROKERS_DOWN, KafkaError._SSL])
def test_troubles_of_connections_may_pass(code):
    assert is_passing(as_kafka_error(KafkaError(code)))


def test_a_password_that_is_refused_is_a_right_that_may_come_back():
    assert isinstance(as_kafka_error(KafkaError(KafkaError._AUTHENTICATION)), LOST_RIGHTS)


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION])
def test_a_commit_of_who_was_given_up_has_failed(code):
    assert isinstance(as_kafka_error(KafkaError(code)), kafka_errors.CommitFailedError)


def test_errors_of_the_broker_have_their_names():
    fenced = as_kafka_error(KafkaError(KafkaError.FENCED_INSTANCE_ID))
    assert isinstance(fenced, kafka_errors.FencedInstanceIdError)
