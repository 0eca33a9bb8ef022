"""A dataset in its author's own package is one as ours are, as soon as the package is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli.failures import AUDIT_FAILED, CANNOT_KNOW, DIFFERS
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

RAISING = '''"""Functions that raise: for one revision, and for every one."""

from collections.abc import Iterator
from typing import Annotated

from wikibraid import Clustering, Page, Partition, Revision, Sum, Table, about, dataset


class Rare(Table, frozen=True, kw_only=True):
    """Revisions but for one."""

    wiki: Annotated[Partition[str], about("its wiki")]
    page_id: Annotated[Clustering[int], about("its page")]
    rev_id: Annotated[Clustering[int], about("its id")]
    copy: Annotated[Clustering[int], about("of three")]


@dataclass_of
def rarely_raises(revision: Revision) -> Iterator[Rare]:
    """Raises for the revision with the id 5."""
    if revision.rev_id == 5:
        raise LookupError("as planted")
    for copy in range(3):
        yield Rare(wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, copy=copy)


class Pages(Table, frozen=True, kw_only=True):
    """Pages of a wiki."""

    wiki: Annotated[Partition[str], about("its wiki")]
    pages: Annotated[Sum[int], about("pages")]


@dataclass_of
def counts_pages(page: Page) -> Iterator[Pages]:
    """A rollup."""
    yield Pages(wiki=page.wiki, pages=1)


class Half(Table, frozen=True, kw_only=True):
    """Half of the pages."""

    wiki: Annotated[Partition[str], about("its wiki")]
    half: Annotated[int, about("half of them")]


@dataclass_of
def always_raises(total: Pages) -> Iterator[Half]:
    """Gives a fraction where a whole number is promised."""
    yield Half(wiki=total.wiki, half=total.pages / 2 + 0.25)
'''.replace("@dataclass_of", "@dataset")

FEEDBACK = next(
    block
    for block in re.findall(
        r"^```python\n(.*?)^```",
        (ROOT / "docs" / "writing_a_dataset.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    if "def rejected_images" in block
).replace("from shared_logic.language", "from wikibraid")
"""A dataset of events that it declares, as the guide shows it."""

LINKS = '''"""Links of pages, by their content of now."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from wikibraid import Clustering, DeclaredEvent, Partition, Table, about, dataset, event


@event("mediawiki/page/change", stream="mediawiki.page_content_change.v1", identity=("page_id",))
class PageContent(DeclaredEvent, frozen=True, kw_only=True):
    """What is read of a page's content."""

    wiki: str = msgspec.field(name="wiki_id")
    page_change_kind: str
    page: dict[str, Any]
    revision: dict[str, Any]

    @property
    def page_id(self) -> int:
        """Of the page."""
        return self.page["page_id"]


class PageLinks(Table, frozen=True, kw_only=True):
    """Where a page leads."""

    wiki: Annotated[Partition[str], about("its wiki")]
    page_id: Annotated[Clustering[int], about("the page")]
    links: Annotated[tuple[str, ...], about("titles that it links to")]


@dataset
def page_links(content: PageContent) -> Iterator[PageLinks]:
    """Of pages that are there."""
    main = content.revision.get("content_slots", {}).get("main")
    if main and content.page_change_kind != "delete":
        links = re.findall(r"\\[\\[(.*?)\\]\\]", main["content_body"])
        yield PageLinks(wiki=content.wiki, page_id=content.page_id, links=tuple(links))
'''
DUMP = (
    '<mediawiki version="0.11"><siteinfo><dbname>testwiki</dbname></siteinfo>'
    + "".join(
        f"<page><title>P{number}</title><ns>0</ns><id>{number}</id><revision><id>{number}</id><timestamp>2024-01-01T00:00:00Z"
        f"</timestamp><contributor><ip>::1</ip></contributor><text>[[P{number + 1}]]</text></revision></page>"
        for number in (1, 2)
    )
    + "</mediawiki>"
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
    (package / "raising.py").write_text(RAISING)
    (package / "feedback.py").write_text(FEEDBACK)
    (package / "links.py").write_text(LINKS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-datasets\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[wikibraid.datasets]\n"
        + "".join(
            f"{name} = their_datasets.{name}\n" for name in ("sections", "raising", "feedback", "links")
        )
    )
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
    assert run(installed, "ingest", "events", str(events), home=home).returncode == 0
    done = run(installed, "batch", "run", "their_sections", "rarely_raises", "--json", home=home)
    assert done.returncode == 0, done.stderr
    # and what a function raised for is told
    assert {made["dataset"]: made["raised"] for made in json.loads(done.stdout)}["rarely_raises"] == 1
    assert "rarely_raises has no rows of 1 of what it reads" in done.stderr
    assert "LookupError: as planted" in done.stderr
    events.write_bytes(b"\n".join(sample.events()))
    for words in (["ingest", "events", str(events)], ["speed", "run", "their_sections"]):
        assert run(installed, *words, home=home).returncode == 0
    # then it is read, and parity holds
    found = json.loads(run(installed, "query", "their_sections", "--format", "json", home=home).stdout)
    assert found["rows"]
    assert found["lag"] == 0
    assert all(row["section"].startswith("§") for row in found["rows"] if row["section"])
    # and where what it imports changes, its code is another
    (installed / "their_datasets" / "signs.py").write_text('SIGN = "#"\n')
    (planned,) = [
        row
        for row in json.loads(run(installed, "plan", "--json", home=home).stdout)
        if row["dataset"] == "their_sections"
    ]
    assert planned["code"] == "changed"
    # and a difference is not taken for one of the layers
    differs = run(installed, "parity", "their_sections", home=home)
    assert differs.returncode == DIFFERS
    assert "the code of their_sections is not that of the published generation" in differs.stderr


@pytest.mark.spark
def test_events_of_their_own_are_computed_kept_and_read(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def said(*rows: tuple[str, bool, int]) -> Path:
        """A file of feedback: images, whether they are rejected, and in which hour that is said."""
        path = tmp_path / f"{rows[0][2]}.ndjson"
        path.write_text(
            "".join(
                json.dumps(
                    {
                        "$schema": "/mediawiki/image_suggestions_feedback/1.0.0",
                        "meta": {
                            "stream": "feedback",
                            "dt": f"2024-01-01T{hour:02}:00:00Z",
                            "id": f"{name} {hour}",
                        },
                        "dt": f"2024-01-01T{hour:02}:00:00Z",
                        "wiki": "testwiki",
                        "page_id": 1,
                        "filename": name,
                        "is_rejected": is_rejected,
                    }
                )
                + "\n"
                for name, is_rejected, hour in rows
            )
        )
        return path

    def rows() -> list[tuple[str, str]]:
        found = json.loads(run(installed, "query", "rejected_images", "--format", "json", home=home).stdout)
        assert found["complete"]
        return [(row["filename"], row["rejected_at"][11:13]) for row in found["rows"]]

    # given a home that doesn't read their stream, in which its events are out of scope
    first = said(("a", True, 1), ("b", True, 1), ("c", False, 1), ("", True, 1))
    done = run(installed, "ingest", "events", str(first), "--json", home=home)
    assert json.loads(done.stdout)["out_of_scope"] == 3, done.stdout
    # when the stream is named, then they are taken, and one that names no image is a dead letter
    home = tmp_path / "other"
    home.mkdir()
    usual = (ROOT / "conf" / "streams.yaml").read_text()
    (home / "streams.yaml").write_text(
        f"{usual}feedback:\n  schema_title: mediawiki/image_suggestions_feedback\n"
        "mediawiki.page_content_change.v1:\n  schema_title: mediawiki/page/change\n"
    )
    done = run(installed, "ingest", "events", str(first), "--json", home=home)
    assert (json.loads(done.stdout)["kept"], json.loads(done.stdout)["dead"]) == (3, 1), done.stdout
    # and the texts of a dump, once
    dump = tmp_path / "pages.xml"
    dump.write_text(DUMP)
    for kept in (2, 0):
        done = run(installed, "ingest", "content", str(dump), "--json", home=home)
        assert json.loads(done.stdout)["kept"] == kept, done.stderr
    # then a batch has what is rejected, and where pages lead
    done = run(installed, "batch", "run", "rejected_images", "page_links", home=home)
    assert done.returncode == 0, done.stderr
    assert rows() == [("a", "01"), ("b", "01")]
    done = run(installed, "query", "page_links", "testwiki", "--format", "json", home=home)
    assert [row["links"] for row in json.loads(done.stdout)["rows"]] == [["P2"], ["P3"]]
    # and speed goes on from there: one is taken back, one late word changes nothing
    run(installed, "ingest", "events", str(said(("a", False, 3), ("c", True, 2))), home=home)
    run(installed, "ingest", "events", str(said(("a", True, 2))), home=home)
    assert run(installed, "speed", "run", "rejected_images", home=home).returncode == 0
    assert rows() == [("b", "01"), ("c", "02")]
    # and the next batch, which goes on from the last one's states, agrees
    done = run(installed, "batch", "run", "rejected_images", home=home)
    assert done.returncode == 0, done.stderr
    assert rows() == [("b", "01"), ("c", "02")]
    # and where what reads the events changes, here so that the first word counts, the log is read again with that
    module = installed / "their_datasets" / "feedback.py"
    module.write_text(
        module.read_text().replace(
            "return self.dt", "return self.dt - 2 * (self.dt - self.dt.replace(hour=0))"
        )
    )
    assert run(installed, "batch", "run", "rejected_images", home=home).returncode == 0
    assert rows() == [("a", "01"), ("b", "01")]


def test_content_is_not_taken_where_nobody_reads_it(installed: Path, tmp_path: Path) -> None:
    dump, home = tmp_path / "pages.xml", tmp_path / "home"
    dump.write_text(DUMP)
    for words, says in [
        ([], "no stream mediawiki.page_content_change.v1 in "),
        (["--stream", "other"], "no dataset declares events of the stream other"),
    ]:
        done = run(installed, "ingest", "content", str(dump), *words, home=home)
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr


def test_a_module_that_is_broken_is_told(installed: Path, tmp_path: Path) -> None:
    (installed / "their_datasets" / "signs.py").write_text("SIGN = 1 / 0\n")
    done = run(installed, "datasets", home=tmp_path / "home")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (
        "the datasets sections of their-datasets (their_datasets.sections) can't be imported" in done.stderr
    )
    assert "ZeroDivisionError: division by zero (their_datasets.signs, line 1)" in done.stderr
    # and where an annotation means nothing, the line is that of the function
    (installed / "their_datasets" / "signs.py").write_text('SIGN = "#"\n')
    wrong = AUTHORS.replace("revision: Revision", "revision: Revison")
    (installed / "their_datasets" / "sections.py").write_text(wrong)
    line = 1 + wrong.splitlines().index("@dataset")
    done = run(installed, "datasets", home=tmp_path / "home")
    assert f"NameError: name 'Revison' is not defined (their_datasets.sections, line {line})" in done.stderr


@pytest.mark.spark
def test_what_a_function_raises_is_told_wherever_it_is_called(installed: Path, tmp_path: Path) -> None:
    # given a derived dataset whose function raises for every total
    home, events = tmp_path / "home", tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:300]))
    says = "TypeError"
    # when it is tried and checked, then that is told, and the command fails
    for words in (["try", "always_raises", str(events)], ["check", "always_raises", "--examples", "1"]):
        done = run(installed, *words, home=home)
        assert (done.returncode != 0, says in done.stdout + done.stderr, "Traceback" in done.stderr) == (
            True,
            True,
            False,
        ), done.stderr
    # and when it is computed, nothing is published, also where the run goes on from views that are there
    run(installed, "ingest", "events", str(events), home=home)
    for _ in range(2):
        done = run(installed, "batch", "run", "always_raises", home=home)
        assert done.returncode == AUDIT_FAILED, done.stderr
        assert "always_raises has no rows of 1 of what it reads" in done.stderr
        assert says in done.stderr
        assert "--despite-growth" not in done.stderr
    assert run(installed, "query", "always_raises", home=home).returncode == CANNOT_KNOW
