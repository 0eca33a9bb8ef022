"""Similar users as they are read: the view of analysts tells what the API tells."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from serving.analysis import Analysis
from serving.moment import Moment, published_together
from serving.reader import NotPublished, Reader
from serving.similar_users import TABLES, NotComparable, SimilarUsers, similar
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from shared_logic.similarity import RANKED_TOGETHER, ranked
from tests import sample
from tests.serving import modelled
from tests.serving.http.conftest import publish as publish_rows
from tests.serving.http.conftest import store_of_the_sample
from tests.serving.modelled import WIKI, by_tables, publish, taken_in
from tests.strategies.wiki import ADMIN, User, Wiki


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return store_of_the_sample()


@pytest.fixture(scope="module")
def view(store: MemoryStore, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All rows of the view similar_users."""
    return view_of(store, tmp_path_factory.mktemp("analysis"))


def view_of(store: MemoryStore, folder: Path) -> list[dict[str, Any]]:
    """All rows of the view similar_users over that store."""
    with Analysis(Reader(store).stream, folder, datetime(2030, 1, 1, tzinfo=UTC)) as db:
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


TIED = 700
"""More than are ranked together."""


@pytest.fixture
def tied() -> MemoryStore:
    """An account with many neighbours of one shared page, a third of whom are bots, and a few of more."""
    rows: dict[str, dict[Any, Any]] = {name: {} for name in (*TABLES, "hidden_names")}
    for number in range(1, TIED + 2):
        key, name = f"#{number}", f"User {number}"
        bot_by = ("group",) if number % 3 == 0 else ()
        rows["user_current"][WIKI, key] = (number, name, "account", bot_by, False)
        rows["user_by_name"][WIKI, name] = (key,)
        rows["user_activity"][WIKI, key] = (10, 1 + number % 7, *31 * [1])
        if number > 1:
            rows["coedits"][WIKI, "#1", key] = (max(1, number - TIED + 5),)
    store = MemoryStore()
    for name, table in rows.items():
        publish_rows(store, name, table)
    return store


def test_of_many_who_tie_few_are_looked_up(tied: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # given that it is counted who is looked up
    asked: list[int] = []
    rows_of = Moment.rows_of
    monkeypatch.setattr(
        Moment,
        "rows_of",
        lambda self, name, keys: asked.append(len(keys)) or rows_of(self, name, keys),
    )
    users = users_of(tied)
    editor = users.editor(WIKI, "User 1")
    asked.clear()
    # when fewer are wanted than tie, then one batch of accounts and one of counts is asked for
    assert len(users.neighbours(WIKI, editor, 50)) == 50
    assert len(asked) == 2
    assert max(asked) <= RANKED_TOGETHER + 10


def test_whoever_ties_comes_in_one_order_however_many_are_wanted(tied: MemoryStore, tmp_path: Path) -> None:
    users = users_of(tied)
    editor = users.editor(WIKI, "User 1")
    every = [other.key for other, _ in users.neighbours(WIKI, editor, TIED)]
    assert len(every) == TIED - TIED // 3
    for most in (1, 5, 50, 170, 250, 400):
        assert [other.key for other, _ in users.neighbours(WIKI, editor, most)] == every[:most]
    # and that is the order of the view
    assert [row["neighbour"] for row in view_of(tied, tmp_path)] == every


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
    edited(wiki, (0, "Kettle"), *((60, user) for user in (alice, bob, alice, bob, alice)))
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


def edited(wiki: Wiki, title: tuple[int, str], *edits: tuple[int, User]) -> int:
    """A new page with edits of these, each so many seconds after the one before; its id."""
    (after, creator), *others = edits
    assert wiki.create(wiki.now + after, creator, title, "alpha")
    page = wiki.page_at(title)
    assert page is not None
    for place, (later, user) in enumerate(others):
        assert wiki.edit(wiki.now + later, user, page.page_id, f"text {place}")
    return page.page_id


def test_what_happened_between_two_is_told_page_by_page_and_in_sum(tmp_path: Path) -> None:
    # given Alice, whom Bob follows on an article, and who follows him once on its talk page and edits a third page alone
    wiki = Wiki.of_today(WIKI)
    alice, bob = wiki.users[1], wiki.users[2]
    began = wiki.now + 60
    article = edited(wiki, (0, "Kettle"), (60, alice), (60, bob), (90, alice), (30, bob), (60, alice))
    talk = edited(wiki, (1, "Kettle"), (60, bob), (240, alice))
    edited(wiki, (0, "Tea_pot"), (60, alice))
    store = MemoryStore()
    publish(store, by_tables(wiki), "run")
    users = users_of(store)
    one, other = users.editor(WIKI, "Alice"), users.editor(WIKI, "Bob the Builder")
    # then the pages of most follow-ups come first, each with who came first and who followed how soon
    on_article = {"title": "Kettle", "page_id": article, "came_first": "Alice"}
    on_talk = {"title": "Kettle", "page_id": talk, "came_first": "Bob the Builder"}
    assert users.follow_up(WIKI, one, other) == [
        {
            **on_article,
            "follows": 2,
            "soonest_seconds": 60,
            "followed": 2,
            "soonest_followed_seconds": 30,
        },
        {
            **on_talk,
            "follows": 1,
            "soonest_seconds": 240,
            "followed": 0,
            "soonest_followed_seconds": None,
        },
    ]
    # and counts are edits, overlaps are parts of each one's pages
    told = similar(one, other, 2)
    assert (told["num_edits_in_data"], told["pages_shared"]) == (3, 2)
    assert (told["edit-overlap"], told["edit-overlap-inv"]) == (2 / 3, 1.0)
    described = users.described(WIKI, one)
    assert (described["num_edits_in_data"], described["num_pages_in_data"]) == (5, 3)
    assert [described[which].timestamp() for which in ("first_edit_in_data", "last_edit_in_data")] == [
        began,
        wiki.now,
    ]
    assert (sum(described["days"]), len(described["days"])) == (5, 7)
    assert (sum(described["hours"]), len(described["hours"])) == (5, 24)
    # and the view has the sums
    rows = {row["editor_name"]: row for row in view_of(store, tmp_path)}
    sums = ("follows", "soonest_seconds", "pages_came_first", "neighbour_edits", "neighbour_pages")
    assert [rows["Alice"][name] for name in sums] == [3, 60, 1, 3, 2]
    assert [rows["Bob the Builder"][name] for name in sums] == [2, 30, 1, 5, 3]


def test_who_comes_a_whole_window_later_meets_without_being_met() -> None:
    # given Bob, five places after Alice
    wiki = Wiki.of_today(WIKI)
    alice, bob, admin = wiki.users[1], wiki.users[2], wiki.users[ADMIN]
    edited(wiki, (0, "Kettle"), (60, alice), *4 * [(60, admin)], (60, bob))
    store = MemoryStore()
    publish(store, by_tables(wiki), "run")
    # then he met her and she did not meet him, and both are told who was there first and who followed
    users = users_of(store)
    one, other = users.editor(WIKI, "Alice"), users.editor(WIKI, "Bob the Builder")
    assert "Alice" in {met.name for met, _ in users.neighbours(WIKI, other, 9)}
    assert "Bob the Builder" not in {met.name for met, _ in users.neighbours(WIKI, one, 9)}
    (seen,), (back,) = users.follow_up(WIKI, one, other), users.follow_up(WIKI, other, one)
    assert (seen["came_first"], seen["follows"], seen["followed"]) == ("Alice", 0, 1)
    assert (back["came_first"], back["follows"], back["followed"]) == ("Alice", 1, 0)


def test_a_hidden_account_is_nobodys_neighbour_to_analysts_either(small: Wiki, tmp_path: Path) -> None:
    # given Bob, whom Alice met
    store = MemoryStore()
    publish(store, by_tables(small), "before")
    before = len(small.events)
    # when a block hides his name, and no event tells that his edits are hidden as well
    assert small.block_and_hide_name(small.now + 60, small.users[ADMIN], small.users[2])
    taken_in(store, small.events[before:])
    # then they count among pairs, but no row is about him, under his key neither
    assert Reader(store).scan(registry["coedits"]).rows
    assert view_of(store, tmp_path) == []


def test_what_kind_of_account_each_is_is_told(
    small: Wiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given Alice, a temporary account and an address, who edited one page on two days
    assert small.autocreate_account(small.now + 60, "~2026-17")
    temporary, address = small.named("~2026-17"), small.users[6]
    assert temporary is not None
    alice, page = small.users[1], small.page_at((0, "Kettle"))
    assert page is not None
    began = datetime.fromtimestamp(small.now, UTC).date()
    for place, user in enumerate((temporary, alice, address, alice)):
        assert small.edit(small.now + 86_400, user, page.page_id, f"of another kind {place}")
    store = MemoryStore()
    try:
        registry.configure({"SimilarUsersSettings": {"anonymous": True}})
        monkeypatch.setattr(modelled, "DATASETS", tuple(registry.values()))
        publish(store, by_tables(small), "run")
    finally:
        registry.configure({})
    # then each is told to be what it is, when it is asked for and as a neighbour
    kinds = {"Alice": "account", "~2026-17": "temporary", address.name: "anonymous"}
    users = users_of(store)
    assert {name: users.described(WIKI, users.editor(WIKI, name))["user_kind"] for name in kinds} == kinds
    met = users.neighbours(WIKI, users.editor(WIKI, "Alice"), 9)
    told = {other.name: similar(other, other, pages)["user_kind"] for other, pages in met}
    assert told == {name: kinds.get(name, "account") for name in told}
    assert kinds.keys() - told.keys() == {"Alice"}
    # and the view tells the same, with the first and the last day of each
    rows = view_of(store, tmp_path)
    assert {row["editor_name"]: row["editor_kind"] for row in rows}.items() >= kinds.items()
    assert {row["neighbour_name"]: row["neighbour_kind"] for row in rows}.items() >= kinds.items()
    days = {row["neighbour_name"]: (row["neighbour_first_day"], row["neighbour_last_day"]) for row in rows}
    assert days["~2026-17"] == (began + timedelta(days=1),) * 2
    assert days["Alice"] == (began, began + timedelta(days=4))
    assert days == {row["editor_name"]: (row["editor_first_day"], row["editor_last_day"]) for row in rows}


def test_who_never_edited_is_told_to_be_so(small: Wiki) -> None:
    assert small.create_account(small.now + 60, "Carol")
    store = MemoryStore()
    publish(store, by_tables(small), "run")
    with pytest.raises(NotComparable) as told:
        users_of(store).editor(WIKI, "Carol")
    assert (told.value.kind, told.value.whom) == ("user-no-edits", f"#{small.users[-1].user_id}")


def test_addresses_are_compared_where_the_policy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # given Alice and an address, who edited one page
    wiki = Wiki.of_today(WIKI)
    alice, address = wiki.users[1], wiki.users[6]
    edited(wiki, (0, "Kettle"), (60, alice), (60, address))
    kept_out, compared = MemoryStore(), MemoryStore()
    publish(kept_out, by_tables(wiki), "run")
    try:
        registry.configure({"SimilarUsersSettings": {"anonymous": True}})
        monkeypatch.setattr(modelled, "DATASETS", tuple(registry.values()))
        publish(compared, by_tables(wiki), "run")
    finally:
        registry.configure({})
    # then it is her neighbour, and can be asked for in any spelling, where the policy says so
    users = users_of(compared)
    assert [other.name for other, _ in users.neighbours(WIKI, users.editor(WIKI, "Alice"), 9)] == [
        address.name
    ]
    assert users.editor(WIKI, "2001:db8::1").key == address.name == "2001:DB8:0:0:0:0:0:1"
    # and it is none, and unknown, where it says nothing
    users = users_of(kept_out)
    assert users.neighbours(WIKI, users.editor(WIKI, "Alice"), 9) == []
    with pytest.raises(NotComparable, match="no such account"):
        users.editor(WIKI, address.name)


def test_what_is_not_published_can_not_be_known() -> None:
    with pytest.raises(NotPublished, match="is not published yet"):
        published_together(MemoryStore(), TABLES)
