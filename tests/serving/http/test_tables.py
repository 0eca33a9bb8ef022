"""Rows by key over HTTP: what the reader says, how fresh it is, and errors that are never confused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.http.cursors import encoded
from serving.http.tables import is_public
from serving.reader import Reader
from serving.sqlite_file import StoreError
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Cut, Lane, LogError
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import OPERATING, application_over, publish

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


def test_pages_are_of_one_generation_whatever_flips_meanwhile() -> None:
    # given the first page of a table, and a generation that is published then
    made, path = MemoryStore(), "/v1/active_editors/w"
    months = [(("w", date(2020, month, 1), "5..24"), month) for month in range(1, 5)]
    publish(made, "active_editors", {key: (month,) for key, month in months})
    client = TestClient(application_over(made))
    first = client.get(path, params={"limit": 2}).json()
    publish(made, "active_editors", {key: (month * 10,) for key, month in months}, 2)
    # then the pages after it are of the generation that it was of, until that is given up
    asked = {"limit": "2", "cursor": first["next"]}
    second = client.get(path, params=asked)
    assert second.headers["Wikibraid-Generation"] == "1"
    assert [row["editors"] for row in first["items"] + second.json()["items"]] == [1, 2, 3, 4]
    assert [row["editors"] for row in client.get(path).json()["items"]] == [10, 20, 30, 40]
    made.expire("active_editors", {2})
    assert client.get(path, params=asked).status_code == 410


def test_a_page_costs_the_same_wherever_it_begins() -> None:
    # given a table of a hundred rows, and what is read of it
    class Watched(MemoryStore):
        read = 0

        def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
            for row in super().batch_rows(lane, prefix, start):
                self.read += 1
                yield row

    made, path = Watched(), "/v1/active_editors/w"
    months = [date(2020 + number // 12, number % 12 + 1, 1) for number in range(100)]
    publish(made, "active_editors", {("w", month, "5..24"): (1,) for month in months})
    client = TestClient(application_over(made))
    # when the last pages, and the end of a range, are read
    asked: dict[str, str] = {"limit": "10"}
    while following := client.get(path, params=asked).json()["next"]:
        made.read, asked = 0, {"limit": "10", "cursor": following}
    last = made.read
    made.read = 0
    assert client.get(path, params={"from": months[-3].isoformat()}).json()["items"]
    # then nothing before them is
    assert (last, made.read) == (10, 3)


@pytest.mark.parametrize("asked", [{"from": str(2**63)}, {"cursor": encoded((1, (sample.WIKI, 2**63)))}])
def test_numbers_that_no_key_holds_are_refused(client: TestClient, asked: dict[str, str]) -> None:
    answer = client.get(f"/v1/page_current/{sample.WIKI}", params=asked)
    assert answer.status_code == 400
    assert "64 bits" in answer.json()["detail"]


def test_after_the_last_row_a_page_is_empty(client: TestClient, store: MemoryStore) -> None:
    last = Reader(store).scan(registry["daily_edits"], (sample.WIKI,)).rows[-1]
    key = tuple(last[name] for name in registry["daily_edits"].schema.key_names)
    answer = client.get(ROUTE, params={"cursor": encoded((1, key))})
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_a_range_needs_a_column_that_is_not_given(client: TestClient) -> None:
    asked = {"page_id": "1", "from": "1"}
    answer = client.get(f"/v1/page_current/{sample.WIKI}", params=asked)
    assert answer.status_code == 400
    assert "every clustering column" in answer.json()["detail"]


def test_instants_without_a_zone_are_refused(client: TestClient, store: MemoryStore) -> None:
    row = Reader(store).scan(registry["day_revisions"], (sample.WIKI,)).rows[0]
    path, naive = f"/v1/day_revisions/{sample.WIKI}/{row['day']}", "2022-01-01T00:00:00"
    for asked in ({"event_timestamp": naive}, {"from": naive}, {"to": naive}):
        answer = client.get(path, params=asked)
        assert answer.status_code == 400
        assert "has no time zone" in answer.json()["detail"]
    cursor = encoded((1, (sample.WIKI, row["day"], naive, 1, 1)))
    assert client.get(path, params={"cursor": cursor}).status_code == 400
    exactly = client.get(path, params={"event_timestamp": row["event_timestamp"].isoformat()})
    assert row["rev_id"] in {item["rev_id"] for item in exactly.json()["items"]}


@pytest.mark.parametrize("written", ["W/{}", '"other", {}', "*"])
def test_a_tag_is_known_however_it_is_written(client: TestClient, written: str) -> None:
    tag = client.get(ROUTE).headers["ETag"]
    answer = client.get(ROUTE, headers={"If-None-Match": written.format(tag)})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)


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
