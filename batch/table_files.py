"""Exports of MediaWiki's tables: tab-separated, JSON Lines, or mysqldump; a file per table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batch.compressed import InputError, open_input

Row = Mapping[str, str | None]
_NAME = re.compile(
    r"^(?:[a-z0-9_]+-(?:\d{8}-)?)?(?P<table>[a-z_]+)\.(?P<kind>tsv|jsonl|sql)(?:\.(?:gz|bz2|zst))?$"
)
_ESCAPE = re.compile(r"\\(.)")
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
_COLUMN = re.compile(r"^\s+`(?P<name>[^`]+)` ")
_VALUE = re.compile(r"(?:'(?P<text>(?:[^'\\]|\\.|'')*)'|(?P<bare>[^,()']+))(?P<end>[,)])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TableFile:
    """The rows of one file, read anew by every loop over it."""

    path: Path
    rows_of: Callable[[BinaryIO], Iterator[Row]]

    def __iter__(self) -> Iterator[Row]:
        """Its rows: column names and texts; null is None.

        Raises:
            InputError: damaged, or not of the form that its name says.
        """
        with open_input(self.path) as stream:
            try:
                yield from self.rows_of(stream)
            except (ValueError, KeyError) as error:
                message = f"{self.path}: not readable as a table ({error})"
                raise InputError(message) from error


def read_table_folder(folder: Path) -> dict[str, TableFile]:
    """The table files in a folder, by table: `page.tsv`, `page.jsonl.gz`, `enwiki-20260101-page.sql.gz` and so on.

    Raises:
        InputError: the folder can't be listed.
    """
    readers = {"tsv": _tsv, "jsonl": _jsonl, "sql": _sql}
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        message = f"{folder}: can't be listed ({error.strerror}); check the path and its rights"
        raise InputError(message) from error
    matched = ((path, _NAME.match(path.name)) for path in names)
    return {found["table"]: TableFile(path, readers[found["kind"]]) for path, found in matched if found}


def _tsv(stream: BinaryIO) -> Iterator[Row]:
    names = stream.readline().decode().rstrip("\n").split("\t")
    for number, line in enumerate(stream, 2):
        values = line.decode(errors="replace").rstrip("\n").split("\t")
        if len(values) != len(names):
            message = f"line {number} has {len(values)} fields, the header {len(names)}"
            raise ValueError(message)
        yield dict(zip(names, map(_unescaped, values), strict=True))


def _unescaped(value: str) -> str | None:
    if value == r"\N":
        return None
    return _ESCAPE.sub(_escaped, value) if "\\" in value else value


def _escaped(found: re.Match[str]) -> str:
    return _PLAIN.get(found[1], found[1])


def _jsonl(stream: BinaryIO) -> Iterator[Row]:
    for line in stream:
        yield {
            name: None if value is None else str(int(value)) if isinstance(value, bool) else str(value)
            for name, value in json.loads(line).items()
        }


def _sql(stream: BinaryIO) -> Iterator[Row]:
    names: list[str] = []
    for raw in stream:
        line = raw.decode(errors="replace")
        if line.startswith("CREATE TABLE"):
            names = []
        elif column := _COLUMN.match(line):
            names.append(column["name"])
        elif line.startswith("INSERT INTO"):
            for values in _tuples(line):
                yield dict(zip(names, values, strict=True))


def _tuples(line: str) -> Iterator[list[str | None]]:
    place = line.index("VALUES") + len("VALUES")
    values: list[str | None] = []
    while (opening := line.find("(", place)) >= 0:
        place, values = opening + 1, []
        end = ","
        while end == ",":
            found = _VALUE.match(line, place)
            if found is None:
                message = f"odd value at character {place} of an INSERT"
                raise ValueError(message)
            text, bare, end = found["text"], found["bare"], found["end"]
            if text is not None:
                values.append(_ESCAPE.sub(_escaped, text.replace("''", "'")))
            else:
                values.append(None if bare.strip() == "NULL" else bare.strip())
            place = found.end()
        yield values
