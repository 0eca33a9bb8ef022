"""Which rows of a table name one another: connected components, by Spark, none of them collected to the driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from shared_logic.history.components import components
from shared_logic.tables import Schema

GROUP = "wikibraid_group"
"""The column that names a row's group: the least name in it."""
EDGES_KNOWN = 300_000
"""That a task looks at together."""
EDGES_PASSED = 5_000
"""That it passes on at a time."""
_EDGES = "wiki string, a string, b string"


def groups(table: DataFrame, schema: Schema[Any]) -> DataFrame:
    """The group of every partition of the table that names others or is named by one; computed now, kept until it is not asked for."""
    (wiki, name), (link,) = schema.partition, schema.links
    edges = table.select(f.col(wiki).alias("wiki"), f.col(name).alias("a"), f.explode(link).alias("b"))
    stars = edges.mapInArrow(_stars, _EDGES).distinct().localCheckpoint()
    # What is left of a small table is for one task, which ends it.
    is_small = stars.count() <= EDGES_KNOWN
    labels = _ended(stars.coalesce(1).mapInArrow(_stars, _EDGES)) if is_small else _components(stars)
    return labels.withColumnsRenamed({"wiki": wiki, "a": name, "label": GROUP})


def largest(groups: DataFrame, schema: Schema[Any]) -> int:
    """How many partitions the largest group has; 1 where none names another."""
    sizes = groups.groupBy(schema.partition[0], GROUP).count()
    return max(
        (row["largest"] or 1 for row in sizes.agg(f.max("count").alias("largest")).collect()), default=1
    )


def in_groups(table: DataFrame, schema: Schema[Any], groups: DataFrame) -> DataFrame:
    """The rows with their group, all rows of a group together in one partition, sorted by group and key."""
    wiki, name = schema.partition
    # Whoever names nobody is a group of its own.
    grouped = table.join(groups, [wiki, name], "left").withColumn(GROUP, f.coalesce(GROUP, name))
    return grouped.repartition(wiki, GROUP).sortWithinPartitions(wiki, GROUP, *schema.key_names)


def _stars(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """What a task's edges say, as edges from each name to the least one that it reaches.

    So what a task sees as a whole is found at once, and only what lies with several tasks takes rounds.
    """
    rows = chain.from_iterable(
        zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches
    )
    while some := list(islice(rows, EDGES_KNOWN)):
        found = components(((wiki, one), (wiki, other)) for wiki, one, other in some)
        edges = ((wiki, name, least) for (wiki, name), (_, least) in found.items() if name != least)
        while passed := list(islice(edges, EDGES_PASSED)):
            columns = [pa.array(column, pa.string()) for column in zip(*passed, strict=True)]
            yield pa.record_batch(columns, ["wiki", "a", "b"])


def _ended(stars: DataFrame) -> DataFrame:
    """(wiki, a, label) of every name, where all edges were looked at together."""
    labelled = stars.withColumnRenamed("b", "label")
    least = labelled.select("wiki", f.col("label").alias("a"), "label").distinct()
    return labelled.unionByName(least).localCheckpoint()


def _components(stars: DataFrame) -> DataFrame:
    """(wiki, a, label) of every name that an edge has, the label being the least name that can be reached.

    Every round each name takes the least label around it, and then the label of that label, so that long chains halve
    (pointer jumping; Shiloach and Vishkin 1982).
    """
    back = stars.select("wiki", f.col("b").alias("a"), f.col("a").alias("b"))
    edges = stars.unionByName(back).localCheckpoint()
    labels = edges.groupBy("wiki", "a").agg(f.least(f.min("b"), f.col("a")).alias("label")).localCheckpoint()
    while True:
        around = (
            edges.join(labels.select("wiki", f.col("a").alias("b"), "label"), ["wiki", "b"])
            .groupBy("wiki", "a")
            .agg(f.min("label").alias("around"))
        )
        nearer = labels.join(around, ["wiki", "a"]).select(
            "wiki", "a", f.col("label").alias("was"), f.least("label", "around").alias("label")
        )
        jump = nearer.select("wiki", f.col("a").alias("label"), f.col("label").alias("further"))
        jumped = nearer.join(jump, ["wiki", "label"], "left").select(
            "wiki", "a", "was", f.least("label", "further").alias("label")
        )
        jumped = jumped.localCheckpoint()
        if jumped.where("was <> label").isEmpty():
            return jumped.drop("was")
        labels = jumped.drop("was")
