"""Datasets computed by Spark as a batch run does, and their rows as stores take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame

from batch.groups import groups
from batch.lowering import lower, rows_of_linked, rows_of_things, rows_of_totals
from batch.row_files import RowFiles
from batch.store_rows import store_rows
from shared_logic.definition import Dataset
from shared_logic.registry import registry


def computed(
    states: DataFrame, datasets: Sequence[Dataset] = tuple(registry.values())
) -> dict[str, DataFrame]:
    """As a run does it: those that read things by one pass, and those that read the same linked rows; sources come first."""
    spark, found = states.sparkSession, dict[str, DataFrame]()
    linked: dict[str, DataFrame] = {}
    made: dict[tuple[str, ...], RowFiles] = {}
    with TemporaryDirectory() as folder:

        def place(name: str) -> Path:
            return Path(folder) / name

        rows = rows_of_things([dataset for dataset in datasets if dataset.source is None], states, place)
        for dataset in datasets:
            if dataset.source is None:
                table = lower(dataset, rows, spark)
            elif dataset.is_linked:
                inputs = tuple(one.name for one in dataset.inputs)
                if inputs not in made:
                    alike = [one for one in datasets if one.is_linked and one.inputs == dataset.inputs]
                    made[inputs] = rows_of_linked(alike, found, linked, place)
                table = lower(dataset, made[inputs], spark)
            else:
                table = lower(dataset, rows_of_totals(dataset, found, place), spark)
            # Not persisted: what is read of files that are gone would be read again where memory is short.
            found[dataset.name] = table.localCheckpoint()
            if dataset.schema.links:
                linked[dataset.name] = groups(found[dataset.name], dataset.schema)
    return found


def rows_of(dataset: Dataset, table: DataFrame) -> Iterator[tuple[bytes, bytes]]:
    """Its rows, written by Spark and read in order of key."""
    with TemporaryDirectory() as folder:
        table.write.mode("overwrite").parquet(folder)
        yield from store_rows(dataset, list(Path(folder).glob("*.parquet")), Path(folder))
