"""On real wikis, dumps alone give the revisions that tables give: no fact is different, and what is missing dumps do not hold."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from shared_logic import entities
from shared_logic.clock import from_iso
from shared_logic.entities import Entity, State
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.log_dump import said_by_head, said_by_log_items
from shared_logic.eventify.log_items import read_logging
from shared_logic.eventify.tables import states
from shared_logic.reference import Tables, reference, united
from shared_logic.registry import registry

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
WIKIS = {"a-sqlite-seed11": "gtawiki", "b-mysql-seed12": "gtbwiki"}
BEGINNING = from_iso("2026-01-01T00:00:00Z")
NOT_IN_DUMPS = {"revision_tags", "revision_deleted_parts_are_suppressed", "user_text"}
"""Tags; suppression; and a name that was given up for another one is that of the day in tables of old wikis."""


def opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", bz2.open(path) if path.suffix == ".bz2" else gzip.open(path))


def by_dumps(folder: Path, wiki: str) -> Iterator[tuple[Entity, State]]:
    with opened(folder / f"{wiki}-stub-meta-history.xml.gz") as stream:
        site = DumpReader(stream, BEGINNING, print).site
    with opened(folder / f"{wiki}-stub-meta-history.xml.gz") as stream:
        pages = [
            (entities.page(wiki, page_id), state) for page_id, state in DumpReader(stream, BEGINNING, print)
        ]
    yield from with_authors(pages)
    with opened(folder / f"{wiki}-pages-logging.xml.gz") as stream:
        yield from said_by_log_items(wiki, read_logging(stream), site.namespaces, BEGINNING)
    yield from said_by_head(wiki, site, BEGINNING)


@pytest.fixture(scope="module", params=WIKIS)
def both(request: pytest.FixtureRequest) -> tuple[Tables, Tables]:
    """What the dumps give, and what the tables give."""
    folder, wiki = LOCAL / request.param, WIKIS[request.param]
    if not folder.exists():
        pytest.skip(f"NOT RUN: {folder} is missing: dumps of real wikis are not compared with their tables")
    needed = registry.closure(["revision_facts"])
    tables = united(states(read_table_folder(folder / "tables"), wiki, BEGINNING, print))
    return reference(needed, united(by_dumps(folder / "dumps", wiki))), reference(needed, tables)


def test_revisions_are_the_same(both: tuple[Tables, Tables]) -> None:
    dumps, tables = (found["revision_facts"] for found in both)
    names = registry["revision_facts"].schema.value_names
    archived = names.index("revision_is_deleted")
    live = {key for key, values in tables.items() if not values[archived]}
    # pages with something in the archive are counted otherwise: dumps do not hold it
    whole = {key[1] for key in live} - {key[1] for key in tables.keys() - live}
    assert len(whole) > 50
    assert dumps.keys() <= tables.keys()
    missing = live - dumps.keys()
    assert all(tables[key][names.index("revision_deleted_parts_are_suppressed")] for key in missing)
    different = {
        (key, name, one, other)
        for key in dumps
        if key[1] in whole
        for name, one, other in zip(names, dumps[key], tables[key], strict=True)
        if name not in NOT_IN_DUMPS and one != other
    }
    assert not different
