"""Counts that a public metrics API serves: edits, bytes, editors, edited and new pages, new accounts, by day and month.

Everything is keyed by ids until the last step, where the type of editor is joined: an account that becomes a bot moves its own
keys only. Types and levels of activity are counted apart and together (`all`), since an editor of both content and other
pages is one editor. Definitions are those of Wikimedia's mediawiki_history_reduced: temporary accounts are anonymous, a bot by group is
none by name, whoever is hidden is a user without being counted as an editor, redirects are no edited pages, imported and null
revisions count. What a deletion takes away and a restore gives back is as in `daily_edits`. Which namespaces are content the
site tells; where nothing tells it, the main one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from shared_logic.clock import day
from shared_logic.datasets.daily_edits import NAMESPACE_UNKNOWN, EditorDay, grown_by
from shared_logic.datasets.sites import ContentNamespaces
from shared_logic.datasets.user_current import UserCurrent
from shared_logic.language import Clustering, Fold, Partition, Sum, Table, about, dataset
from shared_logic.things import LogEntry, Revision, User, UserKind
from shared_logic.titles import MAIN

ALL = "all"
PAGE_TYPES = ("content", "non-content", ALL)
EDITOR_TYPES = ("anonymous", "group-bot", "name-bot", "user", ALL)
ACTIVITY_LEVELS = ("1..4-edits", "5..24-edits", "25..99-edits", "100..-edits", ALL)
GRANULARITIES = ("daily", "monthly")
_PRIVATE = "tells what one person did"


class EditorPeriod(Table, frozen=True, kw_only=True):
    """What one editor did on pages of one type in one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("#id or name; empty for a hidden one", private=_PRIVATE, hidden_with="editor")
    ]
    granularity: Annotated[Clustering[str], about("length of the period", one_of=GRANULARITIES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def editor_periods(total: EditorDay, content: ContentNamespaces | None) -> Iterator[EditorPeriod]:
    """Edits and bytes of each editor by day and by month."""
    for granularity, begins in _periods(total.day):
        for page_type in (_page_type(total.namespace, content), ALL):
            yield EditorPeriod(
                wiki=total.wiki,
                editor=total.editor,
                granularity=granularity,
                page_type=page_type,
                begins=begins,
                edits=total.edits + total.imported_edits + total.null_edits,
                net_bytes=total.bytes_added - total.bytes_removed,
                absolute_bytes=total.bytes_added + total.bytes_removed,
            )


class EditMetric(Table, frozen=True, kw_only=True):
    """Edits of one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    editor_type: Annotated[Clustering[str], about("type of the editors", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    activity_level: Annotated[
        Clustering[str], about("edits of the editor on such pages in the period", one_of=ACTIVITY_LEVELS)
    ]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    editors: Annotated[Sum[int], about("distinct editors; hidden ones not", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def edit_metrics(total: EditorPeriod, editor: UserCurrent | None) -> Iterator[EditMetric]:
    """Edits, editors and bytes by day and month, type of editor and page, and activity of the editor."""
    for editor_type in (editor_type_of(total.editor, editor), ALL):
        for activity_level in _levels(total.edits):
            yield EditMetric(
                wiki=total.wiki,
                granularity=total.granularity,
                editor_type=editor_type,
                page_type=total.page_type,
                activity_level=activity_level,
                begins=total.begins,
                edits=total.edits,
                editors=bool(total.editor) and total.edits > 0,
                net_bytes=total.net_bytes,
                absolute_bytes=total.absolute_bytes,
            )


class PeriodEditor(Table, frozen=True, kw_only=True):
    """What one editor did in one period, beside all others of that period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    begins: Annotated[Partition[date], about("first UTC day of the period")]
    editor_type: Annotated[Clustering[str], about("type of the editor", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    editor: Annotated[Clustering[str], about("#id or name", private=_PRIVATE, hidden_with="editor")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def period_editors(total: EditorPeriod, editor: UserCurrent | None) -> Iterator[PeriodEditor]:
    """The editors of every period: who did most is told by its partition."""
    if total.editor:
        yield PeriodEditor(
            wiki=total.wiki,
            granularity=total.granularity,
            begins=total.begins,
            editor_type=editor_type_of(total.editor, editor),
            page_type=total.page_type,
            editor=total.editor,
            edits=total.edits,
            net_bytes=total.net_bytes,
            absolute_bytes=total.absolute_bytes,
        )


class EditorPageDay(Table, frozen=True, kw_only=True):
    """What one editor did on one page on one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("#id or name; empty for a hidden one", private=_PRIVATE, hidden_with="editor")
    ]
    day: Annotated[Clustering[date], about("UTC day")]
    page_id: Annotated[Clustering[int], about("id of the page", at_least=1)]
    namespace: Annotated[Clustering[int], about("namespace of the page now; -99: not known")]
    is_redirect: Annotated[Clustering[bool], about("whether the page is a redirect now")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    created: Annotated[Sum[int], about("whether one of them is the page's first", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


class _First(Fold):
    """Whether the page's first revision was read."""

    is_read = False


@dataset
def editor_page_days(revision: Revision, first: _First) -> Iterator[EditorPageDay]:
    """Which editor edited which page on which day."""
    is_first, first.is_read = not first.is_read, True
    if revision.is_deleted:
        return
    page, grown = first.page, grown_by(revision)
    yield EditorPageDay(
        wiki=page.wiki,
        editor=revision.user.key if revision.user else "",
        day=revision.day,
        page_id=page.page_id,
        namespace=NAMESPACE_UNKNOWN if page.namespace is None else page.namespace,
        is_redirect=bool(page.is_redirect),
        edits=1,
        created=is_first,
        net_bytes=grown,
        absolute_bytes=abs(grown),
    )


class PagePeriod(Table, frozen=True, kw_only=True):
    """What editors of one type did on one page in one period."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page", at_least=1)]
    granularity: Annotated[Clustering[str], about("length of the period", one_of=GRANULARITIES)]
    editor_type: Annotated[Clustering[str], about("type of the editors", one_of=EDITOR_TYPES)]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    namespace: Annotated[Clustering[int], about("namespace of the page now; -99: not known")]
    is_redirect: Annotated[Clustering[bool], about("whether the page is a redirect now")]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    created: Annotated[Sum[int], about("whether one of them is the page's first", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def page_periods(total: EditorPageDay, editor: UserCurrent | None) -> Iterator[PagePeriod]:
    """Edits and bytes of each page by day and month and type of editor."""
    for granularity, begins in _periods(total.day):
        for editor_type in (editor_type_of(total.editor, editor), ALL):
            yield PagePeriod(
                wiki=total.wiki,
                page_id=total.page_id,
                granularity=granularity,
                editor_type=editor_type,
                begins=begins,
                namespace=total.namespace,
                is_redirect=total.is_redirect,
                edits=total.edits,
                created=total.created,
                net_bytes=total.net_bytes,
                absolute_bytes=total.absolute_bytes,
            )


class PageMetric(Table, frozen=True, kw_only=True):
    """Pages of one period; redirects are none."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    editor_type: Annotated[Clustering[str], about("type of the editors", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the pages", one_of=PAGE_TYPES)]
    activity_level: Annotated[
        Clustering[str], about("edits of the page by such editors in the period", one_of=ACTIVITY_LEVELS)
    ]
    begins: Annotated[Clustering[date], about("first UTC day of the period")]
    edited_pages: Annotated[Sum[int], about("pages with an edit", at_least=0)]
    new_pages: Annotated[Sum[int], about("pages whose first revision is of the period", at_least=0)]


@dataset
def page_metrics(total: PagePeriod, content: ContentNamespaces | None) -> Iterator[PageMetric]:
    """Edited and new pages by day and month, type of editor and page, and edits of the page."""
    if total.is_redirect:
        return
    for page_type in (_page_type(total.namespace, content), ALL):
        for activity_level in _levels(total.edits):
            yield PageMetric(
                wiki=total.wiki,
                granularity=total.granularity,
                editor_type=total.editor_type,
                page_type=page_type,
                activity_level=activity_level,
                begins=total.begins,
                edited_pages=total.edits > 0,
                new_pages=total.created > 0,
            )


class PeriodPage(Table, frozen=True, kw_only=True):
    """What was done on one page in one period, beside all others of that period; redirects are none."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    granularity: Annotated[Partition[str], about("length of the period", one_of=GRANULARITIES)]
    begins: Annotated[Partition[date], about("first UTC day of the period")]
    editor_type: Annotated[Clustering[str], about("type of the editors", one_of=EDITOR_TYPES)]
    page_type: Annotated[Clustering[str], about("type of the page", one_of=PAGE_TYPES[:2])]
    page_id: Annotated[Clustering[int], about("id of the page", at_least=1)]
    edits: Annotated[Sum[int], about("revisions that readers can reach", at_least=0)]
    net_bytes: Annotated[Sum[int], about("bytes added less bytes removed", unit="bytes")]
    absolute_bytes: Annotated[Sum[int], about("bytes added and bytes removed", unit="bytes", at_least=0)]


@dataset
def period_pages(total: PagePeriod, content: ContentNamespaces | None) -> Iterator[PeriodPage]:
    """The pages of every period: which was edited most is told by its partition."""
    if not total.is_redirect:
        yield PeriodPage(
            wiki=total.wiki,
            granularity=total.granularity,
            begins=total.begins,
            editor_type=total.editor_type,
            page_type=_page_type(total.namespace, content),
            page_id=total.page_id,
            edits=total.edits,
            net_bytes=total.net_bytes,
            absolute_bytes=total.absolute_bytes,
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


def editor_type_of(editor: str, account: UserCurrent | None) -> str:
    """What the API calls an editor, by the name and groups of now."""
    if account is None:
        kind = User(0, editor).kind if editor and not editor.startswith("#") else UserKind.ACCOUNT
        return "user" if kind == UserKind.ACCOUNT else "anonymous"
    if account.user_kind == UserKind.TEMPORARY:
        return "anonymous"
    if "group" in account.is_bot_by:
        return "group-bot"
    return "name-bot" if account.is_bot_by else "user"


def _levels(edits: int) -> Iterator[str]:
    """The level of activity, and all of them."""
    yield ALL
    if edits > 0:
        least = ((100, "100..-edits"), (25, "25..99-edits"), (5, "5..24-edits"), (1, "1..4-edits"))
        yield next(level for limit, level in least if edits >= limit)


def _periods(at: date) -> Iterator[tuple[str, date]]:
    yield "daily", at
    yield "monthly", at.replace(day=1)


def _page_type(namespace: int, content: ContentNamespaces | None) -> str:
    is_content = namespace == MAIN if content is None else str(namespace) in content.numbers
    return "content" if is_content else "non-content"
