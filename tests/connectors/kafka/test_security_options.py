"""The security block: what the client gets, and what is refused before it connects."""

from __future__ import annotations

import pytest
from streamad_connectors.kafka.security import Security, as_security, client_settings

from streamad.core.errors import ConfigError

FAR = ["kafka.example.com:9093"]
SCRAM = {"mechanism": "SCRAM-SHA-512", "username": "app", "password": "canary"}


def settings(brokers=FAR, **options):
    return client_settings(as_security(options), brokers)


def test_nothing_is_plaintext():
    assert client_settings(as_security(None), ["b:9092"]) == {
        "bootstrap_servers": ["b:9092"],
        "security_protocol": "PLAINTEXT",
    }


def test_a_password_over_tls_checks_the_host_name():
    found = settings(protocol="SASL_SSL", **SCRAM)
    assert found["ssl_check_hostname"] is True
    assert found["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("app", "canary")


def test_a_file_beats_an_inline_password(tmp_path):
    (tmp_path / "password").write_text("from-file\n")
    found = settings(protocol="SASL_SSL", **SCRAM, password_file=str(tmp_path / "password"))
    assert found["sasl_plain_password"] == "from-file"


def test_a_token_is_read_again_for_every_connection(tmp_path):
    pytest.importorskip("kafka")
    path = tmp_path / "token"
    path.write_text("first\n")
    found = settings(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=str(path))
    provider = found["sasl_oauth_token_provider"]
    assert provider.token() == "first"
    path.write_text("second\n")
    assert provider.token() == "second"


def test_no_secret_shows_itself():
    found = settings(protocol="SASL_SSL", **SCRAM)
    assert "canary" not in repr(found)
    assert "canary" not in repr(Security(protocol="SASL_SSL", **SCRAM))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protokol": "SSL"}, "unknown option 'protokol'"),
        ({"protocol": "SASL_SSL"}, "needs a mechanism"),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN"}, "needs a username"),
        ({"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER"}, "needs a token_file"),
        (
            {"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER", "token_file": "/nowhere"},
            "token_file /nowhere cannot be read",
        ),
        ({"protocol": "SASL_PLAINTEXT", **SCRAM}, "in the clear"),
        ({"protocol": "PLAINTEXT", **SCRAM}, "of no use"),
        ({"protocol": "PLAINTEXT", "ca_file": "ca.crt"}, "of no use"),
        ({"protocol": "SSL", "cert_file": "c.crt"}, "belong together"),
        ({"protocol": "SSL", "ca_file": "/nowhere/ca.crt"}, "is no file"),
        ({"protocol": "SASL_SSL", **SCRAM, "password_file": "/nowhere"}, "cannot be read"),
    ],
)
def test_what_cannot_work_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        settings(**options)


def test_an_empty_password_file_is_refused(tmp_path):
    (tmp_path / "password").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        settings(protocol="SASL_SSL", **SCRAM, password_file=str(tmp_path / "password"))


@pytest.mark.parametrize("broker", ["localhost:9092", "127.0.0.1:9092", "[::1]:9092"])
def test_a_password_may_go_in_the_clear_on_this_machine(broker):
    assert settings([broker], protocol="SASL_PLAINTEXT", **SCRAM)


def test_a_password_may_go_in_the_clear_where_that_is_said():
    assert settings(protocol="SASL_PLAINTEXT", **SCRAM, allow_insecure=True)


@pytest.mark.parametrize("brokers", [[], [""], ["kafka://b:9092"]])
def test_brokers_are_hosts_and_ports(brokers):
    with pytest.raises(ConfigError, match="host:port"):
        settings(brokers)
