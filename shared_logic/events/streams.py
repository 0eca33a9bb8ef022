"""What each stream says: one table, one row per event schema.

A row names the schema, the major versions that are understood, the record, what the event states of a page (facts of
revisions, assertions with their own clock), and the canonical logs that it goes to.

| schema | facts | assertions, from their own clock on | own clock | logs |
| --- | --- | --- | --- | --- |
| page/change | the revision | title, redirect, existence, presence, visibility, author; delete clears | dt | page |
| revision/create | the revision | title, existence, presence, author; redirect if the revision is new | meta.dt | page |
| page/delete | - | title, redirect; not existing; clears | meta.dt | page |
| page/undelete | - | title, redirect, existence | meta.dt | page |
| page/move | - | title, redirect, existence | meta.dt | page |
| revision/visibility-change | - | visibility | meta.dt | page |
| revision/tags-change | - | tags | meta.dt | page |
| user/blocks-change | - | - | meta.dt | user; lifecycle for an address |
| user change | - | - | dt | user |
| recentchange, type log | - | - | timestamp | lifecycle |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from shared_logic.clock import DAY_MS, SECOND_MS, Rank, Stamp, milliseconds, stamp
from shared_logic.events import records as r
from shared_logic.page_state import (
    COMMENT_HIDDEN,
    EMPTY,
    TEXT_HIDDEN,
    USER_HIDDEN,
    PageState,
    RevisionState,
)
from shared_logic.titles import bare_title

PAGE, USER, LIFECYCLE = "page", "user", "lifecycle"
"""The canonical logs: keyed by (wiki, page id), by (wiki, user id), by wiki."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where an event goes: a canonical log, and the wiki and id that key it there (id 0 in the lifecycle log)."""

    log: str
    wiki: str
    id: int


@dataclass(frozen=True, slots=True)
class EventKind:
    """One row of the table."""

    title: str
    majors: frozenset[int]
    record: type[r.Event]
    clock: Callable[[Any], int]
    """Own clock, in milliseconds."""
    state: Callable[[Any, int], PageState]
    """What the event says of the page with that id; most events name one page, a restore to another id also tells the old one."""
    routes: Callable[[Any], Iterator[Route]]


def page_change(event: r.PageChange, page_id: int) -> PageState:
    """What a page_change says. Null edits repeat a revision with its old dt, which does no harm."""
    rank = _CHANGE_RANKS.get(event.page_change_kind, Rank.EDIT)
    at = stamp(milliseconds(event.dt), milliseconds(event.meta.dt), rank)
    deleted = event.page_change_kind == "delete"
    told = event.revision
    here = event.page.page_id == page_id
    revision = RevisionState(
        timestamp=milliseconds(told.rev_dt),
        parent_id=told.rev_parent_id,
        size=told.rev_size,
        sha1=told.rev_sha1,
        minor=told.is_minor_edit,
        comment=told.comment,
        author=_author(at, told.editor),
        presence=(*at, event.page.page_id, True) if event.page_change_kind in _MAKES_PRESENT else None,
        visibility=_visibility(at, told),
    )
    if not here:
        return PageState(revisions={told.rev_id: revision})
    page = event.page
    return PageState(
        title=(*at, page.namespace_id, bare_title(page.namespace_id, page.page_title)),
        redirect=None if page.is_redirect is None else (*at, page.is_redirect),
        existence=(*at, not deleted),
        cleared=at if deleted else None,
        revisions={told.rev_id: revision},
    )


def revision_create(event: r.RevisionCreate, page_id: int) -> PageState:
    """What a revision-create says: a new revision, or a copy of an old one that was restored or imported."""
    timestamp = milliseconds(event.rev_timestamp)
    sent = milliseconds(event.meta.dt)
    is_new = sent - timestamp < SECOND_MS
    at = stamp(sent, sent, Rank.EDIT if is_new else Rank.RESTORE)
    revision = RevisionState(
        timestamp=timestamp,
        parent_id=event.rev_parent_id or 0,
        size=event.rev_len,
        sha1=event.rev_sha1,
        minor=event.rev_minor_edit,
        comment=event.comment,
        author=_author(at, event.performer),
        presence=(*at, event.page_id, True),
    )
    if event.page_id != page_id:
        return PageState(revisions={event.rev_id: revision})
    return PageState(
        title=_title(at, event),
        redirect=(*at, event.page_is_redirect) if is_new and event.page_is_redirect is not None else None,
        existence=(*at, True),
        revisions={event.rev_id: revision},
    )


def page_delete(event: r.PageDelete, page_id: int) -> PageState:
    """A deletion: all that was present before is in the archive since."""
    at = _sent(event, Rank.DELETE)
    return _page(event, page_id, at, existence=(*at, False), cleared=at)


def page_undelete(event: r.PageUndelete, page_id: int) -> PageState:
    """A restore; which revisions came back is told by their own copies."""
    at = _sent(event, Rank.RESTORE)
    return _page(event, page_id, at, existence=(*at, True))


def page_move(event: r.PageMove, page_id: int) -> PageState:
    """A new title."""
    at = _sent(event, Rank.MOVE)
    return _page(event, page_id, at, existence=(*at, True))


def visibility_change(event: r.VisibilityChange, page_id: int) -> PageState:  # noqa: ARG001
    """What of one revision is hidden since; nothing tells suppression (bit 8)."""
    seen = event.visibility
    hidden = (
        (0 if seen.text else TEXT_HIDDEN)
        | (0 if seen.comment else COMMENT_HIDDEN)
        | (0 if seen.user else USER_HIDDEN)
    )
    revision = RevisionState(
        timestamp=milliseconds(event.rev_timestamp), visibility=(*_sent(event, Rank.EDIT), hidden)
    )
    return PageState(revisions={event.rev_id: revision})


def tags_change(event: r.TagsChange, page_id: int) -> PageState:  # noqa: ARG001
    """The whole list of a revision's tags."""
    tags = tuple(sorted(set(event.tags)))
    revision = RevisionState(
        timestamp=milliseconds(event.rev_timestamp), tags=(*_sent(event, Rank.EDIT), tags)
    )
    return PageState(revisions={event.rev_id: revision})


def nothing(event: r.Event, page_id: int) -> PageState:  # noqa: ARG001
    """Says nothing of a page."""
    return EMPTY


def _meta_clock(event: r.Event) -> int:
    return milliseconds(event.meta.dt)


def _dt_clock(event: Any) -> int:
    return milliseconds(event.dt)


def _to_page(event: r.OldPageEvent) -> Iterator[Route]:
    yield Route(PAGE, event.database, event.page_id)


def _page_change_routes(event: r.PageChange) -> Iterator[Route]:
    yield Route(PAGE, event.wiki_id, event.page.page_id)


def _blocks_routes(event: r.BlocksChange) -> Iterator[Route]:
    yield Route(USER, event.database, event.user_id) if event.user_id else Route(LIFECYCLE, event.database, 0)


def _user_routes(event: r.UserChange) -> Iterator[Route]:
    yield (
        Route(USER, event.wiki_id, event.user.user_id)
        if event.user.user_id
        else Route(LIFECYCLE, event.wiki_id, 0)
    )


def _recent_routes(event: r.RecentChange) -> Iterator[Route]:
    if event.type == "log":
        yield Route(LIFECYCLE, event.wiki, 0)


def _recent_clock(event: r.RecentChange) -> int:
    return milliseconds(event.meta.dt) if event.timestamp is None else event.timestamp * SECOND_MS


_ONE, _ONE_OR_TWO = frozenset({1}), frozenset({1, 2})
KINDS: dict[str, EventKind] = {
    kind.title: kind
    for kind in (
        EventKind("mediawiki/page/change", _ONE, r.PageChange, _dt_clock, page_change, _page_change_routes),
        EventKind(
            "mediawiki/revision/create", _ONE_OR_TWO, r.RevisionCreate, _meta_clock, revision_create, _to_page
        ),
        EventKind("mediawiki/page/delete", _ONE, r.PageDelete, _meta_clock, page_delete, _to_page),
        EventKind("mediawiki/page/undelete", _ONE, r.PageUndelete, _meta_clock, page_undelete, _to_page),
        EventKind("mediawiki/page/move", _ONE, r.PageMove, _meta_clock, page_move, _to_page),
        EventKind(
            "mediawiki/revision/visibility-change",
            _ONE,
            r.VisibilityChange,
            _meta_clock,
            visibility_change,
            _to_page,
        ),
        EventKind("mediawiki/revision/tags-change", _ONE, r.TagsChange, _meta_clock, tags_change, _to_page),
        EventKind("mediawiki/user/blocks-change", _ONE, r.BlocksChange, _meta_clock, nothing, _blocks_routes),
        EventKind("development/mediawiki_user_change", _ONE, r.UserChange, _dt_clock, nothing, _user_routes),
        EventKind("mediawiki/user/change", _ONE, r.UserChange, _dt_clock, nothing, _user_routes),
        EventKind("mediawiki/recentchange", _ONE, r.RecentChange, _recent_clock, nothing, _recent_routes),
    )
}

FUTURE_LIMIT_MS = DAY_MS
"""An own clock further ahead of its message than this makes a dead letter."""

_CHANGE_RANKS = {"move": Rank.MOVE, "delete": Rank.DELETE, "undelete": Rank.RESTORE}
_MAKES_PRESENT = frozenset({"create", "edit", "move", "undelete"})


def _sent(event: r.Event, rank: Rank) -> Stamp:
    sent = milliseconds(event.meta.dt)
    return stamp(sent, sent, rank)


def _title(at: Stamp, event: r.OldPageEvent) -> tuple[int, int, int, int, str]:
    return (*at, event.page_namespace, bare_title(event.page_namespace, event.page_title))


def _page(
    event: r.OldPageEvent,
    page_id: int,
    at: Stamp,
    *,
    existence: tuple[int, int, int, bool],
    cleared: Stamp | None = None,
) -> PageState:
    if event.page_id != page_id:
        return EMPTY
    return PageState(
        title=_title(at, event),
        redirect=None if event.page_is_redirect is None else (*at, event.page_is_redirect),
        existence=existence,
        cleared=cleared,
    )


def _author(at: Stamp, user: r.UserEntity | r.OldUser | None) -> tuple[int, int, int, int, str] | None:
    if user is None or user.user_text is None:
        return None
    return (*at, user.user_id or 0, user.user_text)


def _visibility(at: Stamp, told: r.RevisionEntity) -> tuple[int, int, int, int] | None:
    flags = (told.is_content_visible, told.is_comment_visible, told.is_editor_visible)
    if None in flags:
        return None
    bits = (TEXT_HIDDEN, COMMENT_HIDDEN, USER_HIDDEN)
    return (*at, sum(bit for bit, visible in zip(bits, flags, strict=True) if not visible))
