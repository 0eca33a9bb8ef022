"""The speed layer's commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.catching_up import EngineName, catch_up, published, standing, with_families, with_readers
from cli.daemons import answering, on_signal, speed_memory
from cli.failures import CANNOT_KNOW, Failure
from cli.home import WHOLE
from cli.options import (
    DEFAULT_HOME,
    HOST,
    HomeOption,
    HostOption,
    JsonOption,
    PortOption,
    datasets_named,
    known_home,
)
from cli.output import err, meter, out, print_json, tell
from cli.relocations import followed
from shared_logic.datasets.page_history import page_titles
from shared_logic.datasets.user_current import hidden_names
from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.protocols import Log, Store
from speed import process
from speed.daemon import Daemon
from speed.shares import Share
from speed.worker import LogTooShort, Outcome

app = typer.Typer(help="Keep the merged tables current from the log.", no_args_is_help=True)
PORT = 9464


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
    place = known_home(home)
    with place.writing_store("speed run"), place.log() as log, place.store() as store:
        lanes = published(store, with_families(datasets_named(names or [])))
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
    ] = WHOLE,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Pause this dataset and those that read its table; as often as wanted."
        ),
    ] = None,
    host: HostOption = HOST,
    port: PortOption = PORT,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Keep what is published current until SIGTERM or Ctrl-C; follows flips and rollbacks by itself."""
    process.tune()
    place = known_home(home)
    part = _share(share)
    paused = with_readers(without or [])
    with place.keeping_current(str(part)), place.log() as log, place.store() as store:
        kept = Daemon(
            log,
            store,
            with_families(datasets_named(names or [])),
            part,
            tell,
            speed_memory(),
            {dataset.name for dataset in paused},
        )
        if paused:
            tell(_told_of_paused(paused))
        on_signal(kept.stop)
        try:
            with answering(kept, host, port):
                kept.run()
        except LogTooShort as error:
            raise Failure(str(error), CANNOT_KNOW) from error
    err.print("stopped; the same command goes on from here")


def _caught_up(log: Log, store: Store, lanes: list[DatasetGeneration], engine: EngineName) -> Outcome:
    """The lanes are at the end of the log; how far they are is shown meanwhile."""
    with meter("messages", sum(log.ends())) as progress:
        return catch_up(log, store, lanes, engine, lambda: progress.at(standing(log, store, lanes)))


def _told_of_paused(paused: Sequence[Dataset]) -> str:
    """What is paused, and what is to be done at the end of it."""
    names = {dataset.name for dataset in paused}
    left = [dataset.name for dataset in paused if any(one.name not in names for one in dataset.chain)]
    line = f"paused: {', '.join(dataset.name for dataset in paused)}; readers are told their lag. "
    line += "Kept again they go on from where they are"
    if left:
        line += f", but for {', '.join(left)}, which read tables that went on: `wikibraid batch run {left[0]}` makes what belongs together"
    if hidden_names.name in names:
        line += ". Names of accounts that are hidden meanwhile are shown until then"
    return line


def _share(text: str) -> Share:
    place, _, parts = text.partition("/")
    try:
        return Share(int(place), int(parts))
    except ValueError as error:
        message = f"--share {text}: no share of the work; write 1/3, 2/3 and 3/3 for three processes"
        raise Failure(message) from error
