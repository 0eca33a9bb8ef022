"""Batch views as Delta tables, in the profile that every Delta reader understands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType


@dataclass(frozen=True, slots=True)
class Made:
    """What a version of a view was made of; kept in the commit."""

    run: str
    bootstrap: str
    cut: tuple[int, ...]
    fingerprint: str


def write(table: DataFrame, path: Path, made: Made) -> int:
    """Replace the view's content and return the Delta version; a run that wrote it already is not repeated."""
    known = version_of(path, made.run)
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
    written = version_of(path, made.run)
    if written is None:
        message = f"{path}: the run {made.run} wrote it and left no version"
        raise AssertionError(message)
    return written


def version_of(path: Path, run: str) -> int | None:
    """The version that the run wrote; None: it did not, or was killed before its commit."""
    return next((version for version, known in made(path) if known.run == run), None)


def made(path: Path) -> list[tuple[int, Made]]:
    """Every version that a run wrote and what it was made of, newest first."""
    if not DeltaTable.is_deltatable(str(path)):
        return []
    return [
        (int(commit["version"]), msgspec.json.decode(commit["userMetadata"], type=Made))
        for commit in DeltaTable(str(path)).history()
        if commit.get("userMetadata")
    ]


def read(spark: SparkSession, path: Path, version: int) -> DataFrame:
    """The view as of that version: its files, which is a job of Spark less than asking its Delta for them."""
    table = DeltaTable(str(path), version=version)
    columns = StructType.fromJson(json.loads(table.schema().to_json()))
    files = table.file_uris()
    return spark.read.schema(columns).parquet(*files) if files else spark.createDataFrame([], columns)
