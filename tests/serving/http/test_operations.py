"""What operators see."""

from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient

from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import AUTHORIZED, DRIFT, LETTERS, OPERATING, WAITING, application_over


def test_every_dataset_has_its_state(client: TestClient) -> None:
    found = client.get("/operations/state", headers=OPERATING).json()["datasets"]
    assert [one["dataset"] for one in found] == list(registry)
    assert {(one["generation"], one["lag"]) for one in found} == {(1, 0)}


def test_a_row_is_explained(client: TestClient) -> None:
    asked = {"key": [sample.WIKI, "1"]}
    found = client.get("/operations/explain/page_current", params=asked, headers=OPERATING).json()
    assert (found["batch"] is not None, found["speed"], found["removed"]) == (True, None, False)
    assert (
        client.get("/operations/explain/page_current", params={"key": ["w"]}, headers=OPERATING).status_code
        == 400
    )


@pytest.mark.parametrize("page", ["x", "99999999999999999999", "-9223372036854775809"])
def test_a_key_that_no_row_can_have_is_told(client: TestClient, page: str) -> None:
    asked = {"key": [sample.WIKI, page]}
    answer = client.get("/operations/explain/page_current", params=asked, headers=OPERATING)
    assert answer.status_code == 400
    assert "page_current is keyed by wiki, page_id: " in answer.json()["detail"]


@pytest.mark.parametrize("path", ["explain/coedits?key=w&key=%231&key=%232", "audits/coedits/failing"])
def test_rows_that_tell_what_one_person_did_are_not_shown(client: TestClient, path: str) -> None:
    # given a table whose key is private, of which investigators alone may see rows, each query for which is written down
    for name in ("coedits", "user_by_name"):
        answer = client.get(f"/operations/{path.replace('coedits', name)}", headers=OPERATING)
        # then operators are told where they see them, whatever the key
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith(f"the key of {name} is private")


def test_investigators_are_no_operators(client: TestClient) -> None:
    for path in ("/operations/state", "/prometheus/", "/operations/page"):
        assert client.get(path, headers=AUTHORIZED).status_code == 401
        assert client.get(path, headers=OPERATING).status_code == 200


def test_what_readers_do_not_see_yet_has_an_age(store: MemoryStore) -> None:
    # given a log that goes on: in one partition with an event of a minute ago, in the other with one of an hour ago
    ages = {(0, 5): 60, (1, 7): 3_600}
    app = application_over(
        store, ends=(6, 9), happened=lambda *place: int((time.time() - ages[place]) * 1_000)
    )
    with TestClient(app) as client:
        # then the page, and Prometheus, are told how much is missing and since when
        found = client.get("/operations/state", headers=OPERATING).json()["datasets"]
        assert {one["lag"] for one in found} == {3}
        assert all(3_600 <= one["missing_seconds"] < 4_000 for one in found)
        metrics = client.get("/prometheus/", headers=OPERATING).text
    assert 'wikibraid_served_lag_messages{dataset="daily_edits"} 3.0' in metrics
    assert 'wikibraid_served_missing_seconds{dataset="daily_edits"} 36' in metrics


def test_audits_and_comparisons_are_told(client: TestClient) -> None:
    assert client.get("/operations/parity", headers=OPERATING).json() == {"parity": [DRIFT]}
    metrics = client.get("/prometheus/", headers=OPERATING).text
    assert 'wikibraid_parity_differing_values{dataset="daily_edits"} 4.0' in metrics
    assert 'wikibraid_parity_left_out_rows{dataset="daily_edits"} 2.0' in metrics
    assert 'wikibraid_parity_timestamp_seconds{dataset="daily_edits"} 1.7672256e+09' in metrics
    assert 'wikibraid_audit_failing_rows{dataset="page_current"} 4.0' in metrics


def test_events_that_could_not_be_read_are_told_by_reason(client: TestClient) -> None:
    told = client.get("/operations/deadletters", headers=OPERATING).json()
    assert told == {"waiting": WAITING, "dead_letters": LETTERS}
    metrics = client.get("/prometheus/", headers=OPERATING).text
    assert 'wikibraid_dead_letters{reason="new-major-version"} 5.0' in metrics
    assert 'wikibraid_dead_letters{reason="not-json"} 2.0' in metrics
