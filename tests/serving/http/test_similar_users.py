"""Similar users over HTTP: the reference's shape, for whoever has the role, and nothing for anybody else."""

from __future__ import annotations

import base64
import json
import logging
from collections import Counter
from itertools import pairwise

import pytest
from fastapi.testclient import TestClient

from serving.reader import Reader
from shared_logic.memory_store import MemoryStore
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
        "num_edits_in_data",
        "first_edit_in_data",
        "last_edit_in_data",
        "results",
    }
    assert found["first_edit_in_data"] <= found["last_edit_in_data"]
    assert len(found["results"]) >= 3
    for result in found["results"]:
        assert {"user_text", "num_edits_in_data", "edit-overlap", "edit-overlap-inv"} < result.keys()
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
    assert client.get("/similarusers", params=asked, headers={"Authorization": f"Basic {basic}"}).is_success


def test_queries_are_written_down_without_names(
    client: TestClient, busiest: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "wikibraid.access"):
        client.get("/similarusers", params={"usertext": busiest[0], "reason": "case 7"}, headers=AUTHORIZED)
    (record,) = caplog.records
    told = json.loads(record.getMessage())
    assert (told["who"], told["reason"], told["wiki"]) == ("investigator", "case 7", sample.WIKI)
    assert told["whom"][0].startswith("#")
    assert busiest[0] not in record.getMessage()


def test_too_many_queries_wait(store: MemoryStore) -> None:
    with TestClient(application_over(store)) as client:
        answers = [client.get("/similarusers/page", headers=AUTHORIZED).status_code for _ in range(125)]
    assert answers[:120] == [200] * 120
    assert answers[120:] == [429] * 5
