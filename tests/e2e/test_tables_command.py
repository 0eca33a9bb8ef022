"""`ingest tables` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from batch.bootstrap import state_files
from cli.failures import Failure
from cli.home import Home
from cli.main import app
from shared_logic.entities import decode
from shared_logic.states.issue_state import IssueState
from tests.batch.test_table_folders import MAP, page_row, revision_row

pytestmark = pytest.mark.e2e


def test_several_wikis_are_one_json_text(tmp_path: Path) -> None:
    # given tables of two wikis
    tables = tmp_path / "tables"
    for wiki in ("aawiki", "bbwiki"):
        (tables / wiki).mkdir(parents=True)
        (tables / wiki / "page.jsonl").write_text(page_row(wiki, "A") + "\n")
        (tables / wiki / "revision.jsonl").write_text(revision_row(wiki) + "\n")
    # when they are taken
    done = CliRunner().invoke(
        app, ["ingest", "tables", str(tables), "--home", str(tmp_path / "home"), "--json"]
    )
    # then what is printed is one list of a bootstrap each
    assert done.exit_code == 0, done.exception
    made = [taken["bootstrap"] for taken in json.loads(done.stdout)]
    assert [(one["wiki"], one["pages"], one["revisions"]) for one in made] == [
        ("aawiki", 1, 1),
        ("bbwiki", 1, 1),
    ]


def test_a_wiki_whose_namespaces_nothing_tells_is_told(tmp_path: Path) -> None:
    # given tables of two wikis, of which a map names one
    tables = tmp_path / "tables"
    for wiki in ("aawiki", "bbwiki"):
        (tables / wiki).mkdir(parents=True)
        (tables / wiki / "page.jsonl").write_text(page_row(wiki, "A") + "\n")
        (tables / wiki / "revision.jsonl").write_text(revision_row(wiki) + "\n")
    (tables / "project_namespace_map.csv").write_text(MAP)
    # when they are taken
    done = CliRunner().invoke(app, ["ingest", "tables", str(tables), "--home", str(tmp_path / "home")])
    # then of the other it is said
    assert done.exit_code == 0, done.exception
    said = " ".join(done.stdout.split())
    assert "project_namespace_map.csv tells nothing of bbwiki" in said
    assert "tells nothing of aawiki" not in said


def ingested(tables: Path, home: Path, *words: str) -> Result:
    """Tables of one wiki, whose one revision is of 2021, taken with these options."""
    tables.mkdir()
    for name, row in (("page", page_row("aawiki", "A")), ("revision", revision_row("aawiki"))):
        told = {column: value for column, value in json.loads(row).items() if column != "wiki_db"}
        (tables / f"{name}.jsonl").write_text(json.dumps(told) + "\n")
    return CliRunner().invoke(app, ["ingest", "tables", str(tables), "--home", str(home), *words])


@pytest.mark.parametrize(
    "words, says",
    [
        (("--wiki", "aawiki", "--taken-at", "soon"), "--taken-at soon: not an instant"),
        (
            ("--wiki", "aawiki", "--taken-at", "2206-01-30T00:00:00Z"),
            "the copy is said to have begun at 2206-01-30T00:00:00Z, which is still to come",
        ),
        (("--wiki", "a/b"), "'a/b' can't be the database name of a wiki"),
    ],
)
def test_what_would_spoil_a_home_is_refused(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = ingested(tmp_path / "tables", tmp_path / "home", *words)
    assert isinstance(done.exception, Failure)
    assert says in str(done.exception)
    assert Home(tmp_path / "home").bootstraps_known() == []


def test_tables_that_go_on_for_long_after_their_instant_are_told(tmp_path: Path) -> None:
    # when tables are said to be far older than what they tell of, then they are taken, and that is said
    done = ingested(
        tmp_path / "tables", tmp_path / "home", "--wiki", "aawiki", "--taken-at", "1995-01-01T00:00:00Z"
    )
    assert done.exit_code == 0, done.exception
    assert "is said to have begun at 1995-01-01T00:00:00Z" in done.stderr
    assert "as of 1995-01-01" in done.stdout


def test_lines_that_are_no_rows_are_counted_and_are_issues(tmp_path: Path) -> None:
    # given tables of three pages, of which one line has a field too few
    tables, home = tmp_path / "tables", Home(tmp_path / "home")
    tables.mkdir()
    (tables / "page.tsv").write_text("page_id\tpage_namespace\tpage_title\n1\t0\tA\n2\t0\n3\t0\tC\n")
    (tables / "revision.tsv").write_text("rev_id\trev_page\trev_timestamp\n5\t1\t20210101000000\n")
    # when they are taken
    words = ("ingest", "tables", str(tables), "--wiki", "aawiki", "--home", str(home.path), "--json")
    done = CliRunner().invoke(app, words)
    # then the others are read, and it is counted
    assert done.exit_code == 0, done.exception
    (taken,) = json.loads(done.stdout)
    assert (taken["bootstrap"]["pages"], taken["bootstrap"]["problems"]) == (2, 1)
    assert taken["problems"] == {"page: number_of_fields": 1}
    # and told with its place
    ((folder, _),) = home.bootstraps_known()
    said = [
        decode(state) for file in state_files(folder) for state in pq.read_table(file)["state"].to_pylist()
    ]
    issues = [state.told for state in said if isinstance(state, IssueState)]
    assert issues == [("page", "page.tsv, line 3", "", "number_of_fields", "fields: 2, in the header: 3")]


def test_a_table_of_another_form_refuses_the_whole_folder(tmp_path: Path) -> None:
    # given pages with commas where tabs should be
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "page.tsv").write_text("page_id\tpage_namespace\tpage_title\n1,0,A\n2,0,B\n")
    (tables / "revision.tsv").write_text("rev_id\trev_page\trev_timestamp\n5\t1\t20210101000000\n")
    # when they are taken
    words = ("ingest", "tables", str(tables), "--wiki", "aawiki", "--home", str(tmp_path / "home"))
    done = CliRunner().invoke(app, words)
    # then it is one error, and nothing is taken
    assert isinstance(done.exception, Failure)
    assert "page.tsv: not readable as a table: none of 2 lines is a row" in str(done.exception)
    assert Home(tmp_path / "home").bootstraps_known() == []
