"""Comparing Spark with the reference finds what is wrong: a bug is planted in the plan of every shape of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from batch import lowering, states
from batch.groups import GROUP
from batch.states import SCHEMA
from shared_logic.definition import Dataset
from shared_logic.entities import encode, entity
from shared_logic.events.read import read
from shared_logic.keys import encode_key, encode_values
from shared_logic.reference import reference, told
from shared_logic.registry import registry
from shared_logic.tables import Schema
from speed.ingest import ingest
from speed.sqlite_log import SqliteLog
from tests import sample
from tests.batch.spark_tables import computed, rows_of
from tests.engines.test_planted_bugs import SHAPES

pytestmark = pytest.mark.spark
Plant = Callable[[pytest.MonkeyPatch], None]


def without_uniting(patch: pytest.MonkeyPatch) -> None:
    """What is said of an entity is joined by each task for itself."""
    patch.setattr(states, "united", lambda said: said.mapInArrow(states._carry, SCHEMA))


def without_adding_up(patch: pytest.MonkeyPatch) -> None:
    """Of the sums that tasks have of one key, one is taken."""
    patch.setattr(
        lowering,
        "totals",
        lambda dataset, rows: rows.dropDuplicates([*dataset.schema.key_names]),
    )


def without_groups(patch: pytest.MonkeyPatch) -> None:
    """Only rows of one name are taken together."""

    def planted(table: DataFrame, schema: Schema[Any], groups: DataFrame) -> DataFrame:
        wiki, name = schema.partition
        grouped = table.withColumn(GROUP, f.col(name))
        return grouped.repartition(wiki, GROUP).sortWithinPartitions(wiki, GROUP, *schema.key_names)

    patch.setattr(lowering, "in_groups", planted)


PLANTS: Mapping[str, Plant] = {
    "entity": without_uniting,
    "fold": without_uniting,
    "enrichment": without_adding_up,
    "rollup": without_adding_up,
    "derived": without_adding_up,
    "linked": without_groups,
}


@pytest.fixture(scope="module")
def said(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """What each message of a real wiki's log says alone, spread over tasks."""
    with SqliteLog(tmp_path_factory.mktemp("log") / "log.db", 1) as log:
        ingest(log, "real", sample.events())
        messages = [(entity(message.key), message.value) for message in log.read(0, 0, log.ends()[0])]
    pieces = [(*about, encode(read(value).state(about))) for about, value in messages]
    return spark.createDataFrame(pieces, SCHEMA).repartition(4).persist()


def differs(dataset: Dataset, said: DataFrame) -> bool:
    """Whether Spark's table is another one than the reference's."""
    family = registry.closure([dataset.name])
    expected = reference(family, told(sample.events()).states)[dataset.name]
    # In two tasks, each of which makes a part of what is added up.
    table = computed(states.united(said).repartition(2), family)[dataset.name]
    return dict(rows_of(dataset, table)) != {
        encode_key(key): encode_values(values) for key, values in expected.items()
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bug_of_the_plan_is_found(said: DataFrame, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a dataset of which Spark makes the reference's table
    dataset = registry[SHAPES[shape]]
    assert not differs(dataset, said)
    # when a bug is planted that concerns its shape
    PLANTS[shape](monkeypatch)
    # then the tables differ
    assert differs(dataset, said)
