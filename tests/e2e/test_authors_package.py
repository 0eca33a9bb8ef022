"""A dataset in its author's own package is one as ours are, as soon as the package is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.templates import TEMPLATES
from tests import sample

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
AUTHORS = (
    TEMPLATES["enrichment"]
    .format(name="their_sections", table="TheirSection")
    .replace("from shared_logic.language", "from wikibraid")
    .replace("from shared_logic.things", "from wikibraid")
    .replace("section = revision", "section = SIGN + revision")
    .replace("\n\nclass", "\nfrom their_datasets.signs import SIGN\n\n\nclass", 1)
)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder on the path with an installed package."""
    site = tmp_path / "site"
    package, about = site / "their_datasets", site / "their_datasets-1.0.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    (package / "__init__.py").write_text("")
    (package / "signs.py").write_text('"""Signs."""\n\nSIGN = "§"\n')
    (package / "sections.py").write_text(AUTHORS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-datasets\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[wikibraid.datasets]\nsections = their_datasets.sections\n")
    return site


def run(site: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{site}", "WIKIBRAID_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.spark
def test_it_is_computed_kept_and_read(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:1_500]))
    # given the law, tried as for ours
    assert run(installed, "check", "their_sections", home=home).returncode == 0
    # when it is computed over some events, and kept current with the rest
    for words in (["ingest", "events", str(events)], ["batch", "run", "their_sections"]):
        done = run(installed, *words, home=home)
        assert done.returncode == 0, done.stderr
    events.write_bytes(b"\n".join(sample.events()))
    for words in (["ingest", "events", str(events)], ["speed", "run", "their_sections"]):
        assert run(installed, *words, home=home).returncode == 0
    # then it is read, and parity holds
    found = json.loads(run(installed, "query", "their_sections", "--format", "json", home=home).stdout)
    assert found["rows"]
    assert found["complete"]
    assert all(row["section"].startswith("§") for row in found["rows"] if row["section"])
    # and where what it imports changes, its code is another
    (installed / "their_datasets" / "signs.py").write_text('SIGN = "#"\n')
    (planned,) = [
        row
        for row in json.loads(run(installed, "plan", "--json", home=home).stdout)
        if row["dataset"] == "their_sections"
    ]
    assert planned["code"] == "changed"


def test_a_module_that_is_broken_is_told(installed: Path, tmp_path: Path) -> None:
    (installed / "their_datasets" / "signs.py").write_text("SIGN = 1 / 0\n")
    done = run(installed, "datasets", home=tmp_path / "home")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (
        "the datasets sections of their-datasets (their_datasets.sections) can't be imported" in done.stderr
    )
