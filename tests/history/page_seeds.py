"""What MediaWiki's tables know of every page at present: from here the rebuild goes back.

Upstream's cleaning, but for this: every page id that only the archive has is a deleted page, whether or not another page bears
its title now (T320860), and it is one page with the title of its latest revision, where upstream makes one of each title that
its archived rows bear; and a page without any revision is kept, with an Issue, where upstream loses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, TypeVar

from shared_logic.clock import from_mediawiki
from shared_logic.eventify.rows import BadRowError, Row, check_timestamp, nullable_number, number, positive
from shared_logic.eventify.tables import TablesError
from shared_logic.history.log_row import Actor, Issue
from shared_logic.history.page_history import PageSeed
from shared_logic.states.page_state import USER_HIDDEN

Value = TypeVar("Value")


def page_seeds(tables: Mapping[str, Iterable[Row]], wiki: str) -> Iterator[PageSeed | Issue]:
    """Every page that a wiki has or had, in order of page id, then what could not be read.

    Args:
        tables: rows of `page` and `revision`; of `archive`, `actor` and `revision_actor_temp` where given. Each is read once;
            of `revision` only the first of each page is kept in memory.
        wiki: database name.

    Raises:
        TablesError: `page` or `revision` is missing.
    """
    for name in ("page", "revision"):
        if name not in tables:
            given = ", ".join(sorted(tables)) or "none"
            raise TablesError(f"{wiki}: the table {name} is missing; given: {given}")
    reading = _Reading(tables, wiki)
    yield from reading.seeds()
    yield from reading.issues


class _Edit(NamedTuple):
    """A revision; the least is the first."""

    at: int
    rev_id: int
    actor_id: int
    """0: not told, or hidden."""


class _Archived(NamedTuple):
    """A row of the archive."""

    edit: _Edit
    page_id: int
    namespace: int
    title: str


class _Page(NamedTuple):
    namespace: int
    title: str
    is_redirect: bool | None


class _Reading:
    def __init__(self, tables: Mapping[str, Iterable[Row]], wiki: str) -> None:
        self._tables = tables
        self._wiki = wiki
        self.issues: list[Issue] = []

    def seeds(self) -> Iterator[PageSeed]:
        archived = self._latest_copies(self._rows("archive", "ar_id", self._archived))
        archived_ids = {row.edit.rev_id for row in archived}
        live_ids: set[int] = set()
        first: dict[int, _Edit] = {}
        for page_id, edit in self._rows("revision", "rev_id", self._live):
            first[page_id] = min(first.get(page_id, edit), edit)
            if edit.rev_id in archived_ids:
                live_ids.add(edit.rev_id)
        last: dict[int, _Archived] = {}
        for row in archived:
            if row.edit.rev_id and row.edit.rev_id in live_ids:
                self._report(
                    "archive", str(row.edit.rev_id), "ar_rev_id", "live", "the revision is live, too"
                )
                continue
            first[row.page_id] = min(first.get(row.page_id, row.edit), row.edit)
            last[row.page_id] = max(last.get(row.page_id, row), row)
        pages = dict(self._rows("page", "page_id", _page))
        for page_id in sorted(pages.keys() | last.keys()):
            if page_id in pages:
                yield self._present(page_id, pages[page_id], first.get(page_id))
            else:
                yield self._deleted(last[page_id], first[page_id])

    def _present(self, page_id: int, page: _Page, first: _Edit | None) -> PageSeed:
        if first is None:
            self._report(
                "page", str(page_id), "page_latest", "no-revision", f"{page.title!r} has no revision"
            )
        return PageSeed(
            wiki=self._wiki,
            page_id=page_id,
            namespace=page.namespace,
            title=page.title,
            first_edit=first.at if first else None,
            creator=self._actors.get(first.actor_id) if first else None,
            is_redirect=page.is_redirect,
            is_deleted=False,
        )

    def _deleted(self, last: _Archived, first: _Edit) -> PageSeed:
        return PageSeed(
            wiki=self._wiki,
            page_id=last.page_id,
            namespace=last.namespace,
            title=last.title,
            first_edit=first.at,
            creator=self._actors.get(first.actor_id),
            is_redirect=None,
            is_deleted=True,
        )

    def _latest_copies(self, rows: Iterable[_Archived]) -> list[_Archived]:
        """Of rows of one revision id the latest."""
        latest: dict[object, _Archived] = {}
        for row in rows:
            # Very old rows have no revision id.
            key = row.edit.rev_id or row
            known = latest.setdefault(key, row)
            if known is not row:
                latest[key] = max(known, row)
                self._report(
                    "archive",
                    str(row.edit.rev_id),
                    "ar_rev_id",
                    "copy",
                    "archived twice; the latest row counts",
                )
        return list(latest.values())

    # --- rows -----------------------------------------------------------------------------------------------

    def _live(self, row: Row) -> tuple[int, _Edit]:
        return positive(row, "rev_page"), self._edit(row, "rev", positive(row, "rev_id"))

    def _archived(self, row: Row) -> _Archived:
        title = row.get("ar_title")
        if not title:
            raise BadRowError("ar_title", "no_title", "ar_title is empty")
        return _Archived(
            edit=self._edit(row, "ar", nullable_number(row, "ar_rev_id") or 0),
            page_id=positive(row, "ar_page_id"),
            namespace=number(row, "ar_namespace"),
            title=title,
        )

    def _edit(self, row: Row, prefix: str, rev_id: int) -> _Edit:
        timestamp = row.get(f"{prefix}_timestamp") or ""
        check_timestamp(f"{prefix}_timestamp", timestamp)
        hidden = (nullable_number(row, f"{prefix}_deleted") or 0) & USER_HIDDEN
        actor_id = nullable_number(row, f"{prefix}_actor") or self._actors_of_revisions.get(rev_id, 0)
        return _Edit(from_mediawiki(timestamp), rev_id, 0 if hidden else actor_id)

    @cached_property
    def _actors(self) -> dict[int, Actor]:
        return dict(self._rows("actor", "actor_id", _actor))

    @cached_property
    def _actors_of_revisions(self) -> dict[int, int]:
        return dict(
            self._rows(
                "revision_actor_temp",
                "revactor_rev",
                lambda row: (number(row, "revactor_rev"), number(row, "revactor_actor")),
            )
        )

    def _rows(self, table: str, key: str, read: Callable[[Row], Value]) -> Iterator[Value]:
        """What `read` makes of each row; what it refuses is an Issue."""
        for row in self._tables.get(table, ()):
            try:
                value = read(row)
            except BadRowError as error:
                self._report(
                    table, str(row.get(key)), error.field, error.code.replace("_", "-"), error.detail
                )
                continue
            yield value

    def _report(self, table: str, key: str, column: str, code: str, detail: str) -> None:
        self.issues.append(
            Issue(wiki=self._wiki, table=table, key=key, field=column, code=code, detail=detail)
        )


def _page(row: Row) -> tuple[int, _Page]:
    title = row.get("page_title")
    if not title:
        raise BadRowError("page_title", "no_title", "page_title is empty")
    redirect = nullable_number(row, "page_is_redirect")
    return positive(row, "page_id"), _Page(
        number(row, "page_namespace"), title, None if redirect is None else bool(redirect)
    )


def _actor(row: Row) -> tuple[int, Actor]:
    user_id = nullable_number(row, "actor_user") or None
    return number(row, "actor_id"), Actor(
        user_id=user_id, name=row.get("actor_name"), is_anonymous=user_id is None
    )
