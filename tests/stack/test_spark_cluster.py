"""Who may give work to the cluster: nobody who does not know the secret of its owner's file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.spark_cluster import SparkMaster, SparkSettings, SparkWorker
from tests.servers import free_ports

COUNT = """
import sys
from pyspark.sql import SparkSession

quiet = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
spark = SparkSession.builder.master(sys.argv[1]).config(map=quiet).getOrCreate()
print(spark.range(3).rdd.map(lambda row: row.id).sum())
"""


@pytest.fixture
def master(tmp_path: Path) -> Iterator[SparkMaster]:
    """A cluster of one worker."""
    port, web_port, worker_port, worker_web_port = free_ports(4)

    def lying(folder: str, at: int, page: int) -> SparkSettings:
        return SparkSettings(
            folder=tmp_path / folder, configuration=tmp_path / "spark", port=at, web_port=page
        )

    with (
        SparkMaster(lying("master", port, web_port)) as made,
        SparkWorker(lying("worker", worker_port, worker_web_port), made.address, memory_mib=1_100),
    ):
        yield made


def counted(master: SparkMaster, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COUNT, master.address],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.spark
@pytest.mark.e2e
def test_only_who_knows_the_secret_gives_work_to_the_cluster(master: SparkMaster) -> None:
    # given a secret that only the owner reads, and that is on no command line
    place = master.settings.configuration
    (made,) = place.iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    secret = made.read_text().split()[-1].encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        assert secret not in process.read_bytes()
    # then who knows it is served
    done = counted(master, {"SPARK_CONF_DIR": str(place)})
    assert done.stdout.strip() == "3", done.stderr[-3_000:]
    # and who doesn't is refused
    done = counted(master, {})
    assert done.returncode
    assert done.stdout == ""
