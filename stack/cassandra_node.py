"""One Cassandra node on this machine, from jars: started, waited for, stopped."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import yaml

from stack import tethered

SMALLEST_HEAP_MIB = 512
SECONDS_TO_START = 180
SECONDS_TO_STOP = tethered.SECONDS_TO_END + 10
_LINES_TOLD = 8
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


class NodeError(Exception):
    """The node can't be run; the message says why and what to do."""


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


class CassandraNode:
    """A node that lives as long as it is wanted, and never longer than the process that started it.

    Each acknowledged write is on disk (`commitlog_sync: batch`). Nothing is left behind but the folder: it holds all data, and a
    node that is started there later goes on with them.
    """

    def __init__(self, settings: NodeSettings) -> None:
        """Check the settings; nothing is started yet.

        Raises:
            NodeError: the heap is too small for Cassandra, or the jars are missing.
        """
        if settings.heap_mib < SMALLEST_HEAP_MIB:
            message = f"a heap of {settings.heap_mib} MiB is too small for Cassandra; give {SMALLEST_HEAP_MIB} or more"
            raise NodeError(message)
        if not any(settings.jars.glob("cassandra-all-*.jar")):
            message = f"{settings.jars} holds no jars of Cassandra; `python conf/bootstrap.py cassandra` fetches them"
            raise NodeError(message)
        self.settings = settings
        self.log = settings.folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, seconds: float = SECONDS_TO_START) -> None:
        """Start it and wait until it answers clients; where it runs already, nothing is done.

        Raises:
            NodeError: its folder or a port is in use, there is no Java, it ended, or it didn't answer in that time.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        settings = self.settings
        settings.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(settings.folder)
        try:
            for port in (settings.port, settings.storage_port):
                _check_free(settings.host, port)
            configuration = _configured(settings)
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, tethered.__file__, *_command(settings, configuration)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=settings.folder,
                    pass_fds=(self._lock.fileno(),),  # the folder is locked until the node has ended
                    start_new_session=True,  # Ctrl-C is for the starter, who then ends the node in its own time
                )
            self._wait(self._process, seconds)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in order, or kill it where it doesn't end; where it doesn't run, nothing is done."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_STOP)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does; where it doesn't run, nothing is done."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not _answers(self.settings.host, self.settings.port):
            if process.poll() is not None:
                raise self._failed(f"ended with status {process.returncode} before it answered")
            if time.monotonic() > end:
                raise self._failed(f"didn't answer within {seconds:.0f} s")
            time.sleep(0.1)

    def _failed(self, what: str) -> NodeError:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        last = " | ".join(line.strip() for line in lines[-_LINES_TOLD:] if line.strip())
        return NodeError(
            f"Cassandra in {self.settings.folder} {what}; {self.log} ends with: {last or 'nothing'}"
        )


def _locked(folder: Path) -> IO[bytes]:
    """The folder's lock, held.

    Raises:
        NodeError: another node holds it.
    """
    lock = (folder / ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"{folder} is in use by another node; stop that one, or give another folder"
        raise NodeError(message) from error
    return lock


def _check_free(host: str, port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            message = f"Cassandra can't listen on port {port} of {host} ({error.strerror}); give another port"
            raise NodeError(message) from error


def _answers(host: str, port: int) -> bool:
    """Whether something speaks Cassandra's protocol there."""
    try:
        with socket.create_connection((host, port), timeout=5) as connection:
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
    }
    (settings.folder / "tmp").mkdir(exist_ok=True)
    (settings.folder / "logback.xml").write_text(_LOGGING, encoding="utf-8")
    path = settings.folder / "cassandra.yaml"
    path.write_text(yaml.safe_dump(configuration, sort_keys=False), encoding="utf-8")
    return path


def _command(settings: NodeSettings, configuration: Path) -> list[str]:
    """The program and its arguments.

    Raises:
        NodeError: there is no Java.
    """
    folder = settings.folder.absolute()
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(Path(home, "bin", "java") if home else "java")
    if java is None:
        message = "Cassandra needs Java 17 or newer and there is none on the path or in JAVA_HOME; `make setup` installs one"
        raise NodeError(message)
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
        java,
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
