"""`ingest dump` as a user meets it: without an instant, with damage, and again with whole files."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from batch import dump_splits
from cli.home import Home
from cli.main import app
from shared_logic.clock import from_iso
from tests.batch.test_dump_bootstrap import PAGES, TEXT, multistream

pytestmark = pytest.mark.e2e


def ingest(home: Path, dump: Path) -> Result:
    with patch.dict(dump_splits.PART_BYTES, {".bz2": 400}):
        return CliRunner().invoke(
            app, ["ingest", "dump", str(dump), "--home", str(home), "--json"], catch_exceptions=False
        )


def test_damage_is_told_and_whole_files_are_taken_in_its_place(tmp_path: Path) -> None:
    # given a dump whose third stream is damaged
    whole = multistream(TEXT)
    begins = [place for place in range(len(whole)) if whole.startswith(b"BZh91AY&SY", place)]
    damaged = bytearray(whole)
    damaged[begins[2] + 20] ^= 0xFF
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(damaged)
    # when it is taken
    first = json.loads(ingest(tmp_path / "home", path).stdout)["bootstrap"]
    # then the rest is there as of its newest revision, and the place is told
    assert first["beginning"] == from_iso("2021-01-01T00:00:00Z")
    assert 0 < first["pages"] < PAGES
    assert [line.startswith("dump.xml.bz2, bytes ") for line in first["damaged"]] == [True]
    assert json.loads(ingest(tmp_path / "home", path).stdout)["bootstrap"] == first
    # and when the file was fetched again, another bootstrap takes the place of that
    path.write_bytes(whole)
    second = json.loads(ingest(tmp_path / "home", path).stdout)["bootstrap"]
    assert (second["pages"], second["damaged"]) == (PAGES, [])
    assert second["id"] != first["id"]
    assert [made.id for _, made in Home(tmp_path / "home").bootstraps_known()] == [second["id"]]


def test_a_file_that_is_no_dump_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(b"nothing of the kind")
    done = CliRunner().invoke(app, ["ingest", "dump", str(path), "--home", str(tmp_path / "home")])
    assert f"{path} is damaged or not what its ending says" in str(done.exception)
