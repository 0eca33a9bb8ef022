"""Batch views as Delta tables, in the profile that every Delta reader understands."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import msgspec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
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
    """The version that the run wrote; None: it did not, was killed before its commit, or its files were given up since."""
    return next(
        (version for version, known in made(path) if known.run == run and is_whole(path, version)), None
    )


def files(path: Path, version: int) -> list[Path]:
    """The data files of the version.

    Raises:
        DeltaError: the table's own log no longer tells of the version.
    """
    # Delta gives addresses, in which a blank is %20.
    return [Path(unquote(address)) for address in DeltaTable(str(path), version=version).file_uris()]


def is_whole(path: Path, version: int) -> bool:
    """Whether the version is known, and all its files are there."""
    try:
        return all(file.exists() for file in files(path, version))
    except DeltaError:
        return False


def forget(path: Path, runs: Collection[str]) -> int:
    """Remove files that neither the newest version nor those of these runs hold; returns how many. Nobody may be writing."""
    if not DeltaTable.is_deltatable(str(path)):
        return 0
    kept = [version for version, known in made(path) if known.run in runs and is_whole(path, version)]
    removed = DeltaTable(str(path)).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True, keep_versions=kept
    )
    return len(removed)


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
    schema = DeltaTable(str(path), version=version).schema()
    columns = StructType.fromJson(json.loads(schema.to_json()))
    found = files(path, version)
    if not found:
        return spark.createDataFrame([], columns)
    return spark.read.schema(columns).parquet(*map(str, found))
