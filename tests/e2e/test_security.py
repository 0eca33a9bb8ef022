"""Kafka and Cassandra that demand TLS and a login get both, and who has neither is told so; no secret is shown anywhere."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.configuration import cassandra_security
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.servers import broker_settings, node_settings

pytestmark = [pytest.mark.e2e, pytest.mark.cassandra, pytest.mark.kafka]
KAFKA_PASSWORD, CASSANDRA_PASSWORD = "kafka-geheim-17", "cassandra"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Guarded:
    """Where the servers are, and what a client must have."""

    kafka: str
    cassandra: str
    environment: dict[str, str]


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def certificates(folder: Path) -> tuple[Path, Path]:
    """An authority's certificate; and a server's, with its key, for 127.0.0.1, signed by it."""
    now = datetime.now(tz=UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = []
    for key, common, extension in (
        (keys[0], "authority", x509.BasicConstraints(ca=True, path_length=None)),
        (keys[1], "server", address),
    ):
        builder = x509.CertificateBuilder(
            issuer_name=name("authority"),
            subject_name=name(common),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(hours=1),
            not_valid_after=now + timedelta(days=1),
        )
        made.append(
            builder.add_extension(extension, critical=common == "authority").sign(keys[0], hashes.SHA256())
        )
    pem = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in made]
    secret = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority, server = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(pem[0])
    server.write_bytes(secret + pem[1] + pem[0])
    return authority, server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority, server = certificates(folder)
    options, login = folder / "kafka.options", folder / "cassandra.login"
    kafka_options = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "wikibraid",
        "sasl.password": KAFKA_PASSWORD,
        "ssl.ca.location": str(authority),
    }
    options.write_text("# how to log in\n" + "".join(f"{k}={v}\n" for k, v in kafka_options.items()))
    login.write_text(f"cassandra\n{CASSANDRA_PASSWORD}\n")
    environment = {
        "WIKIBRAID_KAFKA_OPTIONS": str(options),
        "WIKIBRAID_CASSANDRA_LOGIN": str(login),
        "WIKIBRAID_CASSANDRA_CA": str(authority),
    }
    plain_broker, plain_node = broker_settings(folder / "kafka"), node_settings(folder / "cassandra")
    place = f"{plain_broker.host}:{plain_broker.port}"
    broker = replace(
        plain_broker,
        client_options=kafka_options,
        properties={
            "listeners": f"SASL_SSL://{place},CONTROLLER://{plain_broker.host}:{plain_broker.controller_port}",
            "advertised.listeners": f"SASL_SSL://{place}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'{PLAIN} required username="wikibraid" password="{KAFKA_PASSWORD}" user_wikibraid="{KAFKA_PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(authority),
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        tls = cassandra_security().tls
    node = replace(
        plain_node,
        tls=tls,
        configuration={
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "client_encryption_options": {
                "enabled": True,
                "optional": False,
                "ssl_context_factory": {
                    "class_name": "org.apache.cassandra.security.PEMBasedSslContextFactory"
                },
                "keystore": str(server),
                "truststore": str(authority),
            },
        },
    )
    with KafkaBroker(broker), CassandraNode(node):
        yield Guarded(f"kafka://{place}/guarded", f"cassandra://{node.host}:{node.port}/guarded", environment)


def run(guarded: Guarded, *words: str, **instead: str) -> subprocess.CompletedProcess[str]:
    """A command with all that it needs, but for what is set instead; empty: not at all."""
    variables = {name: value for name, value in {**guarded.environment, **instead}.items() if value}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    for secret in (KAFKA_PASSWORD, f"{CASSANDRA_PASSWORD}\n"):
        assert secret not in " ".join(words)
    assert KAFKA_PASSWORD not in done.stdout + done.stderr
    return done


def test_a_home_on_guarded_servers(guarded: Guarded, tmp_path: Path) -> None:
    # given a home whose servers demand TLS and a login
    home, events = ["--home", str(tmp_path / "home")], tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:300]))
    made = run(guarded, "init", "--log", guarded.kafka, "--store", guarded.cassandra, *home)
    assert made.returncode == 0, made.stderr
    # when events are brought in
    done = run(guarded, "ingest", "events", str(events), *home, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kept"] > 0
    # then they are in the log, and the store is asked
    ends = run(guarded, "cut", *home)
    assert sum(map(int, ends.stdout.split(","))) > 0
    assert run(guarded, "generations", "list", "page_current", *home).returncode == 0
    # and no secret is in any file of the home
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or KAFKA_PASSWORD.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "variable,content,told",
    [
        ("WIKIBRAID_CASSANDRA_LOGIN", "cassandra\nwrong\n", "refuses the login"),
        ("WIKIBRAID_CASSANDRA_LOGIN", "", "refuses the login"),
        ("WIKIBRAID_CASSANDRA_LOGIN", "cassandra", "the password in the second"),
        ("WIKIBRAID_CASSANDRA_CA", "no certificate", "no certificates in PEM"),
    ],
)
def test_who_may_not_is_told(
    guarded: Guarded, tmp_path: Path, variable: str, content: str, told: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(content)
    home = tmp_path / "home"
    home.mkdir()
    (home / "wikibraid.yaml").write_text(f"store: {guarded.cassandra}\n")
    done = run(
        guarded,
        *("generations", "list", "page_current", "--home", str(home)),
        **{variable: str(secret) if content else ""},
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert told in " ".join(done.stderr.split())


def test_a_server_with_a_strangers_certificate_is_not_believed(guarded: Guarded, tmp_path: Path) -> None:
    from serving.cassandra_session import Address, Unreachable, connected

    stranger, _ = certificates(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WIKIBRAID_CASSANDRA_CA", str(stranger))
        patch.setenv("WIKIBRAID_CASSANDRA_LOGIN", guarded.environment["WIKIBRAID_CASSANDRA_LOGIN"])
        security = cassandra_security()
    with (
        pytest.raises(Unreachable, match="doesn't answer"),
        connected(Address.of(guarded.cassandra), security, patience=1),
    ):
        pass
