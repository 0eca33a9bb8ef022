"""Exports of MediaWiki's tables: tab-separated, JSON Lines, or mysqldump; a file per table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import msgspec

from batch.compressed import InputError, open_input
from shared_logic.eventify.rows import UnreadRow

Value = str | int | float | bool | None
"""What stands in a column of JSON Lines."""
Row = Mapping[str, str | None]
"""Column to text, None for NULL; or an `UnreadRow`."""

_NAME = re.compile(r"(?:.*-)?(?P<table>\w+)\.(?P<kind>tsv|jsonl|sql)(?:\.(?:gz|bz2|zst))?")
_PART = re.compile(r".*\.(?P<kind>tsv|jsonl|sql)(?:\.(?:gz|bz2|zst))?")
TABLES = frozenset(
    {
        "actor",
        "archive",
        "centralauth_localuser",
        "change_tag",
        "change_tag_def",
        "comment",
        "content",
        "localuser",
        "logging",
        "page",
        "revision",
        "revision_actor_temp",
        "revision_comment_temp",
        "slot_roles",
        "slots",
        "user",
        "user_groups",
    }
)
"""Tables that may lie in a folder of parts."""
MOST_UNREAD_AT_FIRST = 1_000
"""Lines without one row among them after which a file is no table: it has another delimiter, or another form."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TSV_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0"}

_SQL_ESCAPE = re.compile(rb"\\(.)|''", re.DOTALL)
_SQL_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"0": b"\0", b"b": b"\b", b"Z": b"\x1a"}
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?`((?:[^`]|``)+)`")
_COLUMN = re.compile(rb"\s*`((?:[^`]|``)+)` ")
_INSERT = re.compile(rb"(?:INSERT|REPLACE)(?: IGNORE)? INTO `((?:[^`]|``)+)`\s*(?:\(([^)]*)\)\s*)?VALUES\s*")
_COLUMN_NAME = re.compile(rb"`((?:[^`]|``)+)`")
_VALUE = re.compile(
    rb"\s*(?:(?:_\w+\s+)?'(?P<text>[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+)'|(?P<bare>[^\s,()']++))\s*(?P<end>[,)])",
    re.DOTALL,
)
_NEXT_TUPLE = re.compile(rb"\s*(?:,\s*)?\(")
MOST_LINES_OF_A_ROW = 1_000
MOST_BYTES_OF_A_ROW = 1 << 24
_NO_TUPLE = re.compile(rb"\s*,?\s*")
_STATEMENT_END = re.compile(rb"\s*(?:ON DUPLICATE KEY UPDATE [^;]*)?;\s*")


@dataclass(frozen=True, slots=True)
class TableFile:
    """The rows of one file, read anew by every loop over it."""

    path: Path
    table: str
    read: Callable[[Iterable[bytes], TableFile], Iterator[Row]]
    name: str
    """What it is called where one of its lines is told: of a part, with the folder of the table."""

    def __iter__(self) -> Iterator[Row]:
        """Its rows, and an `UnreadRow` for each line that is none.

        Raises:
            InputError: damaged, or not of the form that its name says: no line is a row.
        """
        with open_input(self.path) as stream:
            rows = _rows_and_others(self.read(_lines(stream), self))
            while True:
                # Only reading is watched: what goes wrong where the row is used is not the file's fault.
                try:
                    row = next(rows, None)
                except _FormatError as error:
                    raise InputError(f"{self.path}: not readable as a table: {error}") from error
                if row is None:
                    return
                yield row


class _FormatError(Exception):
    """The file is not of the form that its name says."""


@dataclass(frozen=True, slots=True)
class TableParts:
    """The rows of a table that is cut into several files."""

    parts: tuple[TableFile, ...]

    def __iter__(self) -> Iterator[Row]:
        """The rows of one part after the other."""
        return chain.from_iterable(self.parts)


def read_table_folder(folder: Path) -> dict[str, Iterable[Row]]:
    """The tables in a folder, by name: `page.tsv`, `page.jsonl.gz`, `enwiki-20260101-page.sql.gz`, or a folder `page` of such parts.

    Other files are left alone.

    Raises:
        InputError: the folder can't be listed, or two files are of the same table.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder}: can't be listed ({error.strerror}); check the path and its rights"
        ) from error
    tables: dict[str, Iterable[Row]] = {}
    seen: dict[str, Path] = {}
    for path in paths:
        found = _NAME.fullmatch(path.name)
        rows: Iterable[Row]
        if path.is_dir() and path.name in TABLES:
            table, rows = path.name, _parts(path)
        elif path.is_file() and found is not None:
            table = found["table"]
            rows = TableFile(path, table, _READERS[found["kind"]], path.name)
        else:
            continue
        if table in seen:
            raise InputError(f"{folder}: two files of the table {table}: {seen[table].name} and {path.name}")
        tables[table], seen[table] = rows, path
    return tables


def _parts(folder: Path) -> TableParts:
    found = [(path, _PART.fullmatch(path.name)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return TableParts(
        tuple(
            TableFile(path, folder.name, _READERS[name["kind"]], str(path.relative_to(folder.parent)))
            for path, name in found
            if name
        )
    )


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    # Only the line feed ends a line: titles hold other characters that text files take for one.
    yield from stream


def _text(data: bytes) -> str:
    # MediaWiki's old comments were cut in the middle of a character.
    return data.decode(errors="replace")


def _rows_and_others(rows: Iterator[Row]) -> Iterator[Row]:
    """What is read, of which something must be a row.

    Raises:
        _FormatError: nothing is.
    """
    others: list[UnreadRow] | None = []
    for row in rows:
        if not isinstance(row, UnreadRow):
            others = None
        elif others is not None:
            others.append(row)
            if len(others) == MOST_UNREAD_AT_FIRST:
                break
        yield row
    if others:
        raise _FormatError(
            f"none of {len(others):,} lines is a row ({others[0].place}: {others[0].detail}); "
            "write it anew in the form that its name tells"
        )


# --- tab-separated ------------------------------------------------------------------------------------------------


def _tsv(lines: Iterable[bytes], file: TableFile) -> Iterator[Row]:
    names: list[str] | None = None
    for number, line in enumerate(lines, 1):
        values = _text(line).removesuffix("\n").split("\t")
        if names is None:
            names = values
            continue
        if len(values) == len(names):
            yield dict(zip(names, map(_unescaped, values), strict=True))
        else:
            why = f"fields: {len(values)}, in the header: {len(names)}"
            yield UnreadRow(f"{file.name}, line {number}", "number_of_fields", why)


def _unescaped(value: str) -> str | None:
    if "\\" not in value:
        return value
    return None if value == r"\N" else _ESCAPE.sub(_tsv_character, value)


def _tsv_character(found: re.Match[str]) -> str:
    return _TSV_ESCAPES.get(found[1], found[1])


# --- JSON Lines ---------------------------------------------------------------------------------------------------


def _jsonl(lines: Iterable[bytes], file: TableFile) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield {name: _as_text(value) for name, value in _json(line).items()}
        except msgspec.DecodeError as error:
            yield UnreadRow(f"{file.name}, line {number}", "not_json", str(error))


def _json(line: bytes) -> dict[str, Value]:
    try:
        return _decoder.decode(line)
    except UnicodeDecodeError:
        return _decoder.decode(_text(line))


def _as_text(value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, bool) else str(value)


_decoder = msgspec.json.Decoder(dict[str, Value])


# --- mysqldump ----------------------------------------------------------------------------------------------------


def _sql(lines: Iterable[bytes], file: TableFile) -> Iterator[Row]:
    return _SqlReader(file.table.encode()).rows(lines)


class _SqlReader:
    """Rows of one table out of the statements of mysqldump, a line at a time, however the statements are cut into lines."""

    def __init__(self, table: bytes) -> None:
        self.table = table
        self.columns: list[str] = []
        self.seen: set[str] = set()
        self.names: list[str] | None = None
        """Columns of the INSERT that is being read."""
        self.creating = False
        self.rest = b""
        self.waited = 0
        """Lines for which the row in `rest` has waited for its end."""

    def rows(self, lines: Iterable[bytes]) -> Iterator[Row]:
        for line in lines:
            if self.names is not None:
                yield from self.tuples(self.rest + line)
            elif self.creating:
                self.column(line)
            elif found := _CREATE.match(line):
                self.seen.add(_text(found[1]))
                self.creating = found[1] == self.table
            elif (found := _INSERT.match(line)) and found[1] == self.table:
                self.names = _column_names(found[2]) or self.columns
                yield from self.tuples(line[found.end() :])
        if self.names is not None:
            raise _FormatError("it ends in the middle of an INSERT")
        if not self.columns:
            others = ", ".join(sorted(self.seen)) or "none"
            raise _FormatError(f"no CREATE TABLE `{_text(self.table)}` in it; tables in it: {others}")

    def column(self, line: bytes) -> None:
        if found := _COLUMN.match(line):
            self.columns.append(_text(found[1].replace(b"``", b"`")))
        elif line.lstrip().startswith(b")"):
            self.creating = False

    def tuples(self, data: bytes) -> Iterator[Row]:
        """The rows in the data; what is not whole yet waits for the next line."""
        names = self.names or []
        place = 0
        while opening := _NEXT_TUPLE.match(data, place):
            values, end = _values(data, opening.end())
            if end is None:
                break
            if len(values) != len(names):
                raise _FormatError(f"a row has {len(values)} values, the table {len(names)} columns")
            yield dict(zip(names, values, strict=True))
            place = end
        self.rest = data[place:]
        self.waited = 0 if place else self.waited + 1
        if self.waited > MOST_LINES_OF_A_ROW or len(self.rest) > MOST_BYTES_OF_A_ROW:
            raise _FormatError(f"not a row of an INSERT: {_text(self.rest[:60])!r}")
        if _STATEMENT_END.fullmatch(self.rest):
            self.names, self.rest = None, b""
        elif not _NEXT_TUPLE.match(self.rest) and not _NO_TUPLE.fullmatch(self.rest):
            raise _FormatError(f"not a row of an INSERT: {_text(self.rest[:60])!r}")


def _column_names(data: bytes | None) -> list[str]:
    return [_text(name.replace(b"``", b"`")) for name in _COLUMN_NAME.findall(data or b"")]


def _values(data: bytes, place: int) -> tuple[list[str | None], int | None]:
    """The values up to the closing bracket, and the place after it; None when the data ends before."""
    values: list[str | None] = []
    while found := _VALUE.match(data, place):
        values.append(_value(found))
        place = found.end()
        if found["end"] == b")":
            return values, place
    return values, None


def _value(found: re.Match[bytes]) -> str | None:
    text, bare = found["text"], found["bare"]
    if text is not None:
        return _text(_SQL_ESCAPE.sub(_sql_character, text) if b"\\" in text or b"'" in text else text)
    if bare.upper() == b"NULL":
        return None
    if bare[:2] == b"0x":
        # With --hex-blob, texts of binary columns.
        return _text(bytes.fromhex(bare[2:].decode()))
    return _text(bare)


def _sql_character(found: re.Match[bytes]) -> bytes:
    escaped = found[1]
    if escaped is None:
        return b"'"
    # \% and \_ keep their backslash, as in MySQL; mysqldump doesn't write them.
    return found[0] if escaped in b"%_" else _SQL_ESCAPES.get(escaped, escaped)


_READERS: dict[str, Callable[[Iterable[bytes], TableFile], Iterator[Row]]] = {
    "tsv": _tsv,
    "jsonl": _jsonl,
    "sql": _sql,
}
