"""Merged tables and the views over them in DuckDB: for analysts' SQL, and for views, which are nowhere stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import msgspec
import pyarrow as pa

from serving.arrow import batches
from serving.duckdb_session import opened
from serving.layers import FilesGone, make_empty, put_together
from serving.reader import Stream
from shared_logic.definition import Dataset
from shared_logic.registry import registry
from shared_logic.views import View, views

Read = Callable[[Dataset], Stream]
READ_ONLY = (
    "SET python_enable_replacements=false",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)
"""No files, no network, no variables of this program, and no way back."""
LISTS = {"VARCHAR[]"}


class Analysis:
    """One database for one question; larger than memory, it goes on in a folder that is thrown away."""

    def __init__(self, read: Read, folder: Path | None, now: datetime) -> None:
        """Over the tables that `read` gives; `now` is what views take for the present. Without a folder all is in memory."""
        self._read = read
        self._db = opened(None if folder is None else folder / "analysis.duckdb", folder)
        self._db.execute("SET VARIABLE now = ?::TIMESTAMPTZ", [now])
        self._instead: dict[str, View] = {}
        self.streams: dict[str, Stream] = {}
        """Of every dataset that was taken in: how fresh it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def tables_of(self, statement: str) -> set[str]:
        """The datasets and views that a statement reads.

        Raises:
            ValueError: it is anything but one SELECT.
            duckdb.Error: it is no SQL.
        """
        parsed = self._db.extract_statements(statement)
        if [part.type for part in parsed] != [duckdb.StatementType.SELECT]:
            message = (
                "sql reads only: give one SELECT (FROM … and WITH … are such), without any other statement"
            )
            raise ValueError(message)
        (tree,) = self._db.execute("SELECT json_serialize_sql(?)", [statement]).fetchone() or ("",)
        named = {name.lower() for name in _tables_in(msgspec.json.decode(tree))}
        return {name for name in (*registry, *views) if name in named}

    def prepare(self, names: Iterable[str]) -> None:
        """Take in these datasets and views, with all that the views read."""
        for name in names:
            for view in views[name].chain if name in views else ():
                self._make(view)
            if name in registry:
                self._load(registry[name])

    def put(self, name: str, rows: pa.Table) -> None:
        """Take in a table that views read; a view of that name is not made any more."""
        self._db.register("rows", rows)
        self._db.execute(f"CREATE TEMP TABLE {name} AS FROM rows")
        self._db.unregister("rows")

    def replace(self, view: View) -> None:
        """Make this view where others read one of its name."""
        self._instead[view.name] = view

    def lock(self) -> None:
        """Let nothing be read from now on but what was taken in."""
        for setting in READ_ONLY:
            self._db.execute(setting)

    def execute(self, statement: str, values: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement over what was taken in, with these values for its question marks."""
        return self._db.execute(statement, values)

    def columns(self, statement: str) -> list[tuple[str, str]]:
        """Names and types of what a statement gives."""
        return [(name, kind) for name, kind, *_ in self._db.execute(f"DESCRIBE {statement}").fetchall()]

    def write(self, statement: str, path: Path, format: str) -> int:  # noqa: A002  what it is
        """Write what a statement gives as jsonl, tsv, dump (tsv without a header) or parquet; returns how many rows."""
        if format in {"tsv", "dump"}:
            statement = _delimited(statement, self.columns(statement))
        target = str(path).replace("'", "''")
        (count,) = self._db.execute(f"COPY ({statement}) TO '{target}' ({_FORMS[format]})").fetchone() or (0,)
        return int(count)

    def _make(self, view: View) -> None:
        view = self._instead.get(view.name, view)
        for name in view.reads:
            if name in registry:
                self._load(registry[name])
        kind = "TEMP TABLE" if view.is_internal else "TEMP VIEW"
        self._db.execute(f"CREATE {kind} IF NOT EXISTS {view.name} AS {view.sql}")

    def _load(self, dataset: Dataset) -> None:
        if dataset.name in self.streams:
            return
        found = self.streams[dataset.name] = self._read(dataset)
        if found.layers is not None:
            with suppress(FilesGone):
                put_together(self._db, dataset, found.layers)
                return
        make_empty(self._db, dataset)
        for batch in batches(dataset, found.rows):
            self._db.register("batch", batch)
            self._db.execute(f'INSERT INTO "{dataset.name}" FROM batch')
            self._db.unregister("batch")


def _tables_in(tree: object) -> Iterator[str]:
    """Names of tables in a parsed statement: to bind it, as DuckDB's own function does, its columns would have to be known."""
    within = [tree]
    while within:
        node = within.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                yield node["table_name"]
            within += node.values()
        elif isinstance(node, list):
            within += node


_FORMS = {
    "jsonl": "FORMAT json",
    "tsv": "FORMAT csv, HEADER, DELIMITER '\t', QUOTE '', ESCAPE '', NULL ''",
    "dump": "FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '', NULL ''",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def _delimited(statement: str, columns: list[tuple[str, str]]) -> str:
    """The statement with every column as one field of text: lists joined by commas, tabs and line feeds escaped."""
    quoted = [('"' + name.replace('"', '""') + '"', kind) for name, kind in columns]
    fields = ", ".join(f"{_field(name, kind)} AS {name}" for name, kind in quoted)
    return f"SELECT {fields} FROM ({statement})"  # noqa: S608  names of columns


def _field(name: str, kind: str) -> str:
    if kind in LISTS:
        joined = f"array_to_string(list_transform({name}, e -> replace(e, ',', '\\,')), ',')"
        return _escaped(joined)
    if kind.startswith("MAP"):
        return _escaped(f"{name}::JSON::VARCHAR")
    return _escaped(name) if kind == "VARCHAR" else name


def _escaped(text: str) -> str:
    for character, escape in ((9, "\\t"), (10, "\\n"), (13, "\\r")):
        text = f"replace({text}, chr({character}), '{escape}')"
    return text
