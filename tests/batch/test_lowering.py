"""A story told by hand on several wikis: Spark gives the reference's tables, byte for byte, however the work is cut up."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

import shared_logic.datasets  # noqa: F401  registers them
from batch.lowering import HIDDEN, rows_of_things
from batch.states import SCHEMA, united
from shared_logic.definition import Dataset
from shared_logic.entities import encode
from shared_logic.keys import encode_key, encode_values
from shared_logic.reference import Tables, reference, told
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState, hidden
from tests.batch.spark_tables import computed, rows_of
from tests.strategies import stories as s

pytestmark = pytest.mark.spark
DATASETS = tuple(registry.values())
ACTIONS = (
    s.Create(gap=1, user=1, title=0, text=0),
    s.Edit(gap=60, user=2, page=0, text=1, minor=False),
    s.Edit(gap=60, user=1, page=0, text=0, minor=True),
    s.Create(gap=86_400, user=3, title=1, text=2),
    s.Hide(gap=1, revision=1, hidden=4),
    s.Tag(gap=1, revision=0, tags=3),
    s.NullEdit(gap=1, user=2, page=0),
    s.Move(gap=60, user=1, page=0, title=3, redirect=True),
    s.Delete(gap=60, page=0),
    s.Undelete(gap=60, page=0, part=5),
    s.Edit(gap=60, user=4, page=2, text=2, minor=False),
    s.Edit(gap=60, user=1, page=2, text=3, minor=False),
    s.Import(gap=86_400, title=5, texts=(1, 2, 1), author=0, chained=True, null_top=True),
    s.Delete(gap=1, page=1),
)
WIKIS = ("awiki", "bwiki", "a_wiki")


def events() -> list[bytes]:
    """Each wiki stops elsewhere in the story, and one tells it in the shapes of 2026."""
    played = (
        s.play(s.Story(ACTIONS, modern=name == "bwiki"), upto=len(ACTIONS) - 2 * n, name=name)
        for n, name in enumerate(WIKIS)
    )
    return [event for wiki in played for event in wiki.events]


def hashes(tables: Tables) -> dict[str, str]:
    return {
        name: digest((encode_key(k), encode_values(v)) for k, v in t.items()) for name, t in tables.items()
    }


def digest(rows: Iterable[tuple[bytes, bytes]]) -> str:
    return sha256(repr(sorted(rows)).encode()).hexdigest()


def said(spark: SparkSession, copies: int) -> DataFrame:
    """What each event says alone, each told several times, so that the work of joining is Spark's."""
    pieces = [(*entity, encode(state)) for raw in events() for entity, state in told([raw]).states.items()]
    rows = pieces * copies
    return spark.createDataFrame(rows, SCHEMA)


def expected() -> Tables:
    # `told` of one event at a time knows no restores to another id, and the story has none
    whole = told(events())
    assert not whole.dead
    assert {entity.wiki for entity in whole.states} == set(WIKIS)
    return reference(DATASETS, whole.states)


def test_several_wikis_give_the_references_bytes(spark: SparkSession) -> None:
    # given the reference's tables, none of them empty
    wanted = expected()
    silent = {
        "content_namespaces",
        "hidden_names",
        "site_namespaces",
        "page_issues",
        "user_issues",
        "input_issues",
        "stray_facts",
        "account_metrics",
    }
    assert {name for name, table in wanted.items() if not table} == silent
    for partitions, copies in ((1, 1), (3, 2), (7, 1)):
        # when Spark computes them over so many partitions, with repeats
        found = computed(united(said(spark, copies).repartition(partitions)).persist())
        # then the bytes for a store are the reference's
        assert {name: digest(rows_of(registry[name], t)) for name, t in found.items()} == hashes(wanted)


def test_what_is_hidden_is_told_beside_the_rows(spark: SparkSession, tmp_path: Path) -> None:
    # given what the reference's states hide
    wanted = {
        (entity.wiki, *one)
        for entity, state in told(events()).states.items()
        if isinstance(state, PageState)
        for one in hidden(state)
    }
    assert wanted
    # when Spark reads the states for a dataset
    rows = rows_of_things((registry["page_current"],), united(said(spark, 2)), lambda name: tmp_path / name)
    # then it tells the same
    assert {tuple(row.values()) for row in rows.rows(HIDDEN)} == wanted


def test_rows_for_a_store_come_in_order_of_key_each_once(spark: SparkSession) -> None:
    for name, frame in computed(united(said(spark, 1).repartition(4)).persist()).items():
        keys = [key for key, _ in rows_of(registry[name], frame)]
        assert keys == sorted(set(keys)), name


@pytest.fixture(scope="module")
def nothing(spark: SparkSession) -> dict[str, DataFrame]:
    return computed(united(spark.createDataFrame([], SCHEMA)))


def test_no_states_give_no_rows(nothing: dict[str, DataFrame]) -> None:
    assert {name: list(rows_of(registry[name], table)) for name, table in nothing.items()} == {
        dataset.name: [] for dataset in DATASETS
    }


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
def test_the_columns_are_the_tables(nothing: dict[str, DataFrame], dataset: Dataset) -> None:
    kinds = {int: "bigint", str: "string", bool: "boolean", tuple: "array<string>"}
    for name, kind in nothing[dataset.name].dtypes:
        column = dataset.schema.column(name)
        assert kind == kinds.get(column.type, {"datetime": "timestamp"}.get(column.type.__name__, "date"))
    assert set(nothing[dataset.name].columns) == set(dataset.schema.names)
