"""The canonical log as a Delta table, with the position of every message: what Spark reads, kept after the log itself forgets.

A commit holds messages of several partitions and says, as Delta's transaction identifiers, up to where each of them is archived. So a
message is there exactly once, whoever died: what was written and not committed is in no version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

from batch.archive_error import ArchiveError
from shared_logic.protocols import Cut, Log, Message

SCHEMA = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("value", pa.binary(), nullable=False),
    ]
)
MESSAGES_PER_COMMIT = 100_000
COMMITS_BETWEEN_COMPACTIONS = 20
_HOURS_KEPT = 7 * 24
"""For whoever still reads files that were put together since."""
ARCHIVED_UPTO = "archive-{}"
"""Names the transaction identifier of a partition: its version is where the archive ends."""
# Values are whole events: their least and greatest would be copied into Delta's own log for nothing.
_CONFIGURATION = {"delta.dataSkippingStatsColumns": "partition,position"}


@dataclass(frozen=True, slots=True)
class Archived:
    """What one call did."""

    added: int
    """Messages."""
    ends: Cut
    """Where the archive ends in each partition."""


def archive(log: Log, folder: Path, upto: Cut) -> Archived:
    """Add what lies before `upto` and is not in the archive yet.

    Raises:
        ArchiveError: messages between the archive's end and `upto` are not in the log, or the log ends before the archive.
    """
    table = opened(folder)
    ends = list(archived(folder, len(upto)))
    _refuse_older(log, ends)
    added = 0
    for chunk in _chunks(log, ends, upto):
        for partition, messages in chunk:
            ends[partition] = messages[-1].offset + 1
            added += len(messages)
        write_deltalake(
            table,
            pa.Table.from_batches([_batch(partition, messages) for partition, messages in chunk]),
            mode="append",
            commit_properties=CommitProperties(
                app_transactions=[
                    Transaction(ARCHIVED_UPTO.format(partition), ends[partition]) for partition, _ in chunk
                ]
            ),
        )
        table.update_incremental()
        if table.version() % COMMITS_BETWEEN_COMPACTIONS == 0:
            table.optimize.compact()
            table.vacuum(retention_hours=_HOURS_KEPT, dry_run=False)
    return Archived(added, tuple(ends))


def archived(folder: Path, partitions: int) -> Cut:
    """Where the archive ends in each partition."""
    if not DeltaTable.is_deltatable(str(folder)):
        return (0,) * partitions
    table = DeltaTable(str(folder))
    return tuple(table.transaction_version(ARCHIVED_UPTO.format(number)) or 0 for number in range(partitions))


def messages(folder: Path, partition: int, start: int) -> Iterator[Sequence[Message]]:
    """The archived messages of a partition from that position on, in order, some at a time."""
    table = DeltaTable(str(folder))
    end = table.transaction_version(ARCHIVED_UPTO.format(partition)) or 0
    rows = table.to_pyarrow_dataset()
    for begin in range(start, end, MESSAGES_PER_COMMIT):
        position = ds.field("position")
        within = (position >= begin) & (position < begin + MESSAGES_PER_COMMIT)
        within &= ds.field("partition") == partition
        found = rows.to_table(["position", "key", "value"], filter=within).sort_by("position")
        columns = (found[name].to_pylist() for name in found.column_names)
        yield [Message(*row) for row in zip(*columns, strict=True)]


def opened(folder: Path) -> DeltaTable:
    """The table, made if it isn't there."""
    try:
        return DeltaTable(str(folder))
    except TableNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            str(folder), SCHEMA, partition_by=["partition"], configuration=_CONFIGURATION
        )


def _chunks(log: Log, ends: Sequence[int], upto: Cut) -> Iterator[list[tuple[int, Sequence[Message]]]]:
    """What is to be archived, in order within each partition, so many messages at a time."""
    at = list(ends)
    while True:
        chunk: list[tuple[int, Sequence[Message]]] = []
        count = 0
        for partition, end in enumerate(upto):
            most = min(MESSAGES_PER_COMMIT - count, end - at[partition])
            if most <= 0:
                continue
            messages = log.read(partition, at[partition], most)
            _check(partition, at[partition], messages)
            chunk.append((partition, messages))
            at[partition] += len(messages)
            count += len(messages)
        if not chunk:
            return
        yield chunk


def _refuse_older(log: Log, ends: Sequence[int]) -> None:
    """Refuse a log whose next messages would get offsets that are archived already, and so never be archived."""
    for partition, (end, there) in enumerate(zip(ends, log.ends(), strict=True)):
        if there < end:
            message = (
                f"partition {partition} of the log ends at offset {there}, but {end} messages of it are archived: the log is an older "
                "copy or was made anew, and what came to it next would never be archived; make a new home of what is archived: "
                "`wikibraid ingest home OLD --home NEW --archive-only`"
            )
            raise ArchiveError(message)


def _check(partition: int, position: int, messages: Sequence[Message]) -> None:
    if not messages or messages[-1].offset + 1 != position + len(messages):
        found = ((position + at, message.offset) for at, message in enumerate(messages))
        wanted, there = next((pair for pair in found if pair[0] != pair[1]), (position, "nothing"))
        message = (
            f"partition {partition} of the log holds {there} at offset {wanted}, which was not archived: Kafka has given it up, or "
            "the topic is compacted. What is lost must come from a new bootstrap (`wikibraid ingest tables`); then keep records longer, "
            "or run `wikibraid archive` more often"
        )
        raise ArchiveError(message)


def _batch(partition: int, messages: Sequence[Message]) -> pa.RecordBatch:
    return pa.record_batch(
        [
            pa.array([partition] * len(messages), pa.int32()),
            pa.array([message.offset for message in messages], pa.int64()),
            pa.array([message.key for message in messages], pa.string()),
            pa.array([message.value for message in messages], pa.binary()),
        ],
        schema=SCHEMA,
    )
