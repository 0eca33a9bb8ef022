"""Rows of several datasets that one pass makes: each task writes a file for each, and Spark is told their names.

So rows go neither through the JVM nor through a cache, and those that need not be added up are a view's files as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t
from pyspark.sql.pandas.types import from_arrow_schema

from shared_logic.kernel import Rows, add

KEYS_COMBINED = 50_000
"""Rollup keys that a task sums up before it writes them, of each of the datasets that it computes."""
ROWS_AT_ONCE = 5_000
"""Rows that become Arrow's at a time."""
ROWS_PER_GROUP = 40_000
"""Of a file; a task keeps so many of each dataset."""

Batches = Iterable[pa.RecordBatch]
Seen = TypeVar("Seen")
Seen_contra = TypeVar("Seen_contra", contravariant=True)


class Output(Protocol[Seen_contra]):
    """Rows of one dataset that wait to be written."""

    def add(self, seen: Seen_contra) -> bool:
        """Add what something gives; whether it is time to write."""

    def take(self) -> Iterator[tuple[Any, ...]]:
        """What waits, no longer kept."""


class Listed(Generic[Seen]):
    """Rows; what stands twice is written twice, for the audit."""

    def __init__(self, rows: Callable[[Seen], Iterable[tuple[Any, ...]]]) -> None:
        """Those that `rows` makes of what is seen."""
        self._made = rows
        self._rows: list[tuple[Any, ...]] = []

    def add(self, seen: Seen) -> bool:
        """See `Output`."""
        self._rows += self._made(seen)
        return len(self._rows) >= ROWS_AT_ONCE

    def take(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        rows, self._rows = self._rows, []
        return iter(rows)


class Summed(Generic[Seen]):
    """Sums by key."""

    def __init__(self, rows: Callable[[Seen], Rows]) -> None:
        """Of those that `rows` makes of what is seen."""
        self._made = rows
        self._sums: Rows = {}

    def add(self, seen: Seen) -> bool:
        """See `Output`."""
        sums = self._sums
        for key, values in self._made(seen).items():
            known = sums.get(key)
            sums[key] = values if known is None else add(known, values)
        return len(sums) >= KEYS_COMBINED

    def take(self) -> Iterator[tuple[Any, ...]]:
        """See `Output`."""
        sums, self._sums = self._sums, {}
        return (key + values for key, values in sums.items())


@dataclass(frozen=True, slots=True)
class RowFiles:
    """Files of rows, by dataset."""

    schemas: Mapping[str, pa.Schema]
    files: Mapping[str, Sequence[Path]]

    def table(self, spark: SparkSession, name: str) -> DataFrame:
        """The rows of one dataset."""
        columns = from_arrow_schema(self.schemas[name])
        if not self.files[name]:
            return spark.createDataFrame([], columns)
        return spark.read.schema(columns).parquet(*map(str, self.files[name]))

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """The same, read by this process."""
        for path in self.files[name]:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE):
                    yield from batch.to_pylist()


Task = Callable[[Batches, Mapping[str, Path]], Iterator[pa.RecordBatch]]
"""What a task does: it writes rows of what it is given into folders by dataset, and gives what `write_outputs` does."""


def row_files(
    source: DataFrame, task: Task, schemas: Mapping[str, pa.Schema], place: Callable[[str], Path]
) -> RowFiles:
    """Have each task of the source write its rows, those of a dataset into the folder that `place` names; done when this returns.

    What a task that failed has written there is not among the files. If all fails the folders are gone.
    """
    folders = {name: place(name).absolute() for name in schemas}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)

    def write(batches: Batches) -> Iterator[pa.RecordBatch]:
        return task(batches, folders)

    files: dict[str, list[Path]] = {name: [] for name in schemas}
    try:
        for name, path in source.mapInArrow(write, _TOLD).collect():
            files[name].append(Path(path))
    except BaseException:
        for folder in folders.values():
            rmtree(folder, ignore_errors=True)
        raise
    return RowFiles(schemas, {name: sorted(found) for name, found in files.items()})


def write_outputs(
    schemas: Mapping[str, pa.Schema],
    outputs: Mapping[str, Output[Seen]],
    seen: Iterable[Seen],
    folders: Mapping[str, Path],
) -> Iterator[pa.RecordBatch]:
    """Write what each output makes of all that is seen, in their order; gives the dataset's name and the path of each file."""
    files = {name: _File(folders[name], schemas[name]) for name in outputs}
    pairs = [(output, files[name]) for name, output in outputs.items()]
    for one in seen:
        for output, file in pairs:
            if output.add(one):
                file.add(output.take())
    for output, file in pairs:
        file.add(output.take())
    paths = [(name, file.close()) for name, file in files.items()]
    found = [(name, str(path)) for name, path in paths if path is not None]
    if found:
        yield pa.record_batch([pa.array(column) for column in zip(*found, strict=True)], ["name", "path"])


_TOLD = t.StructType([t.StructField("name", t.StringType()), t.StructField("path", t.StringType())])


class _File:
    """A file that is there once there are rows."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._path, self._schema = folder / f"part-{uuid4().hex}.parquet", schema
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, rows: Iterator[tuple[Any, ...]]) -> None:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            columns = zip(*some, strict=True)
            arrays = [
                pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)
            ]
            self._waiting.append(pa.record_batch(arrays, schema=self._schema))
            self._rows += len(some)
            if self._rows >= ROWS_PER_GROUP:
                self._write()

    def close(self) -> Path | None:
        """Its path; None: there were no rows."""
        if self._waiting:
            self._write()
        if self._writer is None:
            return None
        self._writer.close()
        return self._path

    def _write(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, compression="snappy")
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
        self._waiting, self._rows = [], 0
