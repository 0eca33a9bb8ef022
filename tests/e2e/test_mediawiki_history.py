"""MediaWiki History as an analyst meets it: from a real wiki's tables to every column, as of an instant."""

from __future__ import annotations

import bz2
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from shared_logic.registry import registry
from shared_logic.views import views
from tests import sample
from tests.e2e.commands import ran

pytestmark = [pytest.mark.e2e, pytest.mark.spark]
Run = Callable[..., str]
NOW = "2023-06-01T00:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history")


@pytest.fixture(scope="module")
def run(folder: Path, spark: SparkSession) -> Run:
    """Runs commands in one home, which holds all that is made of the sample's tables."""

    def command(*words: str) -> str:
        return ran(*words, environment={"WIKIBRAID_HOME": str(folder / "home")}).stdout

    command("ingest", "tables", str(sample.FINAL), "--wiki", sample.WIKI)
    command("batch", "run", "--now", NOW)
    return command


def exported(run: Run, folder: Path, name: str, *words: str) -> list[dict[str, Any]]:
    run("export", name, "--out", str(folder / "out"), *words)
    return [json.loads(line) for line in (folder / "out" / f"{name}.jsonl").read_text().splitlines()]


def test_all_datasets_are_published_and_all_views_read_them(run: Run) -> None:
    # given a batch run that names no dataset
    (run_id,) = {
        generation["run"]
        for name in registry
        for generation in json.loads(run("generations", "list", name, "--json"))
        if generation["published"]
    }
    # then what it published is every dataset
    listed = [json.loads(run("generations", "list", name, "--json"))[-1] for name in registry]
    assert all(made["published"] and made["run"] == run_id for made in listed)
    # and every view has rows (the wiki's log has nothing odd)
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*)::BIGINT AS rows FROM {name}" for name in views
    )
    found = {row["name"]: row["rows"] for row in json.loads(run("sql", counts, "--json"))}
    assert [name for name, rows in found.items() if not rows] == ["issues"]
    assert found.keys() == views.keys()


def test_every_revision_page_and_account_is_there(run: Run, folder: Path) -> None:
    # given what the tables hold
    tables = {name: (sample.FINAL / f"{name}.tsv.gz") for name in ("revision", "archive", "logging")}
    held = {name: len(rows(path)) for name, path in tables.items()}
    # when the history is exported
    found = exported(run, folder, "mediawiki_history")
    # then every revision, live or archived, is there once, and so is everything that happened
    kinds = Counter((row["event_entity"], row["event_type"]) for row in found)
    assert kinds["revision", "create"] == held["revision"] + held["archive"]
    ids = [row["revision_id"] for row in found if row["event_entity"] == "revision"]
    assert len(ids) == len(set(ids))
    assert kinds["user", "create"] == len({row["user_id"] for row in found if row["event_entity"] == "user"})
    logged = Counter((row["log_type"], row["log_action"]) for row in rows(tables["logging"]))
    assert kinds["page", "create-page"] == logged["create", "create"]
    assert kinds["user", "rename"] == logged["renameuser", "renameuser"]
    assert kinds["user", "altergroups"] == logged["rights", "rights"]
    assert {len(row) for row in found} == {79}


def test_names_and_titles_are_those_of_the_time_and_of_now(run: Run, folder: Path) -> None:
    found = exported(run, folder, "mediawiki_history")
    renamed = [row for row in found if row["event_entity"] == "user" and row["event_type"] == "rename"]
    assert renamed
    for rename in renamed:
        # given an account before and after a rename
        mine = [row for row in found if row["event_user_id"] == rename["user_id"]]
        before = {
            row["event_user_text_historical"]
            for row in mine
            if row["event_entity"] == "revision" and row["event_timestamp"] < rename["event_timestamp"]
        }
        # then no revision of before bears the new name as that of the time, and all bear the present one
        assert rename["user_text_historical"] not in before - {rename["user_text"]} or len(renamed) > 1
        assert {row["event_user_text"] for row in mine} == {rename["user_text"]}
    moved = [row for row in found if row["event_entity"] == "page" and row["event_type"] == "move"]
    titles = {row["page_id"]: row["page_title"] for row in moved}
    assert titles
    for row in found:
        if row["event_entity"] == "revision" and row["page_id"] in titles:
            assert row["page_title"] == titles[row["page_id"]]


def test_a_block_ends_without_any_event(run: Run, folder: Path) -> None:
    # given all states of accounts as of the run, and as of an instant before most blocks had ended
    late = exported(run, folder, "user_history")
    early = exported(run, folder, "user_history", "--now", "2021-02-01T00:00:00Z")
    ended = [row for row in late if row["inferred_from"] == "unblock"]
    assert ended
    assert all(row["start_timestamp"] < "2023-06-01" for row in ended)
    # then what had not ended then is in force
    assert not [
        row for row in early if row["inferred_from"] == "unblock" and row["start_timestamp"] > "2021-02-01"
    ]
    assert len(early) < len(late)


def test_every_format_holds_the_same_rows(run: Run, folder: Path) -> None:
    lines = exported(run, folder, "page_history")
    run("export", "page_history", "--out", str(folder / "out"), "--format", "tsv")
    run("export", "page_history", "--out", str(folder / "out"), "--format", "parquet")
    delimited = (folder / "out" / "page_history.tsv").read_text().splitlines()
    assert delimited[0].split("\t") == list(lines[0])
    assert len(delimited) == len(lines) + 1
    assert pq.read_table(folder / "out" / "page_history.parquet").num_rows == len(lines)


def test_the_public_dump_has_a_file_per_wiki_without_header(run: Run, folder: Path) -> None:
    lines = exported(run, folder, "mediawiki_history")
    told = run("export", "mediawiki_history", "--format", "dump", "--out", str(folder / "dump"))
    path = folder / "dump" / f"{sample.WIKI}.all-time.tsv.bz2"
    assert str(path) in told
    dumped = bz2.decompress(path.read_bytes()).decode().splitlines()
    timed = [row for row in lines if row["event_timestamp"] and row["event_timestamp"][:10] <= NOW[:10]]
    assert len(dumped) == len(timed)
    assert {line.count("\t") for line in dumped} == {77}
    assert dumped == sorted(dumped, key=lambda line: line.split("\t")[4])


def test_views_are_tables_of_sql_and_query(run: Run) -> None:
    (counted,) = json.loads(
        run("sql", "SELECT count(*) AS n FROM mediawiki_history WHERE revision_is_identity_revert", "--json")
    )
    (reverts,) = json.loads(
        run("sql", "SELECT count(*) AS n FROM revision_facts WHERE revision_is_identity_revert", "--json")
    )
    assert counted == reverts
    assert counted["n"] > 0
    found = json.loads(run("query", "user_history", sample.WIKI, "3", "--format", "json"))
    assert {row["user_id"] for row in found["rows"]} == {3}


def test_digests_add_up_to_the_revisions_that_are_not_deleted(run: Run, folder: Path) -> None:
    found = exported(run, folder, "mediawiki_history_reduced")
    live = [row for row in found if row["event_entity"] == "revision"]
    assert live
    for kind in ("daily_digest", "monthly_digest"):
        digests = [row for row in found if (row["event_entity"], row["event_type"]) == ("user", kind)]
        whole = [row for row in digests if (row["user_type"], row["page_type"]) == ("all", "all")]
        by_type = [row for row in digests if row["user_type"] != "all" and row["page_type"] != "all"]
        named = [row for row in live if row["user_text"] is not None]
        for rows in (whole, by_type):
            assert sum(row["revisions"] for row in rows) == len(named)
            assert sum(row["text_bytes_diff"] for row in rows) == sum(row["text_bytes_diff"] for row in named)
    assert {len(row) for row in found} == {16}


def test_what_could_not_be_used_is_told(run: Run, folder: Path) -> None:
    issues = exported(run, folder, "issues")
    assert all(issue["code"] and issue["key"] and issue["table"] for issue in issues)


def rows(path: Path) -> list[dict[str, str | None]]:
    from batch.table_files import read_table_folder

    return list(map(dict, read_table_folder(path.parent)[path.name.split(".")[0]]))
