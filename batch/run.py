"""One batch run: entity states, then every dataset's view, each audited; killed anywhere and run again, it gives the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from batch import views
from batch.audit import counts_of, keep
from batch.candidates import Candidates, Places, View, write_rows
from batch.fingerprint import computing_fingerprint, uniting_fingerprint
from batch.increments import ENTITY, changed, changes_of_things, touched
from batch.lowering import HIDDEN, rows_of_things
from batch.raised import keep_raised
from batch.row_files import RowFiles
from batch.state_table import COLUMNS
from batch.states import said_by_bootstraps, said_by_log, united
from shared_logic.definition import Dataset
from shared_logic.entities import Entity, Kind
from shared_logic.protocols import Cut

ENTITY_STATES = "entity_states"
"""The table of them, beside the views."""
STATES_AT_ONCE = 1_000
BUFFER_BYTES = 1 << 20
"""Of a file of states that is in memory at a time."""
BROADCAST = 200_000
"""Keys of entities that each task is given."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made."""

    base: str
    """Id of the entity states."""
    views: Mapping[str, View]
    largest_groups: Mapping[str, int]
    """By table with links, how many of its partitions are in the largest group of those that name one another."""
    _states: Sequence[Path]
    _hidden: Callable[[], RowFiles]
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
        for row in self._hidden().rows(HIDDEN):
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
        ids = tuple(filter(None, made.bootstrap.split(",")))
        bootstraps = tuple(name for name in ids if name in inputs.bootstraps)
        if (
            made.run in {base_id(ids, made.cut, reading), full_base_id(ids, made.cut, reading)}
            and ids == (*bootstraps, *inputs.purges)
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
    folder: Path,
    run: str,
    fingerprints: Mapping[str, str],
    progress: Callable[[str], None],
) -> Result:
    """Compute the datasets (sources first) over the bootstraps and the archived log before the cut.

    `folder` is for files that the result needs and nobody after it; all of Spark's processes must see it, as they see the home.
    """
    code = {name: f"{hash_}-{computing_fingerprint()}" for name, hash_ in fingerprints.items()}
    bootstrap = ",".join((*inputs.bootstraps, *inputs.purges))
    made = {name: views.Made(run, bootstrap, inputs.cut, of_it) for name, of_it in code.items()}
    places = Places(home / "delta", folder, made)
    progress("uniting what was said of every entity")
    for name in (*(dataset.name for dataset in datasets), ENTITY_STATES):
        views.remove_unfinished(places.view(name))
    missing = [one for one in datasets if one.source is None and one.name not in places.written]
    things = _things(spark, missing, inputs, home, places, run)
    candidates = Candidates(spark, places, run, counts_of(home, inputs.published), progress)
    found = candidates.compute(datasets, lambda dataset: things.write(spark, dataset))
    keep([view.audit for view in found.values()], home)
    states = things.states
    return Result(
        states.base, found, candidates.largest_groups(), states.files, things.hidden, (states.said,)
    )


@dataclass(frozen=True, slots=True)
class _Before:
    """The states that a run goes on from."""

    states: DataFrame
    touched: DataFrame
    """The entities of which something was said since."""
    number: int
    """Of these."""


@dataclass(frozen=True, slots=True)
class _States:
    """The states of all entities."""

    base: str
    files: Sequence[Path]
    table: DataFrame
    said: DataFrame
    """What was united in them with those of before."""
    before: _Before | None


def _united_states(spark: SparkSession, inputs: Inputs, known: Earlier | None, path: Path) -> _States:
    """Unite what was said with the states that are `known`, and write the view of all at that path."""
    said, before = _said_since(spark, inputs, known), None
    if known is None:
        whole = united(said)
    else:
        said = _kept(said)
        states = views.read(spark, path, known.version)
        before = _Before(states, *_few_or_many(said.select(*ENTITY).distinct()))
        news = said.unionByName(states.join(before.touched, [*ENTITY], "left_semi"))
        whole = united(news).unionByName(states.join(before.touched, [*ENTITY], "left_anti"))
    ids = (*inputs.bootstraps, *inputs.purges)
    base = (full_base_id if inputs.full else base_id)(ids, inputs.cut, uniting_fingerprint())
    version = views.write(whole, path, views.Made(base, ",".join(ids), inputs.cut, ""))
    return _States(base, views.files(path, version), views.read(spark, path, version), said, before)


@dataclass(frozen=True, slots=True)
class _Things:
    """What the tables of datasets that read things are made of."""

    states: _States
    rows: RowFiles
    """Of all states, of the datasets that are made anew."""
    last: Mapping[str, int]
    """By dataset the version of the table that it goes on from."""
    changes: RowFiles
    """Of these."""
    places: Places

    def write(self, spark: SparkSession, dataset: Dataset) -> int:
        """Make the view of one of the datasets, and return its version."""
        if dataset.name not in self.last:
            return write_rows(dataset, self.rows, self.places)
        path = self.places.view(dataset.name)
        before = views.read(spark, path, self.last[dataset.name])
        return views.write(
            changed(dataset, before, self.changes, spark), path, self.places.made[dataset.name]
        )

    def hidden(self) -> RowFiles:
        """What tells what is hidden: of all, where a table is made anew, or nothing was left to be made."""
        if self.rows.files or self.changes.files:
            return self.rows if self.rows.files else self.changes
        return rows_of_things((), self.states.table, self.places.rows_passing)


def _things(
    spark: SparkSession, datasets: Sequence[Dataset], inputs: Inputs, home: Path, places: Places, run: str
) -> _Things:
    """Unite the states, see which tables go on from those that readers read, and make the rows or changes of all."""
    code = {name: made.fingerprint for name, made in places.made.items()}
    known, last = _last(home, datasets, inputs, code)
    states = _united_states(spark, inputs, known, places.view(ENTITY_STATES))
    before = states.before
    if before is None or 2 * before.number > states.table.count():
        # To look at all of them, once, costs less than at these, twice.
        last = {}
    anew = [one for one in datasets if one.name not in last]
    going_on = [one for one in datasets if one.name in last]
    rows = changes = RowFiles({}, {})
    if before is not None and going_on:
        those = touched(states.table, before.states, before.touched)
        changes = changes_of_things(going_on, those, places.rows_passing)
        keep_raised(changes, run, places.raised)
    if anew:
        rows = rows_of_things(anew, states.table, places.of(anew))
        keep_raised(rows, run, places.raised)
    return _Things(states, rows, last, changes, places)


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
    for known in earlier(home / "delta" / ENTITY_STATES, inputs):
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
