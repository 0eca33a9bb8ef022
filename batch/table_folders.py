"""Folders of table exports, of one wiki or several, with the map of their namespaces."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batch.compressed import InputError, open_input
from batch.table_files import Row, read_table_folder
from shared_logic.site_state import Namespace

NAMESPACE_MAP = "project_namespace_map.csv"
"""Without header: host name, language, sitename, wiki, home page, version, case, namespace, canonical and localized name, case, is
content."""
WIKI_COLUMN = "wiki_db"
_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class WikiTables:
    """The tables of one wiki."""

    wiki: str
    tables: Mapping[str, Iterable[Row]]
    hostname: str
    namespaces: tuple[Namespace, ...]
    """Empty: no map tells them."""


def wikis_in(folder: Path, wiki: str = "") -> list[WikiTables]:
    """The wikis whose tables are in the folder, of which `wiki` is wanted (all, if empty).

    They may lie in a folder per wiki, or together with a column `wiki_db` in every table; without either they are of the one
    wiki that is asked for or that the namespace map tells.

    Raises:
        InputError: nothing tells which wiki it is, the wiki that is asked for is not there, or the map can't be read.
    """
    sites = _sites(folder / NAMESPACE_MAP)
    found = {name: tables for name, tables in _by_wiki(folder, wiki, sites) if wiki in {"", name}}
    if not found:
        raise InputError(
            f"{folder}: no tables of {wiki or 'any wiki'}; give the folder that holds page.tsv, revision.tsv …"
        )
    return [WikiTables(name, tables, *sites.get(name, ("", ()))) for name, tables in sorted(found.items())]


def files_in(folder: Path) -> list[Path]:
    """Every file below the folder: what a bootstrap was made of."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _by_wiki(
    folder: Path, wiki: str, sites: Mapping[str, object]
) -> Iterator[tuple[str, Mapping[str, Iterable[Row]]]]:
    tables = read_table_folder(folder)
    if not tables:
        for path in sorted(path for path in folder.iterdir() if path.is_dir()):
            inner = read_table_folder(path)
            if inner:
                yield path.name, inner
        return
    told = {row.get(WIKI_COLUMN) for row in tables.get("page", ())}
    named = sorted(name for name in told if name)
    if named:
        for name in named:
            yield name, {table: _OfWiki(rows, name) for table, rows in tables.items()}
        return
    if wiki or len(sites) == 1:
        yield wiki or next(iter(sites)), tables
        return
    raise InputError(
        f"{folder}: nothing tells which wiki the tables are of; give --wiki, a column {WIKI_COLUMN}, or a folder per wiki"
    )


@dataclass(frozen=True, slots=True)
class _OfWiki:
    """The rows of one wiki in a table of several."""

    rows: Iterable[Row]
    wiki: str

    def __iter__(self) -> Iterator[Row]:
        return (row for row in self.rows if row.get(WIKI_COLUMN, self.wiki) == self.wiki)


def _sites(path: Path) -> dict[str, tuple[str, tuple[Namespace, ...]]]:
    """Host name and namespaces by wiki."""
    if not path.exists():
        return {}
    hosts: dict[str, str] = {}
    namespaces: dict[str, dict[int, Namespace]] = {}
    for number, row in enumerate(_lines(path), 1):
        if not row:
            continue
        try:
            host, _, _, wiki, _, _, _, namespace, canonical, localized, _, is_content = row
            place = int(namespace)
        except ValueError as error:
            message = f"{path}, line {number}: {len(row)} columns where {_COLUMNS} are wanted, or no number: {error}"
            raise InputError(message) from error
        hosts[wiki] = host
        namespaces.setdefault(wiki, {})[place] = (
            place,
            canonical.replace(" ", "_"),
            localized.replace(" ", "_"),
            is_content.strip().lower() in {"1", "true"},
        )
    return {wiki: (hosts[wiki], tuple(sorted(named.values()))) for wiki, named in namespaces.items()}


def _lines(path: Path) -> Iterator[list[str]]:
    """What stands between the commas of each line."""
    with open_input(path) as stream:
        try:
            # Of the mark that some programs write before the first line nothing is read.
            yield from csv.reader(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        except (UnicodeDecodeError, csv.Error) as error:
            message = f"{path} is no CSV in UTF-8 ({error}); write it anew in UTF-8"
            raise InputError(message) from error
