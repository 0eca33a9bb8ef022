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
from batch.increments import ENTITY, changed, changes_of_things, touched
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
    _hidden: DataFrame
    _kept: Sequence[DataFrame]

    def entity_states(self) -> Iterator[tuple[str, bytes]]:
        """Key and state of every entity."""
        for path in self._states:
            with pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as file:
                for batch in file.iter_batches(STATES_AT_ONCE):
                    columns = (batch[name].to_pylist() for name in COLUMNS)
                    for wiki, kind, number, state in zip(*columns, strict=True):
                        yield Entity(wiki, Kind(kind), number).key, state

    def hidden(self) -> Iterator[tuple[str, int, int, int]]:
        """Wiki, revision id, bits of what is hidden, and the clock of that, of every revision of which something is hidden.

        Where all tables go on from those that readers read, of those of which something was said since.
        """
        for row in one_column(self._hidden, HIDDEN).toLocalIterator():
            yield row["wiki"], row["rev_id"], row["bits"], row["clock"]

    def release(self) -> None:
        """Give up what Spark keeps for the above."""
        for rows in self._kept:
            rows.unpersist()


def base_id(bootstraps: Sequence[str], cut: Cut, reading: str) -> str:
    """Id of the entity states of these bootstraps and the log before the cut, as `reading` (a fingerprint) reads them."""
    return sha256("\n".join((*bootstraps, ",".join(map(str, cut)), reading)).encode()).hexdigest()[:12]


def full_base_id(bootstraps: Sequence[str], cut: Cut, reading: str) -> str:
    """Id of the same states, made of nothing but what was brought in."""
    return base_id((*bootstraps, "full"), cut, reading)


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
    full: bool = False
    """Whether nothing is taken from earlier runs: neither states nor tables."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """Entity states that an earlier run made, from which this one goes on."""

    version: int
    """Of the Delta table of entity states."""
    bootstraps: frozenset[str]
    """Ids of those that are in them."""
    bootstrap: str
    """The same, and of purges, as versions note them."""
    cut: Cut


def earlier(states: Path, inputs: Inputs) -> Iterator[Earlier]:
    """States that hold nothing but what these inputs say, the newest first.

    A state is the join of all that was said of an entity, in any order and however often, so that states of some bootstraps and a
    beginning of the log, joined with the rest, are those of all. States from before a purge, or read by other code, are no part.
    """
    reading = uniting_fingerprint()
    for version, made in views.made(states):
        told = tuple(filter(None, made.bootstrap.split(",")))
        bootstraps = tuple(name for name in told if name in inputs.bootstraps)
        if (
            made.run in {base_id(told, made.cut, reading), full_base_id(told, made.cut, reading)}
            and told == (*bootstraps, *inputs.purges)
            and len(made.cut) == len(inputs.cut)
            and all(before <= now for before, now in zip(made.cut, inputs.cut, strict=True))
            and views.is_whole(states, version)
        ):
            yield Earlier(version, frozenset(bootstraps), made.bootstrap, made.cut)


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
    identify = full_base_id if inputs.full else base_id
    base = identify((*inputs.bootstraps, *inputs.purges), inputs.cut, uniting_fingerprint())
    bootstrap = ",".join((*inputs.bootstraps, *inputs.purges))
    told("uniting what was said of every entity")
    states_path = home / "delta" / "entity_states"
    of_things = [one for one in datasets if one.source is None]
    known, last = _last(home, of_things, inputs, fingerprints)
    said = _kept(_said_since(spark, inputs, known))
    all_said = said if known is None else said.unionByName(views.read(spark, states_path, known.version))
    version = views.write(united(all_said), states_path, views.Made(base, bootstrap, inputs.cut, ""))
    states = views.read(spark, states_path, version)
    if last and _is_most(said, states):
        last = {}
    anew = [one for one in of_things if one.name not in last]
    rows = _kept(rows_of_things(anew, states))
    changes = rows
    if known is not None and last:
        going_on = [one for one in of_things if one.name in last]
        those = touched(states, views.read(spark, states_path, known.version), said)
        changes = _kept(changes_of_things(going_on, those))
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
            if dataset.name in last:
                found = changed(dataset, views.read(spark, path, last[dataset.name]), changes)
            elif dataset.source is None:
                found = lower_rows(dataset, rows)
            else:
                found = lower(
                    dataset, tables, {name: grouping[name].result() for name in linked & tables.keys()}
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
    return Result(
        base,
        found,
        sizes,
        views.files(states_path, version),
        rows if anew else changes,
        (said, rows, changes),
    )


def _kept(rows: DataFrame) -> DataFrame:
    """What memory can't hold lies on disk, so that a run takes as much of it whatever the size of the wiki."""
    return rows.persist(StorageLevel.DISK_ONLY)


def _last(
    home: Path, datasets: Sequence[Dataset], inputs: Inputs, fingerprints: Mapping[str, str]
) -> tuple[Earlier | None, Mapping[str, int]]:
    """The states to go on from, and by dataset the version of the table that readers read, where the same code made it of them.

    Of several states those that most of these tables were made of; a run that was killed may have made newer ones already.
    """
    best: Earlier | None = None
    found: dict[str, int] = {}
    for known in () if inputs.full else earlier(home / "delta" / "entity_states", inputs):
        tables = {
            dataset.name: version
            for dataset in datasets
            if (version := _made_of(home, dataset, known, inputs, fingerprints)) is not None
        }
        if best is None or len(tables) > len(found):
            best, found = known, tables
        if len(found) == len(datasets):
            break
    return best, found


def _made_of(
    home: Path, dataset: Dataset, known: Earlier, inputs: Inputs, fingerprints: Mapping[str, str]
) -> int | None:
    path, run = home / "delta" / dataset.name, inputs.published.get(dataset.name)
    if run is None:
        return None
    wanted = views.Made(run, known.bootstrap, known.cut, fingerprints[dataset.name])
    return views.version_of(path, wanted)


def _is_most(said: DataFrame, states: DataFrame) -> bool:
    """Whether it tells of so many entities that looking at all of them, once, costs less than at these, twice."""
    return 2 * said.select(*ENTITY).distinct().count() > states.count()


def _said_since(spark: SparkSession, inputs: Inputs, known: Earlier | None) -> DataFrame:
    """What was said, of which an earlier run may have united a part already."""
    if known is None:
        return said_by_bootstraps(spark, list(inputs.bootstraps.values())).unionByName(
            said_by_log(spark, inputs.archive, inputs.cut)
        )
    new = [path for name, path in inputs.bootstraps.items() if name not in known.bootstraps]
    return said_by_bootstraps(spark, new).unionByName(
        said_by_log(spark, inputs.archive, inputs.cut, known.cut)
    )
