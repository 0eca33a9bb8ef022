"""One Cassandra node on this machine, from jars."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any

import yaml

from stack.server import Server, ServerError, java

SMALLEST_HEAP_MIB = 512
_OPTIONS_FRAME = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])
"""The native protocol's question which options there are; it needs no connection set up before."""
_SUPPORTED = 6
_LOGGING = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""
_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
    "jdk.naming.dns/com.sun.jndi.dns",
)
"""Packages that Cassandra reaches into on Java 17 and newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """Where a node lies and listens."""

    folder: Path
    """Of its data, its log and its configuration; made where it is missing."""
    jars: Path
    """The folder of Cassandra's jars."""
    port: int
    """That clients connect to."""
    storage_port: int
    """That other nodes would connect to."""
    host: str = "127.0.0.1"
    heap_mib: int = SMALLEST_HEAP_MIB
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """Of cassandra.yaml beside what is made here, such as who may log in."""
    tls: SSLContext | None = None
    """How a client connects, where the configuration demands TLS."""


class CassandraNode(Server):
    """A node each of whose acknowledged writes is on disk (`commitlog_sync: batch`)."""

    name = "Cassandra"

    def __init__(self, settings: NodeSettings) -> None:
        """Check the settings; nothing is started yet.

        Raises:
            ServerError: the heap is too small for Cassandra, or the jars are missing.
        """
        if settings.heap_mib < SMALLEST_HEAP_MIB:
            message = f"a heap of {settings.heap_mib} MiB is too small for Cassandra; give {SMALLEST_HEAP_MIB} or more"
            raise ServerError(message)
        if not any(settings.jars.glob("cassandra-all-*.jar")):
            message = f"{settings.jars} holds no jars of Cassandra; `python conf/bootstrap.py cassandra` fetches them"
            raise ServerError(message)
        super().__init__(settings.folder, settings.host, (settings.port, settings.storage_port))
        self.settings = settings

    def prepare(self) -> list[str]:
        """See `Server`."""
        return _command(self.settings, _configured(self.settings))

    def answers(self) -> bool:
        """Whether it speaks Cassandra's protocol."""
        try:
            with ExitStack() as stack:
                place = self.settings.host, self.settings.port
                connection = stack.enter_context(socket.create_connection(place, timeout=5))
                if self.settings.tls is not None:
                    wrapped = self.settings.tls.wrap_socket(connection, server_hostname=self.settings.host)
                    connection = stack.enter_context(wrapped)
                connection.sendall(_OPTIONS_FRAME)
                answer = connection.recv(len(_OPTIONS_FRAME))
        except OSError:
            return False
        return len(answer) == len(_OPTIONS_FRAME) and answer[4] == _SUPPORTED


def _configured(settings: NodeSettings) -> Path:
    """Write the node's configuration, and return its file."""
    seeds = {"seeds": f"{settings.host}:{settings.storage_port}"}
    configuration: dict[str, Any] = {
        "cluster_name": "wikibraid",
        "num_tokens": 16,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "listen_address": settings.host,
        "rpc_address": settings.host,
        "storage_port": settings.storage_port,
        "native_transport_port": settings.port,
        "seed_provider": [
            {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider", "parameters": [seeds]}
        ],
        # Under the default, periodic, a crash loses the last writes though they were acknowledged.
        "commitlog_sync": "batch",
        # One partition's batches are meant, and stay below the size that is refused.
        "batch_size_warn_threshold": "50KiB",
        # What is emptied or dropped is gone, instead of filling the folder.
        "auto_snapshot": False,
        **settings.configuration,
    }
    (settings.folder / "tmp").mkdir(exist_ok=True)
    (settings.folder / "logback.xml").write_text(_LOGGING, encoding="utf-8")
    path = settings.folder / "cassandra.yaml"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    return path


def _command(settings: NodeSettings, configuration: Path) -> list[str]:
    """The program and its arguments."""
    folder = settings.folder.absolute()
    jars = sorted(settings.jars.absolute().glob("*.jar"))
    agent = next(jar for jar in jars if jar.name.startswith("jamm-"))
    properties = {
        "cassandra.config": configuration.absolute().as_uri(),
        "cassandra.storagedir": str(folder),
        "cassandra-foreground": "yes",
        # A cluster of one has nobody to wait for.
        "cassandra.ring_delay_ms": "0",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.superuser_setup_delay_ms": "0",
        "java.io.tmpdir": str(folder / "tmp"),
        "jdk.attach.allowAttachSelf": "true",
        "logback.configurationFile": str(folder / "logback.xml"),
    }
    return [
        java("Cassandra"),
        f"-Xms{settings.heap_mib}m",
        f"-Xmx{settings.heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",  # a file of the machine's temporary folder
        f"-javaagent:{agent}",
        *(f"-D{name}={value}" for name, value in properties.items()),
        *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS),
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS),
        "-classpath",
        os.pathsep.join(map(str, jars)),
        "org.apache.cassandra.service.CassandraDaemon",
    ]
