"""The model against MediaWiki: what was asked of a real wiki is asked of the model, which must then hold the same.

What the model does not do, on purpose:

| what | why |
| --- | --- |
| times within a request | the model's actions take no time; MediaWiki's may end a second after they began |
| who may do what (rights, blocks, protection, abuse filters) | the journal tells what was refused, and stories need no refusals |
| files, beside the page that each has | no dataset reads them; rows `upload/*` are left out here |
| tags that MediaWiki gives by itself (undo, rollback, blanked, …) | they follow from texts; the stories give tags themselves |
| definitions of tags (rows `managetags/*`) | they say nothing of revisions or pages |
| comments that MediaWiki makes of messages, and the sentence in them that tells an edit's section | words, not facts |
| content models other than wikitext | the stories' texts are plain |
| links, categories, page properties | derived from texts by a parser |
| `page_is_new` | nothing reads it, and MediaWiki leaves it set after some moves |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from batch.table_files import read_table_folder
from shared_logic.history import php
from tests.strategies.journal import UNKNOWN_TEXT, Replay
from tests.strategies.wiki import Wiki, digits14

LOCAL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local"
INSTALLED_USERS = 2
LEFT_OUT_LOGS = frozenset({"managetags", "upload"})

Row = Mapping[str, str | None]
Tables = Mapping[str, list[Row]]
Facts = dict[object, tuple[object, ...]]


@pytest.fixture(scope="module", params=["a-sqlite-seed11", "b-mysql-seed12"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = LOCAL / request.param
    if not found.is_dir():
        pytest.skip(f"no real wiki at {found}: the model was NOT held against MediaWiki")
    return found


@pytest.fixture(scope="module")
def replay(folder: Path) -> Replay:
    made = Replay(folder)
    made.play()
    return made


@pytest.fixture(scope="module")
def model(replay: Replay) -> Tables:
    return {name: list(rows) for name, rows in replay.wiki.tables().items()}


@pytest.fixture(scope="module")
def real(folder: Path) -> Tables:
    return {name: list(rows) for name, rows in read_table_folder(folder / "tables").items()}


def page_places(tables: Tables) -> dict[str | None, int]:
    """Place of each page id among those that any row names: MediaWiki leaves ids out where a request failed."""
    named = {
        row[column]
        for table, column in (
            ("page", "page_id"),
            ("revision", "rev_page"),
            ("archive", "ar_page_id"),
            ("logging", "log_page"),
        )
        for row in tables[table]
    }
    ids = sorted(int(one) for one in named if one and one != "0")
    return {"0": -1, **{str(one): place for place, one in enumerate(ids)}}


def names(tables: Tables) -> dict[str | None, str | None]:
    return {row["actor_id"]: row["actor_name"] for row in tables["actor"]}


def revisions(tables: Tables, columns: Iterable[str]) -> Facts:
    """By rev_id: whether it is live, its page, who made it, and more columns."""
    places, users = page_places(tables), names(tables)
    found: Facts = {}
    for table, prefix, rev_id, page in (
        ("revision", "rev", "rev_id", "rev_page"),
        ("archive", "ar", "ar_rev_id", "ar_page_id"),
    ):
        for row in tables[table]:
            more = (row[f"{prefix}_{column}"] for column in columns)
            found[row[rev_id]] = (table, places[row[page]], users[row[f"{prefix}_actor"]], *more)
    return found


def unknown_texts(wiki: Wiki) -> set[str]:
    """Ids of the revisions whose text no dump holds."""
    beginning = UNKNOWN_TEXT.partition("{}")[0]
    return {str(one.rev_id) for one in wiki.everything if one.text.startswith(beginning)}


def test_what_mediawiki_did_the_model_did_and_nothing_else(replay: Replay) -> None:
    assert replay.refused == []
    assert replay.accepted == []


def test_revisions_are_the_same(model: Tables, real: Tables) -> None:
    columns = ("parent_id", "timestamp", "minor_edit", "deleted")
    assert revisions(model, columns) == revisions(real, columns)


def test_texts_are_the_same_where_a_dump_holds_them(replay: Replay, model: Tables, real: Tables) -> None:
    # given all revisions with length and SHA-1
    mine, theirs = (revisions(tables, ("len", "sha1")) for tables in (model, real))
    unknown = unknown_texts(replay.wiki)
    assert len(unknown) < len(mine) / 5
    # then those are the same whose text was known or follows from others (moves, rollbacks, restores)
    known = mine.keys() - unknown
    assert {rev_id: mine[rev_id] for rev_id in known} == {rev_id: theirs[rev_id] for rev_id in known}
    # and of the others those that were the same text still are
    meaning = defaultdict(set)
    for rev_id in unknown:
        meaning[mine[rev_id][-1]].add(theirs[rev_id][-1])
    assert all(len(texts) == 1 for texts in meaning.values())


def test_pages_are_the_same(model: Tables, real: Tables) -> None:
    found = []
    for tables in (model, real):
        places = page_places(tables)
        found.append(
            {
                places[row["page_id"]]: (
                    row["page_namespace"],
                    row["page_title"],
                    row["page_is_redirect"],
                    row["page_latest"],
                )
                for row in tables["page"]
            }
        )
    assert found[0] == found[1]


def archived_titles(tables: Tables) -> Facts:
    return {row["ar_rev_id"]: (row["ar_namespace"], row["ar_title"]) for row in tables["archive"]}


def test_archived_titles_are_the_same(model: Tables, real: Tables) -> None:
    assert archived_titles(model) == archived_titles(real)


def log_rows(tables: Tables) -> list[tuple[object, ...]]:
    """In order, without ids: other rows were left out."""
    places, users = page_places(tables), names(tables)
    return [
        (
            row["log_type"],
            row["log_action"],
            row["log_timestamp"],
            users[row["log_actor"]],
            row["log_namespace"],
            row["log_title"],
            places[row["log_page"]],
            row["log_deleted"],
            php.parsed(row["log_params"]),
        )
        for row in sorted(tables["logging"], key=lambda row: int(row["log_id"] or 0))
        if row["log_type"] not in LEFT_OUT_LOGS
    ]


TITLE, PAGE = 5, 6
"""Places in what `log_rows` gives."""


def test_log_rows_are_the_same(replay: Replay, model: Tables, real: Tables) -> None:
    mine, theirs = log_rows(model), log_rows(real)
    assert len(mine) == len(theirs)
    stale = {digits14(second): title for second, title in replay.stale_titles.items()}
    assert len(stale) <= 1
    for one, other in zip(mine, theirs, strict=True):
        if one[0] == "rights" and one[2] in stale:
            # MediaWiki's cache still had the former name, of whose page it then wrote.
            assert other[TITLE] == stale[str(one[2])]
            assert (*one[:TITLE], *one[PAGE + 1 :]) == (*other[:TITLE], *other[PAGE + 1 :])
        else:
            assert one == other


def users(tables: Tables) -> Facts:
    groups: defaultdict[str | None, set[tuple[str | None, str | None]]] = defaultdict(set)
    for row in tables["user_groups"]:
        groups[row["ug_user"]].add((row["ug_group"], row["ug_expiry"]))
    return {
        row["user_id"]: (
            row["user_name"],
            # The installer takes some seconds for the first two.
            row["user_registration"] if int(row["user_id"] or 0) > INSTALLED_USERS else None,
            row["user_editcount"],
            groups[row["user_id"]],
        )
        for row in tables["user"]
    }


def test_users_are_the_same(model: Tables, real: Tables) -> None:
    assert users(model) == users(real)


def test_actors_are_the_same(model: Tables, real: Tables) -> None:
    found = [{(row["actor_user"], row["actor_name"]) for row in tables["actor"]} for tables in (model, real)]
    assert found[0] == found[1]
