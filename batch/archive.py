"""The canonical log as Parquet, with the position of every message: what Spark reads, kept after the log itself forgets."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shared_logic.protocols import Cut, Log

SCHEMA = pa.schema(
    [("partition", pa.int32()), ("position", pa.int64()), ("key", pa.string()), ("value", pa.binary())]
)
MESSAGES_PER_FILE = 100_000


class ArchiveError(Exception):
    """The log no longer holds what was not archived yet."""


def archive(log: Log, folder: Path, upto: Cut) -> int:
    """Write what lies before `upto` and is not in the folder yet; returns how many messages were added.

    Raises:
        ArchiveError: messages between the archive's end and `upto` are not in the log.

    A file is named by partition and positions and appears whole, so that a run that was killed is gone on with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    added = 0
    for partition, end in enumerate(upto):
        position = _archived(folder, partition)
        while position < end:
            messages = log.read(partition, position, min(MESSAGES_PER_FILE, end - position))
            after = position + len(messages)
            if not messages or messages[0].offset != position or messages[-1].offset + 1 != after:
                first = messages[0].offset if messages else "nothing"
                message = (
                    f"partition {partition} of the log holds {first} at offset {position}, which was not archived; "
                    "what is lost must come from a new bootstrap: `wikibraid ingest tables`"
                )
                raise ArchiveError(message)
            table = pa.table(
                {
                    "partition": [partition] * len(messages),
                    "position": [message.offset for message in messages],
                    "key": [message.key for message in messages],
                    "value": [message.value for message in messages],
                },
                schema=SCHEMA,
            )
            unfinished = folder / f".{partition}-{position}"
            pq.write_table(table, unfinished, compression="zstd")
            unfinished.rename(folder / f"{partition:04}-{position:012}-{after:012}.parquet")
            added += len(messages)
            position = after
    return added


def _archived(folder: Path, partition: int) -> int:
    """The position after the last archived message of that partition."""
    return max((int(path.stem.split("-")[2]) for path in folder.glob(f"{partition:04}-*.parquet")), default=0)
