"""Commands that read: query, sql, export, explain, parity."""

from __future__ import annotations

import csv
import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from cli.commands.batch import spark_session
from cli.failures import CANNOT_KNOW, DIFFERS, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, dataset_named, datasets_named, home_at, key_of
from cli.output import err, meter, out, print_json, print_records, text
from serving.arrow import to_arrow
from serving.parity import compare
from serving.reader import Answers, NotPublished, Reader
from serving.sqlite_store import SqliteStore
from shared_logic.events.streams import PAGE
from shared_logic.language import Dataset
from speed.sqlite_log import SqliteLog

SHOWN = 50
DIFFERENCES_SHOWN = 20


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


def query(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    key: Annotated[
        list[str] | None, typer.Argument(help="Values of the first key columns; none: all rows.")
    ] = None,
    at: Annotated[int | None, typer.Option(help="A generation, instead of the published one.")] = None,
    format: Annotated[Format, typer.Option(help="How rows are written.")] = Format.TABLE,  # noqa: A002
    limit: Annotated[int, typer.Option(help="Rows of a table to print.")] = SHOWN,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read merged rows by key, with how fresh they are."""
    dataset = dataset_named(name)
    place = home_at(home)
    with place.log() as log, place.store() as store:
        found = answers(reader(store, log), dataset, key_of(dataset, key or []), at)
    if format is Format.TABLE:
        print_records(found.rows[:limit], name)
        more = f", {limit} of them shown" if len(found.rows) > limit else ""
        err.print(f"{len(found.rows):,} rows{more} · {freshness(found)}")
    elif format is Format.JSON:
        print_json(
            {
                "rows": found.rows,
                "generation": found.generation,
                "complete": found.complete,
                "lag": found.lag,
                "through": found.through,
            }
        )
    elif format is Format.CSV:
        sys.stdout.write(_delimited(dataset, found.rows, ","))
    else:
        buffer = io.BytesIO()
        pq.write_table(to_arrow(dataset, found.rows), buffer)
        sys.stdout.buffer.write(buffer.getvalue())


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT in DuckDB's SQL; datasets are its tables.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Query merged tables with SQL, read-only."""
    place = home_at(home)
    with place.log() as log, place.store() as store, duckdb.connect(":memory:") as db:
        db.execute("SET TimeZone='UTC'")
        freshest: list[Answers] = []
        for dataset in datasets_named([]):
            if store.published(dataset.name) is None or dataset.name not in statement:
                continue
            found = answers(reader(store, log), dataset, ())
            freshest.append(found)
            db.register(dataset.name, to_arrow(dataset, found.rows))
        db.execute("SET enable_external_access=false")
        try:
            table = db.execute(statement).arrow()
            rows = (table.read_all() if isinstance(table, pa.RecordBatchReader) else table).to_pylist()
        except duckdb.Error as error:
            message = f"{error}"
            raise Failure(message) from error
    if json:
        print_json(rows)
        return
    print_records(rows)
    for found in freshest[:1]:
        err.print(freshness(found))


def export(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the file.")],
    format: Annotated[FileFormat, typer.Option(help="How rows are written.")] = FileFormat.JSONL,  # noqa: A002
    at: Annotated[int | None, typer.Option(help="A generation, instead of the published one.")] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write all merged rows, in order of key, to one file."""
    dataset = dataset_named(name)
    place = home_at(home)
    with place.log() as log, place.store() as store, meter("rows"):
        found = answers(reader(store, log), dataset, (), at)
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{name}.{format}"
    if format is FileFormat.PARQUET:
        pq.write_table(to_arrow(dataset, found.rows), path)
    elif format is FileFormat.TSV:
        path.write_text(_delimited(dataset, found.rows, "\t"))
    else:
        import msgspec

        path.write_bytes(msgspec.json.Encoder(order="deterministic").encode_lines(found.rows))
    out.print(f"{path}: {len(found.rows):,} rows · {freshness(found)}")


def explain(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    key: Annotated[list[str], typer.Argument(help="The whole key of one row.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Show which layer says what of one row."""
    dataset = dataset_named(name)
    place = home_at(home)
    with place.log() as log, place.store() as store:
        try:
            found = reader(store, log).explain(dataset, key_of(dataset, key, whole=True))
        except NotPublished as error:
            raise Failure(str(error), CANNOT_KNOW) from error
    if json:
        print_json(found)
        return
    out.print(found)


def parity(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Recompute from everything up to the speed layer's progress, and compare with the merged table, row by row."""
    from cli.parity import recomputed_rows

    dataset = dataset_named(name)
    place = home_at(home)
    with place.writer("parity"), place.log() as log, place.store() as store, meter("recomputing"):
        read = reader(store, log)
        current = store.published(name)
        if current is None:
            message = f"{name} is not published; `wikibraid batch run {name}` makes the first generation"
            raise Failure(message, CANNOT_KNOW)
        through = read.through(dataset, current.number)
        expected = recomputed_rows(place, log, dataset, through, spark_session(place))
        found = list(compare(dataset.schema, read.sorted_rows(dataset, redacted=False), expected))
    rows = [
        {"key": text(d.key), "column": d.column, "merged": text(d.left), "recomputed": text(d.right)}
        for d in found
    ]
    if json:
        print_json({"dataset": name, "through": through, "differences": rows})
    else:
        print_records(rows[:DIFFERENCES_SHOWN], "differences")
        out.print(f"{name}: {len(rows)} differing values, compared through {','.join(map(str, through))}")
    if found:
        message = f"{name}: merged and recomputed differ"
        raise Failure(message, DIFFERS)


def reader(store: SqliteStore, log: SqliteLog) -> Reader:
    """A reader over the store that knows where the log ends."""
    return Reader(store, lambda: log.ends(PAGE))


def answers(read: Reader, dataset: Dataset, prefix: tuple[Any, ...], at: int | None = None) -> Answers:
    """Merged rows whose key starts so.

    Raises:
        Failure: nothing is published that could answer.
    """
    try:
        return read.scan(dataset, prefix, at)
    except NotPublished as error:
        raise Failure(str(error), CANNOT_KNOW) from error


def freshness(found: Answers) -> str:
    """How fresh the rows are, in words."""
    behind = "complete" if found.complete else f"incomplete: {found.lag:,} messages behind"
    return f"generation {found.generation}, through offsets {','.join(map(str, found.through))}, {behind}"


def _delimited(dataset: Dataset, rows: list[dict[str, Any]], delimiter: str) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, dataset.schema.names, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {
            name: "" if value is None else text(value) if isinstance(value, tuple) else value
            for name, value in row.items()
        }
        for row in rows
    )
    return buffer.getvalue()
