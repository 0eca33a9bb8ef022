"""What bootstraps and the archived log say, united into one state per page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from shared_logic.events.read import DeadLetter, read
from shared_logic.page_state import EMPTY, PageState, decode, encode, join
from shared_logic.partitions import entity
from shared_logic.protocols import Cut

ARCHIVE = "partition int, position long, key string, value binary"
SCHEMA = "wiki string, page_id long, state binary"
_ARROW = pa.schema([("wiki", pa.string()), ("page_id", pa.int64()), ("state", pa.binary())])
PAGES_COMBINED = 5_000
"""Pages that are joined before the shuffle; then they are passed on and forgotten."""
ROWS_PER_BATCH = 1_000

Batches = Iterable[pa.RecordBatch]
PageKey = tuple[str, int]


def said_by_bootstraps(spark: SparkSession, files: list[Path]) -> DataFrame:
    """What bootstraps say, as `batch.bootstrap` wrote it."""
    if not files:
        return spark.createDataFrame([], SCHEMA)
    return spark.read.parquet(*map(str, files)).select("wiki", "page_id", "state")


def said_by_log(spark: SparkSession, archive: Path, cut: Cut) -> DataFrame:
    """What the archived messages before the cut say. What can't be read says nothing, here as in the speed layer."""
    if not any(cut):
        return spark.createDataFrame([], SCHEMA)
    ends = f.create_map(*(f.lit(value) for pair in enumerate(cut) for value in pair))
    rows = (
        spark.read.schema(ARCHIVE).parquet(str(archive)).where(f.col("position") < ends[f.col("partition")])
    )
    return rows.select("key", "value").mapInArrow(_read, SCHEMA)


def united(said: DataFrame) -> DataFrame:
    """One state per page: joined before the shuffle, sorted by page, joined again with a carry from batch to batch."""
    shuffled = said.mapInArrow(_combine, SCHEMA).repartition("wiki", "page_id")
    return shuffled.sortWithinPartitions("wiki", "page_id").mapInArrow(_carry, SCHEMA)


def _read(batches: Batches) -> Iterator[pa.RecordBatch]:
    def said() -> Iterator[tuple[PageKey, PageState]]:
        for batch in batches:
            for key, value in zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True):
                page = entity(key)
                try:
                    yield page, read(value).state(page[1])
                except DeadLetter:
                    continue

    return _batches((page, encode(state)) for page, state in _joined(said()))


def _combine(batches: Batches) -> Iterator[pa.RecordBatch]:
    return _batches((page, encode(state)) for page, state in _joined(_rows(batches)))


def _carry(batches: Batches) -> Iterator[pa.RecordBatch]:
    def pages() -> Iterator[tuple[PageKey, bytes]]:
        at: PageKey | None = None
        joined = EMPTY
        for page, state in _rows(batches):
            if page == at:
                joined = join(joined, state)
                continue
            if at is not None:
                yield at, encode(joined)
            at, joined = page, state
        if at is not None:
            yield at, encode(joined)

    return _batches(pages())


def _rows(batches: Batches) -> Iterator[tuple[PageKey, PageState]]:
    for batch in batches:
        columns = (batch[name].to_pylist() for name in ("wiki", "page_id", "state"))
        for wiki, page_id, state in zip(*columns, strict=True):
            yield (wiki, page_id), decode(state)


def _joined(said: Iterator[tuple[PageKey, PageState]]) -> Iterator[tuple[PageKey, PageState]]:
    pages: dict[PageKey, PageState] = {}
    for page, state in said:
        known = pages.get(page)
        pages[page] = state if known is None else join(known, state)
        if len(pages) >= PAGES_COMBINED:
            yield from pages.items()
            pages = {}
    yield from pages.items()


def _batches(rows: Iterator[tuple[PageKey, bytes]]) -> Iterator[pa.RecordBatch]:
    wikis: list[str] = []
    ids: list[int] = []
    states: list[bytes] = []
    for (wiki, page_id), state in rows:
        wikis.append(wiki)
        ids.append(page_id)
        states.append(state)
        if len(ids) >= ROWS_PER_BATCH:
            yield pa.record_batch([wikis, ids, states], schema=_ARROW)
            wikis, ids, states = [], [], []
    if ids:
        yield pa.record_batch([wikis, ids, states], schema=_ARROW)
