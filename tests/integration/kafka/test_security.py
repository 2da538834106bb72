"""Who may in, and what those hear who may not: the reason, within seconds, without the secret."""

from __future__ import annotations

import logging
import signal
import time

import pytest
from reference.kafka_fixtures import require_kafka
from reference.kafka_rows import FORMAT, Reader, records
from reference.kafka_security import PASSWORD, allow, forbid, secured_broker, unsigned_token
from streamad_connectors.kafka.dead_letter_topic import DeadLetterTopic
from streamad_connectors.kafka.kafka_sink import KafkaSink
from streamad_connectors.kafka.security import Security
from streamad_connectors.kafka.source import KafkaSource
from streamad_connectors.kafka.transactional_sink import KafkaTransactionalSink

from streamad.cli.exits import UNREACHABLE, exit_code
from streamad.core.errors import ConnectorError

pytestmark = pytest.mark.kafka
LIMIT_S = 15


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    require_kafka()
    broker, certificates = secured_broker(tmp_path_factory.mktemp("secured"))
    with broker:
        yield broker, certificates


@pytest.fixture
def topic(secured):
    """A topic with three rows that ``app`` may read as the group of the same name."""
    broker, _ = secured
    name = broker.create_topic("secret")
    broker.produce(name, records(range(3)))
    allow(broker, "app", "TOPIC", name, "READ")
    allow(broker, "app", "GROUP", name, "READ")
    return name


@pytest.fixture
def given(secured):
    """Settings that let ``app`` in."""
    return {
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-512",
        "username": "app",
        "password": PASSWORD,
        "ca_file": secured[1].path("ca.crt"),
    }


@pytest.fixture
def enter(secured, topic, given):
    """Opens sources as ``app``, with other settings where a test gives some."""
    broker, _ = secured
    made = []

    def make(listener="SASL_SSL", host=None, options=(), **security):
        block = {name: value for name, value in (given | security).items() if value is not None}
        source = KafkaSource(
            **{
                "brokers": [broker.address(listener, host)],
                "topics": [topic],
                "group": topic,
                "format": FORMAT,
                "start": "earliest",
                "security": Security(**block),
            }
            | dict(options)
        )
        made.append(source)
        return source

    yield make
    for source in made:
        source.close()


def refusal(action):
    """What is said, and that it comes in time, with its exit code, and tells no password."""
    began = time.monotonic()
    with pytest.raises(ConnectorError) as caught:
        action()
    assert time.monotonic() - began < LIMIT_S
    assert PASSWORD not in str(caught.value)
    assert exit_code(caught.value) == UNREACHABLE
    return str(caught.value)


def reads(source):
    reader = Reader(source)
    reader.until(lambda: len(reader.rows) == 3)
    return reader


NO_USER = {"mechanism": None, "username": None, "password": None}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_password_opens(enter, mechanism):
    reads(enter(mechanism=mechanism))


def test_a_password_opens_to_the_other_client(enter):
    pytest.importorskip("confluent_kafka")
    reads(enter(options={"client": "confluent"}))


def test_a_certificate_opens_to_the_other_client(enter, secured):
    pytest.importorskip("confluent_kafka")
    _, made = secured
    own = {"cert_file": made.path("client.crt"), "key_file": made.path("client.key")}
    reads(enter("MTLS", protocol="SSL", options={"client": "confluent"}, **NO_USER, **own))


def test_a_wrong_password_is_named_by_the_other_client(enter):
    pytest.importorskip("confluent_kafka")
    wrong = {"password": "wrong", "options": {"client": "confluent"}}
    assert "security.username and the password" in refusal(lambda: enter(**wrong))


def test_a_password_from_a_file_opens(enter, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    reads(enter(password=None, password_file=str(tmp_path / "password")))


def test_a_certificate_opens(enter, secured):
    _, made = secured
    own = {"cert_file": made.path("client.crt"), "key_file": made.path("client.key")}
    reads(enter("MTLS", protocol="SSL", **NO_USER, **own))


@pytest.fixture
def with_token(tmp_path):
    """The options for a token in a file."""
    path = tmp_path / "token"

    def make(token):
        path.write_text(f"{token}\n")
        return NO_USER | {"mechanism": "OAUTHBEARER", "token_file": str(path)}

    return make


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_token_from_a_file_opens(enter, with_token, client):
    if client == "confluent":
        pytest.importorskip("confluent_kafka")
    reads(enter(options={"client": client}, **with_token(unsigned_token("app"))))


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_token_that_has_run_out_is_named(enter, with_token, client):
    if client == "confluent":
        pytest.importorskip("confluent_kafka")
    old = with_token(unsigned_token("app", lives_s=-40.0))
    said = refusal(lambda: enter(options={"client": client}, **old))
    assert "token" in said


def test_a_wrong_password_is_named(enter):
    assert "security.username and the password" in refusal(lambda: enter(password="wrong"))


def test_an_unknown_user_is_named(enter):
    assert "security.username and the password" in refusal(lambda: enter(username="stranger"))


def test_a_mechanism_that_is_not_offered_is_named(enter):
    assert "security.mechanism" in refusal(lambda: enter(mechanism="SCRAM-SHA-256"))


def test_a_certificate_that_is_not_trusted_is_named(enter, secured):
    _, made = secured
    said = refusal(lambda: enter(ca_file=made.path("foreign-ca.crt")))
    assert "is not trusted" in said
    assert "ca_file" in said


def test_a_certificate_of_another_host_is_named(enter):
    assert "another host name" in refusal(lambda: enter(host="127.0.0.1"))


def test_a_missing_certificate_of_the_client_is_named(enter):
    assert "certificate of the client" in refusal(lambda: enter("MTLS", protocol="SSL", **NO_USER))


def test_tls_to_a_port_without_is_named(enter):
    assert "speaks no TLS" in refusal(lambda: enter("INSIDE"))


def test_no_tls_to_a_port_with_is_named(enter):
    """It speaks TLS there, as the broker may say before it closes the connection, or not."""
    said = refusal(lambda: enter(protocol="SASL_PLAINTEXT", ca_file=None))
    assert "check the port and security.protocol" in said


def test_a_topic_without_rights_names_the_acl(enter, secured):
    broker, _ = secured
    other = broker.create_topic("hidden")
    said = refusal(lambda: enter(options={"topics": [other]}))
    assert f"no right to read the topic '{other}'" in said
    assert "ACL" in said


def test_a_topic_that_may_only_be_written_names_the_acl(enter, secured):
    broker, _ = secured
    other = broker.create_topic("write-only")
    allow(broker, "app", "TOPIC", other, "WRITE")
    assert "allows READ" in refusal(lambda: enter(options={"topics": [other]}))


@pytest.mark.parametrize("rights", [(), ("DESCRIBE", "READ")])
@pytest.mark.parametrize("kind", [KafkaSink, DeadLetterTopic, KafkaTransactionalSink])
def test_an_output_topic_that_must_not_be_written_names_the_acl(
    secured, given, tmp_path, kind, rights
):
    broker, _ = secured
    other = broker.create_topic("read-only")
    for right in rights:
        allow(broker, "app", "TOPIC", other, right)
    options = (
        {"dead_letter": str(tmp_path / "refused.jsonl")} if kind is not DeadLetterTopic else {}
    )
    options |= {"brokers": [broker.address("SASL_SSL")], "topic": other}
    sink = kind(**options, security=Security(**given))
    said = refusal(lambda: sink.open("rows/0", None))
    sink.close()
    assert f"no right to write the topic '{other}': the user needs an ACL that allows WRITE" in said
    assert ("has DESCRIBE, READ" in said) == bool(rights)


def test_a_group_without_rights_names_the_acl(enter):
    source = enter(options={"group": "others"})
    said = refusal(source.events)
    assert "no right to use the consumer group: the user needs an ACL" in said
    assert "others" in said


def test_rights_that_are_taken_away_are_waited_for_and_then_named(enter, secured, topic):
    broker, _ = secured
    reader = reads(enter(options={"auth_timeout": "4s", "metadata_age": "500ms"}))
    forbid(broker, "app", "TOPIC", topic, "READ")
    began = time.monotonic()
    while not reader.source.n_failures:
        reader.turn()
        assert time.monotonic() - began < LIMIT_S
    allow(broker, "app", "TOPIC", topic, "READ")
    broker.produce(topic, records([3]))
    reader.until(lambda: len(reader.rows) == 4)
    forbid(broker, "app", "TOPIC", topic, "READ")
    assert "ACL" in refusal(lambda: reader.until(lambda: False))


def test_no_log_line_holds_the_password(enter, caplog):
    with caplog.at_level(logging.DEBUG):
        reads(enter()).source.close()
        refusal(lambda: enter(username="stranger"))
    assert len(caplog.records) > 100
    assert PASSWORD not in caplog.text


def test_a_broker_that_is_gone_is_refused_in_time(enter, secured):
    broker, _ = secured
    broker.stop(signal.SIGKILL)
    try:
        said = refusal(enter)
    finally:
        broker.start()
    assert "connection refused" in said
