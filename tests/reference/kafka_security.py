"""A broker with TLS, passwords, client certificates and rights, on loopback."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference.kafka_broker import RealKafka

PASSWORD = "app-secret-canary"
ADMIN = "admin-secret-canary"
_PLAIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'username="admin" password="{ADMIN}" user_admin="{ADMIN}" user_app="{PASSWORD}";'
)
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="admin";'
)


@dataclass(frozen=True)
class Certificates:
    """Files made with openssl: an authority, a server that is called localhost, a client."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """Make them all."""
        folder.mkdir(parents=True)
        made = cls(folder)
        for authority in ("ca", "foreign-ca"):
            made._openssl(
                f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={authority} "
                f"-keyout {authority}.key -out {authority}.crt"
            )
        made._signed("server", "/CN=localhost", "subjectAltName=DNS:localhost")
        made._signed("client", "/O=test/CN=app", "extendedKeyUsage=clientAuth")
        key = made._openssl("pkcs8 -topk8 -nocrypt -in server.key")
        (folder / "server.pem").write_text(key + (folder / "server.crt").read_text())
        return made

    def path(self, name: str) -> str:
        """Path of a file."""
        return str(self.folder / name)

    def _signed(self, name: str, subject: str, extension: str) -> None:
        (self.folder / f"{name}.ext").write_text(f"{extension}\n")
        self._openssl(
            f"req -newkey rsa:2048 -nodes -subj {subject} -keyout {name}.key -out {name}.csr"
        )
        self._openssl(
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 "
            f"-extfile {name}.ext -out {name}.crt"
        )

    def _openssl(self, words: str) -> str:
        command = ["openssl", *words.split()]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout


def secured_broker(folder: Path) -> tuple[RealKafka, Certificates]:
    """A broker where nobody may do anything but ``admin``; its users are ``app`` and ``nobody``.

    Its listeners: ``SASL_SSL``, ``MTLS``, ``INSIDE`` (SASL without TLS).
    """
    certificates = Certificates.make(folder / "certificates")
    settings: dict[str, str] = {
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": certificates.path("server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": certificates.path("ca.crt"),
        "listener.name.mtls.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    for listener in ("sasl_ssl", "inside"):
        settings[f"listener.name.{listener}.plain.sasl.jaas.config"] = _PLAIN
        settings[f"listener.name.{listener}.scram-sha-512.sasl.jaas.config"] = _SCRAM
        settings[f"listener.name.{listener}.oauthbearer.sasl.jaas.config"] = _OAUTH
    broker = RealKafka(
        folder / "broker",
        listeners={"SASL_SSL": "SASL_SSL", "MTLS": "SSL", "INSIDE": "SASL_PLAINTEXT"},
        host="localhost",
        settings=settings,
        users={"app": PASSWORD, "nobody": PASSWORD},
        client={
            "security_protocol": "SASL_SSL",
            "ssl_cafile": certificates.path("ca.crt"),
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": "admin",
            "sasl_plain_password": ADMIN,
        },
    )
    return broker, certificates


def unsigned_token(user: str, lives_s: float = 3600.0) -> str:
    """A token without a signature, which a broker takes that was told of no issuer of tokens."""
    now = time.time()
    parts = {"alg": "none"}, {"sub": user, "iat": now - 60.0, "exp": now + lives_s}
    written = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
    return ".".join([*(part.decode().rstrip("=") for part in written), ""])


def allow(broker: RealKafka, user: str, what: str, name: str, *operations: str) -> None:
    """Give a user rights, such as READ on the TOPIC of a name."""
    broker.admin.create_acls([_acl(user, what, name, operation) for operation in operations])


def forbid(broker: RealKafka, user: str, what: str, name: str, *operations: str) -> None:
    """Take rights away again."""
    from kafka.admin import ACLFilter, ACLPermissionType, ResourcePatternFilter

    for operation in operations:
        acl = _acl(user, what, name, operation)
        pattern = acl.resource_pattern
        broker.admin.delete_acls(
            [
                ACLFilter(
                    principal=acl.principal,
                    host="*",
                    operation=acl.operation,
                    permission_type=ACLPermissionType.ALLOW,
                    resource_pattern=ResourcePatternFilter(
                        pattern.resource_type, pattern.resource_name, pattern.pattern_type
                    ),
                )
            ]
        )


def _acl(user: str, what: str, name: str, operation: str) -> Any:
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ResourcePattern,
        ResourceType,
    )

    return ACL(
        principal=f"User:{user}",
        host="*",
        operation=ACLOperation[operation],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType[what], name),
    )
