"""Kafka and Cassandra that demand TLS and a login get both, and who has neither is told so; no secret is shown anywhere."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cli.configuration import cassandra_security
from speed.kafka_log import Topic
from speed.sqlite_log import SqliteLog
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
    kafka_options: dict[str, str]
    """Of one who may do everything."""


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
                f'{PLAIN} required username="wikibraid" password="{KAFKA_PASSWORD}" user_wikibraid="{KAFKA_PASSWORD}" '
                f'user_reader="{KAFKA_PASSWORD}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:wikibraid;User:ANONYMOUS",  # the latter is the broker as its own controller
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
        yield Guarded(
            f"kafka://{place}/guarded",
            f"cassandra://{node.host}:{node.port}/guarded",
            environment,
            kafka_options,
        )


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


def test_the_wrong_password_for_kafka_is_told(guarded: Guarded, tmp_path: Path) -> None:
    options = tmp_path / "options"
    wrong = {**guarded.kafka_options, "sasl.password": "wrong"}
    options.write_text("".join(f"{name}={value}\n" for name, value in wrong.items()))
    done = run(
        guarded,
        *("ingest", "kafka", "--brokers", Topic.of(guarded.kafka).brokers, "--home", str(tmp_path / "home")),
        WIKIBRAID_KAFKA_OPTIONS=str(options),
    )
    assert done.returncode == 1
    assert "Authentication failed" in done.stderr


def test_who_may_read_some_topics_reads_these(guarded: Guarded, tmp_path: Path) -> None:
    # given two topics of a stream, of which a reader may read one, and nothing else, no group either
    brokers, stream = Topic.of(guarded.kafka).brokers, "mediawiki.revision-create"
    base = {"bootstrap.servers": brokers, **guarded.kafka_options}
    admin, producer = AdminClient(base), Producer(base)
    topics = [f"{site}.{stream}" for site in ("eqiad", "codfw")]
    rights = [
        AclBinding(
            *(ResourceType.TOPIC, topics[0], ResourcePatternType.LITERAL, "User:reader", "*"),
            *(operation, AclPermissionType.ALLOW),
        )
        for operation in (AclOperation.READ, AclOperation.DESCRIBE)
    ]
    for future in admin.create_topics([NewTopic(topic, 1) for topic in topics]).values():
        future.result()
    for future in admin.create_acls(rights).values():
        future.result()
    events = [event for event in sample.events() if json.loads(event)["meta"]["stream"] == stream][:20]
    for event in events:
        producer.produce(topics[0], event)
    producer.flush()
    options, streams = tmp_path / "options", tmp_path / "home" / "streams.yaml"
    reader = {**guarded.kafka_options, "sasl.username": "reader"}
    options.write_text("".join(f"{name}={value}\n" for name, value in reader.items()))
    streams.parent.mkdir()
    streams.write_text(f"{stream}:\n  schema_title: mediawiki/revision/create\n")
    command = ["ingest", "kafka", "--brokers", brokers, "--port", "0", "--home", str(streams.parent)]
    # then the one that may not be read is told
    refused = run(guarded, *command, WIKIBRAID_KAFKA_OPTIONS=str(options))
    assert refused.returncode == 1
    assert f"doesn't let topic {topics[1]} be read" in refused.stderr
    # and where only the other is named, all of it comes
    with streams.open("a") as file:
        file.write(f"  topics: [{topics[0]}]\n")
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", *command],
        env={"PATH": "/usr/bin:/bin", "WIKIBRAID_KAFKA_OPTIONS": str(options)},
    ) as process:
        end = time.monotonic() + 60
        while ended_at(streams.parent) < len(events) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        process.terminate()
    assert ended_at(streams.parent) == len(events)


def ended_at(home: Path) -> int:
    """How many messages the log of a home holds."""
    if not (home / "log.db").exists():
        return 0
    with SqliteLog(home / "log.db") as log:
        return sum(log.ends())


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
