"""`wikibraid demo` as a user meets it, on the sample and on a dump."""

from __future__ import annotations

import bz2
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cli.commands import demo as module
from cli.commands.demo import SHOWN
from cli.failures import Failure
from shared_logic.registry import registry
from tests.e2e.commands import ran
from tests.eventify.test_dump import REVISION, page, wiki
from tests.sample import WIKI

pytestmark = [pytest.mark.e2e, pytest.mark.spark, pytest.mark.bytewax]
PLOTTED = ("daily_edits", "active_editors", "identity_reverts")
TABLES = [dataset.name for dataset in registry.closure(SHOWN)]


def demo(folder: Path, *words: str) -> str:
    return ran("demo", "--out", str(folder), *words).output


def revision(number: int) -> str:
    """One revision a day."""
    ids = REVISION.replace("<id>5</id><parentid>4<", f"<id>{number}</id><parentid>{number - 1}<", 1)
    return ids.replace("2021-01-01", f"2021-01-{number:02}")


def compared(said: str) -> dict[str, int]:
    """By table, how many of its values differed."""
    return {
        name: int(count)
        for name, count in re.findall(r"^  (\w+) +[\d,]+ rows  (\d+) differing", said, re.MULTILINE)
    }


def test_on_the_sample_no_value_differs(tmp_path: Path, spark: SparkSession) -> None:
    # when the demo runs
    said = demo(tmp_path / "out")
    # then every table was compared with its recomputation, and no value differs
    assert compared(said) == dict.fromkeys(TABLES, 0)
    # and there is a page with the verdict and three plots
    text = (tmp_path / "out" / "index.html").read_text()
    assert "0 differing rows" in text
    assert text.count("<svg") == 3
    # and the command that is named to be tried next answers from the second generation
    assert f"query active_editors {WIKI}" in said
    answer = ran("query", "active_editors", WIKI, "--home", str(tmp_path / "out" / "home")).output
    assert "generation 2" in answer


def test_a_dump_in_its_place(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a dump, and no more tables than the page shows
    monkeypatch.setattr(module, "SHOWN", PLOTTED)
    dump = tmp_path / "dump.xml.bz2"
    dump.write_bytes(bz2.compress(wiki(page(*map(revision, range(1, 11)))).encode()))
    # when the demo runs on it
    said = demo(tmp_path / "out", "--dump", str(dump))
    # then a part of its revisions was replayed, and no value differs
    assert "dump.xml.bz2: 10 revisions, the last 2 of them replayed as events" in said
    assert compared(said) == {dataset.name: 0 for dataset in registry.closure(PLOTTED)}


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    # given a folder with somebody's file
    (tmp_path / "thesis.txt").write_text("years of work")
    # when the demo is told to use it
    with pytest.raises(Failure, match="is no demo's folder; give another one with --out"):
        demo(tmp_path)
    # then the file is still there
    assert (tmp_path / "thesis.txt").exists()
