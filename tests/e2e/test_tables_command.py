"""`ingest tables` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
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
