"""Metrics in the shape of the Analytics Query Service, with figures that were counted from the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from serving.reader import Reader
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from shared_logic.tables import Key, Values
from tests import sample
from tests.serving.http.conftest import application_over, publish

ALL = "all-editor-types/all-page-types"


def test_edits_of_whole_months(client: TestClient, store: MemoryStore) -> None:
    rows = Reader(store).scan(registry["edit_metrics"], (sample.WIKI, "monthly", "all", "all", "all")).rows
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
    rows = Reader(store).scan(registry["edit_metrics"], (sample.WIKI, "daily", "all", "all", "all")).rows
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
        ("editors/aggregate/W/user/content/1..4-edits/daily/20000101/20301231", "editors"),
        (f"edited-pages/aggregate/W/{ALL}/1..4-edits/daily/20000101/20301231", "edited_pages"),
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
        "edits/per-page/W/A/all-editor-types/daily/20180101/20190105",
        "edits/per-editor/W/A/all-page-types/daily/20180101/20190105",
        f"editors/top-by-edits/W/{ALL}/2017/1/01",
        f"editors/top-by-edits/W/{ALL}/2017/02/30",
        f"editors/top-by-age/W/{ALL}/2017/02/all-days",
    ],
)
def test_what_can_not_be_asked_is_400(client: TestClient, path: str) -> None:
    assert client.get(f"/metrics/{path}".replace("/W/", f"/{sample.WIKI}/")).status_code == 400


@pytest.mark.parametrize(
    "path,status,kind,detail",
    [
        (f"edits/aggregate/{sample.WIKI}/{ALL}/daily/19800101/19801231", 404, "not_found", "no data"),
        (f"edits/aggregate/{sample.WIKI}/{ALL}/hourly/20180101/20180102", 400, "invalid_request", "'daily'"),
        (f"edits/aggregate/{sample.WIKI}/{ALL}/monthly/20180102/20180131", 400, "invalid_request", "whole month"),
        (f"edits/aggregate/a wiki/{ALL}/daily/20180101/20180102", 400, "invalid_request", "no project; write"),
        (f"edits/aggregate/org$/{ALL}/daily/20180101/20180102", 400, "invalid_request", "no project; write"),
        ("edits/per-page/nothing/A/all-editor-types/daily/20180101/20190105", 400, "invalid_request", "367 days"),
    ],
)  # fmt: skip
def test_problems_have_the_members_of_the_analytics_query_service(
    client: TestClient, path: str, status: int, kind: str, detail: str
) -> None:
    answer = client.get(f"/metrics/{path}")
    told = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["type"]) == (status, status, kind)
    assert (told["method"], told["uri"]) == ("get", f"/metrics/{path}")
    assert detail in told["detail"]


@pytest.mark.parametrize("project", ["{}", " {} ", "WWW.{}.org", "{}.org"])
def test_a_project_has_several_spellings(client: TestClient, project: str) -> None:
    path = f"/metrics/edits/aggregate/{project.format(sample.WIKI)}/{ALL}/monthly/20000101/20301231"
    (item,) = client.get(path).json()["items"]
    assert item["project"] == sample.WIKI


def metrics_of_wikis() -> MemoryStore:
    """Two Wikipedias, a Wiktionary, and a wiki of which nothing tells the domain, with a row of each metric."""
    made = MemoryStore()
    hosts = {"aawiki": "aa.wikipedia.org", "abwiki": "ab.wikipedia.org", "aawiktionary": "aa.wiktionary.org"}
    wikis = [*hosts, "other"]
    day = date(2020, 1, 5)
    whole = ("daily", "all", "all", "all", day)
    rows: dict[str, dict[Key, Values]] = {
        "site_namespaces": {(wiki,): (host, (), (), (), ()) for wiki, host in hosts.items()},
        "edit_metrics": {(wiki, *whole): (10**at, 1, -(10**at), 10**at) for at, wiki in enumerate(wikis)},
        "page_metrics": {(wiki, *whole): (1, 10**at) for at, wiki in enumerate(wikis)},
        "account_metrics": {(wiki, "daily", day): (10**at,) for at, wiki in enumerate(wikis)},
    }
    for name, table in rows.items():
        publish(made, name, table)
    return made


@pytest.mark.parametrize(
    "project,total",
    [("all-projects", 111), ("all-wikipedia-projects", 11), ("All-Wiktionary-Projects", 100), ("aa.wikipedia", 1), ("other", 1000)],
)  # fmt: skip
def test_projects_are_added_up(project: str, total: int) -> None:
    client = TestClient(application_over(metrics_of_wikis()))
    span = "daily/20200105/20200105"
    for path in (
        f"edits/aggregate/{project}/{ALL}/{span}",
        f"bytes-difference/absolute/aggregate/{project}/{ALL}/{span}",
        f"edited-pages/new/{project}/{ALL}/{span}",
        f"registered-users/new/{project}/{span}",
    ):
        (item,) = client.get(f"/metrics/{path}").json()["items"]
        (result,) = item["results"]
        assert item["project"] == project.lower()
        assert [value for name, value in result.items() if name != "timestamp"] == [total]
    answer = client.get(f"/metrics/edits/aggregate/all-wikibooks-projects/{ALL}/{span}")
    assert answer.status_code == 404


@pytest.mark.parametrize("project", ["all-projects", "all-wikipedia-projects"])
@pytest.mark.parametrize(
    "path",
    [
        f"editors/aggregate/P/{ALL}/all-activity-levels/daily/20200105/20200105",
        f"edited-pages/aggregate/P/{ALL}/all-activity-levels/daily/20200105/20200105",
        "edits/per-page/P/A/all-editor-types/daily/20200105/20200105",
        "bytes-difference/net/per-editor/P/A/all-page-types/daily/20200105/20200105",
        f"editors/top-by-edits/P/{ALL}/2020/01/05",
        f"edited-pages/top-by-edits/P/{ALL}/2020/01/05",
    ],
)
def test_what_is_distinct_is_not_added_up(project: str, path: str) -> None:
    client = TestClient(application_over(metrics_of_wikis()))
    answer = client.get(f"/metrics/{path}".replace("/P/", f"/{project}/"))
    assert answer.status_code == 400
    assert f"{project} is several projects" in answer.json()["detail"]


def test_whole_months_only(client: TestClient, store: MemoryStore) -> None:
    key = (sample.WIKI, "monthly", "all", "all", "all")
    first, second = (row["begins"] for row in Reader(store).scan(registry["edit_metrics"], key).rows[:2])
    path = f"/metrics/edits/aggregate/{sample.WIKI}/{ALL}/monthly"
    (item,) = client.get(f"{path}/{first:%Y%m%d}/{second:%Y%m}15").json()["items"]
    assert [result["timestamp"][:10] for result in item["results"]] == [first.isoformat()]


@pytest.mark.parametrize("end,status", [("20190103", 404), ("20190104", 400)])
@pytest.mark.parametrize(
    "what", ["edits/per-page/{}/A/all-editor-types", "edits/per-editor/{}/A/all-page-types"]
)
def test_series_of_one_are_of_367_days(client: TestClient, what: str, end: str, status: int) -> None:
    path = f"/metrics/{what.format(sample.WIKI)}/daily/20180101/{end}"
    assert client.get(path).status_code == status


def test_lists_have_a_hundred_places_and_no_keys_of_editors() -> None:
    # given more editors than places, of whom nothing tells the name
    made, day = MemoryStore(), date(2020, 1, 5)
    publish(made, "site_namespaces", {})
    publish(made, "user_current", {})
    publish(
        made,
        "period_editors",
        {("w", "daily", day, "user", "all", f"#{number}"): (number, 0, 0) for number in range(1, 103)},
    )
    path = "/metrics/editors/top-by-edits/w/user/all-page-types/2020/01/05"
    top = TestClient(application_over(made)).get(path).json()["items"][0]["results"][0]["top"]
    assert [entry["edits"] for entry in top] == list(range(102, 2, -1))
    assert {entry["user_text"] for entry in top} == {None}


def test_a_title_is_that_of_the_page_that_bears_it_now() -> None:
    # given a page that was deleted, and another one with its title
    made, at, day = MemoryStore(), datetime(2020, 1, 1, tzinfo=UTC), date(2020, 1, 5)
    names = registry["page_titles"].schema.value_names
    common = {"other_titles": (), "namespace": 0, "full_title": "A"}
    publish(made, "site_namespaces", {})
    publish(
        made,
        "page_titles",
        {
            ("w", "A", "page", number, at, ""): tuple(
                {**common, "is_deleted": number == 1}.get(name) for name in names
            )
            for number in (1, 2)
        },
    )
    publish(
        made,
        "page_periods",
        {("w", number, "daily", "all", day, 0, False): (number, 0, 0, 0) for number in (1, 2)},
    )
    path = "/metrics/edits/per-page/w/A/all-editor-types/daily/20200105/20200105"
    (item,) = TestClient(application_over(made)).get(path).json()["items"]
    assert [result["edits"] for result in item["results"]] == [2]


def test_a_title_may_hold_a_slash(client: TestClient, store: MemoryStore) -> None:
    rows = Reader(store).scan(registry["page_current"]).rows
    page = next(row for row in rows if "/" in (row["title"] or ""))
    title = quote(page["title"], safe="")
    assert "%2F" in title
    month = page["latest_at"].replace(day=1)
    span = f"monthly/{month:%Y%m}01/{month:%Y%m}31"
    prefix = {2: "User:"}[page["namespace"]]
    answer = client.get(f"/metrics/edits/per-page/{sample.WIKI}/{prefix}{title}/all-editor-types/{span}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"][0]["page-title"] == f"{prefix}{page['title']}"


def month_of_most_edits(store: MemoryStore) -> date:
    rows = Reader(store).scan(registry["edit_metrics"], (sample.WIKI, "monthly", "all", "all", "all")).rows
    found: date = max(rows, key=lambda row: row["edits"])["begins"]
    return found


@pytest.mark.parametrize("what,named", [("editors", "user_text"), ("edited-pages", "page_title")])
@pytest.mark.parametrize("by,metric", [("edits", "edits"), ("absolute-bytes-difference", "abs_bytes_diff")])
def test_lists_begin_with_most(
    client: TestClient, store: MemoryStore, what: str, named: str, by: str, metric: str
) -> None:
    month = month_of_most_edits(store)
    for editor_type, page_type in (("all-editor-types", "all-page-types"), ("user", "content")):
        path = f"{what}/top-by-{by}/{sample.WIKI}/{editor_type}/{page_type}/{month:%Y/%m}/all-days"
        (item,) = client.get(f"/metrics/{path}").json()["items"]
        (result,) = item["results"]
        assert result["timestamp"] == f"{month}T00:00:00.000Z"
        values = [entry[metric] for entry in result["top"]]
        assert values == sorted(values, reverse=True)
        assert [entry["rank"] for entry in result["top"]] == list(range(1, len(values) + 1))
        assert all(entry.keys() == {named, metric, "rank"} for entry in result["top"])


def test_the_list_of_a_month_adds_up_to_its_edits(client: TestClient, store: MemoryStore) -> None:
    # given a month in which fewer editors edited than a list has places
    month = month_of_most_edits(store)
    key = (sample.WIKI, "monthly", "all", "all", "all", month)
    (row,) = Reader(store).get(registry["edit_metrics"], key).rows
    assert row["editors"] < 100
    # when the list is asked for
    path = f"/metrics/editors/top-by-edits/{sample.WIKI}/{ALL}/{month:%Y/%m}/all-days"
    top = client.get(path).json()["items"][0]["results"][0]["top"]
    # then it has them all, and addresses without a name
    assert len(top) == row["editors"]
    hidden = Reader(store).scan(registry["editor_periods"], (sample.WIKI, "", "monthly", "all", month)).rows
    assert sum(entry["edits"] for entry in top) + sum(one["edits"] for one in hidden) == row["edits"]


def test_series_of_a_page_and_of_an_editor(client: TestClient, store: MemoryStore) -> None:
    read = Reader(store)
    page = max(read.scan(registry["page_current"]).rows, key=lambda row: row["revisions"])
    names = {row["name"] for row in read.scan(registry["user_current"]).rows}
    span = "monthly/20210101/20211231"
    prefix = {0: "", 1: "Talk:"}[page["namespace"]]
    path = f"/metrics/edits/per-page/{sample.WIKI}/{prefix}{page['title']}/all-editor-types/{span}"
    (item,) = client.get(path).json()["items"]
    rows = read.scan(registry["page_periods"], (sample.WIKI, page["page_id"], "monthly", "all")).rows
    told = {result["timestamp"][:10]: result["edits"] for result in item["results"]}
    assert told == {row["begins"].isoformat(): row["edits"] for row in rows if row["begins"].year == 2021}
    answered = 0
    for name in sorted(names):
        path = f"/metrics/bytes-difference/net/per-editor/{sample.WIKI}/{name}/all-page-types/{span}"
        answer = client.get(path)
        assert answer.status_code in {200, 404}
        answered += answer.status_code == 200
        # and a name is found as people write it
        loose = f"_{name[:1].lower()}{name[1:].replace(' ', '__')}"
        again = client.get(path.replace(f"/{name}/", f"/{loose}/"))
        assert again.status_code == answer.status_code
        if answer.status_code == 200:
            assert again.json()["items"][0]["results"] == answer.json()["items"][0]["results"]
    assert answered
