"""What operators see."""

from __future__ import annotations

from fastapi.testclient import TestClient

from shared_logic.language import registry
from tests import sample
from tests.serving.http.conftest import AUTHORIZED, OPERATING


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


def test_investigators_are_no_operators(client: TestClient) -> None:
    for path in ("/operations/state", "/prometheus/", "/operations/page"):
        assert client.get(path, headers=AUTHORIZED).status_code == 401
        assert client.get(path, headers=OPERATING).status_code == 200
