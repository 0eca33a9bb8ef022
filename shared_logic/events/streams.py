"""What each stream says: one table, one row per event schema.

A row names the schema, the major versions that are understood, the record, what the event states of a page (facts of
revisions, assertions with their own clock) or log row, whom it names, and the entities that it goes to.

| schema | facts | assertions, from their own clock on | own clock | entities |
| --- | --- | --- | --- | --- |
| page/change | the revision | title, redirect, existence, presence, visibility, author; delete clears | dt | page |
| revision/create | the revision | title, existence, presence, author; redirect if the revision is new | meta.dt | page |
| page/delete | - | title, redirect; not existing; clears | meta.dt | page |
| page/undelete | - | title, redirect, existence | meta.dt | page |
| page/move | - | title, redirect, existence | meta.dt | page |
| revision/visibility-change | - | visibility | meta.dt | page |
| revision/tags-change | - | tags | meta.dt | page |
| user/blocks-change | - | name, hiding | meta.dt | user |
| user change | central id, whether temporary, creation | name | dt | user |
| recentchange, type log | the log row | - | timestamp | log row |
| revisions/relocated (our own) | revisions | presence, and all that was said of them | of each | both pages |

Authors add rows for streams of their own (see `shared_logic.events.declared`).

Whoever is named with an id by any of them is an account that bears that name then: where the name is news, the event goes to
the user as well (see `shared_logic.routing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared_logic.clock import DAY_MS, SECOND_MS, Rank, Stamp, milliseconds, stamp
from shared_logic.entities import Entity, Kind, State, log_row, page, user
from shared_logic.events import records as r
from shared_logic.events.log_params import as_stored
from shared_logic.states.event_state import EventState
from shared_logic.states.log_state import LogState, LogTitle
from shared_logic.states.page_state import (
    COMMENT_HIDDEN,
    TEXT_HIDDEN,
    USER_HIDDEN,
    Author,
    Existence,
    Happening,
    PageState,
    Presence,
    Redirect,
    RevisionState,
    Tags,
    Title,
    Visibility,
)
from shared_logic.states.user_state import CreatedBy, Creation, Hiding, Seen, UserState
from shared_logic.titles import bare_title


class Named(NamedTuple):
    """An account seen under a name on a UTC day: of all that are seen so on one day, one message says as much as a thousand."""

    user_id: int
    name: str
    seen: Stamp
    """The beginning of the day on which the event was sent, however old its revision is; of a creation its very moment."""
    registration: int | None = None
    """When the account was made, milliseconds since 1970 UTC."""
    hiding: Hiding | None = None
    """Of a block whether it hides the name, since its very moment."""
    is_temporary: bool | None = None
    central_id: int | None = None
    creation: Creation | None = None


def _no_page(event: r.Event, page_id: int) -> PageState:  # noqa: ARG001
    """Says nothing of a page."""
    return PageState()


def _nobody(event: r.Event) -> None:
    """Names nobody with an id."""


def _no_log_row(event: r.Event) -> LogState:  # noqa: ARG001
    """Is no row of the log."""
    return LogState()


def _not_declared(event: r.Event, raw: bytes) -> EventState:  # noqa: ARG001
    """Is no event that an author declared."""
    return EventState()


_ONE, _ONE_OR_TWO = frozenset({1}), frozenset({1, 2})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """One row of the table."""

    title: str
    record: type[r.Event]
    majors: frozenset[int] = _ONE
    times: Callable[[Any], tuple[int, ...]]
    """Its own clock, and if it tells of a revision the time of that, in milliseconds."""
    entities: Callable[[Any], Iterator[Entity]]
    """What the event tells of."""
    page: Callable[[Any, int], PageState] = _no_page
    """What the event says of the page with that id; most events name one page, a restore to another id also tells the old one."""
    named: Callable[[Any], Named | None] = _nobody
    """Whom the event names with an id, and when."""
    log: Callable[[Any], LogState] = _no_log_row
    """The log row that the event is."""
    declared: Callable[[Any, bytes], EventState] = _not_declared
    """The event itself, with its JSON text, if an author declared it."""

    def state(self, event: r.Event, raw: bytes, entity: Entity) -> State:
        """What the event, which this is the JSON text of, says of that entity."""
        if entity.kind is Kind.PAGE:
            return self.page(event, entity.id)
        if entity.kind is Kind.LOG:
            return self.log(event)
        if entity.kind is Kind.EVENT:
            # A key that another identity made, before its author changed it, would have two entities give one row.
            return self.declared(event, raw) if entity in self.entities(event) else EventState()
        found = self.named(event)
        if found is None or found.user_id != entity.id:
            return UserState()
        return UserState(
            names=((found.name, Seen(*found.seen)),),
            registration=found.registration,
            is_temporary=found.is_temporary,
            central_id=found.central_id,
            hiding=found.hiding,
            creation=found.creation,
        )


def page_change(event: r.PageChange, page_id: int) -> PageState:
    """What a page_change says. Null edits repeat a revision with its old dt, which does no harm."""
    clock, rank = milliseconds(event.dt), _CHANGE_RANKS.get(event.page_change_kind, Rank.EDIT)
    tie = event.revision.rev_id if event.page_change_kind in _EDITS else milliseconds(event.meta.dt)
    at = stamp(clock, tie, rank)
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
        presence=_presence(at, event.page.page_id) if event.page_change_kind in _MAKES_PRESENT else None,
        visibility=_visibility(at, told),
        by_temporary=told.editor.is_temp if told.editor else None,
    )
    if not here:
        return PageState(revisions={told.rev_id: revision})
    changed = event.page
    return PageState(
        title=Title(*at, changed.namespace_id, bare_title(changed.namespace_id, changed.page_title)),
        redirect=None if changed.is_redirect is None else Redirect(*at, changed.is_redirect),
        existence=Existence(*at, not deleted),
        cleared=at if deleted else None,
        happenings=_happenings(event),
        revisions={told.rev_id: revision},
    )


def _happenings(event: r.PageChange) -> tuple[Happening, ...]:
    if event.page_change_kind not in _HAPPENINGS:
        return ()
    now = event.page
    before = event.prior_state.page if event.prior_state else None
    old_namespace = now.namespace_id
    old_title = now.page_title
    if event.page_change_kind == "move" and before is not None:
        old_namespace = now.namespace_id if before.namespace_id is None else before.namespace_id
        old_title = before.page_title or now.page_title
    by = event.performer or event.revision.editor
    left = event.created_redirect_page
    return (
        Happening(
            at=milliseconds(event.dt),
            kind=event.page_change_kind,
            old_namespace=old_namespace,
            old_title=bare_title(old_namespace, old_title),
            namespace=now.namespace_id,
            title=bare_title(now.namespace_id, now.page_title),
            user_id=by.user_id if by else None,
            user_name=by.user_text if by else None,
            redirect_page_id=left.page_id if left else None,
        ),
    )


def revision_create(event: r.RevisionCreate, page_id: int) -> PageState:
    """What a revision-create says: a new revision, or a copy of an old one that was restored or imported."""
    timestamp = milliseconds(event.rev_timestamp)
    sent = milliseconds(event.meta.dt)
    is_new = sent - timestamp < SECOND_MS
    at = stamp(sent, event.rev_id, Rank.EDIT) if is_new else stamp(sent, sent, Rank.RESTORE)
    revision = RevisionState(
        timestamp=timestamp,
        parent_id=event.rev_parent_id or 0,
        size=event.rev_len,
        sha1=event.rev_sha1,
        minor=event.rev_minor_edit,
        comment=event.comment,
        author=_author(at, event.performer),
        presence=_presence(at, event.page_id),
    )
    if event.page_id != page_id:
        return PageState(revisions={event.rev_id: revision})
    return PageState(
        title=_title(at, event),
        redirect=_redirect(at, event) if is_new else None,
        existence=Existence(*at, exists=True),
        revisions={event.rev_id: revision},
    )


def page_delete(event: r.PageDelete, page_id: int) -> PageState:
    """A deletion: all that was present before is in the archive since."""
    at = _sent(event, Rank.DELETE)
    return _page(event, page_id, at, exists=False, cleared=at)


def page_undelete(event: r.PageUndelete, page_id: int) -> PageState:
    """A restore; which revisions came back is told by their own copies."""
    at = _sent(event, Rank.RESTORE)
    return _page(event, page_id, at, exists=True)


def page_move(event: r.PageMove, page_id: int) -> PageState:
    """A new title."""
    at = _sent(event, Rank.MOVE)
    return _page(event, page_id, at, exists=True)


def visibility_change(event: r.VisibilityChange, page_id: int) -> PageState:  # noqa: ARG001
    """What of one revision is hidden since; nothing tells suppression (bit 8)."""
    seen = event.visibility
    hidden = (
        (0 if seen.text else TEXT_HIDDEN)
        | (0 if seen.comment else COMMENT_HIDDEN)
        | (0 if seen.user else USER_HIDDEN)
    )
    revision = RevisionState(
        timestamp=milliseconds(event.rev_timestamp), visibility=Visibility(*_sent(event, Rank.EDIT), hidden)
    )
    return PageState(revisions={event.rev_id: revision})


def tags_change(event: r.TagsChange, page_id: int) -> PageState:  # noqa: ARG001
    """The whole list of a revision's tags; of those of one instant the longest, since a saved edit is given them one by one."""
    tags = tuple(sorted(set(event.tags)))
    sent = milliseconds(event.meta.dt)
    revision = RevisionState(
        timestamp=milliseconds(event.rev_timestamp), tags=Tags(*stamp(sent, sent, len(tags)), tags)
    )
    return PageState(revisions={event.rev_id: revision})


def relocated(event: r.RevisionsRelocated, page_id: int) -> PageState:  # noqa: ARG001
    """Revisions of the one page that are on the other now: the same to both."""
    return PageState(revisions=event.revisions)


def log_entry(event: r.RecentChange) -> LogState:
    """The row of the log, as far as it is told; the performer's id is not."""
    log_type = event.log_type or ""
    namespace, title = event.namespace, event.title
    at = _recent_clock(event)
    return LogState(
        log_type=log_type,
        log_action=event.log_action or "",
        at=at,
        namespace=namespace,
        title=None if title is None or namespace is None else LogTitle(at, bare_title(namespace, title)),
        user_name=event.user,
        comment=event.comment,
        params=as_stored(log_type, event.log_params),
    )


def _editor(event: r.PageChange) -> Named | None:
    return _named(event, event.revision.editor)


def _performer(event: r.RevisionCreate) -> Named | None:
    return _named(event, event.performer)


def _blocked(event: r.BlocksChange) -> Named | None:
    if not event.user_id:
        return None
    is_hidden = event.blocks.get("name") is True
    # A new block may stand beside one that hides the name: as of rows of the log, see `hides_name`.
    tells = is_hidden or event.prior_state is not None
    hiding = Hiding(*_second_sent(event), is_hidden) if tells else None
    return Named(event.user_id, event.user_text, _day_sent(event), hiding=hiding)


def _changed_user(event: r.UserChange) -> Named | None:
    """The account, with what no event of an edit tells of it."""
    named = _named(event, event.user)
    if named is None:
        return None
    return named._replace(
        is_temporary=event.user.is_temp,
        central_id=event.user.user_central_id or None,
        creation=_creation(event),
    )


def _creation(event: r.UserChange) -> Creation | None:
    """How the account was made, unless the event leaves that open."""
    if event.user_change_kind != "create":
        return None
    performer = event.performer.user_id if event.performer else None
    if event.is_autocreate:
        by = CreatedBy.SYSTEM
    elif event.is_autocreate is None or not performer:
        return None
    else:
        by = CreatedBy.SELF if performer == event.user.user_id else CreatedBy.PEER
    at = milliseconds(event.dt)
    return Creation(at - at % SECOND_MS, by)


def _created(event: r.RecentChange) -> Named | None:
    """The account that a row of the log tells the creation of."""
    if event.log_type != "newusers" or event.title is None or not isinstance(event.log_params, dict):
        return None
    user_id = event.log_params.get("userid")
    if not isinstance(user_id, int) or not 0 < user_id <= r.GREATEST_ID:
        return None
    at = _recent_clock(event)
    name = bare_title(event.namespace or 0, event.title).replace("_", " ")
    return Named(user_id, name, stamp(at, 0, Rank.EDIT), at)


def _named(event: r.Event, user: r.UserEntity | r.OldUser | None) -> Named | None:
    if user is None or not user.user_id or not user.user_text:
        return None
    registered = None if user.registration_dt is None else milliseconds(user.registration_dt)
    return Named(user.user_id, user.user_text, _day_sent(event), registered)


def _day_sent(event: r.Event) -> Stamp:
    sent = milliseconds(event.meta.dt)
    return stamp(sent - sent % DAY_MS, 0, Rank.EDIT)


def _second_sent(event: r.Event) -> Stamp:
    """Of what is told by rows of the log too, which have no order within a second."""
    return stamp(milliseconds(event.meta.dt), 0, Rank.EDIT)


def _change_times(event: r.PageChange) -> tuple[int, ...]:
    return milliseconds(event.dt), milliseconds(event.revision.rev_dt)


def _revision_times(event: r.RevisionCreate | r.VisibilityChange | r.TagsChange) -> tuple[int, ...]:
    return milliseconds(event.meta.dt), milliseconds(event.rev_timestamp)


def _message_time(event: r.Event) -> tuple[int, ...]:
    return (milliseconds(event.meta.dt),)


def _user_time(event: r.UserChange) -> tuple[int, ...]:
    return (milliseconds(event.dt),)


def _recent_time(event: r.RecentChange) -> tuple[int, ...]:
    return (_recent_clock(event),)


def _old_page(event: r.OldPageEvent) -> Iterator[Entity]:
    yield page(event.database, event.page_id)


def _changed_page(event: r.PageChange) -> Iterator[Entity]:
    yield page(event.wiki_id, event.page.page_id)


def _both_pages(event: r.RevisionsRelocated) -> Iterator[Entity]:
    yield page(event.wiki_id, event.from_page_id)
    yield page(event.wiki_id, event.to_page_id)


def _block_holder(event: r.BlocksChange) -> Iterator[Entity]:
    if event.user_id:
        yield user(event.database, event.user_id)


def _user(event: r.UserChange) -> Iterator[Entity]:
    if event.user.user_id:
        yield user(event.wiki_id, event.user.user_id)


def _recent(event: r.RecentChange) -> Iterator[Entity]:
    if event.type == "log" and event.log_id:
        yield log_row(event.wiki, event.log_id)


def _recent_clock(event: r.RecentChange) -> int:
    return milliseconds(event.meta.dt) if event.timestamp is None else event.timestamp * SECOND_MS


RELOCATED = "wikibraid/revisions/relocated"
"""Posted by no wiki: see `shared_logic.relocations`."""
_TABLE = (
    EventKind(
        title="mediawiki/page/change",
        record=r.PageChange,
        times=_change_times,
        entities=_changed_page,
        page=page_change,
        named=_editor,
    ),
    EventKind(
        title="mediawiki/revision/create",
        majors=_ONE_OR_TWO,
        record=r.RevisionCreate,
        times=_revision_times,
        entities=_old_page,
        page=revision_create,
        named=_performer,
    ),
    EventKind(
        title="mediawiki/page/delete",
        record=r.PageDelete,
        times=_message_time,
        entities=_old_page,
        page=page_delete,
    ),
    EventKind(
        title="mediawiki/page/undelete",
        record=r.PageUndelete,
        times=_message_time,
        entities=_old_page,
        page=page_undelete,
    ),
    EventKind(
        title="mediawiki/page/move",
        record=r.PageMove,
        times=_message_time,
        entities=_old_page,
        page=page_move,
    ),
    EventKind(
        title="mediawiki/revision/visibility-change",
        record=r.VisibilityChange,
        times=_revision_times,
        entities=_old_page,
        page=visibility_change,
    ),
    EventKind(
        title="mediawiki/revision/tags-change",
        record=r.TagsChange,
        times=_revision_times,
        entities=_old_page,
        page=tags_change,
    ),
    EventKind(
        title="mediawiki/user/blocks-change",
        record=r.BlocksChange,
        times=_message_time,
        entities=_block_holder,
        named=_blocked,
    ),
    EventKind(
        title="development/mediawiki_user_change",
        record=r.UserChange,
        times=_user_time,
        entities=_user,
        named=_changed_user,
    ),
    EventKind(
        title="mediawiki/user/change",
        record=r.UserChange,
        times=_user_time,
        entities=_user,
        named=_changed_user,
    ),
    EventKind(
        title="mediawiki/recentchange",
        record=r.RecentChange,
        times=_recent_time,
        entities=_recent,
        named=_created,
        log=log_entry,
    ),
    EventKind(
        title=RELOCATED,
        record=r.RevisionsRelocated,
        times=_message_time,
        entities=_both_pages,
        page=relocated,
    ),
)
KINDS: dict[str, EventKind] = {kind.title: kind for kind in _TABLE}
"""What is read, by the title of its schema; `shared_logic.events.declared` adds what authors declare."""
OF_STREAMS: dict[tuple[str, str], EventKind] = {}
"""By title and stream what authors have read otherwise than other events with that schema."""

_HAPPENINGS = frozenset({"create", "move", "delete", "undelete"})
_EDITS = frozenset({"create", "edit"})
_CHANGE_RANKS = {"move": Rank.MOVE, "delete": Rank.DELETE, "undelete": Rank.RESTORE}
_MAKES_PRESENT = frozenset({"create", "edit", "move", "undelete"})


def _sent(event: r.Event, rank: Rank) -> Stamp:
    sent = milliseconds(event.meta.dt)
    return stamp(sent, sent, rank)


def _title(at: Stamp, event: r.OldPageEvent) -> Title:
    return Title(*at, event.page_namespace, bare_title(event.page_namespace, event.page_title))


def _page(
    event: r.OldPageEvent,
    page_id: int,
    at: Stamp,
    *,
    exists: bool,
    cleared: Stamp | None = None,
) -> PageState:
    if event.page_id != page_id:
        return PageState()
    return PageState(
        title=_title(at, event),
        redirect=_redirect(at, event),
        existence=Existence(*at, exists),
        cleared=cleared,
    )


def _redirect(at: Stamp, event: r.OldPageEvent) -> Redirect | None:
    return None if event.page_is_redirect is None else Redirect(*at, event.page_is_redirect)


def _presence(at: Stamp, page_id: int) -> Presence:
    return Presence(*at, page_id, is_live=True)


def _author(at: Stamp, user: r.UserEntity | r.OldUser | None) -> Author | None:
    if user is None or user.user_text is None:
        return None
    return Author(*at, user.user_id or 0, user.user_text)


def _visibility(at: Stamp, told: r.RevisionEntity) -> Visibility | None:
    flags = (told.is_content_visible, told.is_comment_visible, told.is_editor_visible)
    if None in flags:
        return None
    bits = (TEXT_HIDDEN, COMMENT_HIDDEN, USER_HIDDEN)
    return Visibility(*at, sum(bit for bit, visible in zip(bits, flags, strict=True) if not visible))
