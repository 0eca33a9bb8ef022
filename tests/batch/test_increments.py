"""A run that goes on from the tables of the last one gives what one over all of history gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

import shared_logic.datasets  # noqa: F401  registers them
from batch import increments
from batch import run as runs
from batch.archive import archive
from batch.increments import changed, changes_of_things, touched
from batch.lowering import lower, rows_of_things
from batch.row_files import RowFiles
from batch.run import Inputs, compute
from batch.states import SCHEMA
from shared_logic.definition import Dataset
from shared_logic.entities import encode
from shared_logic.kernel import Rows
from shared_logic.keys import decode_key, decode_values
from shared_logic.reference import States, reference, told, united
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState, hidden
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from tests import sample
from tests.batch.spark_tables import rows_of
from tests.strategies.relocated import found_out, relocated, told_by

pytestmark = pytest.mark.spark
OF_THINGS = tuple(dataset for dataset in registry.values() if dataset.source is None)
SOME = registry.closure(["page_current", "daily_edits"])


def table(dataset: Dataset, frame: DataFrame) -> Rows:
    schema = dataset.schema
    return {decode_key(schema, key): decode_values(schema, row) for key, row in rows_of(dataset, frame)}


def frame(spark: SparkSession, states: States) -> DataFrame:
    return spark.createDataFrame(
        [(*entity, encode(state)) for entity, state in states.items()], SCHEMA
    ).persist()


def test_what_has_changed_turns_the_old_table_into_the_new_one(spark: SparkSession, tmp_path: Path) -> None:
    # given the tables of the first four fifths of a real wiki's events, and what the rest says
    events = sample.events()
    place = len(events) * 4 // 5
    old, said = told(events[:place]).states, told(events[place:]).states
    said |= {entity: state for entity, state in told(events).states.items() if entity not in old}
    new = relocated(united(old.items(), said.items()), events)
    said |= {entity: new[entity] for entity in new if new[entity] != old.get(entity)}
    before, after = frame(spark, old), frame(spark, new)
    tables = rows_of_things(OF_THINGS, before, lambda name: tmp_path / "rows" / name)
    # when only entities of which something was said are looked at
    keys = frame(spark, said).select(*increments.ENTITY)
    changes = changes_of_things(
        OF_THINGS, touched(after, before, keys), lambda name: tmp_path / "changes" / name
    )
    # then every table is the reference's over all, row for row
    expected = reference(OF_THINGS, new)
    for dataset in OF_THINGS:
        found = changed(dataset, lower(dataset, tables, spark), changes, spark)
        assert table(dataset, found) == expected[dataset.name], dataset.name


@pytest.fixture(scope="module")
def two_runs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TwoRuns:
    """All datasets over the first four fifths of a log, and what the next run reads."""
    home = tmp_path_factory.mktemp("two-runs")
    states = told(sample.events()).states
    found, _ = found_out(states, told_by(sample.events()))
    with SqliteLog(home / "log.db") as log:
        ingest(log, "real", [*sample.events(), *found])
        ends = log.ends()
        archive(log, home / "archive", ends)
    cut = tuple(end * 4 // 5 for end in ends)
    first = compute(
        spark,
        SOME,
        Inputs({}, home / "archive", cut),
        home,
        home / "passing",
        "one",
        dict.fromkeys(registry, "code"),
        _silent,
    )
    first.release()
    inputs = Inputs({}, home / "archive", ends, published=dict.fromkeys(registry, "one"))
    return TwoRuns(home, inputs, relocated(states, sample.events()))


@dataclass(frozen=True)
class TwoRuns:
    home: Path
    inputs: Inputs
    states: States
    hidden: list[set[tuple[str, int, int, int]]] = field(default_factory=list)
    """What runs told to be hidden, the newest last."""

    def second(self, spark: SparkSession, run: str, **otherwise: object) -> Mapping[str, Rows]:
        """The tables of the next run."""
        code = dict.fromkeys(registry, "code")
        inputs = replace(self.inputs, **otherwise)  # type: ignore[arg-type]
        made = compute(spark, SOME, inputs, self.home, self.home / "passing", run, code, _silent)
        self.hidden.append(set(made.hidden()))
        made.release()
        return {name: table(view.dataset, view.table) for name, view in made.views.items()}


def _silent(_: str) -> None:
    """Tell nobody."""


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the datasets for which all states were looked at."""
    names: list[str] = []

    def rows(datasets: Sequence[Dataset], *rest: Any) -> RowFiles:
        names.extend(dataset.name for dataset in datasets)
        return rows_of_things(datasets, *rest)

    monkeypatch.setattr(runs, "rows_of_things", rows)
    return names


def test_a_run_goes_on_from_the_tables_of_the_last_one(
    spark: SparkSession, two_runs: TwoRuns, looked_at: list[str]
) -> None:
    # when the next run goes on from the tables of one before
    found = two_runs.second(spark, "two")
    # then no dataset looks at all states, and each table is the reference's over all, row for row
    assert looked_at == []
    expected = reference(SOME, two_runs.states)
    for dataset in SOME:
        assert found[dataset.name] == expected[dataset.name], dataset.name
    # and what is hidden of revisions of which something was said is told
    assert two_runs.hidden[-1]


def test_a_table_that_is_not_what_readers_read_is_made_anew(
    spark: SparkSession, two_runs: TwoRuns, looked_at: list[str]
) -> None:
    # given readers who went back to an older run than the one whose states are the newest, in one of the tables
    published = {**two_runs.inputs.published, "page_current": "an older one"}
    # when the next run is made
    found = two_runs.second(spark, "three", published=published)
    # then that one is made of all states, and all tables are right
    assert looked_at == ["page_current"]
    expected = reference(SOME, two_runs.states)
    for dataset in SOME:
        assert found[dataset.name] == expected[dataset.name], dataset.name
    # and all that is hidden is told
    assert two_runs.hidden[-1] == {
        (entity.wiki, *told)
        for entity, state in two_runs.states.items()
        if isinstance(state, PageState)
        for told in hidden(state)
    }


def test_a_row_of_two_entities_stands_twice_for_the_audit(spark: SparkSession, tmp_path: Path) -> None:
    # given a table with a row of one page, and another page that comes to give a row of the same key
    dataset = registry["page_current"]
    states = told(sample.events()).states
    some = {entity: state for entity, state in states.items() if isinstance(state, PageState)}
    made = rows_of_things([dataset], frame(spark, some), lambda _: tmp_path / "rows")
    rows = lower(dataset, made, spark)
    come = frame(spark, some).selectExpr("*", "CAST(NULL AS BINARY) AS wikibraid_before")
    changes = changes_of_things([dataset], come.unionByName(come).coalesce(1), lambda _: tmp_path / "changes")
    # when the table goes on
    found = changed(dataset, rows, changes, spark)
    # then none gives way to another, also where one task sees both
    assert found.count() == 3 * rows.count() > 0


def forget_what_was(states: DataFrame, before: DataFrame, keys: DataFrame) -> DataFrame:
    return increments_touched(states, before.limit(0), keys)


def forget_what_is_gone(
    dataset: Dataset, before: DataFrame, changes: RowFiles, spark: SparkSession
) -> DataFrame:
    mine = changes.table(spark, dataset.name)
    if dataset.is_rollup:
        return increments_changed(dataset, before, changes, spark)
    return before.unionByName(
        mine.where("not wikibraid_removed").drop("wikibraid_had", "wikibraid_removed")
    ).dropDuplicates(list(dataset.schema.key_names))


increments_touched, increments_changed = increments.touched, increments.changed


@pytest.mark.parametrize(
    "name, bug, shown_by",
    [("touched", forget_what_was, "daily_edits"), ("changed", forget_what_is_gone, "page_current")],
)
def test_a_bug_in_going_on_is_seen(
    spark: SparkSession,
    two_runs: TwoRuns,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    bug: Callable[..., DataFrame],
    shown_by: str,
) -> None:
    # given a run that forgets what the changed entities gave before, or the rows that are no more
    monkeypatch.setattr(runs, name, bug)
    # then a table is another one than the reference's
    found = two_runs.second(spark, name)
    assert found[shown_by] != reference(SOME, two_runs.states)[shown_by]


def test_a_full_run_takes_nothing_from_earlier_ones(
    spark: SparkSession, two_runs: TwoRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given earlier states and tables
    monkeypatch.setattr(runs, "earlier", lambda *_: pytest.fail("it was asked for them"))
    # when a full run is made
    found = two_runs.second(spark, "full", full=True)
    # then its tables are the reference's
    assert found["daily_edits"] == reference(SOME, two_runs.states)["daily_edits"]
