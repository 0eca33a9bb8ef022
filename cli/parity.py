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


class Recomputation:
    """Everything again, by Spark; nothing is stored."""

    def __init__(self, home: Home, log: Log, spark: SparkSession) -> None:
        """Over all bootstraps of the home, and the log."""
        self._home, self._log, self._spark = home, log, spark
        self._tables: dict[Cut, tuple[DataFrame, dict[str, DataFrame]]] = {}

    def rows(self, dataset: Dataset, through: Cut) -> Iterator[tuple[bytes, bytes]]:
        """The dataset's rows over all bootstraps and the log before `through`, in order of key."""
        states, tables = self._of(through)
        for member in registry.closure([dataset.name]):
            if member.name not in tables:
                tables[member.name] = lower(member, states, tables)
        return to_rows(dataset, tables[dataset.name])

    def _of(self, through: Cut) -> tuple[DataFrame, dict[str, DataFrame]]:
        known = self._tables.get(through)
        if known is None:
            with self._home.keeping_archive("parity"):
                archive(self._log, self._home.archive, through)
            files = [folder / "states.parquet" for folder, _ in self._home.bootstraps_known()]
            logged = said_by_log(self._spark, self._home.archive, through)
            states = united(said_by_bootstraps(self._spark, files).unionByName(logged)).localCheckpoint()
            known = self._tables[through] = states, {}
        return known
