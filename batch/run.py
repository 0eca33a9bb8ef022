"""One batch run: entity states, then every dataset's view, each audited; killed anywhere and run again, it gives the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from batch import views
from batch.audit import Audit, audit, counts_of, keep
from batch.fingerprint import uniting_fingerprint
from batch.groups import groups, largest
from batch.lowering import HIDDEN, lower, lower_rows, one_column, rows_of_things
from batch.state_table import COLUMNS
from batch.states import said_by_bootstraps, said_by_log, united
from batch.store_rows import store_rows
from shared_logic.entities import Entity, Kind
from shared_logic.language import Dataset
from shared_logic.protocols import Cut

STATES_AT_ONCE = 1_000
BUFFER_BYTES = 1 << 20
"""Of a file of states that is in memory at a time."""
AT_ONCE = 3
"""Datasets that are computed at once: small ones cost planning more than work, and planning uses one core."""


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


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made."""

    base: str
    """Id of the entity states."""
    views: Mapping[str, View]
    largest_groups: Mapping[str, int]
    """By table with links, how many of its partitions are in the largest group of those that name one another."""
    _states: Sequence[Path]
    _rows: DataFrame

    def entity_states(self) -> Iterator[tuple[str, bytes]]:
        """Key and state of every entity."""
        for path in self._states:
            with pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as file:
                for batch in file.iter_batches(STATES_AT_ONCE):
                    columns = (batch[name].to_pylist() for name in COLUMNS)
                    for wiki, kind, number, state in zip(*columns, strict=True):
                        yield Entity(wiki, Kind(kind), number).key, state

    def hidden(self) -> Iterator[tuple[str, int, int, int]]:
        """Wiki, revision id, bits of what is hidden, and the clock of that, of every revision of which something is hidden."""
        for row in one_column(self._rows, HIDDEN).toLocalIterator():
            yield row["wiki"], row["rev_id"], row["bits"], row["clock"]

    def release(self) -> None:
        """Give up what Spark keeps for the above."""
        self._rows.unpersist()


def base_id(bootstraps: Sequence[str], cut: Cut, reading: str) -> str:
    """Id of the entity states of these bootstraps and the log before the cut, as `reading` (a fingerprint) reads them."""
    return sha256("\n".join((*bootstraps, ",".join(map(str, cut)), reading)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads."""

    bootstraps: Mapping[str, Path]
    """Parquet file of entity states by bootstrap id."""
    archive: Path
    """Folder of the archived log."""
    cut: Cut
    purges: tuple[str, ...] = ()
    """Ids of the purges that rewrote them, oldest first."""
    published: Mapping[str, str] = field(default_factory=dict)
    """By dataset, the run that made what readers read now."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Entity states that an earlier run made, from which this one goes on."""

    version: int
    """Of the Delta table of entity states."""
    bootstraps: frozenset[str]
    """Ids of those that are in them."""
    cut: Cut


def earlier(states: Path, inputs: Inputs) -> Earlier | None:
    """The newest states that hold nothing but what these inputs say; None: there are none.

    A state is the join of all that was said of an entity, in any order and however often, so that states of some bootstraps and a
    beginning of the log, joined with the rest, are those of all. States from before a purge, or read by other code, are no part.
    """
    reading = uniting_fingerprint()
    for version, made in views.made(states):
        told = tuple(filter(None, made.bootstrap.split(",")))
        bootstraps = tuple(name for name in told if name in inputs.bootstraps)
        if (
            made.run == base_id(told, made.cut, reading)
            and told == (*bootstraps, *inputs.purges)
            and len(made.cut) == len(inputs.cut)
            and all(before <= now for before, now in zip(made.cut, inputs.cut, strict=True))
            and views.is_whole(states, version)
        ):
            return Earlier(version, frozenset(bootstraps), made.cut)
    return None


def compute(
    spark: SparkSession,
    datasets: Sequence[Dataset],
    inputs: Inputs,
    home: Path,
    run: str,
    fingerprints: Mapping[str, str],
    told: Callable[[str], None],
) -> Result:
    """Compute the datasets (sources first) over the bootstraps and the archived log before the cut."""
    base = base_id((*inputs.bootstraps, *inputs.purges), inputs.cut, uniting_fingerprint())
    bootstrap = ",".join((*inputs.bootstraps, *inputs.purges))
    told("uniting what was said of every entity")
    states_path = home / "delta" / "entity_states"
    said = _said_since(spark, inputs, states_path)
    made = views.Made(base, bootstrap, inputs.cut, "")
    version = views.write(united(said), states_path, made)
    states = views.read(spark, states_path, version)
    # What memory can't hold lies on disk, so that a run takes as much of it whatever the size of the wiki.
    rows = rows_of_things([one for one in datasets if one.source is None], states).persist(
        StorageLevel.DISK_ONLY
    )
    before = counts_of(home, inputs.published)
    linked = {one.source.name for one in datasets if one.source is not None and one.is_linked}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        computing: dict[str, Future[View]] = {}
        grouping: dict[str, Future[DataFrame]] = {}

        def groups_of(dataset: Dataset) -> DataFrame:
            table = computing[dataset.name].result().table
            told(f"grouping {dataset.name}")
            return groups(table, dataset.schema)

        def view_of(dataset: Dataset) -> View:
            tables = {one.name: computing[one.name].result().table for one in dataset.inputs}
            told(f"computing {dataset.name}")
            path = home / "delta" / dataset.name
            made = views.Made(run, bootstrap, inputs.cut, fingerprints[dataset.name])
            found = (
                lower_rows(dataset, rows)
                if dataset.source is None
                else lower(
                    dataset, tables, {name: grouping[name].result() for name in linked & tables.keys()}
                )
            )
            version = views.write(found, path, made)
            table = views.read(spark, path, version)
            told(f"auditing {dataset.name}")
            checked = audit(dataset, table, run, before.get(dataset.name, {}))
            return View(dataset, table, views.files(path, version), version, checked)

        for dataset in datasets:
            # What a dataset reads was handed in before it, so that of those that wait one always runs.
            computing[dataset.name] = pool.submit(view_of, dataset)
            if dataset.name in linked:
                grouping[dataset.name] = pool.submit(groups_of, dataset)
        found = {name: future.result() for name, future in computing.items()}
    keep([view.audit for view in found.values()], home)
    sizes = {name: largest(grouping[name].result(), found[name].dataset.schema) for name in sorted(linked)}
    return Result(base, found, sizes, views.files(states_path, version), rows)


def _said_since(spark: SparkSession, inputs: Inputs, states: Path) -> DataFrame:
    """What is to be united: all that was said, of which an earlier run may have united a part already."""
    known = earlier(states, inputs)
    if known is None:
        return said_by_bootstraps(spark, list(inputs.bootstraps.values())).unionByName(
            said_by_log(spark, inputs.archive, inputs.cut)
        )
    new = [path for name, path in inputs.bootstraps.items() if name not in known.bootstraps]
    since = said_by_bootstraps(spark, new).unionByName(
        said_by_log(spark, inputs.archive, inputs.cut, known.cut)
    )
    return since.unionByName(views.read(spark, states, known.version))
