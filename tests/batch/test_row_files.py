"""Rows that tasks write themselves: a file for each dataset that has any, whose names are all that Spark is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException
from pyspark.sql import SparkSession

import shared_logic.datasets  # noqa: F401  registers them
from batch import row_files as tasks
from batch.candidates import Places
from batch.raised import RAISED
from batch.row_files import Batches, Listed, RowFiles, Summed, row_files, write_outputs
from shared_logic.registry import registry

SCHEMAS = {
    "numbers": pa.schema([("n", pa.int64())]),
    "sums": pa.schema([("digit", pa.int64()), ("n", pa.int64())]),
    "nothing": pa.schema([("n", pa.int64())]),
}


def write(seen: Iterator[int], folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
    """Numbers, their sums by last digit, and nothing."""
    listed, nothing = Listed[int](lambda n: [(n,)]), Listed[int](lambda _: ())
    summed = Summed[int](lambda n: {(n % 10,): (n,)})
    return write_outputs(SCHEMAS, {"numbers": listed, "sums": summed, "nothing": nothing}, seen, folders)


def test_each_dataset_with_rows_has_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a task that keeps few rows at a time
    monkeypatch.setattr(tasks, "ROWS_AT_ONCE", 30)
    monkeypatch.setattr(tasks, "ROWS_PER_GROUP", 100)
    folders = dict.fromkeys(SCHEMAS, tmp_path)
    # when it writes
    told = [row for batch in write(iter(range(1_000)), folders) for row in batch.to_pylist()]
    # then it tells the files of what has rows, which hold all of them in several groups
    paths = {row["name"]: Path(row["path"]) for row in told}
    assert paths.keys() == {"numbers", "sums"}
    assert sorted(pq.read_table(paths["numbers"])["n"].to_pylist()) == list(range(1_000))
    assert pq.ParquetFile(paths["numbers"]).num_row_groups > 1
    found = RowFiles(SCHEMAS, {"sums": [paths["sums"]]})
    assert {row["digit"]: row["n"] for row in found.rows("sums")} == {
        digit: sum(range(digit, 1_000, 10)) for digit in range(10)
    }


def test_a_task_that_fails_tells_no_file(tmp_path: Path) -> None:
    def breaking() -> Iterator[int]:
        yield from range(100_000)
        message = "the end"
        raise ValueError(message)

    told = write(breaking(), dict.fromkeys(SCHEMAS, tmp_path))
    with pytest.raises(ValueError, match="the end"):
        next(told)


@pytest.mark.spark
def test_tables_of_all_that_tasks_wrote(spark: SparkSession, tmp_path: Path) -> None:
    # given numbers in three tasks, and folders that are not there yet
    numbers = spark.range(0, 100, numPartitions=3)

    schemas = {name: SCHEMAS[name] for name in ("numbers", "nothing")}

    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        listed, nothing = Listed[int](lambda n: [(n,)]), Listed[int](lambda _: ())
        seen = (n for batch in batches for n in batch["id"].to_pylist())
        return write_outputs(schemas, dict(zip(schemas, [listed, nothing], strict=True)), seen, folders)

    # when each writes its rows
    found = row_files(numbers, task, schemas, lambda name: tmp_path / "new" / name)
    # then there is a file of each, and the table has the rows of all; one without rows has its columns
    assert len(found.files["numbers"]) == 3
    assert sorted(row["n"] for row in found.table(spark, "numbers").collect()) == list(range(100))
    assert found.table(spark, "nothing").dtypes == [("n", "bigint")]
    assert found.table(spark, "nothing").count() == 0


@pytest.mark.spark
def test_what_fails_as_a_whole_leaves_no_folder(spark: SparkSession, tmp_path: Path) -> None:
    def task(batches: Batches, folders: Mapping[str, Path]) -> Iterator[pa.RecordBatch]:
        (folders["numbers"] / "part-1.parquet").write_bytes(b"half a file")
        message = "the end"
        raise ValueError(message)

    with pytest.raises(PythonException, match="the end"):
        row_files(spark.range(1), task, {"numbers": SCHEMAS["numbers"]}, lambda name: tmp_path / name)
    assert not (tmp_path / "numbers").exists()


def test_passes_have_folders_of_their_own_however_many_datasets_they_are_of(tmp_path: Path) -> None:
    # given a pass of all datasets there are, and one of the last
    datasets = tuple(registry.values())
    places = Places(tmp_path / "delta", tmp_path, {})
    folders = [places.of(some)(RAISED) for some in (datasets, datasets[-1:], ())]
    # when the folders for what functions raise are made, then they can be, and are three
    for folder in folders:
        folder.mkdir(parents=True)
    assert len(set(folders)) == 3
