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
from pyspark.sql import functions as f

from batch import views
from batch.audit import Audit, audit, counts_of, keep
from batch.fingerprint import computing_fingerprint, uniting_fingerprint
from batch.groups import groups, largest
from batch.increments import ENTITY, changed, changes_of_things, touched
from batch.lowering import HIDDEN, lower, lower_rows, one_column, rows_of_linked, rows_of_things
from batch.state_table import COLUMNS
from batch.states import said_by_bootstraps, said_by_log, united
from batch.store_rows import store_rows
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, Kind
from shared_logic.protocols import Cut

STATES_AT_ONCE = 1_000
BUFFER_BYTES = 1 << 20
"""Of a file of states that is in memory at a time."""
BROADCAST = 200_000
"""Keys of entities that each task is given."""
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
    code = {name: f"{hash_}-{computing_fingerprint()}" for name, hash_ in fingerprints.items()}
    bootstrap = ",".join((*inputs.bootstraps, *inputs.purges))
    told("uniting what was said of every entity")
    things = _things(spark, [one for one in datasets if one.source is None], inputs, home, code)
    before = counts_of(home, inputs.published)
    linked = {one.source.name for one in datasets if one.source is not None and one.is_linked}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        computing: dict[str, Future[View]] = {}
        grouping: dict[str, Future[DataFrame]] = {}
        linking: dict[tuple[str, ...], Future[DataFrame]] = {}
        """By the tables that they read, the rows that datasets make of linked rows."""

        def tables_of(dataset: Dataset) -> dict[str, DataFrame]:
            return {one.name: computing[one.name].result().table for one in dataset.inputs}

        def groups_of(dataset: Dataset) -> DataFrame:
            table = computing[dataset.name].result().table
            told(f"grouping {dataset.name}")
            return groups(table, dataset.schema)

        def rows_of(alike: Sequence[Dataset]) -> DataFrame:
            tables = tables_of(alike[0])
            return _kept(
                rows_of_linked(
                    alike, tables, {name: grouping[name].result() for name in linked & tables.keys()}
                )
            )

        def view_of(dataset: Dataset) -> View:
            tables = tables_of(dataset)
            told(f"computing {dataset.name}")
            path = home / "delta" / dataset.name
            made = views.Made(run, bootstrap, inputs.cut, code[dataset.name])
            if dataset.source is None:
                found = things.table(spark, dataset, path)
            elif dataset.is_linked:
                found = lower_rows(dataset, linking[_names(dataset.inputs)].result())
            else:
                found = lower(dataset, tables)
            version = views.write(found, path, made)
            table = views.read(spark, path, version)
            told(f"auditing {dataset.name}")
            checked = audit(dataset, table, run, before.get(dataset.name, {}))
            return View(dataset, table, views.files(path, version), version, checked)

        for dataset in datasets:
            # What a dataset reads was handed in before it, so that of those that wait one always runs.
            inputs_of_it = _names(dataset.inputs)
            if dataset.is_linked and inputs_of_it not in linking:
                alike = [one for one in datasets if one.is_linked and _names(one.inputs) == inputs_of_it]
                linking[inputs_of_it] = pool.submit(rows_of, alike)
            computing[dataset.name] = pool.submit(view_of, dataset)
            if dataset.name in linked:
                grouping[dataset.name] = pool.submit(groups_of, dataset)
        found = {name: future.result() for name, future in computing.items()}
    keep([view.audit for view in found.values()], home)
    sizes = {name: largest(grouping[name].result(), found[name].dataset.schema) for name in sorted(linked)}
    kept = (*things.kept, *(rows.result() for rows in linking.values()))
    return Result(things.base, found, sizes, things.states, things.hidden, kept)


def _names(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    return tuple(dataset.name for dataset in datasets)


@dataclass(frozen=True, slots=True)
class _Things:
    """What the tables of datasets that read things are made of."""

    base: str
    states: Sequence[Path]
    rows: DataFrame
    """Of all states, of the datasets that are made anew."""
    last: Mapping[str, int]
    """By dataset the version of the table that it goes on from."""
    changes: DataFrame
    """Of these."""
    hidden: DataFrame
    """Which of both tells what is hidden: all of that, where a table is made anew."""
    kept: Sequence[DataFrame]

    def table(self, spark: SparkSession, dataset: Dataset, path: Path) -> DataFrame:
        """The table of one of the datasets."""
        if dataset.name not in self.last:
            return lower_rows(dataset, self.rows)
        return changed(dataset, views.read(spark, path, self.last[dataset.name]), self.changes)


def _things(
    spark: SparkSession, datasets: Sequence[Dataset], inputs: Inputs, home: Path, code: Mapping[str, str]
) -> _Things:
    """Unite the states, and see which tables go on from those that readers read."""
    path = home / "delta" / "entity_states"
    identify = full_base_id if inputs.full else base_id
    told = (*inputs.bootstraps, *inputs.purges)
    base = identify(told, inputs.cut, uniting_fingerprint())
    known, last = _last(home, datasets, inputs, code)
    said = _said_since(spark, inputs, known)
    whole, told_of, number = united(said), said, 0
    if known is not None:
        said = _kept(said)
        before = views.read(spark, path, known.version)
        told_of, number = _few_or_many(said.select(*ENTITY).distinct())
        news = said.unionByName(before.join(told_of, [*ENTITY], "left_semi"))
        whole = united(news).unionByName(before.join(told_of, [*ENTITY], "left_anti"))
    version = views.write(whole, path, views.Made(base, ",".join(told), inputs.cut, ""))
    states = views.read(spark, path, version)
    if 2 * number > states.count():
        # To look at all of them, once, costs less than at these, twice.
        last = {}
    anew = [one for one in datasets if one.name not in last]
    rows = _kept(rows_of_things(anew, states))
    changes = rows
    if known is not None and last:
        those = touched(states, views.read(spark, path, known.version), told_of)
        changes = _kept(changes_of_things([one for one in datasets if one.name in last], those))
    hidden = rows if anew else changes
    return _Things(base, views.files(path, version), rows, last, changes, hidden, (said, rows, changes))


def _few_or_many(keys: DataFrame) -> tuple[DataFrame, int]:
    """The keys and their number; few are given to each task, so that no state is shuffled for them."""
    number = keys.count()
    return (f.broadcast(keys) if number <= BROADCAST else keys), number


def _kept(rows: DataFrame) -> DataFrame:
    """What memory can't hold lies on disk, so that a run takes as much of it whatever the size of the wiki."""
    return rows.persist(StorageLevel.DISK_ONLY)


def _last(
    home: Path, datasets: Sequence[Dataset], inputs: Inputs, fingerprints: Mapping[str, str]
) -> tuple[Earlier | None, Mapping[str, int]]:
    """The states to go on from, and by dataset the version of the table that readers read, where the same code made it of them.

    Of several states those that most of these tables were made of; a run that was killed may have made newer ones already.
    """
    if inputs.full:
        return None, {}
    tables = {
        dataset.name: (version, made)
        for dataset in datasets
        for version, made in views.made(home / "delta" / dataset.name)
        if (made.run, made.fingerprint) == (inputs.published.get(dataset.name), fingerprints[dataset.name])
        and views.is_whole(home / "delta" / dataset.name, version)
    }
    best: Earlier | None = None
    found: dict[str, int] = {}
    for known in earlier(home / "delta" / "entity_states", inputs):
        of_these = {
            name: version
            for name, (version, made) in tables.items()
            if (made.bootstrap, made.cut) == (known.bootstrap, known.cut)
        }
        if best is None or len(of_these) > len(found):
            best, found = known, of_these
        if len(found) == len(tables):
            break
    return best, found


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
