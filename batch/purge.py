"""Takes what is hidden out of the archive and the bootstraps, in place: positions, keys and identities stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from pyarrow import dataset
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from batch.archive import ARCHIVED_UPTO, SCHEMA, opened
from batch.bootstrap import state_files
from batch.states import Batches, entities, said_by_bootstraps, said_by_messages
from shared_logic.entities import Entity, State, encode
from shared_logic.protocols import Cut
from shared_logic.purge import Hidden, Subject, purged_event, purged_state, told_by

_TOLD = "wiki string, kind string, id long, at array<long>, bits int"
_ARROW = pa.schema(
    [
        ("wiki", pa.string()),
        ("kind", pa.string()),
        ("id", pa.int64()),
        ("at", pa.list_(pa.int64())),
        ("bits", pa.int32()),
    ]
)
_MARK = "PURGE"
"""File in what was purged, with the id of the purge that did it."""
_ROWS_AT_ONCE = 5_000
_MESSAGES_AT_ONCE = 100_000


def hidden_parts(spark: SparkSession, archive: Path, bootstraps: list[Path]) -> dict[Subject, int]:
    """What is hidden now by all that was said, as bits of revisions and log rows."""
    parts = said_by_bootstraps(spark, bootstraps).mapInArrow(_told_by_states, _TOLD)
    if DeltaTable.is_deltatable(str(archive)):
        rows = spark.read.format("delta").load(str(archive)).select("key", "value")
        parts = parts.unionByName(rows.mapInArrow(_told_by_messages, _TOLD))
    newest = parts.groupBy("wiki", "kind", "id").agg(f.max(f.struct("at", "bits")).alias("newest"))
    return {
        (row["wiki"], row["kind"], row["id"]): row["bits"]
        for row in newest.where("newest.bits > 0")
        .select("wiki", "kind", "id", "newest.bits")
        .toLocalIterator()
    }


def purge_archive(folder: Path, gone: Hidden, purge: str) -> int:
    """Rewrite the archive without what is hidden; returns how many messages were changed, 0 if this purge did it already.

    The new table is written beside the old one and takes its place at the end, so that a purge that was killed is begun again.
    """
    settle(folder)
    if not DeltaTable.is_deltatable(str(folder)) or _is_done(folder, purge):
        return 0
    old = DeltaTable(str(folder))
    beside = _beside(folder)
    shutil.rmtree(beside, ignore_errors=True)
    new = opened(beside)
    changed = 0
    # Read before it is written, since the library can't do both at once.
    for batch in old.to_pyarrow_dataset().to_batches(batch_size=_MESSAGES_AT_ONCE):
        before = batch["value"].to_pylist()
        after = [purged_event(value, gone) for value in before]
        changed += sum(one is not other for one, other in zip(before, after, strict=True))
        columns = {name: batch[name] for name in SCHEMA.names} | {"value": pa.array(after, pa.binary())}
        write_deltalake(new, pa.table(columns).cast(SCHEMA), mode="append")
        new.update_incremental()
    write_deltalake(
        new,
        SCHEMA.empty_table(),
        mode="append",
        commit_properties=CommitProperties(
            app_transactions=[
                Transaction(name, version)
                for number in range(_most_partitions(old))
                if (version := old.transaction_version(name := ARCHIVED_UPTO.format(number))) is not None
            ]
        ),
    )
    (beside / _MARK).write_text(purge + "\n")
    settle(folder)
    return changed


def is_told_again(archive: Path, bootstraps: Iterable[Path], purge: str, through: Cut, gone: Hidden) -> bool:
    """Whether anything of this may be told by what came after that purge, which purged the log before `through`.

    Of a bootstrap that it did not rewrite nobody knows, so that it counts as such, nor of an archive of which another one was the last.
    """
    if not through or not all(_is_done(folder, purge) for folder in (archive, *bootstraps)):
        return True
    partition, position = dataset.field("partition"), dataset.field("position")
    for number, end in enumerate(through):
        later = (
            DeltaTable(str(archive)).to_pyarrow_dataset().filter((partition == number) & (position >= end))
        )
        for batch in later.to_batches(columns=["value"], batch_size=_MESSAGES_AT_ONCE):
            if any(purged_event(value, gone) is not value for value in batch["value"].to_pylist()):
                return True
    return False


def settle(folder: Path) -> None:
    """Let an archive that was wholly rewritten take the place of the old one."""
    beside, old = _beside(folder), folder.with_name(folder.name + ".old")
    if (beside / _MARK).exists():
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def purge_bootstrap(folder: Path, gone: Hidden, purge: str) -> int:
    """Rewrite a bootstrap's states without what is hidden; returns how many were changed, 0 if this purge did it already."""
    if _is_done(folder, purge):
        return 0
    changed = sum(_purge_part(path, gone) for path in state_files(folder))
    (folder / _MARK).write_text(purge + "\n")
    return changed


def _purge_part(path: Path, gone: Hidden) -> int:
    beside = path.with_name(f".{path.name}.purging")
    changed = 0
    with pq.ParquetFile(path) as old, pq.ParquetWriter(beside, old.schema_arrow, compression="zstd") as new:
        for batch in old.iter_batches(_ROWS_AT_ONCE):
            states = []
            for (entity, state), before in zip(entities([batch]), batch["state"].to_pylist(), strict=True):
                after = purged_state(entity, state, gone)
                changed += after is not state
                states.append(before if after is state else encode(after))
            place = batch.schema.get_field_index("state")
            new.write_batch(batch.set_column(place, "state", pa.array(states, pa.binary())))
    beside.replace(path)
    return changed


def _told_by_states(batches: Batches) -> Iterator[pa.RecordBatch]:
    return _told(entities(batches))


def _told_by_messages(batches: Batches) -> Iterator[pa.RecordBatch]:
    return _told(said_by_messages(batches))


def _told(said: Iterator[tuple[Entity, State]]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, object]] = []
    for about, state in said:
        for part in told_by(about, state):
            wiki, kind, number = part.subject
            rows.append({"wiki": wiki, "kind": kind, "id": number, "at": list(part.at), "bits": part.bits})
        if len(rows) >= _ROWS_AT_ONCE:
            yield pa.RecordBatch.from_pylist(rows, _ARROW)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, _ARROW)


def _beside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".purging")


def _is_done(folder: Path, purge: str) -> bool:
    mark = folder / _MARK
    return mark.exists() and mark.read_text().strip() == purge


def _most_partitions(table: DeltaTable) -> int:
    numbers = [partition["partition"] for partition in table.partitions()]
    return max((int(number) + 1 for number in numbers), default=0)
