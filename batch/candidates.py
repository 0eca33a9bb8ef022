"""The candidates of one run: each view is computed and audited as soon as those that it reads are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from batch import views
from batch.audit import Audit, audit
from batch.groups import groups, largest
from batch.growth import Counts
from batch.lowering import rows_of_linked, rows_of_totals, struct_of
from batch.raised import keep_raised, raised_in
from batch.row_files import RowFiles
from batch.store_rows import repeated_rows, store_rows
from batch.sums import summed_files
from shared_logic.definition import Dataset

AT_ONCE = 3
"""Datasets that are computed at once: small ones cost planning more than work, and planning uses one core."""

_Read = tuple[str, ...]
"""The tables that a dataset reads."""


@dataclass(frozen=True, slots=True)
class View:
    """One dataset's candidate."""

    dataset: Dataset
    table: DataFrame
    files: Sequence[Path]
    version: int
    audit: Audit

    def rows(self, spill: Path) -> Iterator[tuple[bytes, bytes]]:
        """Its rows as bytes, in order of key; what memory can't hold lies in the folder `spill` meanwhile."""
        return store_rows(self.dataset, self.files, spill)


@dataclass(frozen=True)
class Places:
    """Where the files of a run lie."""

    delta: Path
    """The views, a folder for each."""
    passing: Path
    """What nobody needs after the run."""
    made: Mapping[str, views.Made]
    """What every view is made of."""

    def view(self, name: str) -> Path:
        """The view of a dataset."""
        return self.delta / name

    @cached_property
    def written(self) -> Mapping[str, int]:
        """The versions that this run wrote already, and was killed or not published after that, by dataset."""
        found = {name: views.version_of(self.view(name), made) for name, made in self.made.items()}
        return {name: version for name, version in found.items() if version is not None}

    def rows(self, dataset: Dataset) -> Path:
        """A folder for its rows: a new one where the view is, if they need not be added up."""
        if dataset.is_rollup:
            return self.rows_passing(dataset.name)
        return views.new_folder(self.view(dataset.name), self.made[dataset.name])

    def rows_passing(self, name: str) -> Path:
        """A folder for rows that are read by this run only."""
        return self.passing / "rows" / name

    @property
    def raised(self) -> Path:
        """What functions raised, of every run."""
        return self.delta / "raised"

    def of(self, datasets: Sequence[Dataset]) -> Callable[[str], Path]:
        """By name a folder for the rows that one pass makes for these datasets, and for what else it tells."""
        of_name = {dataset.name: dataset for dataset in datasets}
        # Each dataset is of one pass, so that the first one's name tells passes apart.
        apart = next(iter(of_name), "nothing")
        return lambda name: (
            self.rows(of_name[name]) if name in of_name else self.rows_passing(f"{name} of {apart}")
        )


def write_rows(dataset: Dataset, rows: RowFiles, places: Places) -> int:
    """Make a view of a dataset's rows, and return its version."""
    path, made = places.view(dataset.name), places.made[dataset.name]
    files = rows.files[dataset.name]
    if dataset.is_rollup:
        spill = places.rows_passing(f"totals of {dataset.name}")
        files = summed_files(dataset, files, views.new_folder(path, made), spill)
    return views.commit(files, struct_of(dataset), path, made)


class Candidates:
    """The views of a run."""

    def __init__(
        self,
        spark: SparkSession,
        places: Places,
        run: str,
        before: Mapping[str, Counts],
        progress: Callable[[str], None],
    ) -> None:
        """Of that run; `before` is what the published generations counted."""
        self._spark, self._places, self._run, self._before = spark, places, run, before
        self._progress = progress
        self._views: dict[str, Future[View]] = {}
        self._groups: dict[str, Future[DataFrame]] = {}
        """By table with links, which of its partitions name one another."""
        self._linked: dict[_Read, Future[RowFiles]] = {}
        """The rows that datasets make of linked rows."""

    def compute(self, datasets: Sequence[Dataset], of_things: Callable[[Dataset], int]) -> Mapping[str, View]:
        """All views, sources first; `of_things` writes that of a dataset which reads things, and returns its version."""
        linked = {one.source.name for one in datasets if one.source is not None and one.is_linked}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for dataset in datasets:
                # What a dataset reads was handed in before it, so that of those that wait one always runs.
                read = _names(dataset.inputs)
                if dataset.is_linked and read not in self._linked:
                    alike = [one for one in datasets if one.is_linked and _names(one.inputs) == read]
                    self._linked[read] = pool.submit(self._rows_of_linked, alike)
                self._views[dataset.name] = pool.submit(self._view, dataset, of_things)
                if dataset.name in linked:
                    self._groups[dataset.name] = pool.submit(self._groups_of, dataset)
            return {name: view.result() for name, view in self._views.items()}

    def largest_groups(self) -> Mapping[str, int]:
        """By table with links, how many of its partitions are in the largest group of those that name one another."""
        return {
            name: largest(found.result(), self._views[name].result().dataset.schema)
            for name, found in sorted(self._groups.items())
        }

    def _view(self, dataset: Dataset, of_things: Callable[[Dataset], int]) -> View:
        tables = self._tables_of(dataset)
        self._progress(f"computing {dataset.name}")
        path = self._places.view(dataset.name)
        version = self._places.written.get(dataset.name)
        if version is None:
            version = of_things(dataset) if dataset.source is None else self._write(dataset, tables)
        table = views.read(self._spark, path, version)
        self._progress(f"auditing {dataset.name}")
        files = views.files(path, version)
        spill = self._places.rows_passing(f"repeated keys of {dataset.name}")
        repeated = repeated_rows(dataset, files, spill)
        raised = raised_in(self._run, dataset.name, self._places.raised)
        checked = audit(dataset, table, repeated, self._run, self._before.get(dataset.name, {}), raised)
        return View(dataset, table, files, version, checked)

    def _write(self, dataset: Dataset, tables: Mapping[str, DataFrame]) -> int:
        if dataset.is_linked:
            rows = self._linked[_names(dataset.inputs)].result()
        else:
            rows = rows_of_totals(dataset, tables, self._places.of([dataset]))
            keep_raised(rows, self._run, self._places.raised)
        return write_rows(dataset, rows, self._places)

    def _tables_of(self, dataset: Dataset) -> dict[str, DataFrame]:
        return {one.name: self._views[one.name].result().table for one in dataset.inputs}

    def _groups_of(self, dataset: Dataset) -> DataFrame:
        table = self._views[dataset.name].result().table
        self._progress(f"grouping {dataset.name}")
        return groups(table, dataset.schema)

    def _rows_of_linked(self, alike: Sequence[Dataset]) -> RowFiles:
        missing = [one for one in alike if one.name not in self._places.written]
        if not missing:
            return RowFiles({}, {})
        tables = self._tables_of(alike[0])
        of_links = {name: self._groups[name].result() for name in tables if name in self._groups}
        rows = rows_of_linked(missing, tables, of_links, self._places.of(missing))
        keep_raised(rows, self._run, self._places.raised)
        return rows


def _names(datasets: Sequence[Dataset]) -> _Read:
    return tuple(dataset.name for dataset in datasets)
