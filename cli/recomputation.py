"""Recompute datasets from everything up to the speed layer's progress, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pyspark.sql import DataFrame, SparkSession

from batch.archive import archive
from batch.bootstrap import STATES
from batch.groups import groups
from batch.lowering import lower, rows_of_linked, rows_of_things, rows_of_totals
from batch.row_files import RowFiles
from batch.states import said_by_bootstraps, said_by_log, united
from batch.store_rows import store_rows
from cli.home import Home
from cli.temporary import temporary
from shared_logic.definition import Dataset
from shared_logic.protocols import Cut, Log


class Recomputation:
    """Everything again, by Spark; nothing of it stays after the end."""

    def __init__(
        self, home: Home, log: Log, spark: SparkSession, wanted: Mapping[Cut, Sequence[Dataset]]
    ) -> None:
        """Of these datasets, by the offsets through which they are wanted, over all bootstraps of the home and the log."""
        self._home, self._log, self._spark, self._wanted = home, log, spark, wanted
        self._tables: dict[Cut, _Tables] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def rows(self, dataset: Dataset, through: Cut) -> Iterator[tuple[bytes, bytes]]:
        """The rows of one of the datasets over all bootstraps and the log before `through`, in order of key."""
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
            states = united(said_by_bootstraps(self._spark, files).unionByName(logged))
            known = self._tables[through] = _Tables(
                self._spark,
                states,
                self._wanted[through],
                self._files.enter_context(temporary(self._home.temporary)),
            )
        return known


class _Tables:
    """The tables of entity states: those that read the same are made by one pass, when the first of them is asked for."""

    def __init__(
        self, spark: SparkSession, states: DataFrame, wanted: Sequence[Dataset], folder: Path
    ) -> None:
        self._spark, self._folder = spark, folder
        self._datasets = list({one.name: one for dataset in wanted for one in dataset.chain}.values())
        of_things = [one for one in self._datasets if one.source is None]
        self._of_things = rows_of_things(of_things, states, self._place)
        self._tables: dict[str, DataFrame] = {}
        self._groups: dict[str, DataFrame] = {}
        self._linked: dict[tuple[Dataset, ...], RowFiles] = {}

    def of(self, dataset: Dataset) -> DataFrame:
        """The dataset's."""
        for member in dataset.chain:
            if member.name not in self._tables:
                self._tables[member.name] = self._planned(member)
        return self._tables[dataset.name]

    def _planned(self, dataset: Dataset) -> DataFrame:
        if dataset.source is None:
            return lower(dataset, self._of_things, self._spark)
        if dataset.is_linked:
            return lower(dataset, self._of_linked(dataset, dataset.source), self._spark)
        return lower(dataset, rows_of_totals(dataset, self._tables, self._place), self._spark)

    def _of_linked(self, dataset: Dataset, source: Dataset) -> RowFiles:
        if dataset.inputs not in self._linked:
            alike = [one for one in self._datasets if one.is_linked and one.inputs == dataset.inputs]
            if source.name not in self._groups:
                self._groups[source.name] = groups(self._tables[source.name], source.schema)
            self._linked[dataset.inputs] = rows_of_linked(alike, self._tables, self._groups, self._place)
        return self._linked[dataset.inputs]

    def _place(self, name: str) -> Path:
        return self._folder / name
