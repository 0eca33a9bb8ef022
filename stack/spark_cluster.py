"""A standalone cluster of Spark on this machine: a master and its workers, from the jars that come with pyspark.

Who gives work to such a cluster runs code as its owner. So nobody may who doesn't know the secret of a file that only the owner reads:
drivers find it by SPARK_CONF_DIR.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stack.server import Server, java, listening

_PYSPARK = find_spec("pyspark")  # its import takes seconds, and only its place is wanted
JARS = Path((_PYSPARK and _PYSPARK.origin) or "").parent / "jars"
_OPENS = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
)
"""Packages that Spark reaches into on Java 17 and newer."""
_MASTER = (
    # It would take programs from anybody, and asks for no secret.
    "-Dspark.master.rest.enabled=false",
    "-Dspark.ui.killEnabled=false",
)
SECONDS_KEPT = 86_400
"""Of the folder of an application that has ended: its logs, and the jars and code that it was sent."""
_WORKER = (
    "-Dspark.worker.cleanup.enabled=true",
    "-Dspark.worker.cleanup.interval=1800",
    f"-Dspark.worker.cleanup.appDataTtl={SECONDS_KEPT}",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkSettings:
    """Where one process of the cluster lies and listens."""

    folder: Path
    configuration: Path
    """The folder of spark-defaults.conf with the cluster's secret: one for all; made where it is missing."""
    port: int
    web_port: int
    host: str = "127.0.0.1"
    heap_mib: int = 256


class SparkMaster(Server):
    """Gives the work to the workers."""

    name = "Spark's master"

    def __init__(self, settings: SparkSettings) -> None:
        """Start nothing yet."""
        super().__init__(settings.folder, settings.host, (settings.port, settings.web_port))
        self.settings = settings

    @property
    def address(self) -> str:
        """As SPARK_MASTER."""
        return f"spark://{self.settings.host}:{self.settings.port}"

    def prepare(self) -> list[str]:
        """See `Server`."""
        master = "org.apache.spark.deploy.master.Master"
        return [*_java(self.settings, _MASTER), master, *_listening(self.settings)]

    def environment(self) -> Mapping[str, str]:
        """See `Server`."""
        return _environment(self.settings)

    def answers(self) -> bool:
        """Whether it listens."""
        return listening(self.settings.host, self.settings.port)


class SparkWorker(Server):
    """Runs executors in its own folder."""

    name = "Spark's worker"

    def __init__(
        self, settings: SparkSettings, master: str, *, cores: int = 1, memory_mib: int = 2_048
    ) -> None:
        """`cores` and `memory_mib` are what it gives executors; `master` is the master's address."""
        super().__init__(settings.folder, settings.host, (settings.port, settings.web_port))
        self.settings, self._master, self._cores, self._memory = settings, master, cores, memory_mib

    def prepare(self) -> list[str]:
        """See `Server`."""
        settings = self.settings
        gives = ["--cores", str(self._cores), "--memory", f"{self._memory}m"]
        work = ["--work-dir", str(settings.folder.absolute() / "work")]
        return [
            *_java(settings, _WORKER),
            "org.apache.spark.deploy.worker.Worker",
            *_listening(settings),
            *gives,
            *work,
            self._master,
        ]

    def environment(self) -> Mapping[str, str]:
        """Executors find Spark, and no code of this project but what a driver ships."""
        # What Spark's own scripts would set: without the version it looks for a folder of its build.
        return {
            **_environment(self.settings),
            "SPARK_HOME": str(JARS.parent),
            "SPARK_SCALA_VERSION": "2.13",
            "PYTHONPATH": "",
        }

    def answers(self) -> bool:
        """Whether its page says so."""
        return listening(self.settings.host, self.settings.web_port)


def _listening(settings: SparkSettings) -> list[str]:
    """The arguments that say where a process listens."""
    ports = ["--port", str(settings.port), "--webui-port", str(settings.web_port)]
    return ["--host", settings.host, *ports]


def _environment(settings: SparkSettings) -> Mapping[str, str]:
    """Where its pages listen and are linked to: of no other setting Spark reads that."""
    return {
        "SPARK_LOCAL_IP": settings.host,
        "SPARK_PUBLIC_DNS": settings.host,
        "SPARK_CONF_DIR": str(settings.configuration.absolute()),
    }


def _keep_secret(folder: Path) -> None:
    """Make the file with the secret, readable by its owner only, if there is none."""
    path = folder / "spark-defaults.conf"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{path.name}"
    unfinished.touch(mode=0o600)
    unfinished.write_text(
        f"spark.authenticate true\nspark.authenticate.secret {secrets.token_urlsafe(32)}\n", encoding="utf-8"
    )
    unfinished.replace(path)


def _java(settings: SparkSettings, options: Sequence[str]) -> list[str]:
    _keep_secret(settings.configuration)
    return [
        java("Spark"),
        f"-Xmx{settings.heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS),
        *options,
        "-classpath",
        os.pathsep.join((str(JARS.parent / "conf"), str(JARS / "*"))),
    ]
