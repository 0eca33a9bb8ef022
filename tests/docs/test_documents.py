"""What the documents show is run, and what is made from the registry is up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import shared_logic.datasets  # noqa: F401  registers them
from cli.check import check_dataset
from cli.documents import datasets_page
from cli.failures import Failure
from cli.main import app
from cli.templates import TEMPLATES
from shared_logic.registry import registry
from tests.e2e.commands import ran

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LIMITS = {
    "section_edits": 40,
    "page_months": 60,
    "size_records": 60,
    "rejected_images": 60,
    "entity_changes": 70,
}


def run_and_check(source: str, name: str, folder: Path) -> None:
    """Register a module's dataset in a process of its own, and try the law on it."""
    (folder / f"{name}.py").write_text(source)
    program = f"import {name}; from cli.check import Drawn, broken_law, failures; from shared_logic.registry import registry; "
    program += f"d = Drawn(registry['{name}']); found = broken_law(d, 60) + failures(d, 60); assert found == [], found"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", CODE.findall((ROOT / "docs" / "writing_a_dataset.md").read_text()))
def test_the_guides_datasets_hold_the_law_and_are_short(block: str, tmp_path: Path) -> None:
    *_, name = re.findall(r"@dataset\ndef (\w+)", block)
    assert len(block.splitlines()) <= LIMITS[name]
    run_and_check(block, name, tmp_path)


@pytest.mark.parametrize("shape", TEMPLATES)
def test_what_new_writes_holds_the_law(shape: str, tmp_path: Path) -> None:
    run_and_check(TEMPLATES[shape].format(name="fresh", table="Fresh"), "fresh", tmp_path)


@pytest.mark.parametrize("shape", TEMPLATES)
def test_what_new_writes_into_an_authors_package_imports_wikibraid(shape: str, tmp_path: Path) -> None:
    # given a package of an author
    package = tmp_path / "authors" / "tables"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    # when a dataset is begun in it
    said = ran("new", "fresh", "--shape", shape, "--folder", str(package)).output
    # then it is told how the dataset becomes known
    assert '[project.entry-points."wikibraid.datasets"]\n  fresh = "authors.tables.fresh"\n' in said
    # and its module is that of ours, but for where names come from
    source = (package / "fresh.py").read_text()
    assert "from wikibraid import " in source
    assert not re.search(r"shared_logic\.(language|things)", source)
    run_and_check(source, "fresh", tmp_path)


@pytest.mark.parametrize("shape", TEMPLATES)
def test_new_refuses_names_that_mean_something_else_in_the_module(shape: str, tmp_path: Path) -> None:
    for name in ("class", "none", "iterator", "annotated", "table", "str", "import"):
        with pytest.raises(Failure, match=f"'{name}' can't be a dataset's name"):
            ran("new", name, "--shape", shape, "--folder", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    # and takes others
    ran("new", "fresh", "--shape", shape, "--folder", str(tmp_path))
    assert (tmp_path / "fresh.py").exists()


def test_check_tells_of_a_module_that_keeps_something_between_calls(tmp_path: Path) -> None:
    # given a dataset that gives a page's row once
    source = TEMPLATES["entity"].format(name="counted", table="Counted")
    source = source.replace("@dataset", "SEEN = set()\n\n\n@dataset")
    source = source.replace(
        "    if sizes:", "    seen = repr(page)\n    if sizes and seen not in SEEN:\n        SEEN.add(seen)"
    )
    (tmp_path / "counted.py").write_text(source)
    # when it is checked
    program = "import counted; from cli.check import Drawn, broken_law; from shared_logic.registry import registry; "
    program += "print(broken_law(Drawn(registry['counted']), 60))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    # then it says so
    assert done.returncode == 0, done.stderr
    assert "counted gives other rows when it is asked again" in done.stdout


@pytest.mark.parametrize("name", registry)
def test_check_finds_nothing_in_our_datasets(name: str) -> None:
    assert check_dataset(registry[name], 40).findings == []


def test_the_page_of_datasets_is_up_to_date() -> None:
    assert (ROOT / "docs" / "datasets.md").read_text() == datasets_page()


def test_the_unit_for_daemons_can_be_enabled_and_runs_what_there_is(tmp_path: Path) -> None:
    (unit,) = re.findall(
        r"^```ini\n(.*?)^```", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE | re.DOTALL
    )
    said = ConfigParser(interpolation=None)
    said.read_string(unit)
    # then systemd has where to put it at the machine's start
    assert said["Install"]["WantedBy"] == "multi-user.target"
    # and what it runs is told only that there is no home yet, and no word of it is unknown
    _, *words = said["Service"]["ExecStart"].replace("%i", "1").split()
    done = CliRunner().invoke(app, [*words, "--home", str(tmp_path / "none")])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    assert "none" in str(done.exception)
