"""Parts of MediaWiki History over HTTP: who may see which, page by page."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from serving.analysis import Analysis
from serving.http import history
from serving.http.cursors import encoded
from serving.reader import Reader
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import AUTHORIZED, OPERATING


@pytest.fixture(scope="module")
def busiest(store: MemoryStore) -> int:
    """The page with most revisions."""
    rows = Reader(store).scan(registry["page_current"], (sample.WIKI,)).rows
    return int(max(rows, key=lambda row: row["revisions"])["page_id"])


def test_of_a_page(client: TestClient, store: MemoryStore, busiest: int) -> None:
    answer = client.get(f"/history/pages/{sample.WIKI}/{busiest}?limit=1000")
    assert answer.status_code == 200, answer.text
    rows = answer.json()["items"]
    facts = Reader(store).scan(registry["revision_facts"], (sample.WIKI, busiest)).rows
    revisions = [row["revision_id"] for row in rows if row["event_entity"] == "revision"]
    assert revisions == [row["rev_id"] for row in sorted(facts, key=lambda row: row["event_timestamp"])]
    assert {row["page_id"] for row in rows} == {busiest}
    assert {"event_user_text", "page_title", "revision_text_bytes_diff"} <= rows[0].keys()
    assert "event_user_text_historical" not in rows[0]
    assert answer.headers["Wikibraid-Complete"] == "true"


def test_rows_come_in_pages(client: TestClient, busiest: int) -> None:
    path = f"/history/pages/{sample.WIKI}/{busiest}"
    whole = client.get(f"{path}?limit=1000").json()["items"]
    first = client.get(f"{path}?limit=2").json()
    second = client.get(f"{path}?limit=1000&cursor={first['next']}").json()
    assert first["items"] + second["items"] == whole
    assert second["next"] is None


def test_rows_of_every_kind_come_page_by_page(client: TestClient) -> None:
    # given a month in which pages and accounts were made too, some at no known time
    path = f"/history/periods/{sample.WIKI}/2021-03"
    whole = client.get(f"{path}?limit=1000").json()["items"]
    assert {row["event_entity"] for row in whole} == {"page", "revision", "user"}
    # when it is read a few rows at a time
    found, following = [], ""
    while following is not None:
        page = client.get(f"{path}?limit=7{following and f'&cursor={following}'}").json()
        found += page["items"]
        following = page["next"]
    # then every row is there once, in the same order
    assert found == whole


def test_the_page_after_the_last_row_is_empty(client: TestClient, busiest: int) -> None:
    # given a cursor behind everything, as when what came after it was taken away meanwhile
    end = encoded(["9999", "user", None, None, None, None, "create", None, None])
    answer = client.get(f"/history/pages/{sample.WIKI}/{busiest}?cursor={end}")
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_no_two_rows_stand_in_one_place(store: MemoryStore) -> None:
    with Analysis(Reader(store).stream, None, datetime(2030, 1, 1, tzinfo=UTC)) as db:
        db.prepare(["mediawiki_history"])
        rows, places = db.execute(
            f"SELECT count(*), count(DISTINCT {history._PLACE}) FROM mediawiki_history"
        ).fetchone() or (0, 0)
    assert rows == places > 0


def test_of_a_day_and_of_its_month(client: TestClient, store: MemoryStore) -> None:
    day = next(iter(Reader(store).scan(registry["day_revisions"], (sample.WIKI,)).rows))["day"].isoformat()
    of_day = client.get(f"/history/periods/{sample.WIKI}/{day}?limit=1000").json()["items"]
    of_month = client.get(f"/history/periods/{sample.WIKI}/{day[:7]}?limit=1000").json()["items"]
    assert of_day
    assert [row for row in of_month if row["event_timestamp"].startswith(day)] == of_day


def test_what_one_account_did_is_for_operators(client: TestClient) -> None:
    path = f"/history/users/{sample.WIKI}/3"
    assert client.get(path).status_code == 401
    assert client.get(path, headers=AUTHORIZED).status_code == 401
    answer = client.get(path, headers=OPERATING)
    # and is kept by no cache in between, and told to no other site's scripts
    assert answer.headers["Cache-Control"] == "no-store"
    assert not {"etag", "access-control-allow-origin"} & set(answer.headers)
    assert answer.headers["Wikibraid-Generation"] == "1"
    rows = answer.json()["items"]
    assert {3} == {row["event_user_id"] if row["event_user_id"] == 3 else row["user_id"] for row in rows}


def test_parts_that_are_too_large_are_refused_before_they_are_gathered(
    client: TestClient, busiest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given parts of more than two revisions
    monkeypatch.setattr(history, "MOST_REVISIONS", 2)
    # when they are asked for
    refused = {
        path: client.get(f"/history/{path}", headers=OPERATING)
        for path in (
            f"pages/{sample.WIKI}/{busiest}",
            f"periods/{sample.WIKI}/2021-03",
            f"users/{sample.WIKI}/3",
        )
    }
    # then the answer says so, and what to do
    assert {answer.status_code for answer in refused.values()} == {413}
    assert (
        "more than 2 revisions; ask for a day" in refused[f"periods/{sample.WIKI}/2021-03"].json()["detail"]
    )
    assert "wikibraid query" in refused[f"pages/{sample.WIKI}/{busiest}"].json()["detail"]


@pytest.mark.parametrize(
    "path,status",
    [
        ("pages/W/999999999", 404),
        ("pages/W/99999999999999999999", 400),
        ("periods/W/2022-13", 400),
        ("periods/W/last-week", 400),
        ("periods/W/9999-12", 400),
        ("periods/W/9999-12-31", 400),
        ("periods/W/1989-12", 400),
        ("periods/W/20220101", 400),
        ("periods/W/2022-W01", 400),
        ("periods/W/2022-W01-1", 400),
        ("periods/W/2099-12", 404),
        ("periods/W/2022-01?now=2022-01-01T00:00:00", 400),
        ("pages/W/1?limit=1001", 400),
        ("pages/W/1?cursor=nonsense!", 400),
        ("pages/W/1?cursor=kQE", 400),
        (
            f"pages/W/1?cursor={encoded([None, 'revision', 2**64 - 1, 1, None, None, 'create', None, None])}",
            400,
        ),
        (f"pages/W/1?cursor={base64.urlsafe_b64encode(bytes([0x91]) * 3_000).decode()}", 400),
    ],
)
def test_what_can_not_be_answered(client: TestClient, path: str, status: int) -> None:
    assert client.get(f"/history/{path}".replace("/W/", f"/{sample.WIKI}/")).status_code == status
