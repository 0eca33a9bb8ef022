"""Batch views as Delta tables, in the profile that every Delta reader understands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
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
    description = msgspec.json.encode(made).decode()
    (
        table.write.format("delta")
        .mode("overwrite")
        .option("overwriteSchema", "true")
        .option("userMetadata", description)
        .save(str(path))
    )
    (newest,) = DeltaTable.forPath(spark, str(path)).history(1).select("version").collect()
    return int(newest["version"])


def version_of(spark: SparkSession, path: Path, run: str) -> int | None:
    """The version that the run wrote; None: it did not, or was killed before its commit."""
    return next((version for version, known in made(spark, path) if known.run == run), None)


def made(spark: SparkSession, path: Path) -> list[tuple[int, Made]]:
    """Every version that a run wrote and what it was made of, newest first."""
    if not DeltaTable.isDeltaTable(spark, str(path)):
        return []
    rows = DeltaTable.forPath(spark, str(path)).history().select("version", "userMetadata").collect()
    return [
        (int(row["version"]), msgspec.json.decode(row["userMetadata"], type=Made))
        for row in rows
        if row["userMetadata"]
    ]


def read(spark: SparkSession, path: Path, version: int) -> DataFrame:
    """The view as of that version."""
    return spark.read.format("delta").option("versionAsOf", version).load(str(path))
