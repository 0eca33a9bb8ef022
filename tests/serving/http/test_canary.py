"""A name that is hidden on the wiki is in no answer: on no route, in no table, view or log, of no generation."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.testclient import TestClient

from serving.analysis import Analysis
from serving.http.query_log import QueryLog
from serving.http.tables import is_public
from serving.reader import Reader
from shared_logic.keys import decode_key
from shared_logic.memory_store import MemoryStore
from shared_logic.reference import told
from shared_logic.registry import registry
from shared_logic.states.page_state import COMMENT_HIDDEN
from shared_logic.views import views
from tests.serving import modelled
from tests.serving.http.conftest import AUTHORIZED, OPERATING, application_over
from tests.serving.modelled import DATASETS, WIKI, by_tables, publish, taken_in
from tests.strategies.wiki import ADMIN, Wiki

EARLIER, CANARY = "Canary of old", "Canary of now"
NAMES = (EARLIER, CANARY)
SHOWN_BEFORE = ("user_current", "user_lives", "page_lives", "revision_facts", "coedits", "editor_days")
"""Tables that showed the name before."""
IMPORTED = (CANARY, f"en>{CANARY}", f"en>{EARLIER}")
"""Names of authors without id, as imports bring them: keys of editors, where the policy compares such."""


def before_it_is_hidden() -> Wiki:
    """An account that edits beside another one, makes, moves and is renamed; imports have edits under its names without its id."""
    wiki = Wiki.of_today(WIKI)
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    assert wiki.create_account(wiki.now + 60, EARLIER)
    canary = wiki.named(EARLIER)
    assert canary is not None
    assert wiki.create(wiki.now + 60, alice, (0, "Kettle"), "alpha")
    page = wiki.page_at((0, "Kettle"))
    assert page is not None
    for place in range(6):
        assert wiki.edit(wiki.now + 60, (canary, alice)[place % 2], page.page_id, f"text {place}")
    assert wiki.move(wiki.now + 60, canary, page.page_id, (0, "Tea_pot"))
    assert wiki.create_account_for(wiki.now + 60, canary, "Somebody else")
    assert wiki.rename_user(wiki.now + 60, admin, canary, CANARY)
    assert wiki.edit(wiki.now + 60, canary, page.page_id, "the last")
    for name in IMPORTED:
        assert wiki.edit(wiki.now + 60, wiki.imported_user(name), page.page_id, f"text of {name[:2]}")
        assert wiki.edit(wiki.now + 60, alice, page.page_id, f"text after {name[:2]}")
    return wiki


def hide(wiki: Wiki) -> None:
    """What oversighters do: a block that hides the name, and the summaries that quote it, which MediaWiki leaves."""
    admin, canary = wiki.users[ADMIN], wiki.named(CANARY)
    assert canary is not None
    assert wiki.block_and_hide_name(wiki.now + 60, admin, canary)
    for revision in wiki.everything:
        if any(name in revision.comment for name in NAMES):
            assert wiki.hide(wiki.now + 60, admin, revision.rev_id, revision.hidden | COMMENT_HIDDEN)


def routes(store: MemoryStore) -> Iterator[str]:
    """Every route with every key that there is, and questions about the names and about whoever met them."""
    reader = Reader(store)
    for dataset in DATASETS:
        schema = dataset.schema
        for encoded, _ in reader.sorted_rows(dataset, redacted=False):
            key = [str(part) for part in decode_key(schema, encoded)]
            if not any(name in part for name in NAMES for part in key):
                if is_public(dataset):
                    partition = "/".join(quote(part, safe="") for part in key[: len(schema.partition)])
                    yield f"/v1/{dataset.name}/{partition}"
                yield f"/operations/explain/{dataset.name}?{urlencode({'key': key}, doseq=True)}"
    yield from ("/v1", "/openapi.json", "/operations/state", "/operations/audits", "/operations/deadletters")
    # Keys of accounts are known to operators, and are no names.
    for name in (
        *NAMES,
        *IMPORTED,
        *(f"#{number}" for number in range(1, 9)),
        "Alice",
        "Nobody of that name",
    ):
        yield f"/similarusers?{urlencode({'usertext': name, 'followup': 'true', 'wiki': WIKI})}"
        yield f"/similarusers/case?{urlencode({'usertext': ['Alice', name], 'wiki': WIKI}, doseq=True)}"


def everything_told(store: MemoryStore, folder: Path) -> dict[str, str]:
    """What every way of reading gives, by what was read."""
    found: dict[str, str] = {}
    reader = Reader(store)
    for dataset in DATASETS:
        for made in store.generations(dataset.name):
            found[f"{dataset.name} of {made.number}"] = repr(reader.scan(dataset, (), made.number).rows)
    folder.mkdir()
    with Analysis(reader.stream, folder, datetime(2030, 1, 1, tzinfo=UTC)) as db:
        readable = [view.name for view in views.values() if not view.is_internal]
        db.prepare(readable)
        for name in readable:
            found[name] = repr(db.execute(f"FROM {name}").fetchall())
    queries = folder / "access.log"
    with TestClient(application_over(store, (0,), per_minute=10**6, queries=QueryLog(queries))) as client:
        for path in routes(store):
            headers = OPERATING if path.startswith("/operations") else AUTHORIZED
            found[path] = client.get(path, headers=headers).text
    assert queries.stat().st_size
    found["the log of queries"] = queries.read_text()
    return found


def telling(found: dict[str, str]) -> set[str]:
    """What tells one of the names."""
    return {where for where, text in found.items() if any(name in text for name in NAMES)}


@pytest.fixture(autouse=True)
def comparing_anonymous(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The policy that compares whoever has no account."""
    registry.configure({"SimilarUsersSettings": {"anonymous": True}})
    monkeypatch.setattr(modelled, "DATASETS", tuple(registry.values()))
    yield
    registry.configure({})


@pytest.fixture(params=["tables tell it", "events tell it", "events tell all"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore:
    """Two generations, of which one was made before the name was hidden."""
    wiki = before_it_is_hidden()
    made = MemoryStore()
    tables_came_first = request.param != "events tell all"
    publish(made, by_tables(wiki) if tables_came_first else told(wiki.events).states, "before")
    # and all ways of reading show it
    before = telling(everything_told(made, tmp_path / "before"))
    assert {f"{name} of 1" for name in SHOWN_BEFORE} <= before, before
    assert any(path.startswith("/v1/user_current/") for path in before)
    assert "mediawiki_history" in before
    known = len(wiki.events)
    hide(wiki)
    if request.param == "tables tell it":
        publish(made, by_tables(wiki), "after")
    else:
        taken_in(made, wiki.events[known:])
    return made


def test_a_hidden_name_is_told_nowhere(
    store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # when everything is read in every way
    with caplog.at_level(logging.DEBUG):
        found = everything_told(store, tmp_path / "after")
    # then nothing tells the name, nor the one of before, and no line of a log does
    assert telling(found) == set()
    written = "".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert not any(name in written or quote(name) in written for name in NAMES)


def telling_id(store: MemoryStore, folder: Path) -> set[str]:
    """Routes for everybody, views and tables that say of a hidden account's deeds whose they are."""
    canary = before_it_is_hidden().named(CANARY)
    assert canary is not None
    found: dict[str, object] = {}
    with TestClient(application_over(store, (0,), per_minute=10**6)) as client:
        pages = {row["page_id"] for row in Reader(store).scan(registry["page_current"]).rows}
        paths = [path for path in routes(store) if path.startswith("/v1/")]
        for path in (*paths, *(f"/history/pages/{WIKI}/{page_id}" for page_id in pages)):
            found[path] = client.get(path).json().get("items", ())
    for name in ("revision_facts", "page_lives", "user_lives", "page_titles"):
        found[name] = Reader(store).scan(registry[name]).rows
    folder.mkdir()
    with Analysis(Reader(store).stream, folder, datetime(2030, 1, 1, tzinfo=UTC)) as db:
        db.prepare(["mediawiki_history", "page_history", "user_history", "mediawiki_history_reduced"])
        for name in ("mediawiki_history", "page_history", "user_history", "mediawiki_history_reduced"):
            told = db.execute(f"FROM {name}")
            columns = [column[0] for column in told.description or ()]
            found[name] = [dict(zip(columns, row, strict=True)) for row in told.fetchall()]
    return {
        where
        for where, rows in found.items()
        if isinstance(rows, list)
        for row in rows
        for column, value in row.items()
        if column.endswith("user_id") and value == canary.user_id
    }


def test_what_a_hidden_account_did_is_not_told_by_its_id_either(store: MemoryStore, tmp_path: Path) -> None:
    # given that its id was told before
    shown = MemoryStore()
    publish(shown, by_tables(before_it_is_hidden()), "before")
    before = telling_id(shown, tmp_path / "shown")
    assert {"revision_facts", "page_lives", "user_lives", "mediawiki_history", "page_history"} <= before
    assert any(where.startswith("/history/") for where in before)
    assert any(where.startswith("/v1/revision_facts/") for where in before)
    # then no deed is told to be of that id
    assert telling_id(store, tmp_path / "hidden") == set()


def test_a_hidden_account_is_as_one_that_is_none(store: MemoryStore) -> None:
    with TestClient(application_over(store, (0,))) as client:

        def asked(name: str) -> tuple[int, bytes]:
            answer = client.get("/similarusers", params={"usertext": name, "wiki": WIKI}, headers=AUTHORIZED)
            return answer.status_code, answer.content

        # byte for byte, whether it was hidden or never was
        nobody = asked("Nobody of that name")
        assert [asked(name) for name in (*NAMES, *IMPORTED)] == [nobody] * (len(NAMES) + len(IMPORTED))
        # and it is nobody's neighbour
        _, content = asked("Alice")
        assert json.loads(content)["results"] == []


def test_a_name_that_is_shown_again_is_told() -> None:
    # given a name that was hidden, and is so no more
    wiki = before_it_is_hidden()
    hide(wiki)
    made = MemoryStore()
    publish(made, by_tables(wiki), "hidden")
    known = len(wiki.events)
    canary = wiki.named(CANARY)
    assert canary is not None
    assert wiki.unblock(wiki.now + 60, wiki.users[ADMIN], canary)
    taken_in(made, wiki.events[known:])
    # then it is told again
    names = {row["name"] for row in Reader(made).scan(registry["user_current"]).rows}
    assert CANARY in names
