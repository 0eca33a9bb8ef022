"""The speed layer's command."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, datasets_named, home_at
from cli.output import meter, out, print_json
from serving.sqlite_store import SqliteStore
from shared_logic.language import Dataset
from shared_logic.protocols import Generation, Lane
from speed import bytewax_engine, loop_engine, process
from speed.sqlite_log import SqliteLog
from speed.worker import LogTooShort, Outcome, Worker, alike

app = typer.Typer(help="Keep the merged tables current from the log.", no_args_is_help=True)
IDLE_SECONDS = 0.2


class EngineName(StrEnum):
    """Which engine runs the worker."""

    BYTEWAX = "bytewax"
    LOOP = "loop"


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; all, if none is named.")] = None,
    until_idle: Annotated[bool, typer.Option(help="Stop when the log is worked off.")] = False,
    engine: Annotated[EngineName, typer.Option(help="The engine.")] = EngineName.BYTEWAX,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring the published generations to the end of the log, and keep them there until stopped."""
    process.tune()
    place = home_at(home)
    with place.writer("speed run"), place.log() as log, place.store() as store:
        lanes = published(store, datasets_named(names or []))
        total = Outcome()
        while True:
            with meter("messages", sum(log.ends())) as progress:
                done = catch_up(log, store, lanes, engine, lambda: progress.at(standing(log, store, lanes)))
            total.messages += done.messages
            total.unreadable += done.unreadable
            total.failures |= done.failures
            if until_idle:
                break
            time.sleep(IDLE_SECONDS)
    if json:
        print_json(
            {"messages": total.messages, "unreadable": total.unreadable, "failures": len(total.failures)}
        )
        return
    out.print(f"{total.messages:,} messages applied, {total.unreadable:,} unreadable")
    for (dataset, page), error in list(total.failures.items())[:20]:
        out.print(f"  {dataset} has no rows of page {page}: {error}", markup=False)


def published(store: SqliteStore, datasets: tuple[Dataset, ...]) -> list[tuple[Dataset, Generation]]:
    """The lanes of what readers read.

    Raises:
        Failure: nothing is published yet.
    """
    lanes = [(dataset, made) for dataset in datasets if (made := store.published(dataset.name)) is not None]
    if not lanes:
        message = "nothing is published yet; `wikibraid batch run` makes the first generation"
        raise Failure(message, CANNOT_KNOW)
    return lanes


def catch_up(
    log: SqliteLog,
    store: SqliteStore,
    lanes: list[tuple[Dataset, Generation]],
    engine: EngineName,
    applied: object = None,
) -> Outcome:
    """Bring the lanes to the end of the log."""
    total = Outcome()
    for group in alike(store, log, lanes):
        try:
            worker = Worker(log, store, group)
        except LogTooShort as error:
            raise Failure(str(error), CANNOT_KNOW) from error

        def after(_: int) -> bool:
            if callable(applied):
                applied()
            return True

        chosen = bytewax_engine if engine is EngineName.BYTEWAX else loop_engine
        chosen.run_until_idle(worker, log.partitions, applied=after)
        total.messages += worker.outcome.messages
        total.unreadable += worker.outcome.unreadable
        total.failures |= worker.outcome.failures
    return total


def standing(log: SqliteLog, store: SqliteStore, lanes: list[tuple[Dataset, Generation]]) -> int:
    """How many messages of the log are included by the lane that is furthest behind."""
    return min(
        sum(
            made.cut[partition]
            if (at := store.progress(Lane(dataset.name, made.number), partition)) is None
            else at
            for partition in range(log.partitions)
        )
        for dataset, made in lanes
    )
