"""One Kafka broker on this machine, broker and controller in one process (KRaft), from jars."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stack.server import Server, ServerError, java

SMALLEST_HEAP_MIB = 256
_CLUSTER = "d2lraWJyYWlkLXN0YWNrLQ"
"""An id of 16 bytes as Kafka writes them; one broker is a whole cluster."""
_NODE = 1
_LOGGING = """Configuration:
  status: WARN
  appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%-5level %d %c{1}: %m%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: out
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where a broker lies and listens."""

    folder: Path
    """Of its data, its log and its configuration; made where it is missing."""
    jars: Path
    """The folder of Kafka's jars."""
    port: int
    """That clients connect to."""
    controller_port: int
    host: str = "127.0.0.1"
    heap_mib: int = SMALLEST_HEAP_MIB
    properties: Mapping[str, str] = field(default_factory=dict)
    """Of server.properties beside those that are made here, such as those of listeners with TLS."""
    client_options: Mapping[str, str] = field(default_factory=dict)
    """Of librdkafka, with which a client connects, where the properties demand them."""


class KafkaBroker(Server):
    """A broker that writes each acknowledged batch to disk before it says so."""

    name = "Kafka"

    def __init__(self, settings: BrokerSettings) -> None:
        """Check the settings; nothing is started yet.

        Raises:
            ServerError: the jars are missing.
        """
        if not any(settings.jars.glob("kafka_2.13-*.jar")):
            message = f"{settings.jars} holds no jars of Kafka; `python conf/bootstrap.py kafka` fetches them"
            raise ServerError(message)
        super().__init__(settings.folder, settings.host, (settings.port, settings.controller_port))
        self.settings = settings

    @property
    def address(self) -> str:
        """Host and port, as clients' `bootstrap.servers`."""
        return f"{self.settings.host}:{self.settings.port}"

    def prepare(self) -> list[str]:
        """See `Server`; the storage is formatted where it is new."""
        configuration = _configured(self.settings)
        if not (self.folder / "data" / "meta.properties").exists():
            _format(self.settings, configuration)
        return [
            *_java(self.settings, self.settings.heap_mib),
            "kafka.Kafka",
            str(configuration),
        ]

    def answers(self) -> bool:
        """Whether it tells of its cluster."""
        # The client's own complaints about a broker that isn't up yet are no news here.
        base = {"bootstrap.servers": self.address, "log_level": 0, "socket.timeout.ms": 2_000}
        client = AdminClient({**base, **self.settings.client_options})
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False


def _configured(settings: BrokerSettings) -> Path:
    """Write the broker's configuration, and return its file."""
    quorum = f"{settings.host}:{settings.controller_port}"
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(_NODE),
        "controller.quorum.voters": f"{_NODE}@{quorum}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{settings.host}:{settings.port},CONTROLLER://{quorum}",
        "advertised.listeners": f"PLAINTEXT://{settings.host}:{settings.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(settings.folder.absolute() / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # Without other brokers that have a copy, what is acknowledged must be on this one's disk.
        "log.flush.interval.messages": "1",
        **settings.properties,
    }
    (settings.folder / "log4j2.yaml").write_text(_LOGGING, encoding="utf-8")
    path = settings.folder.absolute() / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
    return path


def _format(settings: BrokerSettings, configuration: Path) -> None:
    """Prepare the folder of data.

    Raises:
        ServerError: Kafka refuses.
    """
    command = [
        *_java(settings, SMALLEST_HEAP_MIB),
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        _CLUSTER,
        "--config",
        str(configuration),
        "--ignore-formatted",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=settings.folder)
    if done.returncode:
        last = " | ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        message = f"Kafka can't prepare {settings.folder}: {last}"
        raise ServerError(message)


def _java(settings: BrokerSettings, heap_mib: int) -> list[str]:
    jars = sorted(settings.jars.absolute().glob("*.jar"))
    return [
        java("Kafka"),
        f"-Xms{heap_mib}m",
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",  # a file of the machine's temporary folder
        f"-Dlog4j2.configurationFile={settings.folder.absolute() / 'log4j2.yaml'}",
        "-classpath",
        os.pathsep.join(map(str, jars)),
    ]
