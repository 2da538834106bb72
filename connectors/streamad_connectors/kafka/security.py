"""How clients prove who they are, and how they know the broker."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from streamad.core.errors import ConfigError

_TLS = ("SSL", "SASL_SSL")
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Security:
    """The ``security`` block of everything that talks to Kafka.

    Attributes
    ----------
    protocol : str
    mechanism : str or None
        Of SASL.
    username : str or None
    password : str or None
        In the clear; a file or a variable is better.
    password_file : str or None
        Beats ``password``. Read once, at the start; an end of line is cut off.
    token_file : str or None
        Token for OAUTHBEARER, read again for every connection, so whoever renews it replaces the
        file.
    ca_file : str or None
        Certificates to trust; None = those of the system.
    cert_file, key_file : str or None
        Certificate and key of the client (mutual TLS).
    key_password_file : str or None
    allow_insecure : bool
        Allow SASL without TLS to other machines than this one.

    Notes
    -----
    The name of the host is always compared with the certificate.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password_file: str | None = None
    allow_insecure: bool = False


def as_security(given: Security | Mapping[str, Any] | None) -> Security:
    """The block as an object.

    Raises
    ------
    ConfigError
        If it has an option that there is not.
    """
    if isinstance(given, Security):
        return given
    known = [option.name for option in fields(Security)]
    unknown = sorted(set(given or ()) - set(known))
    if unknown:
        raise ConfigError(f"security: unknown option {unknown[0]!r}, there are {', '.join(known)}")
    return Security(**dict(given or {}))


def client_settings(security: Security, brokers: Sequence[str]) -> dict[str, Any]:
    """Settings of a kafka-python client, the same for consumers, producers and administration.

    Parameters
    ----------
    security : Security
    brokers : sequence of str
        As ``host:port``.

    Raises
    ------
    ConfigError
        If something is missing, does not fit together, or would show a password to the network.
    """
    if not brokers or any(not broker or "://" in broker for broker in brokers):
        raise ConfigError(f"brokers must be a list of host:port, got {list(brokers)}")
    settings: dict[str, Any] = {
        "bootstrap_servers": list(brokers),
        "security_protocol": security.protocol,
    }
    if security.protocol in _TLS:
        settings |= _tls(security)
    elif security.ca_file or security.cert_file or security.key_file:
        raise ConfigError(
            f"security: certificates are of no use with the protocol {security.protocol}; "
            "choose SSL or SASL_SSL"
        )
    if security.protocol.startswith("SASL"):
        settings |= _sasl(security)
    elif security.mechanism or security.username:
        raise ConfigError(
            "security: a user and a mechanism are of no use with the protocol "
            f"{security.protocol}; choose SASL_SSL"
        )
    if security.protocol == "SASL_PLAINTEXT" and not security.allow_insecure:
        far = [broker for broker in brokers if not _is_here(broker)]
        if far:
            raise ConfigError(
                f"security: SASL_PLAINTEXT would send the password to {far[0]} in the clear; "
                "choose SASL_SSL, or say allow_insecure: true"
            )
    return settings


def _tls(security: Security) -> dict[str, Any]:
    if bool(security.cert_file) != bool(security.key_file):
        raise ConfigError("security: cert_file and key_file belong together, got only one of them")
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(security, name)
        if path and not Path(path).is_file():
            raise ConfigError(f"security: {name} {path} is no file")
    password = security.key_password_file
    return {
        "ssl_check_hostname": True,
        "ssl_cafile": security.ca_file,
        "ssl_certfile": security.cert_file,
        "ssl_keyfile": security.key_file,
        "ssl_password": Secret(_read("key_password_file", password)) if password else None,
    }


def _sasl(security: Security) -> dict[str, Any]:
    mechanism = security.mechanism
    if mechanism is None:
        raise ConfigError(f"security: the protocol {security.protocol} needs a mechanism")
    if mechanism == "OAUTHBEARER":
        if security.token_file is None:
            raise ConfigError("security: the mechanism OAUTHBEARER needs a token_file")
        _read("token_file", security.token_file)
        from streamad_connectors.kafka.token import FileToken

        return {
            "sasl_mechanism": mechanism,
            "sasl_oauth_token_provider": FileToken(security.token_file),
        }
    password = security.password
    if security.password_file is not None:
        password = _read("password_file", security.password_file)
    if security.username is None or password is None:
        raise ConfigError(
            f"security: the mechanism {mechanism} needs a username and a password_file (or a "
            "password)"
        )
    return {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": security.username,
        "sasl_plain_password": Secret(password),
    }


class Secret(str):
    """Text that does not show itself where a mapping of settings is printed.

    Examples
    --------
    >>> {"password": Secret("x")}, Secret("x").encode()
    ({'password': '**********'}, b'x')
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


def _read(name: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"security: {name} {path} cannot be read: {error}") from error
    if not text:
        raise ConfigError(f"security: {name} {path} is empty")
    return text


def _is_here(broker: str) -> bool:
    host = broker.rpartition(":")[0].strip("[]") or broker
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
