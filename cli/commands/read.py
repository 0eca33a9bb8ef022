"""Commands that read: query, sql, export, explain."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from cli.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    dataset_named,
    key_of,
    known_home,
)
from cli.output import counted, err, out, print_json, print_records
from cli.parts import part_of
from cli.reading import analysis, freshness, freshness_of_all, instant_of, reader, stream
from cli.temporary import temporary
from cli.umask import let_others_read
from serving.formats import write_csv, write_delimited, write_json, write_jsonl, write_parquet, write_tsv
from serving.history_parts import TABLES, Part, gathered
from serving.moment import Moment, published_together
from serving.public_dump import write_public_dump
from serving.reader import NotPublished
from shared_logic.definition import Dataset
from shared_logic.registry import registry
from shared_logic.views import View, views

SHOWN = 50


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class FileFormat(StrEnum):
    """How files are written."""

    JSONL = "jsonl"
    TSV = "tsv"
    PARQUET = "parquet"
    DUMP = "dump"


WRITERS = {FileFormat.JSONL: write_jsonl, FileFormat.TSV: write_tsv, FileFormat.PARQUET: write_parquet}
AtOption = Annotated[
    str | None,
    typer.Option(
        metavar="CUT|GENERATION",
        help="As if the log ended at these offsets, one per partition, as 12,40,7,9; or a generation's number.",
    ),
]


NowOption = Annotated[
    str | None,
    typer.Option(
        metavar="INSTANT",
        help="What views take for the present, as 2026-01-01T00:00:00Z: a block ends without any event.",
    ),
]


def query(
    name: NameArgument,
    key: Annotated[
        list[str] | None, typer.Argument(help="Values of the first key columns; none: all rows.")
    ] = None,
    at: AtOption = None,
    format: Annotated[Format, typer.Option(help="How rows are written.")] = Format.TABLE,  # noqa: A002
    limit: Annotated[int, typer.Option(min=0, help="Rows of a table to print.")] = SHOWN,
    now: NowOption = None,
    page: Annotated[str | None, typer.Option(help="Of mediawiki_history: only this page, by its id.")] = None,
    user: Annotated[
        int | None, typer.Option(help="Of mediawiki_history: only this account, by its id.")
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(metavar="MONTH|DAY", help="Of mediawiki_history: only this, as 2026-01 or 2026-01-05."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Read merged rows by key, with how fresh they are."""
    place, words = known_home(home), key or []
    asked = _Asked(at, now, Format.JSON if json else format, limit)
    part = part_of(name, words, page, user, period)
    if part is not None and (name == "mediawiki_history" or _can_be_parted(place)):
        _query_part(place, views[name], part, asked)
    elif name in views:
        _query_view(place, views[name], words, asked)
    else:
        _query_dataset(place, dataset_named(name), words, asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """As of when rows are read, and how they are written: what the options say."""

    at: str | None
    now: str | None
    form: Format
    limit: int
    """Rows of a table to print."""


def _query_dataset(place: Home, dataset: Dataset, words: list[str], asked: _Asked) -> None:
    with place.log() as log, place.store() as store:
        found = stream(place, log, store, dataset, key_of(dataset, words), asked.at)
        file = sys.stdout.buffer
        match asked.form:
            case Format.TABLE:
                rows = counted(found.rows, "rows")
                shown = list(islice(rows, asked.limit))
                count = len(shown) + sum(1 for _ in rows)
                print_records(shown, dataset.name)
                _say_count(count, asked.limit, freshness(found))
            case Format.PARQUET:
                _write_seekable(lambda whole: write_parquet(dataset, counted(found.rows, "rows"), whole))
            case Format.CSV:
                write_csv(dataset, unseen(found.rows), file)
            case Format.JSON:
                about = {
                    "generation": found.generation,
                    "complete": found.complete,
                    "lag": found.lag,
                    "waiting": found.waiting,
                    "through": found.through,
                }
                write_json(unseen(found.rows), about, file)
        file.flush()


def _query_view(place: Home, view: View, words: list[str], asked: _Asked) -> None:
    if len(words) > len(view.keys):
        message = f"{view.name} is read by {' '.join(view.keys) or 'no key'}; {len(words)} values were given"
        raise Failure(message)
    chosen = " AND ".join(
        f"{key}::VARCHAR = '{word.replace(chr(39), chr(39) * 2)}'"
        for key, word in zip(view.keys, words, strict=False)
    )
    statement = f"FROM {view.name}" + (f" WHERE {chosen}" if chosen else "")
    with place.log() as log, place.store() as store, analysis(place, log, store, asked.now, asked.at) as db:
        db.prepare([view.name])
        db.lock()
        _print_rows(view, db.execute(statement).to_arrow_table(), freshness_of_all(db.streams), asked)


def _can_be_parted(place: Home) -> bool:
    """Whether it is published where parts of the history are; else the whole is read for one."""
    with place.store() as store:
        return all(store.published(name) is not None for name in TABLES)


def _query_part(place: Home, view: View, part: Part, asked: _Asked) -> None:
    if asked.at is not None:
        message = f"--at reads whole tables; leave out the page, account or period, or export {view.name}"
        raise Failure(message)
    with temporary(place.temporary) as folder, place.log() as log, place.store() as store:
        try:
            moment = Moment(store, published_together(store, TABLES), log.ends, place.waiting)
            found = gathered(moment, part)
            with found.in_database(view.name, folder, instant_of(place, asked.now)) as db:
                whole = db.execute(f"FROM {view.name} WHERE {part.condition_on(view.name)}").to_arrow_table()
        except NotPublished as error:
            raise Failure(str(error), CANNOT_KNOW) from error
    _print_rows(view, whole, freshness_of_all(found.streams), asked)


def _print_rows(view: View, whole: pa.Table, fresh: str, asked: _Asked) -> None:
    match asked.form:
        case Format.TABLE:
            print_records(_records(whole.slice(0, asked.limit)), view.name)
            _say_count(whole.num_rows, asked.limit, fresh)
        case Format.JSON:
            print_json({"rows": _records(whole), "freshness": fresh})
        case Format.CSV:
            write_delimited(whole.column_names, _records(whole), sys.stdout.buffer, ",")
        case Format.PARQUET:
            _write_seekable(partial(pq.write_table, whole))


def _say_count(count: int, limit: int, fresh: str) -> None:
    more = f", {limit} of them shown" if count > limit else ""
    err.print(f"{count:,} rows{more} · {fresh}", soft_wrap=True)


def _write_seekable(write: Callable[[BinaryIO], object]) -> None:
    """Print what `write` writes with seeks, as Parquet is written: a pipe has none."""
    with tempfile.TemporaryFile() as whole:
        write(whole)
        whole.seek(0)
        shutil.copyfileobj(whole, sys.stdout.buffer)


def _records(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="strict")
    return rows


_NO_TABLE = re.compile(r"Table with name (\w+) does not exist")


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT in DuckDB's SQL; datasets and views are its tables.")
    ],
    home: HomeOption = DEFAULT_HOME,
    now: NowOption = None,
    json: JsonOption = False,
) -> None:
    """Query merged tables and views with SQL, read-only; how fresh each table is goes to standard error."""
    place = known_home(home)
    with place.log() as log, place.store() as store, analysis(place, log, store, now) as db:
        try:
            db.prepare(db.tables_of(statement))
            db.lock()
            asked = db.execute(statement).arrow()
            whole = asked.read_all() if isinstance(asked, pa.RecordBatchReader) else asked
            rows = _records(whole)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.CatalogException as error:
            if unknown := _NO_TABLE.search(str(error)):
                raise Failure(registry.unknown(unknown[1], views)) from error
            raise Failure(str(error)) from error
        except (duckdb.Error, ValueError) as error:
            message = f"{error}"
            raise Failure(message) from error
    if json:
        print_json(rows)
    else:
        print_records(rows)
    for name, found in db.streams.items():
        err.print(f"{name}: {freshness(found)}", soft_wrap=True)


def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The dataset or view.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the file.")],
    format: Annotated[FileFormat, typer.Option(help="How rows are written.")] = FileFormat.JSONL,  # noqa: A002
    at: AtOption = None,
    now: NowOption = None,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Write all merged rows to one file, which is there when it is whole; `dump` is the layout of public dumps."""
    let_others_read(context)
    place = known_home(home)
    if format is FileFormat.DUMP:
        written = _export_dump(place, name, out_dir, at, now)
    else:
        written = [_export(place, name, out_dir, format, at, now)]
    if json:
        print_json(written)
        return
    for one in written:
        out.print(f"{one['file']}: {one['rows']:,} rows · {one['freshness']}", markup=False)


def _export(
    place: Home, name: str, out_dir: Path, form: FileFormat, at: str | None, now: str | None
) -> dict[str, Any]:
    """Write the one file; what is in it."""
    path = out_dir / f"{name}.{form}"
    unfinished = path.with_name(f"{path.name}.part")
    with place.log() as log, place.store() as store:
        if name in views:
            with analysis(place, log, store, now, at) as db:
                db.prepare([name])
                _make(out_dir)
                count = db.write(f"FROM {name}", unfinished, form)
                fresh = freshness_of_all(db.streams)
        else:
            dataset = dataset_named(name)
            found = stream(place, log, store, dataset, (), at)
            _make(out_dir)
            with unfinished.open("wb") as file:
                count = WRITERS[form](dataset, counted(found.rows, "rows"), file)
            fresh = freshness(found)
    unfinished.replace(path)
    return {"file": str(path), "rows": count, "freshness": fresh}


def _export_dump(
    place: Home, name: str, out_dir: Path, at: str | None, now: str | None
) -> list[dict[str, Any]]:
    if name != "mediawiki_history":
        message = f"--format dump is the layout of mediawiki_history alone; give {name} another format"
        raise Failure(message)
    with place.log() as log, place.store() as store, analysis(place, log, store, now, at) as db:
        db.prepare([name])
        _make(out_dir)
        files = write_public_dump(db, out_dir)
        fresh = freshness_of_all(db.streams)
        return [{"file": str(path), "rows": count, "freshness": fresh} for path, count in files.items()]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"--out {folder}: can't be a folder ({error.strerror}); give another one"
        raise Failure(message) from error


def explain(
    name: NameArgument,
    key: Annotated[list[str], typer.Argument(help="The whole key of one row.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Show which layer says what of one row."""
    dataset = dataset_named(name)
    place = known_home(home)
    with place.log() as log, place.store() as store:
        try:
            found = reader(place, store, log).explain(dataset, key_of(dataset, key, whole=True))
        except NotPublished as error:
            raise Failure(str(error), CANNOT_KNOW) from error
    if json:
        print_json(found)
        return
    named = {"batch": found.batch, "added" if dataset.is_rollup else "speed": found.speed}
    layers = {
        layer: dict(zip(dataset.schema.value_names, values or (), strict=False))
        for layer, values in named.items()
    }
    print_records(
        [
            {
                "column": column,
                **{layer: values.get(column) for layer, values in layers.items()},
                "merged": (found.merged or {}).get(column),
            }
            for column in dataset.schema.value_names
        ],
        f"{name} {' '.join(key)}, generation {found.generation}",
    )
    if found.removed:
        out.print("speed has taken the batch's row away")
    if found.merged is None:
        out.print("no such row")
    for partition, (sums, through) in found.partitions.items():
        out.print(f"partition {partition} added {', '.join(map(str, sums))} up to offset {through}")


def unseen(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, with their count on the screen unless they themselves appear there."""
    return rows if sys.stdout.isatty() else counted(rows, "rows")
