"""Folders of table exports, of one wiki or several, with the map of their namespaces."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from batch.compressed import InputError, open_input
from batch.table_files import Row, read_table_folder
from shared_logic.eventify.rows import NAMESPACES, WIKI_COLUMN, BadRowError, UnreadRow, parse_number
from shared_logic.states.site_state import Namespace

NAMESPACE_MAP = "project_namespace_map.csv"
"""Without header: host name, language, sitename, wiki, home page, version, case, namespace, canonical and localized name, case, is
content."""
NAMING = ("page", "archive", "logging", "user")
"""The tables that together tell of every wiki."""
SHARED = frozenset({"centralauth_localuser", "localuser"})
"""Tables of CentralAuth, which are of all wikis."""
Site = tuple[str, tuple[Namespace, ...]]
"""Host name and namespaces of a wiki."""
NO_SITE: Site = ("", ())
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

    They may lie in a folder per wiki (with a map of its own, or below one of all, and below tables of CentralAuth), or together
    with a column `wiki_db` in every table; without either they are of the one wiki that is asked for or that the map tells.

    Raises:
        InputError: nothing tells which wiki it is, the wiki that is asked for is not there, or the map can't be read.
    """
    sites = _sites(folder / NAMESPACE_MAP)
    tables = read_table_folder(folder)
    found = list(
        _together(folder, tables, wiki, sites) if tables.keys() - SHARED else _apart(folder, tables, sites)
    )
    wanted = sorted((one for one in found if wiki in {"", one.wiki}), key=attrgetter("wiki"))
    if not wanted:
        raise InputError(
            f"{folder}: no tables of {wiki or 'any wiki'}; give the folder that holds page.tsv, revision.tsv …"
        )
    return wanted


def files_in(folder: Path) -> list[Path]:
    """Every file below the folder: what a bootstrap was made of."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _together(
    folder: Path, tables: Mapping[str, Iterable[Row]], wiki: str, sites: Mapping[str, Site]
) -> Iterator[WikiTables]:
    """The wikis of tables that lie side by side."""
    # A wiki without a page has accounts and a log, or an archive.
    named = sorted({name for table in NAMING for name in _named(tables.get(table, ()))})
    if named:
        for name in named:
            mine = {table: _OfWiki(rows, name) for table, rows in tables.items()}
            yield WikiTables(name, mine, *sites.get(name, NO_SITE))
        return
    if not wiki and len(sites) != 1:
        raise InputError(
            f"{folder}: nothing tells which wiki the tables are of; give --wiki, a column {WIKI_COLUMN}, or a folder per wiki"
        )
    name = wiki or next(iter(sites))
    yield WikiTables(name, tables, *sites.get(name, NO_SITE))


def _named(rows: Iterable[Row]) -> set[str]:
    """The wikis that a table has rows of; of a table whose first row has no column of wikis no other is looked at."""
    if WIKI_COLUMN not in next((row for row in rows if not isinstance(row, UnreadRow)), {}):
        return set()
    return {name for row in rows if (name := row.get(WIKI_COLUMN))}


def _apart(folder: Path, shared: Mapping[str, Iterable[Row]], sites: dict[str, Site]) -> Iterator[WikiTables]:
    """The wikis of a folder of folders."""
    for path in folder.iterdir():
        tables = read_table_folder(path) if path.is_dir() else {}
        if tables:
            mine = sites | _sites(path / NAMESPACE_MAP)
            yield WikiTables(path.name, {**shared, **tables}, *mine.get(path.name, NO_SITE))


@dataclass(frozen=True, slots=True)
class _OfWiki:
    """The rows of one wiki in a table of several, and those that may be of any, since their `wiki_db` is NULL or can't be read."""

    rows: Iterable[Row]
    wiki: str

    def __iter__(self) -> Iterator[Row]:
        return (row for row in self.rows if row.get(WIKI_COLUMN, self.wiki) in {self.wiki, None})


def _sites(path: Path) -> dict[str, Site]:
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
            place = parse_number("namespace", namespace, NAMESPACES)
        except (ValueError, BadRowError) as error:
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
