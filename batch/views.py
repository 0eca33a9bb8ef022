"""Batch views as Delta tables, in the profile that every Delta reader understands.

Spark writes the files and delta-rs commits them, which takes no job of Spark. The log tells how many rows a file has and nothing of
their values: what is hidden later would stay there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from shared_logic.protocols import Generation

if TYPE_CHECKING:  # whoever looks for a version's files needs no Spark
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
    written = version_of(path, made)
    if written is not None:
        return written
    folder = new_folder(path, made)
    table.write.mode("overwrite").parquet(str(folder))
    return commit(sorted(folder.glob("*.parquet")), table.schema, path, made)


def new_folder(path: Path, made: Made) -> Path:
    """Where an attempt writes its files, of each its own: tasks of one whose driver was killed may still write."""
    return path / f"{made.run}-{token_hex(4)}"


def commit(files: Sequence[Path], columns: StructType, path: Path, made: Made) -> int:
    """Make files in the view's folder its content, and return the Delta version; as `write`, no run does it twice.

    Raises:
        ValueError: a file lies elsewhere.
    """
    written = version_of(path, made)
    if written is not None:
        return written
    added = [_added(file, path) for file in files]
    schema = Schema.from_json(columns.json())
    path.mkdir(parents=True, exist_ok=True)
    described = CommitProperties(custom_metadata={_MADE: msgspec.json.encode(made).decode()})
    if DeltaTable.is_deltatable(str(path)):
        DeltaTable(str(path)).create_write_transaction(
            [*added], "overwrite", schema, commit_properties=described
        )
    else:
        create_table_with_add_actions(str(path), schema, added, commit_properties=described)
    return DeltaTable(str(path)).version()


def _added(file: Path, table: Path) -> AddAction:
    about = file.stat()
    return AddAction(
        path=str(file.absolute().relative_to(table.absolute())),
        size=about.st_size,
        partition_values={},
        modification_time=about.st_mtime_ns // 1_000_000,
        data_change=True,
        stats=json.dumps({"numRecords": pq.read_metadata(file).num_rows}),
    )


def version_of(path: Path, wanted: Made) -> int | None:
    """The version that was made so; None: none was, a run was killed before its commit, or its files were given up since."""
    return next(
        (version for version, known in made(path) if known == wanted and is_whole(path, version)), None
    )


def files(path: Path, version: int) -> list[Path]:
    """The data files of the version.

    Raises:
        DeltaError: the table's own log no longer tells of the version.
    """
    # Delta gives addresses, in which a blank is %20.
    return [Path(unquote(address)) for address in DeltaTable(str(path), version=version).file_uris()]


def files_of(delta: Path, generation: Generation) -> list[Path] | None:
    """The files of a generation's view among those in the folder `delta`; None: they were given up, or are not there."""
    path, version = delta / generation.dataset, generation.delta_version
    try:
        known = dict(made(path)).get(version)
        if known is None or known.run != generation.run or not is_whole(path, version):
            return None
        return files(path, version)
    except (DeltaError, OSError):
        # They are being given up at this moment.
        return None


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
    for folder in path.iterdir():
        if folder.is_dir() and folder.name != "_delta_log" and not any(folder.glob("*.parquet")):
            shutil.rmtree(folder)
    return len(removed)


def remove_unfinished(path: Path) -> None:
    """Remove what runs left that never committed: killed ones, and those that failed. Nobody else may be writing the view."""
    if not path.exists():
        return
    committed = {known.run for _, known in made(path)}
    for folder in path.iterdir():
        run, dash, _ = folder.name.rpartition("-")
        if folder.is_dir() and dash and run not in committed:
            shutil.rmtree(folder)


def made(path: Path) -> list[tuple[int, Made]]:
    """Every version that a run wrote and what it was made of, newest first."""
    if not DeltaTable.is_deltatable(str(path)):
        return []
    return [
        (int(commit["version"]), msgspec.json.decode(commit[_MADE], type=Made))
        for commit in DeltaTable(str(path)).history()
        if commit.get(_MADE)
    ]


def read(spark: SparkSession, path: Path, version: int) -> DataFrame:
    """The view as of that version: its files, which is a job of Spark less than asking its Delta for them."""
    from pyspark.sql.types import StructType  # noqa: PLC0415  see above

    schema = DeltaTable(str(path), version=version).schema()
    columns = StructType.fromJson(json.loads(schema.to_json()))
    found = files(path, version)
    if not found:
        return spark.createDataFrame([], columns)
    return spark.read.schema(columns).parquet(*map(str, found))


_MADE = "userMetadata"
"""The field of a commit that Delta's own `history` shows."""
