"""Recompute a dataset from everything up to the speed layer's progress, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame, SparkSession

from batch.archive import archive
from batch.bootstrap import STATES
from batch.groups import groups
from batch.lowering import lower, lower_rows, rows_of_linked, rows_of_things
from batch.states import said_by_bootstraps, said_by_log, united
from batch.store_rows import store_rows
from cli.home import Home
from cli.temporary import temporary
from shared_logic.definition import Dataset
from shared_logic.protocols import Cut, Log


class Recomputation:
    """Everything again, by Spark; nothing of it stays."""

    def __init__(self, home: Home, log: Log, spark: SparkSession) -> None:
        """Over all bootstraps of the home, and the log."""
        self._home, self._log, self._spark = home, log, spark
        self._tables: dict[Cut, _Tables] = {}

    def rows(self, dataset: Dataset, through: Cut) -> Iterator[tuple[bytes, bytes]]:
        """The dataset's rows over all bootstraps and the log before `through`, in order of key."""
        table = self._of(through).of(dataset)
        with temporary(self._home.temporary) as folder:
            table.write.parquet(str(folder / dataset.name))
            yield from store_rows(dataset, list((folder / dataset.name).glob("*.parquet")), folder)

    def _of(self, through: Cut) -> _Tables:
        known = self._tables.get(through)
        if known is None:
            with self._home.keeping_archive("parity"):
                archive(self._log, self._home.archive, through)
            files = [folder / STATES for folder, _ in self._home.bootstraps_known()]
            logged = said_by_log(self._spark, self._home.archive, through)
            states = united(said_by_bootstraps(self._spark, files).unionByName(logged)).localCheckpoint()
            known = self._tables[through] = _Tables(states)
        return known


class _Tables:
    """The tables of entity states, each planned when it is first asked for."""

    def __init__(self, states: DataFrame) -> None:
        self._states = states
        self._tables: dict[str, DataFrame] = {}
        self._groups: dict[str, DataFrame] = {}

    def of(self, dataset: Dataset) -> DataFrame:
        """The dataset's."""
        for member in dataset.chain:
            if member.name not in self._tables:
                self._tables[member.name] = self._planned(member)
        return self._tables[dataset.name]

    def _planned(self, dataset: Dataset) -> DataFrame:
        source = dataset.source
        if source is None:
            return lower_rows(dataset, rows_of_things((dataset,), self._states))
        if not dataset.is_linked:
            return lower(dataset, self._tables)
        if source.name not in self._groups:
            self._groups[source.name] = groups(self._tables[source.name], source.schema)
        return lower_rows(dataset, rows_of_linked((dataset,), self._tables, self._groups))
