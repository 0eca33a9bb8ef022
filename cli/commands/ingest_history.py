"""Commands that take history from before the log: MediaWiki's tables, its database, and dumps."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from batch import bootstrap
from batch.compressed import InputError, open_input
from batch.dump_bootstrap import Damage, Dumps, database_name, processes
from batch.dump_splits import LOGGING
from batch.fingerprint import taking_fingerprint
from batch.issues import with_issues
from batch.table_folders import NAMESPACE_MAP, WikiTables, files_in, wikis_in
from cli.configuration import database_password
from cli.failures import Failure
from cli.home import Home
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import Meter, err, meter, out, print_json, tell
from cli.temporary import temporary
from shared_logic.clock import FUTURE_LIMIT_MS, from_iso, from_mediawiki, instant, milliseconds
from shared_logic.entities import Entity, State
from shared_logic.eventify.dump_elements import DumpError
from shared_logic.eventify.lifecycle_tables import site_told
from shared_logic.eventify.problems import Report
from shared_logic.eventify.tables import TablesError, states
from shared_logic.events.records import Wiki

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
    _take(folder, wiki, home, taken_at, json)


def database(
    address: Annotated[
        str,
        typer.Argument(
            help="mysql://USER@HOST:PORT/NAME, mariadb://… or sqlite:////PATH, without a password."
        ),
    ],
    wiki: Annotated[
        str, typer.Option(help="Database name of the wiki, as enwiki; else the database's own.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="What the names of the wiki's tables begin with.")] = "",
    namespaces: Annotated[
        Path | None, typer.Option(help="project_namespace_map.csv, which tells the wiki's namespaces.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="A new folder in which the copied tables stay; else they are removed.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    taken_at: TakenOption = None,
    json: JsonOption = False,
) -> None:
    """Take MediaWiki's tables out of its database, all of one instant by one transaction, and then as `ingest tables` does.

    Where replicas lag the newest row tells the instant. The environment's WIKIBRAID_DATABASE_PASSWORD names a file with the password.
    Of accounts only ids, names and dates are copied, never addresses or secrets.
    """
    from batch.database import copy_out
    from batch.database import database as database_at

    try:
        url = database_at(address, database_password())
    except ValueError as error:
        message = f"{address.rpartition('@')[2]}: {error}"
        raise Failure(message) from error
    if keep is not None and keep.exists():
        message = f"{keep} is there already; --keep wants a folder that is new"
        raise Failure(message)
    if namespaces is not None and not namespaces.is_file():
        message = f"{namespaces} is no file; --namespaces wants project_namespace_map.csv"
        raise Failure(message)
    place = home_at(home)
    with ExitStack() as stack:
        folder = keep or stack.enter_context(temporary(place.temporary))
        with meter("copying") as progress:
            try:
                copy_out(
                    url, folder, prefix, lambda table, rows: progress.say(f"copying {table}: {rows:,} rows")
                )
            except InputError as error:
                raise Failure(str(error)) from error
        if namespaces is not None:
            shutil.copyfile(namespaces, folder / NAMESPACE_MAP)
        _take(folder, wiki or Path(url.database or "").stem, home, taken_at, json)


def _take(folder: Path, wiki: str, home: Path, taken_at: str | None, json: bool) -> None:
    """Take the tables in a folder."""
    taken: list[tuple[bootstrap.Bootstrap, Counter[str]]] = []
    try:
        for found in wikis_in(folder, wiki):
            _believed(found.wiki)
            problems: Counter[str] = Counter()
            newest = partial(_newest_in_tables, found.tables)
            beginning = _beginning(taken_at, newest)
            if taken_at is not None:
                _say_if_later(newest(), beginning, found.wiki)
            said = with_issues(found.wiki, problems, partial(_said_by_tables, found, beginning))
            made = _bootstrap(
                home_at(home), found.wiki, beginning, files_in(folder), partial(_write, said), problems
            )
            taken.append((made, problems))
            if json:
                continue
            _print_bootstrap(made, problems)
            missing = [name for name in OPTIONAL if name not in found.tables]
            if missing:
                out.print(f"  not there, so left out: {', '.join(missing)}", markup=False)
            if not found.namespaces:
                out.print(
                    f"  {NAMESPACE_MAP} tells nothing of {found.wiki}: namespaces are called as on every wiki, "
                    "and only the main one is content",
                    markup=False,
                )
    except (InputError, TablesError) as error:
        raise Failure(str(error)) from error
    if json:
        print_json([_as_json(made, problems) for made, problems in taken])


def _said_by_tables(found: WikiTables, beginning: int, report: Report) -> Iterator[tuple[Entity, State]]:
    if found.namespaces:
        yield site_told(found.wiki, found.hostname, found.namespaces, beginning)
    yield from states(found.tables, found.wiki, beginning, report)


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
    try:
        with processes() as pool:
            named = _wiki_of(files, wiki, pool)
            dumps = Dumps(files, pool)
            beginning = _beginning(taken_at or _date_in_name(files[0]), dumps.newest)
            problems: Counter[str] = Counter()
            place = home_at(home)

            def write(folder: Path, told: Callable[[bootstrap.Written], None]) -> _Taken:
                written, skipped, damaged = dumps.write(folder, named, beginning, told)
                if damaged and not any((written.pages, written.revisions)):
                    raise Failure("; ".join(map(str, damaged)))
                problems.update(skipped)
                if not (written.pages or written.revisions or any(LOGGING in file.name for file in files)):
                    told_of = "; ".join(f"{number:,} skipped: {reason}" for reason, number in skipped.items())
                    message = f"{', '.join(map(str, files))}: no page is in there{told_of and f' ({told_of})'}; give a dump with history"
                    raise Failure(message)
                if taken_at is not None:
                    _say_if_later(written.newest, beginning, named)
                return _Taken(written, damaged)

            made = _bootstrap(place, named, beginning, files, write, problems)
    except InputError as error:
        raise Failure(str(error)) from error
    if json:
        print_json(_as_json(made, problems))
    else:
        _print_bootstrap(made, problems)
    if made.damaged:
        message = f"{len(made.damaged)} of the inputs could not be read to the end, the rest is taken; fetch them again"
        raise Failure(message)


@contextmanager
def opened_dump(path: Path) -> Iterator[BinaryIO]:
    """The decompressed bytes of a dump; what is wrong with them is told with its name.

    Raises:
        InputError: see `open_input`, or whoever reads it finds that it is no dump, or damaged.
    """
    with open_input(path) as stream:
        try:
            yield stream
        except DumpError as error:
            message = f"{path}: {error}"
            raise InputError(message) from error


def _beginning(told: str | None, newest: Callable[[], int]) -> int:
    """The instant at which the copy began, milliseconds since 1970 UTC: as it is told, else the newest time in it.

    Raises:
        Failure: it is no instant, or one that is still to come: what tables hold would be newer than all that events ever say.
    """
    try:
        found = newest() if told is None else from_iso(told)
    except ValueError as error:
        message = f"--taken-at {told}: not an instant; write it as 2026-01-01T00:00:00Z"
        raise Failure(message) from error
    if found - milliseconds(datetime.now(tz=UTC)) > FUTURE_LIMIT_MS:
        what = "the newest time in it is" if told is None else "the copy is said to have begun at"
        message = f"{what} {_written(found)}, which is still to come; say with --taken-at when the copy began"
        raise Failure(message)
    return found


def _say_if_later(newest: int, beginning: int, wiki: str) -> None:
    """Say that a copy goes on for long after its beginning; it may, since copying takes its time."""
    if newest - beginning > FUTURE_LIMIT_MS:
        said = (
            f"{wiki}: the copy tells of {_written(newest)}, and is said to have begun at {_written(beginning)}: what it holds without "
            "a time counts from then on, and gives way to any later event; if --taken-at is wrong, give the right one with an empty --home"
        )
        tell(said)


def _written(ms: int) -> str:
    return f"{instant(ms):%Y-%m-%dT%H:%M:%SZ}"


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


def _date_in_name(file: Path) -> str | None:
    found = re.search(r"-(20\d\d)(\d\d)(\d\d)-", file.name)
    return "-".join(found.groups()) + "T00:00:00Z" if found else None


def _wiki_of(files: list[Path], told: str, pool: ProcessPoolExecutor | None) -> str:
    """The wiki that all the dumps are of.

    Raises:
        Failure: nothing tells it, or they are of several, or of another than is told.
        InputError: nothing tells it, since the first file is damaged.
    """
    names = list((pool.map if pool else map)(_name_in, files))
    said = [(file, name) for file, name in zip(files, names, strict=True) if name]
    wiki, says = (told, "--wiki") if told else (said[0][1], said[0][0]) if said else ("", "")
    if not wiki:
        database_name(files[0])
        message = f"{files[0]} does not say which wiki it is of; give --wiki"
        raise Failure(message)
    for file, name in said:
        if name != wiki:
            message = f"{file} is of {name}, while {says} says {wiki}; take the dumps of each wiki by a command of their own"
            raise Failure(message)
    return _believed(wiki)


def _name_in(file: Path) -> str | None:
    try:
        return database_name(file)
    except InputError:
        # It is told when the file is read.
        return None


def _believed(wiki: str) -> str:
    """The name, if events may bear it.

    Raises:
        Failure: they may not.
    """
    try:
        return msgspec.convert(wiki, Wiki)
    except msgspec.ValidationError as error:
        message = f"{wiki!r} can't be the database name of a wiki ({error}); it is like enwiki"
        raise Failure(message) from error


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was written of the sources, and what of them is damaged."""

    written: bootstrap.Written
    damaged: tuple[Damage, ...] = ()


def _bootstrap(
    home: Home,
    wiki: str,
    beginning: int,
    sources: list[Path],
    write: Callable[[Path, Callable[[bootstrap.Written], None]], _Taken],
    problems: Counter[str],
) -> bootstrap.Bootstrap:
    """What `write` makes of the sources in the folder that it is given; once whole, it is not made again."""
    with home.writing_bootstraps("ingest"), home.log() as log, meter("revisions") as progress:
        home.remove_left_behind()
        identity = bootstrap.identity(wiki, beginning, sources)
        made = bootstrap.described(home.bootstraps / identity)
        if made is None:
            taken = write(home.bootstraps / identity, _showing(progress))
            made = _described(
                home,
                bootstrap.Bootstrap(
                    id=identity,
                    wiki=wiki,
                    beginning=beginning,
                    cut=log.ends(),
                    sources=tuple(path.name for path in sources),
                    pages=taken.written.pages,
                    revisions=taken.written.revisions,
                    problems=problems.total(),
                    damaged=tuple(map(str, taken.damaged)),
                    reading=taking_fingerprint(),
                ),
                taken,
            )
        bootstrap.remove_damaged(home.bootstraps, made)
    return made


def _described(home: Home, made: bootstrap.Bootstrap, taken: _Taken) -> bootstrap.Bootstrap:
    """What was taken, with its description; if as much of sources that are damaged is known already, what is known."""
    folder = home.bootstraps / made.id
    if taken.damaged:
        # Whole files of the same names and sizes must be another bootstrap, or no run would look at them.
        places = [damage.place for damage in taken.damaged]
        identity = bootstrap.damaged_identity(made.id, places, taken.written)
        known = bootstrap.described(folder.with_name(identity))
        if known is not None:
            shutil.rmtree(folder)
            return known
        folder = bootstrap.renamed(folder, identity)
        made = msgspec.structs.replace(made, id=identity)
    bootstrap.describe(folder, made)
    return made


def _write(
    said: Iterable[tuple[Entity, State]], folder: Path, told: Callable[[bootstrap.Written], None]
) -> _Taken:
    return _Taken(bootstrap.write(folder, said, told))


def _showing(progress: Meter) -> Callable[[bootstrap.Written], None]:
    return lambda written: progress.at(written.revisions)


def _as_json(made: bootstrap.Bootstrap, problems: Counter[str]) -> dict[str, object]:
    return {"bootstrap": made, "problems": problems}


def _print_bootstrap(made: bootstrap.Bootstrap, problems: Counter[str]) -> None:
    out.print(
        f"bootstrap {made.id} of {made.wiki}: {made.pages:,} pages, {made.revisions:,} revisions, "
        f"as of {instant(made.beginning).isoformat()}"
    )
    for reason in made.damaged:
        err.print(f"  left out, since it is damaged: {reason}", style="red", markup=False, soft_wrap=True)
    for reason, number in problems.most_common():
        out.print(f"  {number:>8,}  skipped: {reason}", markup=False)
