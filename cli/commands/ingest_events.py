"""Commands that bring events into the canonical log: from files, and while they happen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from batch.compressed import InputError, open_input
from cli.configuration import kafka_options
from cli.daemons import answering, on_signal
from cli.failures import Failure
from cli.home import Home
from cli.inputs import Inputs, source_name
from cli.options import (
    DEFAULT_HOME,
    HOST,
    HomeOption,
    HostOption,
    JsonOption,
    PortOption,
    home_at,
    past_named,
)
from cli.output import meter, out, print_json, tell
from cli.relocations import LookingUp
from cli.schemas import known_fields
from cli.streams import Stream, streams, topics
from speed.event_streams import WIKIMEDIA, EventStreams
from speed.ingest import Counts, Ingestion, Scope, written
from speed.kafka_source import Beginning, KafkaSource
from speed.left_out import tell_of_unnamed_streams
from speed.sources import Follower
from speed.sqlite_log import SqliteLog

PORT = 9484
WikisOption = Annotated[list[str] | None, typer.Option(help="Keep events of these wikis only.")]


def events(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of events, one JSON text a line; - is standard input."),
    ],
    home: HomeOption = DEFAULT_HOME,
    wiki: WikisOption = None,
    json: JsonOption = False,
) -> None:
    """Append events to the canonical log, and say what became of each."""
    place = home_at(home)
    scope, unfinished = scope_of(place, wiki), list[Path]()
    with place.writing_log("ingest events"), place.intake() as intake, meter("events") as progress:
        inputs = Inputs(intake, scope, progress)
        for path in _files(paths, inputs.skipped.append):
            with inputs.one():
                source = source_name(path)
                if str(path) == "-":
                    inputs.ingest(source, sys.stdin.buffer)
                else:
                    with open_input(path) as stream:
                        inputs.ingest(source, written(stream, partial(unfinished.append, path)))
    for why in inputs.skipped:
        tell(f"skipped: {why}")
    for path in unfinished:
        said = f"{path}: its last line is not whole; it is read as soon as it is, by the same command"
        tell(said)
    say_counts(inputs.total, json)
    _say_left_out(inputs.total, place)
    if inputs.skipped:
        message = f"{len(inputs.skipped)} of the inputs could not be read to the end; all else is in the log"
        raise Failure(message)


def live(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Streams; all that streams.yaml says are public, if none is named."),
    ] = None,
    url: Annotated[str, typer.Option(help="Of the service, without the streams.")] = WIKIMEDIA,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", help="Where to begin the first time, as 2026-01-01T00:00:00Z; else now."
        ),
    ] = None,
    wiki: WikisOption = None,
    port: PortOption = PORT,
    host: HostOption = HOST,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring events in while they happen, from Wikimedia's EventStreams, until SIGTERM or Ctrl-C; goes on where it stopped."""
    place = home_at(home)
    known = streams(place.streams_file)
    wanted = names or [name for name, stream in known.items() if stream.public]
    _refuse_unknown(place, wanted, known)
    if since is not None:
        past_named(since)

    scope = scope_of(place, wiki)

    def source(log: SqliteLog) -> EventStreams:
        return EventStreams(log, url, wanted, since or "", tell, scope)

    say_counts(_follow(place, "ingest live", source, scope, (host, port)), json)


def kafka(
    brokers: Annotated[str, typer.Option(help="HOST:PORT, several with commas between them.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Streams; all of streams.yaml, if none is named.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Where to begin the first time, as 2026-01-01T00:00:00Z; else with the oldest there is.",
        ),
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option(help="Go on with the oldest there is, where Kafka has given up what comes next.")
    ] = False,
    wiki: WikisOption = None,
    port: PortOption = PORT,
    host: HostOption = HOST,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring events in while they happen, from the topics of source streams in Kafka, until SIGTERM or Ctrl-C."""
    place = home_at(home)
    known = streams(place.streams_file)
    wanted = names or list(known)
    _refuse_unknown(place, wanted, known)
    wanted_topics = [topic for name in wanted for topic in topics(name, known[name])]
    beginning = Beginning(None if since is None else past_named(since), accept_loss)

    scope = scope_of(place, wiki)

    def source(log: SqliteLog) -> KafkaSource:
        return KafkaSource(log, brokers, wanted_topics, beginning, tell, kafka_options(), scope)

    say_counts(_follow(place, "ingest kafka", source, scope, (host, port)), json)


def scope_of(place: Home, wikis: list[str] | None) -> Scope:
    """What is wanted of the events that come."""
    titles = {name: stream.schema_title for name, stream in streams(place.streams_file).items()}
    return Scope(frozenset(wikis or ()), titles, known_fields())


def _refuse_unknown(place: Home, wanted: Iterable[str], known: Mapping[str, Stream]) -> None:
    for name in wanted:
        if name not in known:
            message = f"no stream {name!r} in {place.streams_file}, which has {', '.join(known)}; {place.to_name_streams}"
            raise Failure(message)


def _follow(
    place: Home,
    what: str,
    source: Callable[[SqliteLog], EventStreams | KafkaSource],
    scope: Scope,
    at: tuple[str, int],
) -> Counts:
    """Bring a source's events in until a signal ends it."""
    with place.writing_log(what), place.intake() as intake:
        opened = source(intake.notes)
        ingestion = Ingestion(intake.notes, scope)
        follower = Follower(
            intake.notes, opened, ingestion, lambda _: intake.relay(), LookingUp(place, intake)
        )
        on_signal(follower.stop)
        with answering(follower, *at), opened.reading():
            follower.run()
    return ingestion.counts


def say_counts(total: Counts, json: bool) -> None:
    """Print what became of every event."""
    if json:
        print_json(vars(total))
        return
    out.print(
        f"read {total.read:,} = kept {total.kept:,} + copies {total.copies:,} + dead {total.dead:,} "
        f"+ out of scope {total.out_of_scope:,} + canaries {total.canaries:,}"
    )
    if total.before:
        out.print(f"  {total.before:>8,}  lines were read before")
    for reason, number in total.reasons.most_common():
        out.print(f"  {number:>8,}  {reason}", markup=False)
    for name, number in total.new_fields.most_common():
        out.print(f"  {number:>8,}  have a field that is new: {name}", markup=False)


def _say_left_out(total: Counts, place: Home) -> None:
    """Say what to do about streams that are not read."""
    if tell_of_unnamed_streams(total.reasons):
        tell(
            f"streams that {place.streams_file} doesn't name are left out; to have one, {place.to_name_streams}, and run this again"
        )


def _files(paths: Iterable[Path], unreadable: Callable[[InputError], None]) -> Iterator[Path]:
    """The files, those of folders in order of name; `unreadable` is told of folders that can't be looked into."""

    def refused(error: OSError) -> None:
        unreadable(InputError(f"{error.filename}: can't be read ({error.strerror}); check its rights"))

    for path in paths:
        if path.is_dir():
            yield from sorted(
                Path(folder) / name for folder, _, names in os.walk(path, onerror=refused) for name in names
            )
        else:
            yield path
