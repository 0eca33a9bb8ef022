"""Rows by key over HTTP: what the reader says, how fresh it is, and errors that are never confused."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.http.tables import is_public
from serving.reader import Reader
from serving.sqlite_file import StoreError
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut, LogError
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import OPERATING, application_over

ROUTE = f"/v1/daily_edits/{sample.WIKI}"


def test_rows_are_those_of_the_reader(client: TestClient, store: MemoryStore) -> None:
    # given what a reader finds
    expected = Reader(store).scan(registry["daily_edits"], (sample.WIKI,)).rows
    # when all pages are read
    rows: list[dict[str, Any]] = []
    following: str | None = None
    while True:
        asked = {"limit": "37"} | ({"cursor": following} if following else {})
        answer = client.get(ROUTE, params=asked)
        assert answer.status_code == 200
        rows += answer.json()["items"]
        following = answer.json()["next"]
        if following is None:
            break
        assert len(answer.json()["items"]) == 37
    # then they are the same, in the same order, each once
    assert rows == [{**row, "day": row["day"].isoformat()} for row in expected]
    assert len(rows) > 37


def test_ranges_and_clustering_columns_narrow(client: TestClient) -> None:
    every = client.get(ROUTE, params={"limit": "1000"}).json()["items"]
    days = sorted({row["day"] for row in every})
    some = client.get(ROUTE, params={"from": days[1], "to": days[2]}).json()["items"]
    assert some == [row for row in every if row["day"] in days[1:3]]
    one = client.get(ROUTE, params={"day": days[1]}).json()["items"]
    assert one == [row for row in every if row["day"] == days[1]]
    assert client.get(ROUTE, params={"namespace": 0}).status_code == 400
    assert client.get(ROUTE, params={"from": "soon"}).status_code == 400


@pytest.mark.parametrize(
    "title", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "A\u00a0b", "\U0001f9f6"]
)
def test_names_of_every_script_are_keys(client: TestClient, title: str) -> None:
    assert client.get(f"/v1/user_by_name/{title}/{title}").status_code in {401, 404}
    assert client.get(f"/v1/daily_edits/{title}").status_code in {200, 404}


def test_keys_may_hold_slashes_and_percent_signs(client: TestClient, store: MemoryStore) -> None:
    rows = Reader(store).scan(registry["page_titles"]).rows
    title = next(row["title"] for row in rows if "/" in row["title"])
    path = f"/v1/page_titles/{sample.WIKI}"
    items = client.get(f"{path}/{quote(title, safe='')}").json()["items"]
    assert {item["title"] for item in items} == {title}
    # a slash that is not encoded is none of the key, and what is encoded twice is another key
    assert client.get(f"{path}/{title}").json()["detail"] == "Not Found"
    assert "no rows" in client.get(f"{path}/{quote(quote(title, safe=''))}").json()["detail"]
    assert client.get(f"/v1%2Fpage_titles/{sample.WIKI}/{title}").status_code == 404


def test_an_encoded_path_is_no_way_around_the_gate(client: TestClient) -> None:
    for path in ("/%6Fperations/state", "/history/%75sers/x/1", "/operations/%73tate"):
        assert client.get(path).status_code == 401
    for path in ("/operations%2Fstate", "/history%2Fusers/x/1", "//operations/state"):
        assert client.get(path).status_code == 404


def test_head_is_answered_as_get_without_a_body(client: TestClient) -> None:
    got, asked = client.get(ROUTE), client.head(ROUTE)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers == got.headers
    assert client.head("/v1/daily_edits/nothing").status_code == 404
    assert client.head("/operations/state").status_code == 401


def test_scripts_of_other_sites_see_how_fresh_an_answer_is(client: TestClient) -> None:
    headers = client.get(ROUTE).headers
    exposed = headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {name for name in headers if name.startswith("wikibraid-")} | {"etag"} <= set(exposed)


def test_the_page_of_routes_asks_nobody_else(client: TestClient) -> None:
    answer = client.get("/docs")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "//" not in answer.text.replace("<!doctype html>", "")


def test_control_characters_are_none(client: TestClient) -> None:
    assert client.get("/v1/daily_edits/a%0Ab").status_code == 400


def test_answers_say_how_fresh_they_are(store: MemoryStore) -> None:
    # given a log that goes on behind what is included
    with TestClient(application_over(store, ends=(5, 10))) as client:
        answer = client.get(ROUTE)
    assert answer.headers["Wikibraid-Generation"] == "1"
    assert answer.headers["Wikibraid-Through"] == "5,7"
    assert (answer.headers["Wikibraid-Complete"], answer.headers["Wikibraid-Lag"]) == ("false", "3")


def test_answers_say_what_was_not_looked_up(store: MemoryStore) -> None:
    # given a log that is applied, and a history merge that nobody has looked up
    with TestClient(application_over(store, waiting=lambda: {sample.WIKI: 1, "otherwiki": 2})) as client:
        answer, metrics = client.get(ROUTE), client.get("/prometheus/", headers=OPERATING).text
    # then readers of its wiki are told, and Prometheus
    assert (answer.headers["Wikibraid-Complete"], answer.headers["Wikibraid-Waiting"]) == ("false", "1")
    assert f'wikibraid_relocations_waiting{{wiki="{sample.WIKI}"}} 1.0' in metrics


def test_what_the_client_has_is_not_sent_again(client: TestClient) -> None:
    answer = client.get(ROUTE)
    again = client.get(ROUTE, headers={"If-None-Match": f'"other", {answer.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(ROUTE, headers={"If-None-Match": '"other"'}).content == answer.content


@pytest.mark.parametrize("path", ["/v1/daily_edits/nowiki", "/v1/nothing/x", "/nowhere"])
def test_no_such_row_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404


def test_what_is_not_published_is_503() -> None:
    with TestClient(application_over(MemoryStore())) as client:
        answer = client.get(ROUTE)
        assert client.get("/health/ready").status_code == 503
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("error", [StoreError("away"), sqlite3.OperationalError("database is locked")])
def test_a_store_that_fails_is_503(
    client: TestClient, store: MemoryStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(store, "published", fail)
    assert client.get(ROUTE).status_code == 503


def test_a_log_that_is_away_is_503(store: MemoryStore) -> None:
    # given a log that tells nobody where it ends, so that nobody knows how complete an answer is
    def away() -> Cut:
        raise LogError("kafka is away")

    with TestClient(application_over(store, ends=away)) as client:
        answer = client.get(ROUTE)
        assert client.get("/health/live").status_code == 200
        assert client.get("/operations/state", headers=OPERATING).status_code == 503
    assert (answer.status_code, answer.json()["detail"]) == (503, "kafka is away")


def test_a_cursor_of_another_table_or_time_is_refused(client: TestClient) -> None:
    following = client.get(ROUTE, params={"limit": 1}).json()["next"]
    other = f"/v1/active_editors/{sample.WIKI}"
    assert client.get(other, params={"cursor": following}).status_code == 400
    assert client.get(ROUTE, params={"cursor": "nonsense!"}).status_code == 400


def test_private_tables_have_no_route_and_private_columns_no_place(client: TestClient) -> None:
    # given the OpenAPI document, which says all that is public
    document = client.get("/openapi.json").json()
    paths = {path.split("/")[2] for path in document["paths"] if path.startswith("/v1/")}
    # then tables with a private key are not there
    for dataset in registry.values():
        assert (dataset.name in paths) == is_public(dataset)
    assert {"coedits", "user_activity", "editor_periods", "user_names"}.isdisjoint(paths)
    # and of the others no private column is
    for name in paths:
        schema = registry[name].schema
        shown = document["components"]["schemas"][schema.name]["properties"].keys()
        private = {column.name for column in schema.columns if column.about.private}
        assert shown == {column.name for column in schema.columns} - private
