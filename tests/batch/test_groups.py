"""Names that name one another are found however they are spread over tasks."""

from __future__ import annotations

from typing import Annotated

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from batch import groups as grouping
from batch.groups import GROUP, groups, largest
from shared_logic.history.components import components
from shared_logic.language import Link, Partition, Table, about
from shared_logic.tables import Schema


class Alias(Table, frozen=True, kw_only=True):
    """A name and others of the same thing."""

    wiki: Annotated[Partition[str], about("wiki")]
    name: Annotated[Partition[str], about("name")]
    others: Annotated[Link[tuple[str, ...]], about("other names")]


names = st.text("ab\u00e9\U0001f600", min_size=1, max_size=2)


@given(pairs=st.lists(st.tuples(names, names), max_size=30), known=st.integers(1, 30))
def test_what_a_task_passes_on_says_the_same(pairs: list[tuple[str, str]], known: int) -> None:
    # given edges of two wikis, of which a task looks at a few together
    edges = [(wiki, a, b) for wiki in ("x", "y") for a, b in pairs]
    columns = [pa.array(column, pa.string()) for column in zip(*edges, strict=True)] or [
        pa.array([], pa.string())
    ] * 3
    batch = pa.record_batch(columns, ["wiki", "a", "b"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "EDGES_KNOWN", known)
        patch.setattr(grouping, "EDGES_PASSED", 3)
        passed = [tuple(row.values()) for some in grouping._stars([batch]) for row in some.to_pylist()]
    # then the edges that it passes on join the same names
    found = components(((wiki, a), (wiki, b)) for wiki, a, b in edges)
    again = components((((wiki, a), (wiki, b)) for wiki, a, b in passed), found)
    assert again == found


@pytest.mark.spark
@pytest.mark.parametrize("whole", [True, False], ids=["one task ends it", "in rounds"])
def test_groups_of_a_chain_that_lies_with_many_tasks(
    spark: SparkSession, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a chain of names, each of which names its neighbours, a pair, and one that names nobody, in seven tasks
    chain = [f"{number:03}" for number in range(200)]
    rows = [
        ("w", name, [*chain[max(0, place - 1) : place], *chain[place + 1 : place + 2]])
        for place, name in enumerate(chain)
    ]
    rows += [
        ("w", "p", ["q"]),
        ("w", "q", ["p"]),
        ("w", "alone", []),
        ("v", "p", ["000"]),
        ("v", "000", ["p"]),
    ]
    schema = Schema(Alias)
    table = spark.createDataFrame(rows, "wiki string, name string, others array<string>").repartition(7)
    if not whole:
        monkeypatch.setattr(grouping, "EDGES_KNOWN", 0)
    # when Spark finds what belongs together
    found = groups(table, schema)
    # then each is called by its least name, per wiki, and who names nobody is in none
    told = {(row["wiki"], row["name"]): row[GROUP] for row in found.collect()}
    assert told == {("w", name): "000" for name in chain} | {
        ("w", "p"): "p",
        ("w", "q"): "p",
        ("v", "p"): "000",
        ("v", "000"): "000",
    }
    assert largest(found, schema) == len(chain)
