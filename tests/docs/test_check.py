"""What `wikibraid check` finds in an author's module, and what it says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = '''"""A dataset of an author."""

from collections.abc import Iterator
from typing import Annotated

{imports}
from wikibraid import Clustering, DeclaredEvent, Partition, Revision, Table, about, dataset, event


class Long(Table, frozen=True, kw_only=True):
    """A row."""

    wiki: Annotated[Partition[str], about("its wiki")]
    page_id: Annotated[Clustering[int], about("its page")]
    rev_id: Annotated[Clustering[int], about("its revision")]
    length: Annotated[int, about("of something")]

    expectations = ("{expectation}",)


@dataset
def long(revision: Revision) -> Iterator[Long]:
    """Of every revision."""
    yield Long(wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, length={length})
'''


def checked(
    folder: Path, source: str, name: str = "long", events: tuple[bytes, ...] = ()
) -> dict[str, object]:
    """What comes of checking the dataset of a package whose module has this source."""
    package = folder / "authors"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "helps.py").write_text('"""Helps."""\n\nimport random\n\nCHOSEN = random.Random(1).random()\n')
    (package / "rows.py").write_text(source)
    program = (
        "import json, authors.rows; from cli.check import check_dataset; from shared_logic.registry import registry; "
        f"found = check_dataset(registry[{name!r}], 60, {events!r}); print(json.dumps([found.findings, found.with_rows]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    findings, with_rows = json.loads(done.stdout)
    return {"findings": "\n".join(findings), "with_rows": with_rows}


@pytest.mark.parametrize(
    "length, says",
    [
        # parts of a revision may be hidden: in some story they are
        (
            "len(revision.user.name)",
            "long raises AttributeError: 'NoneType' object has no attribute 'name' (authors.rows, line ",
        ),
        (
            "1 // (revision.rev_id - 7)",
            "ZeroDivisionError: integer division or modulo by zero (authors.rows, line ",
        ),
        # what a column can't hold names the column
        ("1.5", "long raises TypeError: Long.length can't hold 1.5"),
    ],
)
def test_what_a_function_raises_is_told_with_its_line(tmp_path: Path, length: str, says: str) -> None:
    found = checked(tmp_path, MODULE.format(imports="", expectation="length >= 0", length=length))
    assert says in str(found["findings"])


@pytest.mark.parametrize(
    "row", ["dict(wiki=revision.wiki)", "Other(wiki=revision.wiki, page_id=1, rev_id=1, length=1)"]
)
def test_what_is_no_row_of_its_table_is_told(tmp_path: Path, row: str) -> None:
    source = MODULE.format(imports="", expectation="length >= 0", length="1")
    other = source[source.index("class Long(") : source.index("@dataset")].replace("Long", "Other")
    source = source.replace("@dataset", f"{other}@dataset")
    found = checked(tmp_path, f"{source[: source.index('    yield ')]}    yield {row}\n")
    assert f"long raises TypeError: it yields {row.partition('(')[0]}, where its signature says Long" in str(
        found["findings"]
    )


def test_expectations_must_be_sql_over_the_columns(tmp_path: Path) -> None:
    for wrong, says in (("lenght >= 0", "lenght"), ("length >= ", "syntax error")):
        found = checked(tmp_path, MODULE.format(imports="", expectation=wrong, length="1"))
        assert f"Long: the expectation {wrong!r} is no SQL over the columns" in str(found["findings"])
        assert says in str(found["findings"])


@pytest.mark.parametrize(
    "condition",
    [
        "wiki RLIKE '^[a-z]+$'",
        "wiki <=> 'testwiki'",
        "length DIV 2 >= 0",
        'wiki != \\"\\"',
        "`length` >= 0",
        "cardinality(array(length)) = 1",
    ],
)
def test_expectations_may_be_sql_of_spark(tmp_path: Path, condition: str) -> None:
    found = checked(tmp_path, MODULE.format(imports="", expectation=condition, length="1"))
    assert "expectation" not in str(found["findings"])


@pytest.mark.parametrize(
    "imports", ["from authors.helps import CHOSEN", "from authors import helps", "from . import helps"]
)
def test_modules_of_the_authors_package_are_looked_through_too(tmp_path: Path, imports: str) -> None:
    source = MODULE.format(imports=imports, expectation="length >= 0", length="1")
    found = checked(tmp_path, source)
    assert "long uses random (authors.helps, line 3)" in str(found["findings"])


CONTENT = '''"""Links of pages."""

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec

from wikibraid import Clustering, DeclaredEvent, Partition, Table, about, dataset, event


class Slot(msgspec.Struct, frozen=True):
    body: str = ""


class Text(msgspec.Struct, frozen=True):
    slots: dict[str, Slot] = {}


@event("test/content", identity=("page_id",))
class Content(DeclaredEvent, frozen=True, kw_only=True):
    """A page's text."""

    wiki: str
    page_id: int
    text: Text


class Links(Table, frozen=True, kw_only=True):
    """A row."""

    wiki: Annotated[Partition[str], about("its wiki")]
    page_id: Annotated[Clustering[int], about("its page")]
    links: Annotated[tuple[str, ...], about("where it leads")]


@dataset
def links(content: Content) -> Iterator[Links]:
    """Of a page."""
    main = content.text.slots.get("main")
    if main and (found := re.findall("<([a-z]+)>", main.body)):
        yield Links(wiki=content.wiki, page_id=content.page_id, links=tuple(found))
'''


def test_stories_that_give_no_rows_are_told_and_given_events_help(tmp_path: Path) -> None:
    # given a dataset that looks for what is seldom drawn
    assert checked(tmp_path, CONTENT, "links")["with_rows"] == 0
    # when there are events that have it
    given = tuple(
        json.dumps(
            {
                "$schema": "/test/content/1.0.0",
                "meta": {"stream": "content", "dt": "2024-01-01T10:00:00Z"},
                "wiki": "testwiki",
                "page_id": page_id,
                "text": {"slots": {"main": {"body": f"<{word}>"}}},
            }
        ).encode()
        for page_id, word in ((1, "a"), (1, "b"), (2, "c"))
    )
    found = checked(tmp_path, CONTENT, "links", given)
    # then the law is tried on them
    assert found["findings"] == ""
    assert found["with_rows"]
