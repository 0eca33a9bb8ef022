"""What bootstraps and the archived log say, united into one state per entity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.pandas.types import from_arrow_schema

from batch import state_table
from batch.state_table import COLUMNS
from shared_logic.entities import Entity, Kind, State, decode, encode, join
from shared_logic.events.declared import declared_modules
from shared_logic.events.read import said_by
from shared_logic.protocols import Cut

SCHEMA = from_arrow_schema(state_table.SCHEMA)
ENTITIES_COMBINED = 5_000
"""Entities of the log that are joined before the shuffle; then they are passed on and forgotten."""
ROWS_PER_BATCH = 1_000

Batches = Iterable[pa.RecordBatch]
Task = Callable[[Batches], Iterator[pa.RecordBatch]]


def said_by_bootstraps(spark: SparkSession, files: list[Path]) -> DataFrame:
    """What bootstraps say, as `batch.bootstrap` wrote it."""
    if not files:
        return spark.createDataFrame([], SCHEMA)
    return spark.read.parquet(*map(str, files)).select(*COLUMNS)


def said_by_log(spark: SparkSession, archive: Path, cut: Cut, since: Cut | None = None) -> DataFrame:
    """What the archived messages before the cut say, from `since` on. What can't be read says nothing, here as in the speed layer."""
    start = since or (0,) * len(cut)
    if cut == start:
        return spark.createDataFrame([], SCHEMA)
    starts, ends = (
        f.create_map(*(f.lit(value) for pair in enumerate(offsets) for value in pair))
        for offsets in (start, cut)
    )
    position, partition = f.col("position"), f.col("partition")
    rows = spark.read.format("delta").load(str(archive))
    rows = rows.where((position >= starts[partition]) & (position < ends[partition]))
    return rows.select("key", "value").mapInArrow(reading_declared(_read), SCHEMA)


def reading_declared(task: Task) -> Task:
    """A task that reads messages, for workers of Spark that have not imported what this process has: authors' events."""
    modules = declared_modules()

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        for module in modules:
            import_module(module)
        return task(batches)

    return run


def united(said: DataFrame) -> DataFrame:
    """One state per entity: sorted by entity, and joined with a carry from batch to batch."""
    shuffled = said.repartition("wiki", "kind", "id")
    return shuffled.sortWithinPartitions("wiki", "kind", "id").mapInArrow(_carry, SCHEMA)


def entities(batches: Batches) -> Iterator[tuple[Entity, State]]:
    """The rows of a table of states."""
    return ((told, decode(state)) for told, state in _encoded(batches))


def said_by_messages(batches: Batches) -> Iterator[tuple[Entity, State]]:
    """What the rows of the archive say."""
    for batch in batches:
        yield from said_by(zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True))


def _read(batches: Batches) -> Iterator[pa.RecordBatch]:
    return _batches((told, encode(state)) for told, state in _joined(said_by_messages(batches)))


def _carry(batches: Batches) -> Iterator[pa.RecordBatch]:
    groups = groupby(_encoded(batches), key=itemgetter(0))
    return _batches((told, _whole([state for _, state in states])) for told, states in groups)


def _encoded(batches: Batches) -> Iterator[tuple[Entity, bytes]]:
    for batch in batches:
        columns = (batch[name].to_pylist() for name in COLUMNS)
        for wiki, kind, number, state in zip(*columns, strict=True):
            yield Entity(wiki, _KINDS[kind], number), state


def _whole(states: list[bytes]) -> bytes:
    """All that the states say; of most entities there is but one, which need not be looked at."""
    if len(states) == 1:
        return states[0]
    said = [decode(state) for state in states]
    while len(said) > 1:
        # By pairs, since a join copies what it joins: one after the other, that is the square of a busy page's length.
        said = [
            join(*said[place : place + 2]) if place + 1 < len(said) else said[place]
            for place in range(0, len(said), 2)
        ]
    return encode(said[0])


def _joined(said: Iterator[tuple[Entity, State]]) -> Iterator[tuple[Entity, State]]:
    states: dict[Entity, State] = {}
    for told, state in said:
        known = states.get(told)
        states[told] = state if known is None else join(known, state)
        if len(states) >= ENTITIES_COMBINED:
            yield from states.items()
            states = {}
    yield from states.items()


def _batches(rows: Iterator[tuple[Entity, bytes]]) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, ROWS_PER_BATCH)):
        yield pa.record_batch(
            [
                [told.wiki for told, _ in some],
                [told.kind for told, _ in some],
                [told.id for told, _ in some],
                [state for _, state in some],
            ],
            schema=state_table.SCHEMA,
        )


_KINDS = {kind.value: kind for kind in Kind}
