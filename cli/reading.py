"""Reads of a home's merged tables, as the options of commands ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from cli.options import cut_named, instant_named
from cli.output import counted, meter
from cli.temporary import temporary
from serving.analysis import Analysis
from serving.as_of import as_of
from serving.duckdb_session import within_memory
from serving.reader import NotPublished, Reader, Stream
from shared_logic.clock import instant
from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Log, Store
from speed import loop_engine
from speed.worker import Worker


def reader(place: Home, store: Store, log: Log, *, layered: bool = False) -> Reader:
    """A reader over the store that knows what a home knows by now; `layered`: where the batch's files are, too."""
    return Reader(store, log.ends, files=place.batch_files if layered else None, waiting=place.waiting)


def stream(
    place: Home,
    log: Log,
    store: Store,
    dataset: Dataset,
    prefix: tuple[Any, ...],
    at: str | None = None,
    *,
    layered: bool = False,
) -> Stream:
    """Merged rows whose key starts so, read as they are asked for; `at` as the option says, `layered` as for `reader`.

    Raises:
        Failure: `at` is neither a generation nor a cut, or nothing is published that could answer.
    """
    try:
        if at is None or "," not in at:
            number = None if at is None else _number(at)
            return reader(place, store, log, layered=layered).stream(dataset, prefix, number)
        cut = cut_named(at.removesuffix(","), "--at", log)
        overlay, made = as_of(store, log, dataset, cut, replay)
        return Reader(overlay, lambda: cut, store).stream(dataset, prefix, made.number)
    except NotPublished as error:
        raise Failure(str(error), CANNOT_KNOW) from error


def replay(log: Log, store: Store, lanes: Sequence[DatasetGeneration]) -> None:
    """Bring lanes to the end of the log, by the plain loop."""
    with meter("messages") as progress:
        worker = Worker(log, store, lanes)

        def applied(_: object) -> bool:
            progress.at(worker.outcome.messages)
            return True

        loop_engine.run_until_idle(worker, applied=applied)


@contextmanager
def analysis(
    place: Home, log: Log, store: Store, now: str | None, at: str | None = None
) -> Iterator[Analysis]:
    """A database over merged tables, as of `at` and `now` as the options say; its files are gone afterwards.

    Raises:
        MemoryLimitError: what is asked of it needs more memory than there may be.
    """

    def read(dataset: Dataset) -> Stream:
        found = stream(place, log, store, dataset, (), at, layered=True)
        return replace(found, rows=counted(found.rows, f"rows of {dataset.name}"))

    with (
        within_memory(),
        temporary(place.temporary) as folder,
        Analysis(read, folder, instant_of(place, now)) as db,
    ):
        yield db


def instant_of(place: Home, now: str | None) -> datetime:
    """The instant of reading: what was asked for, else that of the last batch run that named one, else the present.

    Raises:
        Failure: it is no instant.
    """
    told = now or place.now()
    return instant(instant_named(told)) if told else datetime.now(tz=UTC)


def freshness(found: Stream) -> str:
    """How fresh the rows are, in words."""
    missing = [f"{found.lag:,} messages behind"] if found.lag else []
    if found.waiting:
        missing.append(
            f"{found.waiting:,} history merges or restores wait to be followed (`wikibraid ingest relocations`)"
        )
    complete = f"incomplete: {', '.join(missing)}" if missing else "complete"
    return f"generation {found.generation}, through offsets {','.join(map(str, found.through))}, {complete}"


def freshness_of_all(streams: Mapping[str, Stream]) -> str:
    """How fresh the least fresh of the tables is."""
    return max((freshness(found) for found in streams.values()), key=lambda told: "incomplete" in told)


def _number(at: str) -> int:
    try:
        return int(at)
    except ValueError:
        message = f"--at {at}: neither a generation's number nor offsets of the log, as 12,40,7,9"
        raise Failure(message) from None
