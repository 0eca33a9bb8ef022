"""The modules that `wikibraid new` writes, by shape."""

from __future__ import annotations

import ast
import re

TEMPLATES = {
    "enrichment": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.things import Revision


class {table}(Table, frozen=True, kw_only=True):
    """What one row is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Clustering[int], about("id of the page", at_least=1)]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    section: Annotated[str, about("section that the edit summary names", hidden_with="comment")]


@dataset
def {name}(revision: Revision) -> Iterator[{table}]:
    """One revision, some rows."""
    if revision.comment and "/*" in revision.comment:
        section = revision.comment.split("/*")[1].split("*/")[0].strip()
        yield {table}(wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, section=section)
''',
    "entity": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.things import Page


class {table}(Table, frozen=True, kw_only=True):
    """What one row is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Clustering[int], about("id of the page", at_least=1)]
    largest: Annotated[int, about("greatest length that the page ever had", unit="bytes", at_least=0)]


@dataset
def {name}(page: Page) -> Iterator[{table}]:
    """The whole history of one page, in own order."""
    sizes = [revision.size for revision in page.revisions if revision.size is not None]
    if sizes:
        yield {table}(wiki=page.wiki, page_id=page.page_id, largest=max(sizes))
''',
    "fold": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Fold, Partition, Table, about, dataset
from shared_logic.things import Revision


class {table}(Table, frozen=True, kw_only=True):
    """What one row is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page", at_least=1)]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    size: Annotated[int, about("length that the page never had before", unit="bytes", at_least=1)]


class Longest(Fold):
    """What is kept from one revision of a page to the next."""

    size = 0


@dataset
def {name}(revision: Revision, so_far: Longest) -> Iterator[{table}]:
    """One revision after the other, in own order, archived ones too."""
    if not revision.is_deleted and (revision.size or 0) > so_far.size:
        so_far.size = revision.size or 0
        yield {table}(
            wiki=revision.wiki, page_id=revision.page_id, rev_id=revision.rev_id, size=so_far.size
        )
''',
    "rollup": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset
from shared_logic.things import Page


class {table}(Table, frozen=True, kw_only=True):
    """What one total is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    month: Annotated[Clustering[date], about("first day of the month, UTC")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]


@dataset
def {name}(page: Page) -> Iterator[{table}]:
    """What one page contributes; rows of one key are added up over all pages."""
    for revision in page.revisions:
        yield {table}(wiki=page.wiki, month=revision.month, edits=1)
''',
    "pair": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset
from shared_logic.pairs import Pairs
from shared_logic.things import Revision

WINDOW = 5
"""Of a page's edits: so many before, and one less after."""
_PRIVATE = "tells what one person did"


class {table}(Table, frozen=True, kw_only=True):
    """On how many pages two editors met."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[Partition[str], about("key of the editor", private=_PRIVATE, hidden_with="editor")]
    neighbour: Annotated[
        Clustering[str], about("key of the other one", private=_PRIVATE, hidden_with="editor")
    ]
    pages: Annotated[Sum[int], about("pages on which they met", at_least=0, private=_PRIVATE)]


@dataset
def {name}(revision: Revision, so_far: Pairs) -> Iterator[{table}]:
    """The pairs that met on one page, each once, bots too; whom they count as editors is yours to choose."""
    if revision.user and not (revision.is_deleted or revision.minor):
        for editor, neighbour in so_far.met(revision.user.key, WINDOW):
            yield {table}(wiki=revision.wiki, editor=editor, neighbour=neighbour, pages=1)
''',
    "event": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from shared_logic.language import Clustering, DeclaredEvent, Partition, Table, about, dataset, event


@event("mediawiki/{name}", identity=("page_id", "subject"))
class {table}Event(DeclaredEvent, frozen=True, kw_only=True):
    """What is read of the event; of those with one identity the newest counts."""

    wiki: str
    page_id: int
    subject: str
    score: int | None = None
    """In thousandths."""


class {table}(Table, frozen=True, kw_only=True):
    """What one row is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page")]
    subject: Annotated[Clustering[str], about("what was said of the page")]
    score: Annotated[int, about("how sure that is", unit="thousandths")]
    said_at: Annotated[datetime, about("when that was said")]


@dataset
def {name}(said: {table}Event) -> Iterator[{table}]:
    """One event, some rows; whose identity is in their key."""
    if said.score is not None:
        yield {table}(
            wiki=said.wiki, page_id=said.page_id, subject=said.subject, score=said.score, said_at=said.clock
        )
''',
    "derived": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from shared_logic.datasets.daily_edits import EditorMonth
from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset


class {table}(Table, frozen=True, kw_only=True):
    """What one total is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    month: Annotated[Clustering[date], about("first day of the month, UTC")]
    editors: Annotated[Sum[int], about("distinct editors", at_least=0)]


@dataset
def {name}(total: EditorMonth) -> Iterator[{table}]:
    """What one finished total of another rollup contributes."""
    if total.edits > 0:
        yield {table}(wiki=total.wiki, month=total.month, editors=1)
''',
    "linked": '''"""One line that says what {name} is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.datasets.user_current import UserName
from shared_logic.language import Clustering, Linked, Partition, Table, about, dataset


class {table}(Table, frozen=True, kw_only=True):
    """What one row is."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    user_id: Annotated[Clustering[int], about("id of the account", at_least=1)]
    names: Annotated[int, about("names that are linked with it by accounts and log rows", at_least=1)]


@dataset
def {name}(said: Linked[UserName]) -> Iterator[{table}]:
    """All rows that name one another, directly or through others, in one call."""
    names = len({{row.name for row in said.rows}})
    for wiki, user_id in sorted({{(row.wiki, row.id) for row in said.rows if row.said_by == "account"}}):
        yield {table}(wiki=wiki, user_id=user_id, names=names)
''',
}


def module(shape: str, name: str, table: str, *, own_package: bool) -> str:
    """The source of a dataset's module; in a package of its author's own it imports `wikibraid`."""
    source = TEMPLATES[shape].format(name=name, table=table)
    if not own_package:
        return source
    imported = {one for found in _PUBLIC.finditer(source) for one in found["names"].split(", ")}
    first, *others = _PUBLIC.finditer(source)
    for found in reversed(others):
        source = source[: found.start()] + source[found.end() :]
    line = f"from wikibraid import {', '.join(sorted(imported, key=_as_sorted))}\n"
    return source[: first.start()] + line + source[first.end() :]


_PUBLIC = re.compile(r"^from shared_logic\.(?:language|things) import (?P<names>.*)\n", re.MULTILINE)
"""What `wikibraid` has as well."""


def _as_sorted(name: str) -> tuple[bool, str]:
    return not name[0].isupper(), name


def names_used(shape: str) -> frozenset[str]:
    """What names mean something in the module of that shape, beside those of the dataset and its table."""
    imported, defined, read, local = set[str](), set[str](), set[str](), set[str]()
    for node in ast.walk(ast.parse(TEMPLATES[shape].format(name="_", table="__"))):
        match node:
            case ast.alias():
                imported.add(node.name)
            case ast.ClassDef():
                defined.add(node.name)
            case ast.arg():
                local.add(node.arg)
            case ast.Name(ctx=ast.Load()):
                read.add(node.id)
            case ast.Name():
                local.add(node.id)
    return frozenset(imported | defined | (read - local)) - {"_", "__"}
