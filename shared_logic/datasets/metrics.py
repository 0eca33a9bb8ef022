"""Counts that a public metrics API serves: edits, bytes, editors, edited and new pages, new accounts, by day and month.

Everything is keyed by ids until the last step, where the kind of editor is joined: an account that becomes a bot moves its own
keys only. Kinds and types are counted apart and together (`all`), since an editor of both content and other pages is one
editor. Content is the main namespace. What a deletion takes away and a restore gives back is as in `daily_edits`; imported and
null revisions count, as upstream counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from shared_logic.clock import day
from shared_logic.datasets.daily_edits import EditorDay, kind_of_editor
from shared_logic.datasets.user_current import UserCurrent
from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset
from shared_logic.things import LogEntry, Page, UserKind
from shared_logic.titles import MAIN

ALL = "all"
PAGE_TYPES = ("content", "non-content", ALL)
EDITOR_TYPES = (*UserKind, ALL)
GRANULARITIES = ("daily", "monthly")
_PRIVATE = "tells what one person did"


class EditorPeriod(Table, frozen=True, kw_only=True):
    """What one editor did on pages of one type in one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[Partition[str], about("#id or name; empty for a hidden one", private=_PRIVATE)]
    granularity: Annotated[Clustering[str], about("length of the period", one_of=GRANULARITIES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def editor_periods(total: EditorDay) -> Iterator[EditorPeriod]:
    """Edits and bytes of each editor by day and by month."""
    for granularity, begins in _periods(total.day):
        for page_type in (_page_type(total.namespace), ALL):
            yield EditorPeriod(
                wiki=total.wiki,
                editor=total.editor,
                granularity=granularity,
                begins=begins,
                page_type=page_type,
                edits=total.edits + total.imported_edits + total.null_edits,
                net_bytes=total.bytes_added - total.bytes_removed,
                absolute_bytes=total.bytes_added + total.bytes_removed,
            )


class EditMetric(Table, frozen=True, kw_only=True):
    """Edits of one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    editor_type: Annotated[Clustering[str], about("kind of the editors", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    editors: Annotated[Sum[int], about("distinct editors; hidden ones not", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def edit_metrics(total: EditorPeriod, editor: UserCurrent | None) -> Iterator[EditMetric]:
    """Edits, editors and bytes by day and month, kind of editor and type of page."""
    for editor_type in (kind_of_editor(total.editor, editor), ALL):
        yield EditMetric(
            wiki=total.wiki,
            granularity=total.granularity,
            editor_type=editor_type,
            page_type=total.page_type,
            begins=total.begins,
            edits=total.edits,
            editors=bool(total.editor) and total.edits > 0,
            net_bytes=total.net_bytes,
            absolute_bytes=total.absolute_bytes,
        )


class EditorPageDay(Table, frozen=True, kw_only=True):
    """What one editor did on one page on one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[Partition[str], about("#id or name; empty for a hidden one", private=_PRIVATE)]
    day: Annotated[Clustering[date], about("UTC day")]
    page_id: Annotated[Clustering[int], about("id of the page", at_least=1)]
    page_type: Annotated[Clustering[str], about("type of the page now", one_of=PAGE_TYPES)]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    created: Annotated[Sum[int], about("whether one of them is the page's first", at_least=0)]


@dataset
def editor_page_days(page: Page) -> Iterator[EditorPageDay]:
    """Which editor edited which page on which day."""
    first = page.history[0].rev_id if page.history else None
    for revision in page.revisions:
        yield EditorPageDay(
            wiki=page.wiki,
            editor=revision.user.key if revision.user else "",
            day=revision.day,
            page_id=page.page_id,
            page_type=_page_type(page.namespace),
            edits=1,
            created=revision.rev_id == first,
        )


class PagePeriod(Table, frozen=True, kw_only=True):
    """What one kind of editors did on one page in one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page", at_least=1)]
    granularity: Annotated[Clustering[str], about("length of the period", one_of=GRANULARITIES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    page_type: Annotated[Clustering[str], about("type of the page now", one_of=PAGE_TYPES)]
    editor_type: Annotated[Clustering[str], about("kind of the editors", one_of=EDITOR_TYPES)]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    created: Annotated[Sum[int], about("whether one of them is the page's first", at_least=0)]


@dataset
def page_periods(total: EditorPageDay, editor: UserCurrent | None) -> Iterator[PagePeriod]:
    """Edits of each page by day and month and kind of editor."""
    for granularity, begins in _periods(total.day):
        for editor_type in (kind_of_editor(total.editor, editor), ALL):
            yield PagePeriod(
                wiki=total.wiki,
                page_id=total.page_id,
                granularity=granularity,
                begins=begins,
                page_type=total.page_type,
                editor_type=editor_type,
                edits=total.edits,
                created=total.created,
            )


class PageMetric(Table, frozen=True, kw_only=True):
    """Pages of one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    editor_type: Annotated[Clustering[str], about("kind of the editors", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    edited_pages: Annotated[Sum[int], about("pages with an edit", at_least=0)]
    new_pages: Annotated[Sum[int], about("pages whose first revision is of the period", at_least=0)]


@dataset
def page_metrics(total: PagePeriod) -> Iterator[PageMetric]:
    """Edited and new pages by day and month, kind of editor and type of page."""
    for page_type in (total.page_type, ALL):
        yield PageMetric(
            wiki=total.wiki,
            granularity=total.granularity,
            editor_type=total.editor_type,
            page_type=page_type,
            begins=total.begins,
            edited_pages=total.edits > 0,
            new_pages=total.created > 0,
        )


class AccountMetric(Table, frozen=True, kw_only=True):
    """Accounts of one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    new_registered_users: Annotated[Sum[int], about("accounts that their users made themselves", at_least=0)]


@dataset
def account_metrics(entry: LogEntry) -> Iterator[AccountMetric]:
    """New accounts by day and month, as the log tells them."""
    if entry.log_type == "newusers" and entry.log_action in {"create", "newusers"}:
        for granularity, begins in _periods(day(entry.at)):
            yield AccountMetric(
                wiki=entry.wiki, granularity=granularity, begins=begins, new_registered_users=1
            )


def _periods(at: date) -> Iterator[tuple[str, date]]:
    yield "daily", at
    yield "monthly", at.replace(day=1)


def _page_type(namespace: int | None) -> str:
    return "content" if namespace == MAIN else "non-content"
