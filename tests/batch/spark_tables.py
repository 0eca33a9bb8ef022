"""Datasets computed by Spark as a batch run does, and their rows as stores take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame

from batch.groups import groups
from batch.lowering import lower, lower_rows, rows_of_linked, rows_of_things
from batch.store_rows import store_rows
from shared_logic.definition import Dataset
from shared_logic.registry import registry


def computed(
    states: DataFrame, datasets: Sequence[Dataset] = tuple(registry.values())
) -> dict[str, DataFrame]:
    """As a run does it: those that read things by one pass, and those that read the same linked rows; sources come first."""
    rows = rows_of_things([dataset for dataset in datasets if dataset.source is None], states).persist()
    found: dict[str, DataFrame] = {}
    linked: dict[str, DataFrame] = {}
    made: dict[tuple[str, ...], DataFrame] = {}
    for dataset in datasets:
        if dataset.source is None:
            table = lower_rows(dataset, rows)
        elif dataset.is_linked:
            inputs = tuple(one.name for one in dataset.inputs)
            if inputs not in made:
                alike = [one for one in datasets if one.is_linked and one.inputs == dataset.inputs]
                made[inputs] = rows_of_linked(alike, found, linked).persist()
            table = lower_rows(dataset, made[inputs])
        else:
            table = lower(dataset, found)
        found[dataset.name] = table.persist()
        if dataset.schema.links:
            linked[dataset.name] = groups(found[dataset.name], dataset.schema)
    return found


def rows_of(dataset: Dataset, table: DataFrame) -> Iterator[tuple[bytes, bytes]]:
    """Its rows, written by Spark and read in order of key."""
    with TemporaryDirectory() as folder:
        table.write.mode("overwrite").parquet(folder)
        yield from store_rows(dataset, list(Path(folder).glob("*.parquet")), Path(folder))
