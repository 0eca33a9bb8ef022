"""The command that takes over what another home has, into a home of other partitions or servers."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.failures import Failure
from cli.home import Home, Intake
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import Meter, err, meter, print_outcome
from cli.temporary import temporary
from shared_logic.entities import Entity, entity
from shared_logic.protocols import Message


def home(
    old: Annotated[Path, typer.Argument(help="The home whose archive, bootstraps and notes are taken.")],
    archive_only: Annotated[
        bool, typer.Option(help="Its log is lost: take what is archived, and no more.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Take over another home's history, to change the number of partitions or to rebuild after a loss; can be run again.

    Every message keeps its place among those of its key. Where sources stand is taken too, so that `ingest live` goes on where the
    other home stopped. Stop what brings events into the other one before; then run `batch run` here.
    """
    from batch.archive import archive, archived, messages

    place = home_at(home)
    if not (old.expanduser() / "FORMAT").exists():
        message = f"{old} is no home of wikibraid"
        raise Failure(message)
    other = Home(old)
    if other.path == place.path:
        message = "both are the same home; make a new one with `wikibraid init --partitions N --home …`"
        raise Failure(message)
    if not other.has_notes:
        message = f"{old}: nothing was ever brought in from there; name the home from which it was"
        raise Failure(message)
    with other.notes() as notes:
        partitions = notes.partitions
    if not archive_only:
        with other.writing_log("ingest home"), other.keeping_archive("ingest home"), other.log() as log:
            archive(log, other.archive, log.ends())
    with (
        place.writing_log("ingest home"),
        place.writing_bootstraps("ingest home"),
        place.intake() as intake,
        meter("messages", sum(archived(other.archive, partitions))) as progress,
    ):
        intake.notes.adopt(other.path / "log.db")
        taken = 0
        for partition in range(partitions):
            source = f"home {other.path} {partition}"
            start = intake.notes.source_position(source)
            taken = _take(messages(other.archive, partition, start), intake, source, taken, progress)
        place.remove_left_behind()
        place.bootstraps.mkdir(exist_ok=True)
        with temporary(place.temporary) as copies:
            for folder, _ in other.bootstraps_known():
                if not (place.bootstraps / folder.name).exists():
                    # Whole or not at all: the description may be copied before the states.
                    shutil.copytree(folder, copies / folder.name).rename(place.bootstraps / folder.name)
    bootstraps = len(other.bootstraps_known())
    print_outcome(
        {"messages": taken, "bootstraps": bootstraps},
        f"{taken:,} messages and {bootstraps} bootstraps were taken from {old}",
        json=json,
    )
    err.print("`wikibraid batch run` makes the tables")


def _take(
    found: Iterator[Iterable[Message]], intake: Intake, source: str, taken: int, progress: Meter
) -> int:
    """Append the messages, and note how far the source is; returns how many were taken by now."""
    for some in found:
        chunk: list[tuple[Entity, bytes]] = []
        end = 0
        for message in some:
            chunk.append((entity(message.key), message.value))
            end = message.offset + 1
        if not chunk:
            continue
        with intake.notes.atomically():
            intake.notes.append(chunk)
            intake.notes.advance_source(source, end)
        intake.relay()
        taken += len(chunk)
        progress.at(taken)
    return taken
