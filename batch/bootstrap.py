"""History from before the log, as entity states in one Parquet folder: what `ingest tables` and `ingest dump` make."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batch.fingerprint import taking_fingerprint
from batch.state_table import SCHEMA
from shared_logic.entities import Entity, State, encode
from shared_logic.states.page_state import PageState

STATES = "states.parquet"
"""The folder in a bootstrap's that holds its parts."""
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
    damaged: tuple[str, ...] = ()
    """What of the sources could not be read, in words."""
    reading: str = ""
    """Fingerprint of the code that made states of it (see `batch.fingerprint.taking_fingerprint`)."""


@dataclass(slots=True)
class Written:
    """How much was written."""

    pages: int = 0
    revisions: int = 0
    newest: int = 0
    """The newest time of a revision, milliseconds since 1970 UTC."""

    def add(self, other: Written) -> None:
        """And what another part wrote."""
        self.pages += other.pages
        self.revisions += other.revisions
        self.newest = max(self.newest, other.newest)


def identity(wiki: str, beginning: int, sources: Iterable[Path]) -> str:
    """12 hex digits over the wiki, the beginning, the names and sizes of the files, and the code that reads them."""
    parts = [
        wiki,
        str(beginning),
        taking_fingerprint(),
        *(f"{path.name} {path.stat().st_size}" for path in sorted(sources)),
    ]
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def damaged_identity(identity: str, places: Iterable[str], written: Written) -> str:
    """The id of what could be read of sources that are damaged at these places: as much of the same sources is the same."""
    parts = (identity, *places, f"{written.pages} {written.revisions}")
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def renamed(folder: Path, identity: str) -> Path:
    """The folder under another id, in place of what a killed process left there."""
    other = folder.with_name(identity)
    shutil.rmtree(other, ignore_errors=True)
    return folder.rename(other)


def remove_damaged(folder: Path, made: Bootstrap) -> None:
    """Remove other bootstraps that were made of the same sources while those were damaged."""
    for other in folder.iterdir():
        known = described(other)
        if (
            known is not None
            and known.damaged
            and known.id != made.id
            and (known.wiki, known.sources) == (made.wiki, made.sources)
        ):
            shutil.rmtree(other)


def write(
    folder: Path, states: Iterable[tuple[Entity, State]], progress: Callable[[Written], None]
) -> Written:
    """Write the states in place of what the folder holds; `progress` is told now and then."""
    begin(folder)
    return write_part(folder, 0, states, progress)


def begin(folder: Path) -> None:
    """Make room for the parts of a bootstrap."""
    path = folder / STATES
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)


def state_files(folder: Path) -> list[Path]:
    """The parts of a bootstrap."""
    return sorted((folder / STATES).glob("*.parquet"))


def write_part(
    folder: Path,
    number: int,
    states: Iterable[tuple[Entity, State]],
    progress: Callable[[Written], None] = lambda _: None,
) -> Written:
    """Write a part, whole or not at all; several processes may write parts of one bootstrap at once."""
    written = Written()
    path = folder / STATES / f"part-{number:06}.parquet"
    unfinished = path.with_name(f".{path.name}.unfinished")
    page = 0
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
            for entity, state in rows:
                if isinstance(state, PageState):
                    # A page may come in several states, one after the other.
                    written.pages += state.title is not None and entity.id != page
                    page = entity.id if state.title is not None else page
                    written.revisions += len(state.revisions)
                    times = (revision.timestamp or 0 for revision in state.revisions.values())
                    written.newest = max(written.newest, max(times, default=0))
            progress(written)
    unfinished.rename(path)
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
