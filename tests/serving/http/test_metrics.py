"""Metrics in the shape of the Analytics Query Service, with figures that were counted from the tables."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from serving.reader import Reader
from shared_logic.language import registry
from shared_logic.memory_store import MemoryStore
from tests import sample

ALL = "all-editor-types/all-page-types"


def test_edits_of_whole_months(client: TestClient, store: MemoryStore) -> None:
    rows = Reader(store).scan(registry["edit_metrics"], (sample.WIKI, "monthly", "all", "all")).rows
    first, last = rows[0]["begins"], rows[-1]["begins"]
    path = f"/metrics/edits/aggregate/{sample.WIKI}/{ALL}/monthly/{first:%Y%m%d}/{last:%Y}1231"
    (item,) = client.get(path).json()["items"]
    assert item["results"] == [
        {"timestamp": f"{row['begins']}T00:00:00.000Z", "edits": row["edits"]} for row in rows
    ]
    assert {name: item[name] for name in item if name != "results"} == {
        "project": sample.WIKI,
        "editor-type": "all-editor-types",
        "page-type": "all-page-types",
        "granularity": "monthly",
    }


def test_the_last_day_is_included(client: TestClient, store: MemoryStore) -> None:
    rows = Reader(store).scan(registry["edit_metrics"], (sample.WIKI, "daily", "all", "all")).rows
    day = rows[3]["begins"]
    path = f"/metrics/edits/aggregate/{sample.WIKI}/{ALL}/daily/{day:%Y%m%d}/{day:%Y%m%d}"
    (item,) = client.get(path).json()["items"]
    assert [result["edits"] for result in item["results"]] == [rows[3]["edits"]]


@pytest.mark.parametrize(
    "path,key",
    [
        (f"bytes-difference/net/aggregate/W/{ALL}/daily/20000101/20301231", "net_bytes_diff"),
        (f"bytes-difference/absolute/aggregate/W/{ALL}/daily/20000101/20301231", "abs_bytes_diff"),
        (f"editors/aggregate/W/{ALL}/all-activity-levels/monthly/20000101/20301231", "editors"),
        (f"editors/aggregate/W/{ALL}/1..4-edits/monthly/20000101/20301231", "editors"),
        (f"edited-pages/aggregate/W/{ALL}/all-activity-levels/monthly/20000101/20301231", "edited_pages"),
        (f"edited-pages/new/W/{ALL}/monthly/20000101/20301231", "new_pages"),
        ("registered-users/new/W/daily/20000101/20301231", "new_registered_users"),
    ],
)
def test_every_metric_has_its_name(client: TestClient, path: str, key: str) -> None:
    answer = client.get(f"/metrics/{path}".replace("/W/", f"/{sample.WIKI}/"))
    assert answer.status_code == 200, answer.text
    for result in answer.json()["items"][0]["results"]:
        assert result.keys() == {"timestamp", key}


@pytest.mark.parametrize(
    "path",
    [
        f"edits/aggregate/W/{ALL}/daily/2017101/20171001",
        f"edits/aggregate/W/{ALL}/daily/20171301/20181001",
        f"edits/aggregate/W/{ALL}/daily/20180101/20170101",
        f"edits/aggregate/W/{ALL}/daily/2018010124/20190101",
        f"edits/aggregate/W/{ALL}/monthly/20180102/20180131",
        "edits/aggregate/W/everybody/all-page-types/daily/20180101/20180102",
        "edits/aggregate/W/group-bot/all-page-types/daily/20180101/20180102",
        "editors/aggregate/W/user/content/1..4-edits/monthly/20180101/20180201",
    ],
)
def test_what_can_not_be_asked_is_400(client: TestClient, path: str) -> None:
    assert client.get(f"/metrics/{path}".replace("/W/", f"/{sample.WIKI}/")).status_code == 400


def test_no_data_is_404(client: TestClient) -> None:
    answer = client.get(f"/metrics/edits/aggregate/{sample.WIKI}/{ALL}/daily/19800101/19801231")
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
