"""The command that brings the texts of a dump in, as the events of a stream of pages' content."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.ingest_events import say_counts, scope_of
from cli.commands.ingest_history import opened_dump
from cli.failures import Failure
from cli.inputs import Inputs, source_name
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import meter, tell
from shared_logic.eventify.page_content import SCHEMA, STREAM, ContentReader
from shared_logic.eventify.problems import Problem
from shared_logic.events.streams import OF_STREAMS


def content(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="XML dumps with texts, such as pages-articles or pages-meta-history; .xml .bz2 .gz .7z .zst."
        ),
    ],
    stream: Annotated[str, typer.Option(help="As whose events the texts are told.")] = STREAM,
    wiki: Annotated[str, typer.Option(help="Database name; else the dump's own.")] = "",
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Append the newest text of every page of a dump to the canonical log, as the event that the stream would have.

    What datasets of pages' content read then is all pages, and not only those that are edited from now on. An event of the stream that is newer
    counts, whichever comes first.
    """
    place = home_at(home)
    scope = scope_of(place, [wiki] if wiki else None)
    if (SCHEMA, stream) not in OF_STREAMS:
        message = f"no dataset declares events of the stream {stream}; docs/writing_a_dataset.md, Events of your own, says how"
        raise Failure(message)
    if stream not in scope.streams:
        message = f"no stream {stream} in {place.streams_file}; {place.to_name_streams}, with schema_title: {SCHEMA}"
        raise Failure(message)
    problems = Counter[str]()

    def report(problem: Problem) -> None:
        problems[f"{problem.table} {problem.code}: {problem.detail}"] += 1

    with place.writing_log("ingest content"), place.intake() as intake, meter("pages") as progress:
        inputs = Inputs(intake, scope, progress)
        for path in files:
            with inputs.one():
                source = f"content {stream} {source_name(path)}"
                with opened_dump(path) as xml:
                    reader = ContentReader(xml, wiki, stream, report)
                    if not (wiki or reader.site.dbname):
                        message = f"{path} doesn't tell its wiki; name it with --wiki"
                        raise Failure(message)
                    inputs.ingest(source, reader)
    for reason, number in problems.most_common():
        tell(f"skipped: {number:,} times {reason}")
    for why in inputs.skipped:
        tell(f"skipped: {why}")
    say_counts(inputs.total, json)
    if inputs.skipped:
        message = f"{len(inputs.skipped)} of the dumps could not be read to the end; all before is in the log"
        raise Failure(message)
