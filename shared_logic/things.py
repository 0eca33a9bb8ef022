"""What authors are given: pages with their revisions in own order, accounts, log rows. Never events, copies or stamps."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec

from shared_logic.clock import day, instant
from shared_logic.states import log_state
from shared_logic.states.issue_state import IssueState
from shared_logic.states.log_state import ACTION_HIDDEN, LogState
from shared_logic.states.page_outline import Outline
from shared_logic.states.page_state import (
    COMMENT_HIDDEN,
    SUPPRESSED,
    TEXT_HIDDEN,
    USER_HIDDEN,
    Happening,
    PageState,
    belongs,
    shown_sha1,
)
from shared_logic.states.site_state import Namespace, SiteState
from shared_logic.states.user_state import CreatedBy, UserState

NAME_OF_BOT = "bot([^a-z]|$)"
"""What the name of a bot holds, in any case: a regular expression for Python and for DuckDB."""


class UserKind(StrEnum):
    """Who made an edit. Told by id, name and MediaWiki's word on temporary accounts alone: dumps and old tables have no more."""

    ANONYMOUS = "anonymous"
    TEMPORARY = "temporary"
    BOT = "bot"
    ACCOUNT = "account"
    HIDDEN = "hidden"


class User(msgspec.Struct, frozen=True, gc=False):
    """The author of a revision: the id on this wiki (0 for an address or an imported name) and the newest known name."""

    user_id: int
    name: str
    is_temporary: bool | None = None
    """Whether it is a temporary account, as tables and events tell; None: none did."""

    @property
    def kind(self) -> UserKind:
        """Anonymous, temporary, bot by its name, or account.

        Where nobody told which accounts are temporary, it is those whose names start with `~` and a year (MediaWiki's default
        pattern, which a wiki may change).

        >>> (
        ...     User(7, "Cleanup Bot 2").kind,
        ...     User(7, "Abbott").kind,
        ...     User(0, "192.0.2.1").kind,
        ...     User(9, "~2025-17").kind,
        ... )
        (<UserKind.BOT: 'bot'>, <UserKind.ACCOUNT: 'account'>, <UserKind.ANONYMOUS: 'anonymous'>, <UserKind.TEMPORARY: 'temporary'>)
        >>> User(9, "Unregistered 17", is_temporary=True).kind
        <UserKind.TEMPORARY: 'temporary'>
        """
        is_temporary = self.is_temporary
        if is_temporary is None:
            is_temporary = _TEMPORARY.match(self.name) is not None
        if is_temporary:
            return UserKind.TEMPORARY
        if self.user_id == 0:
            return UserKind.ANONYMOUS
        return UserKind.BOT if is_name_of_bot(self.name) else UserKind.ACCOUNT

    @property
    def key(self) -> str:
        """One text per editor: `#id` for whoever has an id, so that a rename changes nothing; else the name.

        >>> User(7, "Alice").key, User(0, "192.0.2.1").key
        ('#7', '192.0.2.1')
        """
        return f"#{self.user_id}" if self.user_id else self.name


def is_name_of_bot(name: str) -> bool:
    """Whether it ends in "bot", or has "bot" followed by something else than a letter: upstream's rule for `is_bot_by` name.

    >>> is_name_of_bot("Cleanup Bot 2"), is_name_of_bot("Abbott")
    (True, False)
    """
    return _BOT.search(name) is not None


_TEMPORARY = re.compile(r"~2\d{3}-", re.ASCII)
_BOT = re.compile(f"(?i){NAME_OF_BOT}")


class Parent(msgspec.Struct, frozen=True, gc=False):
    """What the revision before an edit was. What is hidden is None, as is what no source told."""

    size: int | None
    """Bytes of text."""
    sha1: str | None


class Revision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One revision of a page. What is hidden is None, as is what no source told."""

    wiki: str
    page_id: int
    namespace: int | None
    """The namespace that the page has now, or had at its deletion."""
    rev_id: int
    at: int
    """Own time, milliseconds since 1970 UTC; `timestamp` and `day` are the readable forms."""
    parent_id: int | None
    """0: none."""
    parent: Parent | None
    """That revision, where it is in the history of the page as well."""
    size: int | None
    """Bytes of text."""
    sha1: str | None
    user: User | None
    comment: str | None
    minor: bool | None
    tags: tuple[str, ...] | None
    hidden: int
    """Bits of MediaWiki's rev_deleted: 1 text, 2 comment, 4 user, 8 suppressed."""
    is_deleted: bool
    """In the archive of its page, by a deletion of the page or a partial restore."""
    stated_at: int
    """The instant from which the page is known to hold this revision; later than `at` for imports and restores."""
    is_imported: bool
    """Older than a revision with a lower id in the history of its page, which only an import makes.

    Tables, dumps and events all tell that; an import that makes a new page can't be told from edits by any table."""

    @property
    def timestamp(self) -> datetime:
        """Own time, as an aware datetime."""
        return instant(self.at)

    @property
    def day(self) -> date:
        """The UTC day of the revision."""
        return day(self.at)

    @property
    def month(self) -> date:
        """The first day of the month of the revision, UTC."""
        return day(self.at).replace(day=1)

    @property
    def hidden_parts(self) -> tuple[str, ...]:
        """Names of what is hidden, sorted."""
        return tuple(name for bit, name in _PARTS if self.hidden & bit)


_PARTS = (
    (COMMENT_HIDDEN, "comment"),
    (SUPPRESSED, "suppressed"),
    (TEXT_HIDDEN, "text"),
    (USER_HIDDEN, "user"),
)


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account of a wiki, as far as events and tables name it."""

    wiki: str
    user_id: int
    names: tuple[tuple[str, int], ...]
    """Names that it was seen under, each with the newest such moment (milliseconds since 1970 UTC), in order of name."""
    registration: int | None
    """Milliseconds since 1970 UTC."""
    is_temporary: bool | None
    central_id: int | None
    groups: tuple[str, ...] | None
    """As tables listed them at `groups_at`; None: no table did."""
    groups_at: int | None
    is_hidden: bool | None
    """Whether the newest event of a block, at `hiding_at`, hides the name; None: there was none."""
    hiding_at: int | None
    created_at: int | None
    """As an event told it, milliseconds since 1970 UTC; rows of the log tell of other creations."""
    created_by: CreatedBy | None


class Site(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A wiki's configuration, as a bootstrap told it."""

    wiki: str
    hostname: str
    namespaces: tuple[Namespace, ...]


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of MediaWiki's log. What no source told is None."""

    wiki: str
    log_id: int
    log_type: str
    log_action: str
    at: int
    """Own time, milliseconds since 1970 UTC."""
    namespace: int | None
    title: str | None
    """No prefix, as stored."""
    title_at: int | None
    """When it was stored so: renames of users rewrite the titles of earlier rows. Milliseconds since 1970 UTC."""
    page_id: int | None
    user_id: int | None
    user_name: str | None
    comment: str | None
    params: str | None
    """As MediaWiki stores them; see `shared_logic.history.php`."""


class PageFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a page is now, without its history."""

    wiki: str
    page_id: int
    title: str | None
    namespace: int | None
    is_redirect: bool | None
    is_deleted: bool
    last_archived_at: int | None
    """Own time of the newest revision in its archive, milliseconds since 1970 UTC; None: there is none."""


class Page(PageFacts, frozen=True, kw_only=True, gc=False):
    """The whole history of one page id, live and archived."""

    history: tuple[Revision, ...]
    """Every revision that is on this page or in its archive, in own order (time, rev_id)."""
    happenings: tuple[Happening, ...]
    """What events tell was done to it as a whole, in order of time; tables and dumps tell that by log rows."""

    @property
    def revisions(self) -> tuple[Revision, ...]:
        """The revisions that readers of the wiki can reach: those not in the archive."""
        if self.last_archived_at is None:
            return self.history
        return tuple(revision for revision in self.history if not revision.is_deleted)


def page(wiki: str, page_id: int, state: PageState) -> Page:
    """The page that a state describes.

    A revision belongs to it when the newest that was said of its presence names this page, and is not older than the newest
    tables, which would have listed it; it is archived when that was "in the archive", or was said before the page's newest
    deletion. A revision whose time nobody told is not shown yet.
    """
    history = described(wiki, page_id, state, state.revisions, Outline(page_id, state).imported)
    return page_with(page_facts(wiki, page_id, state, last_archived(history)), state, history)


def page_facts(wiki: str, page_id: int, state: PageState, last_archived_at: int | None) -> PageFacts:
    """What a state says of the page itself, whose archive's newest revision is of that time."""
    return PageFacts(
        wiki=wiki,
        page_id=page_id,
        title=state.title.title if state.title else None,
        namespace=state.title.namespace if state.title else None,
        is_redirect=state.redirect.is_redirect if state.redirect else None,
        is_deleted=state.existence is not None and not state.existence.exists,
        last_archived_at=last_archived_at,
    )


def page_with(facts: PageFacts, state: PageState, history: Iterable[Revision]) -> Page:
    """The page that a state describes, with its facts as `page_facts` and its revisions as `described` gives them."""
    return Page(
        wiki=facts.wiki,
        page_id=facts.page_id,
        title=facts.title,
        namespace=facts.namespace,
        is_redirect=facts.is_redirect,
        is_deleted=facts.is_deleted,
        last_archived_at=facts.last_archived_at,
        history=tuple(history),
        happenings=state.happenings,
    )


def last_archived(history: Iterable[Revision]) -> int | None:
    """Own time of the newest revision that is in the archive."""
    return max((revision.at for revision in history if revision.is_deleted), default=None)


class StrayRevision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An archived revision of which nobody tells the page id: it was archived before MediaWiki kept ids."""

    title: str
    """Of its page, no prefix, blanks as underscores."""
    revision: Revision
    """Its page id is 0."""

    @property
    def facts(self) -> PageFacts:
        """What is known of its page."""
        return PageFacts(
            wiki=self.revision.wiki,
            page_id=0,
            title=self.title,
            namespace=self.revision.namespace,
            is_redirect=None,
            is_deleted=True,
            last_archived_at=self.revision.at,
        )


def stray_revision(wiki: str, state: PageState) -> StrayRevision | None:
    """The revision that the state of a page without id describes."""
    described = page(wiki, 0, state)
    if described.title is None or not described.history:
        return None
    return StrayRevision(title=described.title, revision=described.history[0])


class InputIssue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of the input that could not be used."""

    wiki: str
    table: str
    key: str
    field: str
    """The column or element at fault; empty: the whole row."""
    code: str
    detail: str


def input_issue(wiki: str, state: IssueState) -> InputIssue | None:
    """The issue that a state describes."""
    if state.told is None:
        return None
    table, key, field, code, detail = state.told
    return InputIssue(wiki=wiki, table=table, key=key, field=field, code=code, detail=detail)


def account(wiki: str, user_id: int, state: UserState) -> Account:
    """The account that a state describes."""
    return Account(
        wiki=wiki,
        user_id=user_id,
        names=tuple((name, seen.clock) for name, seen in state.names),
        registration=state.registration,
        is_temporary=state.is_temporary,
        central_id=state.central_id,
        groups=state.groups.names if state.groups else None,
        groups_at=state.groups.clock if state.groups else None,
        is_hidden=state.hiding.is_hidden if state.hiding else None,
        hiding_at=state.hiding.clock if state.hiding else None,
        created_at=state.creation.at if state.creation else None,
        created_by=state.creation.by if state.creation else None,
    )


def site(wiki: str, state: SiteState) -> Site | None:
    """The site that a state describes; None while nobody told of it."""
    if state.told is None:
        return None
    return Site(wiki=wiki, hostname=state.told.hostname, namespaces=state.told.namespaces)


def log_entry(wiki: str, log_id: int, state: LogState) -> LogEntry | None:
    """The log row that a state describes; None while nobody told its type and time."""
    if state.log_type is None or state.at is None:
        return None
    hidden = state.visibility.bits if state.visibility else 0
    title = None if hidden & ACTION_HIDDEN else state.title
    return LogEntry(
        wiki=wiki,
        log_id=log_id,
        log_type=state.log_type,
        log_action=state.log_action or "",
        at=state.at,
        namespace=state.namespace,
        title=title.title if title else None,
        title_at=title.at if title else None,
        page_id=state.page_id,
        user_id=None if hidden & log_state.USER_HIDDEN else state.user_id,
        user_name=None if hidden & log_state.USER_HIDDEN else state.user_name,
        comment=None if hidden & log_state.COMMENT_HIDDEN else state.comment,
        params=None if hidden & ACTION_HIDDEN else state.params,
    )


def described(
    wiki: str, page_id: int, state: PageState, rev_ids: Iterable[int], imports: Container[int]
) -> list[Revision]:
    """Those of the revisions that are in the history of the page, in own order; `imports` are those that were imported."""
    history = [
        _revision(wiki, page_id, state, rev_id, is_imported=rev_id in imports)
        for rev_id in rev_ids
        if belongs(page_id, state, state.revisions.get(rev_id))
    ]
    history.sort(key=own_order)
    return history


def own_order(revision: Revision) -> tuple[int, int]:
    """Time, then id."""
    return revision.at, revision.rev_id


def _revision(wiki: str, page_id: int, page: PageState, rev_id: int, *, is_imported: bool) -> Revision:
    state = page.revisions[rev_id]
    hidden = state.visibility.bits if state.visibility else 0
    if hidden and state.suppressed and state.suppressed.is_suppressed:
        # Events that repeat what is hidden say nothing of this bit.
        hidden |= SUPPRESSED
    presence = state.presence
    if presence is None or state.timestamp is None:
        message = f"revision {rev_id} of {wiki} has no presence or no time: it must not be shown"
        raise AssertionError(message)
    author = None if hidden & USER_HIDDEN else state.author
    cleared = page.cleared is not None and presence.is_before(page.cleared)
    return Revision(
        wiki=wiki,
        page_id=page_id,
        namespace=page.title.namespace if page.title else None,
        rev_id=rev_id,
        at=state.timestamp,
        parent_id=state.parent_id,
        parent=_parent(page_id, page, state.parent_id),
        size=state.size,
        sha1=shown_sha1(state),
        user=None if author is None else User(author.user_id, author.name, state.by_temporary),
        comment=None if hidden & COMMENT_HIDDEN else state.comment,
        minor=state.minor,
        tags=state.tags.names if state.tags else None,
        hidden=hidden,
        is_deleted=cleared or not presence.is_live,
        stated_at=presence.clock,
        is_imported=is_imported,
    )


def _parent(page_id: int, page: PageState, parent_id: int | None) -> Parent | None:
    parent = page.revisions.get(parent_id) if parent_id else None
    if parent is None or not belongs(page_id, page, parent):
        return None
    return Parent(parent.size, shown_sha1(parent))
