"""Similar users over HTTP: the reference's shape, for whoever has the role, and nothing for anybody else."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving import similar_users
from serving.http.query_log import Query, QueryLog, without_names
from serving.http.similar_users import TABLES, least_fresh
from serving.moment import Moment, published_together
from serving.reader import Reader
from serving.similar_users import written_as
from shared_logic.hidden_names import name_digest, pseudonym
from shared_logic.memory_store import MemoryStore
from shared_logic.purged_names import Pseudonyms
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import AUTHORIZED, OPERATING, SECRETS, application_over


@pytest.fixture(scope="module")
def busiest(store: MemoryStore) -> list[str]:
    """Names of the accounts with most neighbours, the first of whom is compared with the others."""
    read = Reader(store)
    counts = Counter(row["editor"] for row in read.scan(registry["coedits"], (sample.WIKI,)).rows)
    names = {row["editor"]: row["name"] for row in read.scan(registry["user_current"]).rows}
    return [names[editor] for editor, _ in counts.most_common(5) if editor in names]


def test_neighbours_come_in_the_references_shape(client: TestClient, busiest: list[str]) -> None:
    answer = client.get("/similarusers", params={"usertext": busiest[0], "k": 3}, headers=AUTHORIZED)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found.keys() == {
        "user_text",
        "user_kind",
        "num_edits_in_data",
        "first_edit_in_data",
        "last_edit_in_data",
        "results",
    }
    assert found["first_edit_in_data"] <= found["last_edit_in_data"]
    assert len(found["results"]) >= 3
    for result in found["results"]:
        assert {"user_text", "num_edits_in_data", "edit-overlap", "edit-overlap-inv"} < result.keys()
        assert result["user_kind"] in {"account", "temporary", "anonymous"}
        assert result["day-overlap"].keys() == {"cos-sim", "level"}
        assert 0 < result["edit-overlap"] <= 1
        assert 0 < result["edit-overlap-inv"] <= 1
    shared = [result["pages_shared"] for result in found["results"]]
    assert shared == sorted(shared, reverse=True)
    for one, other in pairwise(found["results"]):
        assert one["edit-overlap"] >= other["edit-overlap"]


def test_underscores_and_small_letters_name_the_same_account(client: TestClient, busiest: list[str]) -> None:
    name = busiest[0]
    given = name[:1].lower() + name[1:].replace(" ", "_")
    answers = [
        client.get("/similarusers", params={"usertext": text}, headers=AUTHORIZED) for text in (name, given)
    ]
    assert answers[0].content == answers[1].content


def test_follow_up_tells_pages_and_order(client: TestClient, busiest: list[str]) -> None:
    asked = {"usertext": busiest[0], "k": 2, "followup": "true"}
    found = client.get("/similarusers", params=asked, headers=AUTHORIZED).json()
    for result in found["results"]:
        assert len(result["follow-up"]) >= min(result["pages_shared"], 100) > 0
        assert {page["came_first"] for page in result["follow-up"]} <= {busiest[0], result["user_text"]}


def test_a_case_is_one_call(client: TestClient, busiest: list[str]) -> None:
    asked = {"usertext": busiest[:3], "reason": "a test"}
    found = client.get("/similarusers/case", params=asked, headers=AUTHORIZED).json()
    assert [account["user_text"] for account in found["accounts"]] == busiest[:3]
    assert [pair["between"] for pair in found["pairs"]] == [
        [busiest[0], busiest[1]],
        [busiest[0], busiest[2]],
        [busiest[1], busiest[2]],
    ]
    times = [edit["at"] for edit in found["timeline"]]
    assert times == sorted(times)
    assert {edit["user_text"] for edit in found["timeline"]} == set(busiest[:3])


def test_nobody_is_told_why_there_is_nothing(client: TestClient) -> None:
    answer = client.get("/similarusers", params={"usertext": "Nobody of that name"}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["error-type"]) == (404, "user-no-account")


def test_neighbours_and_the_account_have_their_own_edits_counted(
    client: TestClient, store: MemoryStore, busiest: list[str]
) -> None:
    # given how many edits of everybody count
    read = Reader(store)
    names = {row["editor"]: row["name"] for row in read.scan(registry["user_current"]).rows}
    edits = {
        names.get(row["editor"]): row["edits"]
        for row in read.scan(registry["user_activity"], (sample.WIKI,)).rows
    }
    # then the answer tells that, and no count of pages in its place
    found = client.get("/similarusers", params={"usertext": busiest[0]}, headers=AUTHORIZED).json()
    for told in (found, *found["results"]):
        assert told["num_edits_in_data"] == edits[told["user_text"]]


def test_fifty_neighbours_come_if_nobody_says_how_many(client: TestClient, busiest: list[str]) -> None:
    asked: dict[str, str | int] = {"usertext": busiest[0]}
    usual, fifty = (
        client.get("/similarusers", params=asked | more, headers=AUTHORIZED).json()
        for more in ({}, {"k": 50})
    )
    assert len(usual["results"]) > 10
    assert usual == fifty


def test_a_bot_is_told_to_be_one(client: TestClient, store: MemoryStore) -> None:
    bot = next(row["name"] for row in Reader(store).scan(registry["user_current"]).rows if row["is_bot_by"])
    answer = client.get("/similarusers", params={"usertext": bot}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["error-type"]) == (404, "user-bot")


def test_a_case_tells_which_name_is_none(client: TestClient, busiest: list[str]) -> None:
    # given a second and a third name that are no account's
    names = [busiest[0], "Nobody of that name", "Nobody else"]
    answer = client.get("/similarusers/case", params={"usertext": names}, headers=AUTHORIZED)
    # then the first of them is told by its place, and repeated nowhere
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (answer.json()["error-type"], answer.json()["which"]) == ("user-no-account", 2)
    assert "Nobody" not in answer.text


@pytest.mark.parametrize(
    "path,says",
    [
        ("/similarusers", "query.usertext: Field required"),
        ("/similarusers?usertext=", "query.usertext: String should have at least 1 character"),
        ("/similarusers?usertext=Alice&k=0", "query.k: Input should be greater than or equal to 1"),
        ("/similarusers?usertext=Alice&k=251", "query.k: Input should be less than or equal to 250"),
        ("/similarusers?usertext=Alice&followup=maybe", "query.followup: Input should be a valid boolean"),
        ("/similarusers?usertext=Alice&reason=" + 501 * "x", "query.reason: String should have at most 500"),
        ("/similarusers/case?usertext=Alice", "query.usertext: List should have at least 2 items"),
        ("/similarusers/case?" + "&".join(21 * ["usertext=A"]), "List should have at most 20 items"),
        ("/similarusers/case?usertext=A&usertext=B&until=2022-13-01", "query.until: Input should be a valid"),
    ],
)
def test_what_is_asked_wrongly_is_told(client: TestClient, path: str, says: str) -> None:
    answer = client.get(path, headers=AUTHORIZED)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert says in answer.json()["detail"]


def test_the_wiki_must_be_named_where_none_is_usual(store: MemoryStore, busiest: list[str]) -> None:
    with TestClient(application_over(store, usual_wiki="")) as client:
        answers = [
            client.get(path, params={"usertext": busiest[:2]}, headers=AUTHORIZED)
            for path in ("/similarusers", "/similarusers/case")
        ]
        named = {"usertext": busiest[0], "wiki": sample.WIKI}
        assert client.get("/similarusers", params=named, headers=AUTHORIZED).is_success
    for answer in answers:
        assert (answer.status_code, answer.json()["detail"]) == (400, "query.wiki: name the wiki")


def test_the_page_is_kept_by_nobody_and_asks_nobody_else(client: TestClient) -> None:
    headers = client.get("/similarusers/page", headers=AUTHORIZED).headers
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic ###"},
        {"Authorization": "Basic " + base64.b64encode(b"investigator:wrong").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"somebody:open-sesame").decode()},
        OPERATING,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/similarusers",
        "/similarusers?usertext=Admin",
        "/similarusers?k=0",
        "/similarusers/case?usertext=Admin",
        "/similarusers/page",
        "/similarusers/nowhere",
    ],
)
def test_without_the_role_every_answer_is_the_same(
    client: TestClient, headers: dict[str, str], path: str
) -> None:
    expected = client.get("/similarusers/nothing")
    assert expected.status_code == 401
    for method in ("GET", "POST"):
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.content) == (401, expected.content)
        assert answer.headers == expected.headers
        assert "access-control-allow-origin" not in answer.headers


def test_basic_credentials_are_as_good(client: TestClient, busiest: list[str]) -> None:
    basic = base64.b64encode(f"investigator:{SECRETS['investigator']}".encode()).decode()
    asked = {"usertext": busiest[0]}
    for scheme in ("Basic", "basic"):
        headers = {"Authorization": f"{scheme} {basic}"}
        assert client.get("/similarusers", params=asked, headers=headers).is_success


def test_queries_are_written_down_without_names(
    store: MemoryStore, busiest: list[str], tmp_path: Path
) -> None:
    queries = tmp_path / "access.log"
    with TestClient(application_over(store, queries=QueryLog(queries))) as client:
        asked = {"usertext": busiest[0], "reason": "case 7\n{}"}
        client.get("/similarusers", params=asked, headers=AUTHORIZED)
    (line,) = queries.read_text().splitlines()
    told = json.loads(line)
    assert (told["who"], told["reason"], told["wiki"]) == ("investigator", "case 7\n{}", sample.WIKI)
    assert told["whom"][0].startswith("#")
    assert busiest[0] not in line
    assert stat.S_IMODE(queries.stat().st_mode) == 0o600


def test_queries_about_nobody_are_written_down(
    store: MemoryStore, busiest: list[str], tmp_path: Path
) -> None:
    queries = tmp_path / "access.log"
    with TestClient(application_over(store, queries=QueryLog(queries))) as client:
        asked = {"usertext": [busiest[0], "Nobody of that name"]}
        client.get("/similarusers/case", params=asked, headers=AUTHORIZED)
    # then as what the answer said, and not by the name
    (line,) = queries.read_text().splitlines()
    key, nobody = json.loads(line)["whom"]
    assert (key[0], nobody) == ("#", f"user-no-account:{name_digest('Nobody of that name')}")
    assert "Nobody of that name" not in line


def test_whom_a_name_without_account_means_is_written_down_by_digest(tmp_path: Path) -> None:
    assert written_as("#7") == "#7"
    assert written_as("2001:DB8:0:0:0:0:0:1") == "2001:DB8:0:0:0:0:0:1"
    assert written_as("en>Grace") == f"name:{name_digest('en>Grace')}"
    # and what earlier versions wrote is rewritten by a purge
    path = tmp_path / "access.log"
    whom = ("#7", "user-bot", "en>Grace")
    QueryLog(path).write(Query(at=datetime(2026, 1, 1, tzinfo=UTC), who="me", wiki="w", whom=whom, reason=""))
    without_names(path, lambda wiki: Pseudonyms(wiki, {("w", name_digest("Grace"))}))
    assert json.loads(path.read_text())["whom"] == ["#7", "user-bot", f"en>{pseudonym('Grace')}"]


@pytest.mark.parametrize("path", ["/similarusers", "/similarusers/case"])
def test_who_asks_while_nothing_is_published_is_told_and_written_down(tmp_path: Path, path: str) -> None:
    # given a home without any generation
    queries = tmp_path / "access.log"
    with TestClient(application_over(MemoryStore(), queries=QueryLog(queries))) as client:
        asked = {"usertext": ["User:grace_Hopper", "Ada"], "reason": "case 7"}
        answer = client.get(path, params=asked, headers=AUTHORIZED)
    # then the answer has the reference's error-type and a true status
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["error-type"] == "database-refresh"
    # and whom it was about is known by digest; of several that a list is asked for, the last counts
    (line,) = queries.read_text().splitlines()
    names = ("Grace Hopper", "Ada") if path.endswith("case") else ("Ada",)
    assert json.loads(line)["whom"] == [f"database-refresh:{name_digest(name)}" for name in names]
    assert json.loads(line)["reason"] == "case 7"


def test_what_cannot_be_written_down_is_not_answered(store: MemoryStore, busiest: list[str]) -> None:
    with TestClient(application_over(store, queries=QueryLog(Path("/dev/full")))) as client:
        answer = client.get("/similarusers", params={"usertext": busiest[0]}, headers=AUTHORIZED)
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "the query can't be written down, and so is not answered; tell the operator",
    )


def test_half_a_line_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a log on a disk that has room for half of a line
    path = tmp_path / "access.log"
    log, query = (
        QueryLog(path),
        Query(at=datetime(2026, 1, 1, tzinfo=UTC), who="me", wiki="w", whom=(), reason=""),
    )
    log.write(query)
    whole, write = path.read_bytes(), os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
        with pytest.raises(OSError, match="no room"):
            log.write(query)
    # then nothing of it stays, and what comes later is whole
    assert path.read_bytes() == whole
    log.write(query)
    assert path.read_bytes() == 2 * whole


def test_reasons_are_rewritten_while_others_are_written(tmp_path: Path) -> None:
    # given queries of several threads, while names are taken out of their reasons again and again
    path = tmp_path / "access.log"
    log = QueryLog(path)

    def names(wiki: str) -> Pseudonyms:
        return Pseudonyms(wiki, {("w", name_digest("Grace"))})

    def write(number: int) -> None:
        log.write(
            Query(
                at=datetime(2026, 1, 1, tzinfo=UTC),
                who="me",
                wiki="w",
                whom=(f"#{number}",),
                reason="of Grace",
            )
        )

    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(write, number) for number in range(200)]
        while not all(one.done() for one in written):
            without_names(path, names)
    without_names(path, names)
    # then none is lost, and none has the name
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert {one["whom"][0] for one in told} == {f"#{number}" for number in range(200)}
    assert len(told) == 200
    assert {one["reason"] for one in told} == {f"of {pseudonym('Grace')}"}


@pytest.mark.parametrize("path", ["/similarusers/", "/similarusers/case/", "/v1/", "/history/"])
def test_a_slash_too_many_leads_nowhere(client: TestClient, path: str) -> None:
    # given an address that a redirection would repeat, with the name in it, to whichever host the client names
    answer = client.get(
        path,
        params={"usertext": "Admin"},
        headers={**AUTHORIZED, "Host": "elsewhere.example"},
        follow_redirects=False,
    )
    # then it is none of a route, and nothing keeps the answer
    assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
    assert "location" not in answer.headers
    assert "Admin" not in answer.text


def test_keys_are_no_names(client: TestClient, store: MemoryStore) -> None:
    # given keys of accounts, of bots and hidden ones among them
    nobody = client.get("/similarusers", params={"usertext": "Nobody of that name"}, headers=AUTHORIZED)
    keys = {row["editor"] for row in Reader(store).scan(registry["user_activity"], (sample.WIKI,)).rows}
    # when they are asked for as if they were names, then they are none
    assert keys
    for key in keys:
        answer = client.get("/similarusers", params={"usertext": key}, headers=AUTHORIZED)
        assert (answer.status_code, answer.content) == (404, nobody.content)


def test_a_pair_is_the_same_in_either_order(client: TestClient, busiest: list[str]) -> None:
    for one, other in pairwise(busiest):
        there, back = (
            client.get("/similarusers/case", params={"usertext": names}, headers=AUTHORIZED).json()["pairs"][
                0
            ]
            for names in ([one, other], [other, one])
        )
        assert there["pages_shared"] == back["pages_shared"]
        assert len(there["pages"]) == min(there["pages_shared"], 100)
        assert there["edit-overlap-inv"] == back["edit-overlap"]


def test_an_account_is_compared_once_however_it_is_spelt(client: TestClient, busiest: list[str]) -> None:
    spelt = [busiest[0], f"User:{busiest[0]}", busiest[0][:1].lower() + busiest[0][1:], busiest[1]]
    found = client.get("/similarusers/case", params={"usertext": spelt}, headers=AUTHORIZED).json()
    assert [account["user_text"] for account in found["accounts"]] == busiest[:2]
    alone = client.get("/similarusers/case", params={"usertext": spelt[:3]}, headers=AUTHORIZED)
    assert (alone.status_code, "all are one account" in alone.text) == (400, True)


def test_a_timeline_says_from_when_on_it_is_whole(
    client: TestClient, busiest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, list[str] | str] = {"usertext": busiest[:2]}
    whole = client.get("/similarusers/case", params=asked, headers=AUTHORIZED).json()
    assert [account["timeline_from"] for account in whole["accounts"]] == [None, None]
    # given that five edits of each are enough, by whole days
    monkeypatch.setattr(similar_users, "TIMELINE_EDITS", 5)
    # when one goes on before the day from which on all were there
    found: list[str] = []
    until = "9999-12-31"
    while until:
        part = client.get("/similarusers/case", params={**asked, "until": until}, headers=AUTHORIZED).json()
        mine = [edit["at"] for edit in part["timeline"] if edit["user_text"] == busiest[0]]
        found = mine + found
        begins = part["accounts"][0]["timeline_from"]
        until = begins and str(date.fromisoformat(begins) - timedelta(days=1))
    # then all edits come, each once
    assert found == [edit["at"] for edit in whole["timeline"] if edit["user_text"] == busiest[0]]


def test_no_more_than_wanted_come(client: TestClient, busiest: list[str]) -> None:
    for most in (1, 2, 4):
        asked = {"usertext": busiest[0], "k": str(most)}
        assert len(client.get("/similarusers", params=asked, headers=AUTHORIZED).json()["results"]) == most
    named = client.get(f"/similarusers?usertext={busiest[0]}&k=1&followup", headers=AUTHORIZED).json()
    assert named["results"][0]["follow-up"]


def test_answers_say_how_fresh_they_are(store: MemoryStore, busiest: list[str]) -> None:
    with TestClient(application_over(store, ends=(5, 10))) as client:
        for path in ("/similarusers", "/similarusers/case"):
            answer = client.get(path, params={"usertext": busiest[:2]}, headers=AUTHORIZED)
            assert answer.headers["Wikibraid-Complete"] == "false"
            assert (answer.headers["Wikibraid-Through"], answer.headers["Wikibraid-Lag"]) == ("5,7", "3")
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("behind", TABLES)
def test_an_answer_is_as_fresh_as_the_table_that_is_furthest_behind(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, behind: str
) -> None:
    # given that one of the tables lacks more than the others
    moment = Moment(store, published_together(store, TABLES))
    fresh = {name: replace(moment.freshness(name), lag=9 if name == behind else 3) for name in TABLES}
    monkeypatch.setattr(moment, "freshness", fresh.__getitem__)
    # then that is what is told
    assert least_fresh(moment) is fresh[behind]


def test_too_many_queries_wait(store: MemoryStore) -> None:
    with TestClient(application_over(store)) as client:
        answers = [client.get("/similarusers/page", headers=AUTHORIZED).status_code for _ in range(125)]
    assert answers[:120] == [200] * 120
    assert answers[120:] == [429] * 5
    with TestClient(application_over(store, per_minute=1)) as client:
        one, other = (client.get("/similarusers/page", headers=AUTHORIZED) for _ in range(2))
        somebody_else = client.get("/operations/page", headers=OPERATING)
    assert (one.status_code, other.status_code) == (200, 429)
    assert somebody_else.status_code == 200
    assert 0 < int(other.headers["Retry-After"]) <= 60
