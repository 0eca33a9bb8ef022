"""Similar users as they are read: the view of analysts tells what the API tells."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from serving.analysis import Analysis
from serving.moment import Moment, published_together
from serving.reader import NotPublished, Reader
from serving.similar_users import TABLES, NotComparable, SimilarUsers, similar
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from shared_logic.similarity import ranked
from tests import sample
from tests.serving.http.conftest import store_of_the_sample
from tests.serving.modelled import WIKI, by_tables, publish, taken_in
from tests.strategies.wiki import ADMIN, Wiki


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return store_of_the_sample()


@pytest.fixture(scope="module")
def view(store: MemoryStore, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All rows of the view similar_users."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    with Analysis(Reader(store).stream, tmp_path_factory.mktemp("analysis"), now) as db:
        db.prepare(["similar_users"])
        found = db.execute("FROM similar_users")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_view_tells_what_the_api_tells(store: MemoryStore, view: list[dict[str, Any]]) -> None:
    # given the view's rows of each editor
    users = SimilarUsers(Moment(store, published_together(store, TABLES)))
    of_editor: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in view:
        of_editor[row["editor_name"]].append(row)
    assert len(view) > 100
    for name, rows in of_editor.items():
        # when the same editor is asked for as the API does
        editor = users.editor(sample.WIKI, name)
        neighbours = users.neighbours(sample.WIKI, editor, len(view))
        # then there are the same neighbours, in the same order
        assert [row["neighbour"] for row in rows] == [other.key for other, _ in neighbours]
        for row, (other, pages) in zip(rows, neighbours, strict=True):
            told = similar(editor, other, pages)
            assert row["neighbour_name"] == told["user_text"]
            assert row["pages_shared"] == told["pages_shared"] == pages
            assert row["edit_overlap"] == pytest.approx(told["edit-overlap"])
            assert row["edit_overlap_inv"] == pytest.approx(told["edit-overlap-inv"])
            for what in ("day", "hour"):
                assert row[f"{what}_overlap"] == pytest.approx(told[f"{what}-overlap"]["cos-sim"])
                assert row[f"{what}_level"] == told[f"{what}-overlap"]["level"]
            # and the view's evidence is the sum of what the API tells page by page
            evidence = users.follow_up(sample.WIKI, editor, other)
            assert (row["follows"] or 0) == sum(page["follows"] for page in evidence)


def test_fewer_neighbours_are_the_first_of_all(store: MemoryStore, view: list[dict[str, Any]]) -> None:
    users = SimilarUsers(Moment(store, published_together(store, TABLES)))
    for name in {row["editor_name"] for row in view}:
        editor = users.editor(sample.WIKI, name)
        every = users.neighbours(sample.WIKI, editor, 250)
        for most in (1, 3):
            order = ranked([(other.key, pages, other.pages) for other, pages in every])[:most]
            assert [other.key for other, _ in users.neighbours(sample.WIKI, editor, most)] == [
                key for key, *_ in order
            ]


def test_bots_are_nobodys_neighbours_and_not_asked_for(
    store: MemoryStore, view: list[dict[str, Any]]
) -> None:
    # given accounts that are bots by group only, and by name
    accounts = Reader(store).scan(registry["user_current"]).rows
    bots = {row["editor"]: row["name"] for row in accounts if row["is_bot_by"]}
    assert {way for row in accounts for way in row["is_bot_by"]} == {"name", "group"}
    # then none is in any list
    assert bots.keys().isdisjoint({row["editor"] for row in view} | {row["neighbour"] for row in view})
    users = SimilarUsers(Moment(store, published_together(store, TABLES)))
    for name in bots.values():
        with pytest.raises(NotComparable) as told:
            users.editor(sample.WIKI, name)
        assert told.value.kind == "user-bot"


def users_of(store: MemoryStore) -> SimilarUsers:
    return SimilarUsers(Moment(store, published_together(store, TABLES)))


@pytest.fixture
def small() -> Wiki:
    """A wiki where Alice and Bob edit one page in turn."""
    wiki = Wiki.of_today(WIKI)
    alice, bob = wiki.users[1], wiki.users[2]
    assert wiki.create(wiki.now + 60, alice, (0, "Kettle"), "alpha")
    page = wiki.page_at((0, "Kettle"))
    assert page is not None
    for place in range(4):
        assert wiki.edit(wiki.now + 60, (bob, alice)[place % 2], page.page_id, f"text {place}")
    return wiki


def test_a_renamed_account_keeps_its_pairs(small: Wiki) -> None:
    # given Bob, whom Alice met
    store = MemoryStore()
    publish(store, by_tables(small), "before")
    before = len(small.events)
    (met,) = users_of(store).neighbours(WIKI, users_of(store).editor(WIKI, "Alice"), 9)
    assert (met[0].name, met[1]) == ("Bob the Builder", 1)
    # when Bob is called otherwise
    assert small.rename_user(small.now + 60, small.users[ADMIN], small.users[2], "Robert")
    taken_in(store, small.events[before:])
    # then they have met all the same, under the new name; and the old one means nobody
    users = users_of(store)
    (again,) = users.neighbours(WIKI, users.editor(WIKI, "Alice"), 9)
    assert (again[0].key, again[0].name, again[1]) == (met[0].key, "Robert", 1)
    assert users.editor(WIKI, "Robert").key == met[0].key
    with pytest.raises(NotComparable, match="no such account"):
        users.editor(WIKI, "Bob the Builder")


def test_who_becomes_a_bot_is_a_neighbour_no_more(small: Wiki) -> None:
    store = MemoryStore()
    publish(store, by_tables(small), "before")
    before = len(small.events)
    # when Bob joins the group of bots
    assert small.rights(small.now + 60, small.users[ADMIN], small.users[2], "bot")
    taken_in(store, small.events[before:])
    # then Alice has no neighbour
    users = users_of(store)
    assert users.neighbours(WIKI, users.editor(WIKI, "Alice"), 9) == []


def test_what_is_not_published_can_not_be_known() -> None:
    with pytest.raises(NotPublished, match="is not published yet"):
        published_together(MemoryStore(), TABLES)
