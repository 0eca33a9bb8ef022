"""MediaWiki's own tables as page states: a plain join, each row a small state.

Tables tell what is, not since when. Facts need no clock; for everything else the beginning of the copy is the clock, with tie
0, so that any event of the same second wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha1
from itertools import chain
from typing import TypeVar

import msgspec

from shared_logic.clock import from_mediawiki
from shared_logic.entities import Entity, State, page, stray
from shared_logic.eventify.lifecycle_tables import accounts, log_rows
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.rows import (
    NAMESPACES,
    SIZES,
    WIKI_COLUMN,
    BadRowError,
    Row,
    UnreadRow,
    beginning_stamp,
    check_timestamp,
    nullable_number,
    number,
    positive,
    readable_number,
)
from shared_logic.states.page_state import (
    SUPPRESSED,
    Author,
    Existence,
    PageState,
    Presence,
    Redirect,
    RevisionState,
    Suppression,
    Tags,
    Title,
    Visibility,
    join,
)

Value = TypeVar("Value")

NO_PAGE = 0
"""Stands for the page id of revisions that were archived before ids were kept."""
SHA1_DIGITS = 31
"""Digits of a SHA-1 in base 36, padded with zeros."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

REQUIRED = {
    "revision": ("rev_id", "rev_page", "rev_timestamp"),
    "page": ("page_id", "page_namespace", "page_title"),
}
"""The tables, and of them the columns, without which there is no history."""


class TablesError(Exception):
    """The tables as a whole can't be read: one that is needed, or a column of it, is missing."""


class RevisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A revision joined with what other tables say of it. None is unknown."""

    rev_id: int
    page_id: int | None
    timestamp: str
    """14 digits."""
    parent_id: int | None = None
    """0: none."""
    size: int | None = None
    sha1: str | None = None
    minor: bool | None = None
    deleted: int = 0
    """Bits of rev_deleted."""
    user_id: int = 0
    """0: none (an address, or an imported name)."""
    user_text: str | None = None
    """None: hidden or unknown."""
    by_temporary: bool | None = None
    comment: str | None = None
    archived: bool = False
    tags: tuple[str, ...] | None = None


def revision_state(row: RevisionRow, beginning: int) -> PageState:
    """What a row says of its revision, for the page with the row's page id.

    Raises:
        ValueError: the timestamp is not an instant of 14 digits.
    """
    at = beginning_stamp(beginning)
    revision = RevisionState(
        timestamp=from_mediawiki(row.timestamp),
        parent_id=row.parent_id,
        size=row.size,
        sha1=row.sha1,
        minor=row.minor,
        comment=row.comment,
        author=None if row.user_text is None else Author(*at, row.user_id, row.user_text),
        presence=None if row.page_id is None else Presence(*at, row.page_id, not row.archived),
        visibility=Visibility(*at, row.deleted),
        suppressed=Suppression(*at, bool(row.deleted & SUPPRESSED)) if row.deleted else None,
        tags=None if row.tags is None else Tags(*at, row.tags),
        by_temporary=row.by_temporary,
    )
    return PageState(revisions={row.rev_id: revision})


def page_state_of_row(
    namespace: int,
    title: str,
    is_redirect: bool | None,  # noqa: FBT001  a column of the table
    beginning: int,
) -> PageState:
    """What a row of `page` says: title, redirect (None: not told) and that the page exists."""
    at = beginning_stamp(beginning)
    return PageState(
        title=Title(*at, namespace, title),
        redirect=None if is_redirect is None else Redirect(*at, is_redirect),
        existence=Existence(*at, exists=True),
        surveyed=at,
    )


def archived_page(namespace: int, title: str, beginning: int) -> PageState:
    """What is known of a page id that only `archive` has: its title, and that it is no more.

    Nothing is cleared: nobody tells when the deletion was, and each archived revision says itself where it is.
    """
    at = beginning_stamp(beginning)
    return PageState(title=Title(*at, namespace, title), existence=Existence(*at, exists=False), surveyed=at)


def base36_sha1(data: bytes) -> str:
    """SHA-1 as MediaWiki writes it.

    >>> base36_sha1(b"")
    'phoiac9h4m842xq45sp7s6u21eteeq1'
    """
    number = int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_BASE36[digit])
    return "".join(reversed(digits)).rjust(SHA1_DIGITS, "0")


def folded_sha1(slots: Iterable[tuple[str, str]]) -> str | None:
    """The SHA-1 of a revision from (role name, SHA-1) of its slots: one slot's own, several folded in order of role.

    >>> folded_sha1([("main", "phoiac9h4m842xq45sp7s6u21eteeq1")])
    'phoiac9h4m842xq45sp7s6u21eteeq1'
    """
    folded: str | None = None
    for _, one in sorted(slots):
        folded = one if folded is None else base36_sha1((folded + one).encode())
    return folded


def states(
    tables: Mapping[str, Iterable[Row]],
    wiki: str,
    beginning: int,
    problems: Report,
) -> Iterator[tuple[Entity, State]]:
    """What the rows say of entities, row by row: pages, revisions, archived revisions, archived pages, accounts, log rows.

    `revision` and `page` are needed; `archive`, `user`, `user_groups`, `localuser`, `logging`, `actor`, `comment`, `revision_comment_temp`, `revision_actor_temp`, `slots`,
    `slot_roles`, `content`, `change_tag` and `change_tag_def` are used where given. Tables are read once each; all but
    `revision` and `page` are kept in memory.

    Raises:
        TablesError: a needed table or column is missing.
    """
    for name in REQUIRED:
        if name not in tables:
            given = ", ".join(sorted(tables)) or "none"
            raise TablesError(f"{wiki}: the table {name} is missing; given: {given}")
    join = _Join(tables, wiki, beginning, problems)
    return chain(join.states(), accounts(join), log_rows(join))


class _Join:
    """The tables beside `revision` and `page`, by the ids that rows refer to."""

    def __init__(
        self,
        tables: Mapping[str, Iterable[Row]],
        wiki: str,
        beginning: int,
        problems: Report,
    ) -> None:
        self.tables = tables
        self.wiki = wiki
        self.beginning = beginning
        self.problems = problems

    def states(self) -> Iterator[tuple[Entity, State]]:
        """What the rows say of pages."""
        for page_id, state in self.pages():
            if page_id != NO_PAGE:
                yield page(self.wiki, page_id), state
                continue
            for rev_id in state.revisions:
                yield stray(self.wiki, rev_id), state

    def pages(self) -> Iterator[tuple[int, PageState]]:
        archive = list(self.archive_rows())
        # Only what is archived need be remembered of the large tables.
        archived_revisions = {rev_id for rev_id, _ in archive}
        archived_pages = {page_id for _, row in archive if (page_id := nullable_number(row, "ar_page_id"))}
        live_revisions: set[int] = set()
        live_pages: set[int] = set()
        for page_id, state in self.rows("page", "page_id", self.page):
            if page_id in archived_pages:
                live_pages.add(page_id)
            yield page_id, state
        for row in self.checked("revision", "rev_id"):
            # A row that can't be read is live all the same.
            rev_id = readable_number(row, "rev_id")
            if rev_id in archived_revisions:
                live_revisions.add(rev_id)
            read = self.attempt("revision", "rev_id", row, self.live_revision)
            if read is not None:
                yield read
        yield from self.archived(archive, live_revisions, live_pages)

    def archived(
        self, archive: list[tuple[int, Row]], live_revisions: set[int], live_pages: set[int]
    ) -> Iterator[tuple[int, PageState]]:
        """Archived revisions, then the pages that only the archive knows."""
        for row in self.newest_archived(archive, live_revisions):
            read = self.attempt("archive", "ar_rev_id", row, self.archived_revision)
            if read is not None:
                yield read
        for page_id, (namespace, title) in _last_titles(archive).items():
            if page_id not in live_pages:
                yield page_id, archived_page(namespace, title, self.beginning)

    def newest_archived(self, archive: list[tuple[int, Row]], live_revisions: set[int]) -> Iterable[Row]:
        """Of each revision that is not live the row that was archived last; the others are told as left out."""
        newest: dict[int, Row] = {}
        for rev_id, row in archive:
            if rev_id in live_revisions:
                self.leave_out(row, f"revision {rev_id} is live")
                continue
            known = newest.get(rev_id)
            if known is None:
                newest[rev_id] = row
                continue
            older, newest[rev_id] = sorted((row, known), key=lambda copy: copy.get("ar_timestamp") or "")
            self.leave_out(older, f"revision {rev_id} is archived again, and not before")
        return newest.values()

    def leave_out(self, row: Row, why: str) -> None:
        """Tell of a row of the archive that another row is used instead."""
        self.problems(
            Problem("archive", str(row.get("ar_id")), "ar_rev_id", "copy", f"{why}; this row is left out")
        )

    # --- rows -----------------------------------------------------------------------------------------------

    def page(self, row: Row) -> tuple[int, PageState]:
        page_id = positive(row, "page_id")
        title = row.get("page_title")
        if not title:
            raise BadRowError("page_title", "no_title", "page_title is empty")
        redirect = nullable_number(row, "page_is_redirect")
        namespace = number(row, "page_namespace", NAMESPACES)
        state = page_state_of_row(
            namespace, title, None if redirect is None else bool(redirect), self.beginning
        )
        return page_id, state

    def live_revision(self, row: Row) -> tuple[int, PageState]:
        rev_id = positive(row, "rev_id")
        page_id = positive(row, "rev_page")
        return page_id, self.revision(row, "rev", rev_id, page_id)

    def archived_revision(self, row: Row) -> tuple[int, PageState]:
        rev_id = positive(row, "ar_rev_id")
        page_id = max(nullable_number(row, "ar_page_id") or NO_PAGE, NO_PAGE)
        state = self.revision(row, "ar", rev_id, page_id)
        if page_id != NO_PAGE:
            return page_id, state
        namespace = number(row, "ar_namespace", NAMESPACES)
        told = archived_page(namespace, row.get("ar_title") or "", self.beginning)
        return page_id, join(told, state)

    def revision(self, row: Row, prefix: str, rev_id: int, page_id: int) -> PageState:
        timestamp = row.get(f"{prefix}_timestamp") or ""
        check_timestamp(f"{prefix}_timestamp", timestamp)
        minor = nullable_number(row, f"{prefix}_minor_edit")
        user_id, user_text = self.author(row, prefix, rev_id)
        joined = RevisionRow(
            rev_id=rev_id,
            page_id=page_id,
            timestamp=timestamp,
            parent_id=nullable_number(row, f"{prefix}_parent_id"),
            size=nullable_number(row, f"{prefix}_len", SIZES),
            sha1=row.get(f"{prefix}_sha1") or self.sha1(rev_id),
            minor=None if minor is None else bool(minor),
            deleted=nullable_number(row, f"{prefix}_deleted") or 0,
            user_id=user_id,
            user_text=user_text,
            by_temporary=self.is_temporary(user_id) if user_id and user_text is not None else None,
            comment=self.comment(row, prefix, rev_id),
            archived=prefix == "ar",
            tags=self.tags(rev_id),
        )
        return revision_state(joined, self.beginning)

    def author(self, row: Row, prefix: str, rev_id: int) -> tuple[int, str | None]:
        actor_id = nullable_number(row, f"{prefix}_actor") or self.actors_of_revisions.get(rev_id)
        return self.actors.get(actor_id, (0, None)) if actor_id else (0, None)

    def is_temporary(self, user_id: int) -> bool | None:
        return None if self.temporary_accounts is None else user_id in self.temporary_accounts

    def comment(self, row: Row, prefix: str, rev_id: int) -> str | None:
        comment_id = nullable_number(row, f"{prefix}_comment_id") or self.comments_of_revisions.get(rev_id)
        return self.comments.get(comment_id) if comment_id else None

    def tags(self, rev_id: int) -> tuple[str, ...] | None:
        if self.tags_of_revisions is None:
            return None
        return tuple(sorted(self.tags_of_revisions.get(rev_id, ())))

    def sha1(self, rev_id: int) -> str | None:
        contents = self.slots.get(rev_id, ())
        known = [(role, self.contents[content]) for role, content in contents if content in self.contents]
        return folded_sha1(known)

    # --- tables that rows refer to --------------------------------------------------------------------------

    @cached_property
    def actors(self) -> dict[int, tuple[int, str | None]]:
        return dict(
            self.rows(
                "actor",
                "actor_id",
                lambda row: (
                    number(row, "actor_id"),
                    (nullable_number(row, "actor_user") or 0, row.get("actor_name")),
                ),
            )
        )

    @cached_property
    def temporary_accounts(self) -> frozenset[int] | None:
        """Their ids; None: the tables don't tell, as before MediaWiki 1.42."""
        # What of these rows can't be read is told once, where they are read as accounts.
        rows = (row for row in self.tables.get("user", ()) if not isinstance(row, UnreadRow))
        first = next(rows, {})
        if "user_is_temp" not in first:
            return None
        temporary = (row for row in chain((first,), rows) if readable_number(row, "user_is_temp"))
        return frozenset(readable_number(row, "user_id") or 0 for row in temporary)

    @cached_property
    def comments(self) -> dict[int, str | None]:
        return dict(
            self.rows(
                "comment", "comment_id", lambda row: (number(row, "comment_id"), row.get("comment_text"))
            )
        )

    @cached_property
    def comments_of_revisions(self) -> dict[int, int]:
        return self.links("revision_comment_temp", "revcomment_rev", "revcomment_comment_id")

    @cached_property
    def actors_of_revisions(self) -> dict[int, int]:
        return self.links("revision_actor_temp", "revactor_rev", "revactor_actor")

    @cached_property
    def tags_of_revisions(self) -> dict[int, set[str]] | None:
        if "change_tag" not in self.tables or "change_tag_def" not in self.tables:
            return None
        names = dict(
            self.rows(
                "change_tag_def", "ctd_id", lambda row: (number(row, "ctd_id"), row.get("ctd_name") or "")
            )
        )
        tags: dict[int, set[str]] = {}
        for rev_id, tag in self.rows(
            "change_tag",
            "ct_id",
            # Tags of log entries name no revision.
            lambda row: (nullable_number(row, "ct_rev_id") or 0, number(row, "ct_tag_id")),
        ):
            if rev_id and names.get(tag):
                tags.setdefault(rev_id, set()).add(names[tag])
        return tags

    @cached_property
    def slots(self) -> dict[int, list[tuple[str, int]]]:
        """Role name and content id of each revision's slots; read only when a row has no SHA-1 of its own."""
        roles = dict(
            self.rows(
                "slot_roles", "role_id", lambda row: (number(row, "role_id"), row.get("role_name") or "")
            )
        )
        slots: dict[int, list[tuple[str, int]]] = {}
        for rev_id, (role, content) in self.rows(
            "slots",
            "slot_revision_id",
            lambda row: (
                number(row, "slot_revision_id"),
                (number(row, "slot_role_id"), number(row, "slot_content_id")),
            ),
        ):
            # Without names the numbers at least keep one order.
            slots.setdefault(rev_id, []).append((roles.get(role, str(role)), content))
        return slots

    @cached_property
    def contents(self) -> dict[int, str]:
        found = self.rows(
            "content", "content_id", lambda row: (number(row, "content_id"), row.get("content_sha1"))
        )
        return {content: digest for content, digest in found if digest}

    def links(self, table: str, key: str, value: str) -> dict[int, int]:
        return dict(self.rows(table, key, lambda row: (number(row, key), number(row, value))))

    def archive_rows(self) -> Iterator[tuple[int, Row]]:
        """Revision ids and rows of the archive that name a page and a revision."""
        yield from self.rows("archive", "ar_id", _archive_row)

    # --- reading --------------------------------------------------------------------------------------------

    def rows(
        self, table: str, key: str, read: Callable[[Row], tuple[int, Value]]
    ) -> Iterator[tuple[int, Value]]:
        """What `read` makes of each row of a table; what it refuses is a problem."""
        for row in self.checked(table, key):
            value = self.attempt(table, key, row, read)
            if value is not None:
                yield value

    def attempt(self, table: str, key: str, row: Row, read: Callable[[Row], Value]) -> Value | None:
        try:
            return read(row)
        except BadRowError as error:
            self.problems(Problem(table, str(row.get(key)), error.field, error.code, error.detail))
            return None

    def checked(self, table: str, key: str) -> Iterator[Row]:
        """The rows of a table, or none where it isn't given; what is no row, or tells no wiki among several, is a problem."""
        first = True
        for row in self.tables.get(table, ()):
            if isinstance(row, UnreadRow):
                self.problems(Problem(table, row.place, "", row.code, row.detail))
                continue
            if first:
                missing = [column for column in REQUIRED.get(table, ()) if column not in row]
                if missing:
                    raise TablesError(f"{self.wiki}: the table {table} has no column {', '.join(missing)}")
                first = False
            if row.get(WIKI_COLUMN, self.wiki) is None:
                detail = f"{WIKI_COLUMN} is NULL: of which of the wikis the row is nothing tells"
                self.problems(Problem(table, str(row.get(key)), WIKI_COLUMN, "no_wiki", detail))
                continue
            yield row


def _last_titles(archive: Iterable[tuple[int, Row]]) -> dict[int, tuple[int, str]]:
    """By page id the namespace and title under which its rows of the archive were archived last."""
    titles: dict[int, tuple[int, str]] = {}
    for _, row in sorted(archive, key=_archived_order, reverse=True):
        page_id = readable_number(row, "ar_page_id")
        title, namespace = row.get("ar_title"), readable_number(row, "ar_namespace", NAMESPACES)
        if page_id and page_id > 0 and title and namespace is not None:
            titles.setdefault(page_id, (namespace, title))
    return titles


def _archived_order(archived: tuple[int, Row]) -> tuple[int, str, int]:
    """Deletions number their rows upwards."""
    rev_id, row = archived
    return readable_number(row, "ar_id") or 0, row.get("ar_timestamp") or "", rev_id


def _archive_row(row: Row) -> tuple[int, Row]:
    page_id = nullable_number(row, "ar_page_id")
    if (not page_id or page_id < 0) and not row.get("ar_title"):
        raise BadRowError(
            "ar_page_id",
            "no_page",
            f"ar_page_id is {row.get('ar_page_id')!r} and ar_title is empty: of no page at all",
        )
    return positive(row, "ar_rev_id"), row
