"""The one Spark session of a process, with Delta, working without a network."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

from pyspark.errors import PySparkRuntimeError
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from batch.spark_error import SparkError
from shared_logic.registry import registry

LOGGING = Path(__file__).parents[1] / "conf" / "log4j2.properties"
SHIPPED = ("batch", "shared_logic", "wikibraid")
"""Packages of which tasks import modules, beside those of authors' datasets."""
JARS = Path(__file__).parents[1] / ".tools" / "jars"


def session(app: str, warehouse: Path, *, cores: int | None = None) -> SparkSession:
    """The session; `cores` workers in this process (all, if None), or the cluster that SPARK_MASTER or `spark-submit` names.

    Raises:
        SparkError: Delta's jars are not there, or Java isn't.
    """
    cores = cores or os.cpu_count() or 1
    folder = Path(os.environ.get("WIKIBRAID_JARS", JARS))
    jars = sorted(folder.glob("*.jar"))
    if not jars:
        message = f"no jars in {folder}; `make setup` fetches them, or name their folder in WIKIBRAID_JARS"
        raise SparkError(message)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    root = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    builder = SparkSession.builder.appName(app)
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # else spark-submit has chosen, and runs this program
        builder = builder.master(os.environ.get("SPARK_MASTER", f"local[{cores}]"))
    for name, value in _settings(jars, warehouse, cores).items():
        builder = builder.config(name, value)
    if not {"SPARK_MASTER", "PYSPARK_GATEWAY_PORT"} & os.environ.keys():
        # Executors elsewhere have this code only once the session is there.
        builder = builder.config("spark.python.daemon.module", "batch.python_daemon")
    try:
        with _interrupts_waiting():
            spark = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        message = "Java doesn't start, which Spark needs; `wikibraid doctor` says what is wrong with it, and how to mend it"
        raise SparkError(message) from error
    spark.sparkContext.setLogLevel("ERROR")
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        # They print the whole trace of what is raised as well.
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL)
    if not (spark.sparkContext.master or "").startswith("local"):
        spark.sparkContext.addPyFile(str(_code(warehouse.parent)))
    return spark


@contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Ctrl-C takes effect when Spark has started, seconds later: a JVM that nobody has reached yet would stay alone for ever.

    What Spark itself does about Ctrl-C, as soon as it is there, stands.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def wait(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is wait:
            signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _code(folder: Path) -> Path:
    """An archive of what tasks import of this project: workers elsewhere share no folder with the driver."""
    path = folder / "code.zip"
    root = Path(__file__).parents[1]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in SHIPPED:
            _add(archive, root / package)
        for name in sorted({made.function.__module__.partition(".")[0] for made in registry.values()}):
            if name not in SHIPPED:
                found = import_module(name)
                _add(
                    archive,
                    Path(found.__file__ or "") if not hasattr(found, "__path__") else Path(*found.__path__),
                )
    return path


def _add(archive: zipfile.ZipFile, place: Path) -> None:
    """Add a package's modules, or a module that stands alone."""
    for module in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        archive.write(module, module.relative_to(place.parent))


def _settings(jars: list[Path], warehouse: Path, cores: int) -> dict[str, str]:
    return {
        "spark.jars": ",".join(str(jar.resolve()) for jar in jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Delta's defaults are for clusters: with 200 and 50 tasks a toy table takes 20 seconds.
        "spark.sql.shuffle.partitions": str(cores),
        "spark.databricks.delta.snapshotPartitions": str(cores),
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(cores),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
        "spark.sql.session.timeZone": "UTC",
        # Hadoop's file system sets the modes of files itself, whatever the process's umask.
        "spark.hadoop.fs.permissions.umask-mode": "077",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.driver.memory": os.environ.get("WIKIBRAID_SPARK_MEMORY", "2g"),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        # What its pages would show is kept all the same, plans of hundreds of columns among it.
        "spark.sql.ui.retainedExecutions": "10",
        "spark.ui.retainedJobs": "10",
        "spark.ui.retainedStages": "10",
        "spark.ui.retainedTasks": "100",
        "spark.sql.maxPlanStringLength": "10000",
        "spark.ui.showConsoleProgress": "false",
        # Most of a run's Java is met once or twice: the second compiler costs more of the two cores than it gains there.
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={LOGGING} -XX:+UseParallelGC -XX:MinHeapFreeRatio=20 -XX:MaxHeapFreeRatio=40 -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    }
