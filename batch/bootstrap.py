"""History from before the log, as entity states in one Parquet folder: what `ingest tables` and `ingest dump` make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from shared_logic.entities import Entity, State, encode
from shared_logic.fingerprint import reading_fingerprint
from shared_logic.page_state import PageState

SCHEMA = pa.schema([("wiki", pa.string()), ("kind", pa.string()), ("id", pa.int64()), ("state", pa.binary())])
ROWS_PER_GROUP = 2_000


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """What one bootstrap was made of."""

    id: str
    wiki: str
    beginning: int
    """The instant at which the copy began, milliseconds since 1970 UTC."""
    cut: tuple[int, ...]
    """Ends of the log when it was taken over; the log before it is read by the batch as well."""
    sources: tuple[str, ...]
    pages: int
    revisions: int
    problems: int
    reading: str = ""
    """Fingerprint of the code that made states of it (see `shared_logic.fingerprint.reading_fingerprint`)."""


@dataclass(slots=True)
class Written:
    """How much was written."""

    pages: int = 0
    revisions: int = 0


def identity(wiki: str, beginning: int, sources: Iterable[Path]) -> str:
    """12 hex digits over the wiki, the beginning, the names and sizes of the files, and the code that reads them."""
    parts = [
        wiki,
        str(beginning),
        reading_fingerprint(),
        *(f"{path.name} {path.stat().st_size}" for path in sorted(sources)),
    ]
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def write(folder: Path, states: Iterable[tuple[Entity, State]], told: Callable[[Written], None]) -> Written:
    """Write the states to `folder/states.parquet`, whole or not at all; progress is told now and then."""
    folder.mkdir(parents=True, exist_ok=True)
    written = Written()
    unfinished = folder / "states.parquet.unfinished"
    with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for rows in _groups(states):
            writer.write_table(
                pa.table(
                    {
                        "wiki": [entity.wiki for entity, _ in rows],
                        "kind": [entity.kind for entity, _ in rows],
                        "id": [entity.id for entity, _ in rows],
                        "state": [encode(state) for _, state in rows],
                    },
                    schema=SCHEMA,
                )
            )
            written.pages += sum(
                isinstance(state, PageState) and state.title is not None for _, state in rows
            )
            written.revisions += sum(_revisions(state) for _, state in rows)
            told(written)
    unfinished.rename(folder / "states.parquet")
    return written


def describe(folder: Path, bootstrap: Bootstrap) -> None:
    """Write the description beside the states; with it the bootstrap is complete."""
    (folder / "bootstrap.json").write_bytes(msgspec.json.format(msgspec.json.encode(bootstrap)))


def described(folder: Path) -> Bootstrap | None:
    """The description in the folder; None: not complete."""
    path = folder / "bootstrap.json"
    return msgspec.json.decode(path.read_bytes(), type=Bootstrap) if path.exists() else None


def _groups(states: Iterable[tuple[Entity, State]]) -> Iterator[list[tuple[Entity, State]]]:
    rows: list[tuple[Entity, State]] = []
    size = 0
    for row in states:
        rows.append(row)
        size += 1 + _revisions(row[1])
        if size >= ROWS_PER_GROUP:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _revisions(state: State) -> int:
    return len(state.revisions) if isinstance(state, PageState) else 0
