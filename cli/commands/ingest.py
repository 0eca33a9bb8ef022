"""Commands that bring input in: events into the canonical log, tables and dumps as bootstraps; and the dead letters."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from batch import bootstrap
from batch.compressed import InputError, open_input
from batch.table_folders import WikiTables, files_in, wikis_in
from cli.configuration import kafka_options
from cli.failures import Failure
from cli.home import Home, Intake
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at, instant_named
from cli.output import Meter, err, meter, out, print_json, print_records, text
from cli.schemas import faults, known_fields
from cli.streams import Stream, streams, topics
from shared_logic.clock import from_iso, from_mediawiki, instant
from shared_logic.entities import Entity, State, issue, page
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump import DumpError, DumpReader, read_logging
from shared_logic.eventify.lifecycle_tables import site_told
from shared_logic.eventify.log_dump import said_by_head, said_by_log_items
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.tables import TablesError, states
from shared_logic.fingerprint import reading_fingerprint
from shared_logic.issue_state import IssueState
from speed.daemon_http import served
from speed.event_streams import WIKIMEDIA, EventStreams
from speed.ingest import Counts, Ingestion, Scope
from speed.ingest import ingest as ingest_lines
from speed.ingest import replay as replay_letters
from speed.kafka_source import Beginning, KafkaSource
from speed.sources import Follower
from speed.sqlite_log import SqliteLog

app = typer.Typer(
    help="Bring input in. Every command can be run again: it goes on where it stopped.", no_args_is_help=True
)
letters = typer.Typer(help="Events that could not be read, kept whole.", no_args_is_help=True)
HEAD_BYTES = 65_536
ISSUES_HELD = 1_000
PORT = 9484
LOGGING = "pages-logging"
"""What the name of a dump of log entries holds."""

WikiOption = Annotated[
    str, typer.Option(help="Database name of the wiki, as enwiki; else what the folder tells.")
]
OPTIONAL = ("archive", "centralauth_localuser", "change_tag", "logging", "user", "user_groups")
"""Tables without which a bootstrap tells less."""
TakenOption = Annotated[
    str | None,
    typer.Option(
        help="Instant at which the copy began, as 2026-01-01T00:00:00Z; else the newest time in it."
    ),
]


@app.command()
def events(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of events, one JSON text a line; - is standard input."),
    ],
    home: HomeOption = DEFAULT_HOME,
    wiki: Annotated[list[str] | None, typer.Option(help="Keep events of these wikis only.")] = None,
    json: JsonOption = False,
) -> None:
    """Append events to the canonical log, and say what became of each."""
    place = home_at(home)
    total = Counts()
    with place.writing_log("ingest events"), place.intake() as intake, meter("events") as progress:

        def committed(so_far: Counts) -> None:
            intake.relay()
            progress.at(total.read + so_far.read)

        for path in _files(paths):
            try:
                for_source = _source_name(path)
                with open_input(path) if str(path) != "-" else sys.stdin.buffer as stream:
                    counts = ingest_lines(
                        intake.notes,
                        for_source,
                        stream,
                        scope_of(place, wiki),
                        committed,
                    )
            except InputError as error:
                err.print(f"skipped: {error}", markup=False)
                total.reasons[f"file {path} skipped"] += 1
                continue
            _add(total, counts)
    _say(total, json)


@app.command()
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
    wiki: Annotated[list[str] | None, typer.Option(help="Keep events of these wikis only.")] = None,
    port: Annotated[int, typer.Option(help="Where /health and /metrics are answered.")] = PORT,
    host: Annotated[str, typer.Option(help="Where /health and /metrics are answered.")] = "127.0.0.1",
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring events in while they happen, from Wikimedia's EventStreams, until SIGTERM or Ctrl-C; goes on where it stopped."""
    place = home_at(home)
    known = streams(place.streams_file)
    wanted = names or [name for name, stream in known.items() if stream.public]
    _refuse_unknown(place, wanted, known)
    if since is not None:
        instant_named(since)

    def source(log: SqliteLog) -> EventStreams:
        return EventStreams(log, url, wanted, since or "", lambda line: err.print(line, markup=False))

    _say(_follow(place, "ingest live", source, wiki, (host, port)), json)


@app.command()
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
    wiki: Annotated[list[str] | None, typer.Option(help="Keep events of these wikis only.")] = None,
    port: Annotated[int, typer.Option(help="Where /health and /metrics are answered.")] = PORT,
    host: Annotated[str, typer.Option(help="Where /health and /metrics are answered.")] = "127.0.0.1",
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Bring events in while they happen, from the topics of source streams in Kafka, until SIGTERM or Ctrl-C."""
    place = home_at(home)
    known = streams(place.streams_file)
    wanted = names or list(known)
    _refuse_unknown(place, wanted, known)
    wanted_topics = [topic for name in wanted for topic in topics(name, known[name])]
    beginning = Beginning(None if since is None else instant_named(since), accept_loss)

    def source(log: SqliteLog) -> KafkaSource:
        return KafkaSource(log, brokers, wanted_topics, beginning, kafka_options())

    _say(_follow(place, "ingest kafka", source, wiki, (host, port)), json)


def scope_of(place: Home, wikis: list[str] | None) -> Scope:
    """What is wanted of the events that come."""
    titles = {name: stream.schema_title for name, stream in streams(place.streams_file).items()}
    return Scope(frozenset(wikis or ()), titles, known_fields())


def _refuse_unknown(place: Home, wanted: Iterable[str], known: Mapping[str, Stream]) -> None:
    for name in wanted:
        if name not in known:
            message = f"no stream {name!r} in {place.streams_file}; there are {', '.join(known)}"
            raise Failure(message)


def _follow(
    place: Home,
    what: str,
    source: Callable[[SqliteLog], EventStreams | KafkaSource],
    wikis: list[str] | None,
    at: tuple[str, int],
) -> Counts:
    """Bring a source's events in until a signal ends it."""
    with place.writing_log(what), place.intake() as intake:
        opened = source(intake.notes)
        ingestion = Ingestion(intake.notes, scope_of(place, wikis))
        follower = Follower(intake.notes, opened, ingestion, lambda _: _relayed(intake))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: follower.stop())
        host, port = at
        with ExitStack() as stack:
            try:
                stack.enter_context(served(follower, host, port))
            except OSError as error:
                message = f"port {port} of {host} can't be had ({error.strerror}); give another --port"
                raise Failure(message) from error
            err.print(f"health and metrics at http://{host}:{port}", markup=False)
            stack.enter_context(opened.reading())
            follower.run()
    return ingestion.counts


def _relayed(intake: Intake) -> None:
    intake.relay()


def _say(total: Counts, json: bool) -> None:
    """Print what became of every event."""
    if json:
        print_json(asdict(total))
        return
    out.print(
        f"read {total.read:,} = kept {total.kept:,} + copies {total.copies:,} + dead {total.dead:,} "
        f"+ out of scope {total.out_of_scope:,} + canaries {total.canaries:,}"
    )
    for reason, number in total.reasons.most_common():
        out.print(f"  {number:>8,}  {reason}", markup=False)
    for name, number in total.new_fields.most_common():
        out.print(f"  {number:>8,}  have a field that is new: {name}", markup=False)


@app.command()
def tables(
    folder: Annotated[
        Path,
        typer.Argument(
            help="One <table>.tsv, .jsonl or .sql (or a folder of parts) per table, each may be compressed; of several wikis "
            "by a folder for each or a column wiki_db. project_namespace_map.csv tells their namespaces."
        ),
    ],
    wiki: WikiOption = "",
    home: HomeOption = DEFAULT_HOME,
    taken_at: TakenOption = None,
    json: JsonOption = False,
) -> None:
    """Take MediaWiki's own tables as the history from before the log."""
    if not folder.is_dir():
        message = f"{folder} is no folder; give the folder that holds revision.tsv.gz, page.tsv.gz and so on"
        raise Failure(message)
    try:
        for found in wikis_in(folder, wiki):
            problems: Counter[str] = Counter()
            beginning = _beginning(taken_at, partial(_newest_in_tables, found.tables))
            said = _with_issues(found.wiki, problems, partial(_said_by_tables, found, beginning))
            made = _bootstrap(home_at(home), found.wiki, beginning, files_in(folder), said, problems)
            _say_bootstrap(made, problems, json)
            missing = [name for name in OPTIONAL if name not in found.tables]
            if missing and not json:
                out.print(f"  not there, so left out: {', '.join(missing)}", markup=False)
    except (InputError, TablesError) as error:
        raise Failure(str(error)) from error


def _with_issues(
    wiki: str, counts: Counter[str], read: Callable[[Report], Iterator[tuple[Entity, State]]]
) -> Iterator[tuple[Entity, State]]:
    """What is read, with an issue for every row that was not; `counts` says how many of which kind."""
    waiting: list[Problem] = []
    for said in read(waiting.append):
        yield said
        if len(waiting) >= ISSUES_HELD:
            yield from _issues(wiki, waiting, counts)
    yield from _issues(wiki, waiting, counts)


def _issues(wiki: str, waiting: list[Problem], counts: Counter[str]) -> Iterator[tuple[Entity, State]]:
    for found in waiting:
        counts.update([f"{found.table}: {found.code}"])
        told = IssueState(told=(found.table, found.row, found.code, found.detail))
        yield issue(wiki, found.table, found.row, found.code), told
    waiting.clear()


def _said_by_tables(found: WikiTables, beginning: int, report: Report) -> Iterator[tuple[Entity, State]]:
    if found.namespaces:
        yield site_told(found.wiki, found.hostname, found.namespaces, beginning)
    yield from states(found.tables, found.wiki, beginning, report)


@app.command()
def dump(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="XML dumps with history, full or stub, and of log entries (named …pages-logging…); .xml .bz2 .gz .7z .zst."
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    wiki: Annotated[str, typer.Option(help="Database name; else the dump's own.")] = "",
    taken_at: TakenOption = None,
    json: JsonOption = False,
) -> None:
    """Take XML dumps of one wiki as the history from before the log."""
    problems: Counter[str] = Counter()
    try:
        named = wiki or _dbname(files[0])
        beginning = _beginning(taken_at or _date_in_name(files[0]), lambda: _newest_in_dumps(files))
        said = with_authors(
            _with_issues(named, problems, lambda report: _all_pages(files, named, beginning, report))
        )
        made = _bootstrap(home_at(home), named, beginning, files, said, problems)
    except (InputError, DumpError) as error:
        raise Failure(str(error)) from error
    _say_bootstrap(made, problems, json)


@letters.command("list")
def letters_list(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """List the dead letters."""
    with home_at(home).notes() as notes:
        rows = [
            {
                "id": letter.id,
                "source": letter.source.split(" ")[0],
                "line": letter.position,
                "reason": letter.code,
                "detail": letter.detail[:120],
                "bytes": len(letter.value),
                "replayed": letter.replayed,
            }
            for letter in notes.dead_letters()
        ]
    if json:
        print_json(rows)
    else:
        print_records(rows)


@letters.command("show")
def letters_show(number: int, home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Show one dead letter: why it is dead and what it looks like, free text left out, since it may be hidden on the wiki."""
    with home_at(home).notes() as notes:
        found = notes.dead_letters(number=number)
    if not found:
        message = f"no dead letter {number}; `wikibraid deadletters list` lists them"
        raise Failure(message)
    letter = found[0]
    shown = {
        "id": letter.id,
        "source": letter.source,
        "line": letter.position,
        "reason": letter.code,
        "detail": letter.detail,
        "bytes": len(letter.value),
        "sha256": sha256(letter.value).hexdigest(),
        "faults": faults(letter.value),
        "outline": _outline(letter.value),
    }
    if json:
        print_json(shown)
    else:
        print_records([{"field": name, "value": text(value)} for name, value in shown.items()])


@letters.command("replay")
def letters_replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Some of them; all, if none is given.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read dead letters again, after an update; those that can be read now go to the logs."""
    place = home_at(home)
    with place.writing_log("deadletters replay"), place.intake() as intake:
        alive, dead = replay_letters(intake.notes, numbers or ())
        intake.relay()
    out.print(f"{alive} went to the logs, {dead} still can't be read")


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(entry for entry in path.rglob("*") if entry.is_file())
        else:
            yield path


def _source_name(path: Path) -> str:
    """Path and a digest of the first bytes, so that another file under the same name is another source."""
    if str(path) == "-":
        return f"stdin {datetime.now(tz=UTC).isoformat()}"
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        message = f"{path}: can't be read ({error.strerror}); check the path and its rights"
        raise InputError(message) from error
    return f"{path.resolve()} {sha256(head[: min(len(head), 512)]).hexdigest()[:12]}"


def _add(total: Counts, counts: Counts) -> None:
    for name in ("read", "kept", "copies", "dead", "out_of_scope", "canaries"):
        setattr(total, name, getattr(total, name) + getattr(counts, name))
    total.reasons.update(counts.reasons)
    total.streams.update(counts.streams)
    total.new_fields.update(counts.new_fields)


def _beginning(told: str | None, newest: Callable[[], int]) -> int:
    if told is None:
        return newest()
    try:
        return from_iso(told)
    except ValueError as error:
        message = f"--taken-at {told}: not an instant; write it as 2026-01-01T00:00:00Z"
        raise Failure(message) from error


def _newest_in_tables(found: Mapping[str, Iterable[Mapping[str, str | None]]]) -> int:
    """The newest log row; without logging the newest revision, though imports may bear any date."""
    name, column = ("logging", "log_timestamp") if "logging" in found else ("revision", "rev_timestamp")
    newest = 0
    for row in found.get(name, ()):
        try:
            newest = max(newest, from_mediawiki(row.get(column) or ""))
        except ValueError:
            continue
    return newest


def _newest_in_dumps(files: Iterable[Path]) -> int:
    newest = 0
    for file in files:
        with open_input(file) as stream:
            if LOGGING in file.name:
                newest = max((newest, *(item.timestamp for item in read_logging(stream, lambda _: None))))
                continue
            for _, state in DumpReader(stream, 0, lambda _: None):
                newest = max((newest, *(told.timestamp or 0 for told in state.revisions.values())))
    return newest


def _date_in_name(file: Path) -> str | None:
    found = re.search(r"-(20\d\d)(\d\d)(\d\d)-", file.name)
    return "-".join(found.groups()) + "T00:00:00Z" if found else None


def _dbname(file: Path) -> str:
    with open_input(file) as stream:
        name = DumpReader(stream, 0, lambda _: None).site.dbname
    if not name:
        message = f"{file} does not say which wiki it is of; give --wiki"
        raise Failure(message)
    return name


def _all_pages(
    files: Iterable[Path], wiki: str, beginning: int, report: Report
) -> Iterator[tuple[Entity, State]]:
    for file in files:
        with open_input(file) as stream:
            site = DumpReader(stream, 0, lambda _: None).site
        yield from said_by_head(wiki, site, beginning)
        with open_input(file) as stream:
            if LOGGING in file.name:
                yield from said_by_log_items(wiki, read_logging(stream, report), site.namespaces, beginning)
                continue
            for page_id, state in DumpReader(stream, beginning, report):
                yield page(wiki, page_id), state


def _bootstrap(
    home: Home,
    wiki: str,
    beginning: int,
    sources: list[Path],
    said: Iterable[tuple[Entity, State]],
    problems: Counter[str],
) -> bootstrap.Bootstrap:
    with home.writing_bootstraps("ingest"), home.log() as log, meter("revisions") as progress:
        identity = bootstrap.identity(wiki, beginning, sources)
        folder = home.bootstraps / identity
        known = bootstrap.described(folder)
        if known is not None:
            return known
        written = bootstrap.write(folder, said, _showing(progress))
        made = bootstrap.Bootstrap(
            id=identity,
            wiki=wiki,
            beginning=beginning,
            cut=log.ends(),
            sources=tuple(path.name for path in sources),
            pages=written.pages,
            revisions=written.revisions,
            problems=problems.total(),
            reading=reading_fingerprint(),
        )
        bootstrap.describe(folder, made)
    return made


def _showing(progress: Meter) -> Callable[[bootstrap.Written], None]:
    return lambda written: progress.at(written.revisions)


def _say_bootstrap(made: bootstrap.Bootstrap, problems: Counter[str], json: bool) -> None:
    if json:
        print_json({"bootstrap": made, "problems": problems})
        return
    out.print(
        f"bootstrap {made.id} of {made.wiki}: {made.pages:,} pages, {made.revisions:,} revisions, "
        f"as of {instant(made.beginning).isoformat()}"
    )
    for reason, number in problems.most_common():
        out.print(f"  {number:>8,}  skipped: {reason}", markup=False)


def _outline(value: bytes) -> str:
    """Which letters, digits and brackets stand where, up to 200 bytes; no text can be read from it."""
    text = value[:200].decode(errors="replace")
    return "".join("a" if letter.isalpha() else "0" if letter.isdigit() else letter for letter in text)
