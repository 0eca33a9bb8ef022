"""The speed layer's commands."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from cli.daemons import answering, on_signal
from cli.failures import CANNOT_KNOW, Failure
from cli.options import (
    DEFAULT_HOME,
    HOST,
    HomeOption,
    HostOption,
    JsonOption,
    PortOption,
    datasets_named,
    home_at,
)
from cli.output import err, meter, out, print_json
from cli.relocations import followed
from shared_logic.datasets.page_history import page_titles
from shared_logic.fingerprint import fingerprint
from shared_logic.language import Dataset, registry
from shared_logic.protocols import Generation, Lane, Log, Store
from speed import loop_engine, process
from speed.daemon import Daemon
from speed.shares import Share
from speed.worker import LogTooShort, Outcome, Worker, alike

app = typer.Typer(help="Keep the merged tables current from the log.", no_args_is_help=True)
PORT = 9464


class EngineName(StrEnum):
    """Which engine runs the worker."""

    BYTEWAX = "bytewax"
    LOOP = "loop"


@app.command()
def run(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets, each with its family; all, if none is named.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="The engine.")] = EngineName.BYTEWAX,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring the published generations to the end of the log, follow history merges and restores, and stop there."""
    process.tune()
    place = home_at(home)
    with place.writing_store("speed run"), place.log() as log, place.store() as store:
        lanes = published(store, _with_families(datasets_named(names or [])))
        done = _caught_up(log, store, lanes, engine)
        if any(dataset.name == page_titles.name for dataset, _ in lanes) and followed(
            place, store, "speed run"
        ):
            done.add(_caught_up(log, store, lanes, engine))
    if json:
        print_json({"messages": done.messages, "unreadable": done.unreadable, "failures": len(done.failures)})
        return
    out.print(f"{done.messages:,} messages applied, {done.unreadable:,} unreadable")
    for (dataset, page), error in list(done.failures.items())[:20]:
        out.print(f"  {dataset} has no rows of page {page}: {error}", markup=False)


@app.command()
def daemon(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets, each with its family; all, if none is named.")
    ] = None,
    share: Annotated[
        str,
        typer.Option(metavar="K/N", help="With N processes, the part of the work that is this one's."),
    ] = "1/1",
    host: HostOption = HOST,
    port: PortOption = PORT,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keep what is published current until SIGTERM or Ctrl-C; follows flips and rollbacks by itself."""
    process.tune()
    place = home_at(home)
    part = _share(share)
    with place.keeping_current(str(part)), place.log() as log, place.store() as store:
        kept = Daemon(
            log,
            store,
            _with_families(datasets_named(names or [])),
            part,
            lambda line: err.print(line, markup=False, soft_wrap=True),
        )
        on_signal(kept.stop)
        try:
            with answering(kept, host, port):
                kept.run()
        except LogTooShort as error:
            raise Failure(str(error), CANNOT_KNOW) from error
    err.print("stopped; the same command goes on from here")


def _caught_up(
    log: Log, store: Store, lanes: list[tuple[Dataset, Generation]], engine: EngineName
) -> Outcome:
    """The lanes are at the end of the log; how far they are is shown meanwhile."""
    with meter("messages", sum(log.ends())) as progress:
        return catch_up(log, store, lanes, engine, lambda: progress.at(standing(log, store, lanes)))


def _with_families(datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """With all that read the same tables: whoever stays behind its source could not be caught up without it."""
    names = {member.name for dataset in datasets for member in registry.family(dataset)}
    return tuple(dataset for dataset in registry.values() if dataset.name in names)


def published(store: Store, datasets: tuple[Dataset, ...]) -> list[tuple[Dataset, Generation]]:
    """The lanes of what readers read.

    Raises:
        Failure: nothing is published yet, or what is was made by other code.
    """
    lanes = [(dataset, made) for dataset in datasets if (made := store.published(dataset.name)) is not None]
    if not lanes:
        message = "nothing is published yet; `wikibraid batch run` makes the first generation"
        raise Failure(message, CANNOT_KNOW)
    changed = [dataset.name for dataset, made in lanes if made.fingerprint != fingerprint(dataset)]
    if changed:
        message = (
            f"the code of {', '.join(changed)} is not that of the published generation, and the two must not be mixed; "
            f"`wikibraid batch run {' '.join(changed)}` makes generations with this code"
        )
        raise Failure(message, CANNOT_KNOW)
    return lanes


def catch_up(
    log: Log,
    store: Store,
    lanes: list[tuple[Dataset, Generation]],
    engine: EngineName,
    applied: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring the lanes to the end of the log."""
    total = Outcome()

    def after(_: object) -> bool:
        applied()
        return True

    for group in alike(store, range(log.partitions), lanes):
        try:
            worker = Worker(log, store, group)
        except LogTooShort as error:
            raise Failure(str(error), CANNOT_KNOW) from error
        _run_until_idle(engine)(worker, applied=after)
        total.add(worker.outcome)
    return total


def _run_until_idle(engine: EngineName) -> Callable[..., None]:
    """How that engine works off the log."""
    if engine is EngineName.LOOP:
        return loop_engine.run_until_idle
    from speed import bytewax_engine

    return bytewax_engine.run_until_idle


def standing(log: Log, store: Store, lanes: list[tuple[Dataset, Generation]]) -> int:
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


def _share(text: str) -> Share:
    place, _, parts = text.partition("/")
    try:
        return Share(int(place), int(parts))
    except ValueError as error:
        message = f"--share {text}: no share of the work; write 1/3, 2/3 and 3/3 for three processes"
        raise Failure(message) from error
