"""Batch views as Delta tables, in the profile that every Delta reader understands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, slots=True)
class Made:
    """What a version of a view was made of; kept in the commit."""

    run: str
    bootstrap: str
    cut: tuple[int, ...]
    fingerprint: str


def write(spark: SparkSession, table: DataFrame, path: Path, made: Made) -> int:
    """Replace the view's content and return the Delta version; a run that wrote it already is not repeated."""
    known = version_of(spark, path, made.run)
    if known is not None:
        return known
    description = {
        "run": made.run,
        "bootstrap": made.bootstrap,
        "cut": made.cut,
        "fingerprint": made.fingerprint,
    }
    (
        table.write.format("delta")
        .mode("overwrite")
        .option("overwriteSchema", "true")
        .option("userMetadata", json.dumps(description))
        .save(str(path))
    )
    (newest,) = DeltaTable.forPath(spark, str(path)).history(1).select("version").collect()
    return int(newest["version"])


def version_of(spark: SparkSession, path: Path, run: str) -> int | None:
    """The version that the run wrote; None: it did not, or was killed before its commit."""
    if not DeltaTable.isDeltaTable(spark, str(path)):
        return None
    for row in DeltaTable.forPath(spark, str(path)).history().select("version", "userMetadata").collect():
        if row["userMetadata"] and json.loads(row["userMetadata"]).get("run") == run:
            return int(row["version"])
    return None


def read(spark: SparkSession, path: Path, version: int) -> DataFrame:
    """The view as of that version."""
    return spark.read.format("delta").option("versionAsOf", version).load(str(path))
