"""Recompute a dataset from everything up to the speed layer's progress, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame, SparkSession

from batch.archive import archive
from batch.lowering import lower, to_rows
from batch.states import said_by_bootstraps, said_by_log, united
from cli.home import Home
from shared_logic.language import Dataset, registry
from shared_logic.protocols import Cut, Log


def recomputed_rows(
    home: Home, log: Log, dataset: Dataset, through: Cut, spark: SparkSession
) -> Iterator[tuple[bytes, bytes]]:
    """The dataset's rows over all bootstraps and the log before `through`, by Spark, in order of key; nothing is stored."""
    archive(log, home.archive, through)
    files = [folder / "states.parquet" for folder, _ in home.bootstraps_known()]
    said = said_by_bootstraps(spark, files).unionByName(said_by_log(spark, home.archive, through))
    states = united(said).localCheckpoint()
    tables: dict[str, DataFrame] = {}
    for member in registry.closure([dataset.name]):
        tables[member.name] = lower(member, states, tables)
    return to_rows(dataset, tables[dataset.name])
