"""`ingest dump` as a user meets it: without an instant, with damage, and again with whole files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from batch import dump_splits
from cli.failures import Failure
from cli.home import Home
from cli.main import app
from shared_logic.clock import from_iso
from tests.batch.test_dump_bootstrap import PAGES, TEXT, multistream
from tests.eventify.test_dump import wiki

pytestmark = pytest.mark.e2e
WHOLE = multistream(TEXT)


def ingest(home: Path, dump: Path) -> Result:
    with patch.dict(dump_splits.PART_BYTES, {".bz2": 400}):
        return CliRunner().invoke(app, ["ingest", "dump", str(dump), "--home", str(home), "--json"])


def bootstrap(done: Result) -> Any:
    return json.loads(done.stdout)["bootstrap"]


def known(home: Path) -> list[str]:
    return [made.id for _, made in Home(home).bootstraps_known()]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A dump whose third stream is damaged."""
    data = bytearray(WHOLE)
    begins = [place for place in range(len(data)) if data.startswith(b"BZh91AY&SY", place)]
    data[begins[2] + 20] ^= 0xFF
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(data)
    return path


def test_damage_is_told_and_whole_files_are_taken_in_its_place(tmp_path: Path, damaged: Path) -> None:
    # when a damaged dump is taken
    done = ingest(tmp_path / "home", damaged)
    first = bootstrap(done)
    # then the rest is there as of its newest revision, the place is told, and so is it by the exit code
    assert first["beginning"] == from_iso("2021-01-01T00:00:00Z")
    assert 0 < first["pages"] < PAGES
    assert [line.startswith("dump.xml.bz2, bytes ") for line in first["damaged"]] == [True]
    assert isinstance(done.exception, Failure)
    assert str(done.exception).startswith("1 of the inputs could not be read to the end, the rest is taken")
    # and when the file was fetched again, another bootstrap takes the place of that
    damaged.write_bytes(WHOLE)
    done = ingest(tmp_path / "home", damaged)
    second = bootstrap(done)
    assert (done.exit_code, second["pages"], second["damaged"]) == (0, PAGES, [])
    assert known(tmp_path / "home") == [second["id"]] != [first["id"]]


def test_a_dump_that_is_still_damaged_is_the_same_bootstrap_whatever_its_path(
    tmp_path: Path, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a bootstrap of a damaged dump
    first = bootstrap(ingest(tmp_path / "home", damaged))
    folder = tmp_path / "home" / "bootstraps" / first["id"]
    (folder / "mark").touch()
    # when the dump is taken again, under another path
    monkeypatch.chdir(tmp_path)
    again = bootstrap(ingest(tmp_path / "home", Path(damaged.name)))
    # then what is described stays where it is, and nothing is beside it
    assert again == first
    assert (folder / "mark").exists()
    assert list(folder.parent.iterdir()) == [folder]


def test_what_a_killed_run_left_of_damage_is_removed_by_the_next(tmp_path: Path, damaged: Path) -> None:
    # given a run that was killed after it described the whole bootstrap, before it removed the damaged one
    ingest(tmp_path / "home", damaged)
    damaged.write_bytes(WHOLE)
    with patch("batch.bootstrap.remove_damaged", side_effect=KeyboardInterrupt):
        ingest(tmp_path / "home", damaged)
    assert len(known(tmp_path / "home")) == 2
    # when it is run again
    second = bootstrap(ingest(tmp_path / "home", damaged))
    # then only the whole one is there
    assert known(tmp_path / "home") == [second["id"]]


def test_a_file_that_is_no_dump_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml.bz2"
    path.write_bytes(b"nothing of the kind")
    done = CliRunner().invoke(app, ["ingest", "dump", str(path), "--home", str(tmp_path / "home")])
    assert f"{path} is damaged or not what its ending says" in str(done.exception)


@pytest.mark.parametrize(
    "words, says",
    [
        (("a.xml", "b.xml"), "b.xml is of bbwiki, while a.xml says aawiki; take the dumps of each wiki by"),
        (("b.xml", "--wiki", "aawiki"), "b.xml is of bbwiki, while --wiki says aawiki"),
        (("unnamed.xml",), "unnamed.xml does not say which wiki it is of; give --wiki"),
        (("unnamed.xml", "--wiki", "a/b"), "'a/b' can't be the database name of a wiki"),
        (("empty.xml",), "empty.xml: no page is in there; give a dump with history"),
        (("a.xml", "--taken-at", "2206-01-30"), "begun at 2206-01-30T00:00:00Z, which is still to come"),
    ],
)
def test_dumps_that_are_not_of_one_wiki_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    # given dumps of two wikis, of one that is not named, and of none
    monkeypatch.chdir(tmp_path)
    for name in ("aawiki", "bbwiki"):
        (tmp_path / f"{name[0]}.xml").write_bytes(TEXT.replace(b"testwiki", name.encode()))
    (tmp_path / "unnamed.xml").write_bytes(TEXT.replace(b"<dbname>testwiki</dbname>", b""))
    (tmp_path / "empty.xml").write_text(wiki())
    # when they are taken, then nothing is
    done = CliRunner().invoke(app, ["ingest", "dump", *words, "--home", "home"])
    assert isinstance(done.exception, Failure)
    assert says in str(done.exception)
    assert known(tmp_path / "home") == []


def test_a_dump_that_goes_on_for_long_after_its_instant_is_told(tmp_path: Path) -> None:
    # when a dump is said to be far older than what it tells of, then it is taken, and that is said
    (tmp_path / "a.xml").write_bytes(TEXT)
    words = ["ingest", "dump", str(tmp_path / "a.xml"), "--home", str(tmp_path / "home")]
    done = CliRunner().invoke(app, [*words, "--taken-at", "1995-01-01"])
    assert (done.exit_code, "is said to have begun at 1995-01-01T00:00:00Z" in done.stderr) == (0, True)
    # and not where it is right
    done = CliRunner().invoke(app, [*words, "--taken-at", "2021-01-01"])
    assert (done.exit_code, "is said to have begun" in done.stderr) == (0, False)


def test_a_dump_that_names_no_wiki_is_of_that_of_the_others(tmp_path: Path) -> None:
    # given two dumps of which the second says whose they are
    (tmp_path / "1.xml").write_bytes(TEXT.replace(b"<dbname>testwiki</dbname>", b""))
    (tmp_path / "2.xml").write_bytes(TEXT)
    # when both are taken, then they are
    dumps = [str(tmp_path / "1.xml"), str(tmp_path / "2.xml")]
    done = CliRunner().invoke(app, ["ingest", "dump", *dumps, "--home", str(tmp_path / "home"), "--json"])
    assert bootstrap(done)["wiki"] == "testwiki"
