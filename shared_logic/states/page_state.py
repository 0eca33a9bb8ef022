"""The state of a page: a join of everything that was ever said about it.

Each event, dump page and table row says a little: a `PageState` with one revision, perhaps one title. Two states are joined
with `join`, which is associative, commutative and idempotent, so the state of a page is a function of the *set* of what was
said: late, repeated and overlapping copies need no care anywhere else (a state-based CRDT; Shapiro et al. 2011).

Facts (time, parent, size, sha1, comment of a revision) never change: a known one covers an unknown one. Assertions (title,
redirect, existence, presence, visibility, tags, author) are registers: a stamp, then the value; the newest stamp wins, and of
equal stamps the greater value, so that it never matters which came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec

from shared_logic.clock import Register, Stamp

Comparable = TypeVar("Comparable", bound=Any)

TEXT_HIDDEN, COMMENT_HIDDEN, USER_HIDDEN, SUPPRESSED = 1, 2, 4, 8
"""The bits of MediaWiki's rev_deleted."""


class Author(Register, frozen=True):
    """Who made a revision; the newest name that a copy told."""

    user_id: int
    """0: none (an address, or an imported name)."""
    name: str


class Presence(Register, frozen=True):
    """Where a revision is."""

    page_id: int
    is_live: bool
    """On that page; else in its archive."""


class Visibility(Register, frozen=True):
    """What of a revision is hidden."""

    bits: int
    """Of MediaWiki's rev_deleted; 0: nothing is."""


class Tags(Register, frozen=True):
    """How a revision is tagged."""

    names: tuple[str, ...]
    """All of them, in order."""


class Suppression(Register, frozen=True):
    """Whether a revision is hidden from administrators too, as tables say; events don't tell that."""

    is_suppressed: bool


class RevisionState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """What is known of one revision: facts, then registers. None is unknown, never empty."""

    timestamp: int | None = None
    parent_id: int | None = None
    size: int | None = None
    sha1: str | None = None
    minor: bool | None = None
    comment: str | None = None
    author: Author | None = None
    presence: Presence | None = None
    visibility: Visibility | None = None
    tags: Tags | None = None
    suppressed: Suppression | None = None
    by_temporary: bool | None = None
    """Whether its author is a temporary account; what is none never becomes one."""


class Title(Register, frozen=True):
    """What a page is called."""

    namespace: int
    """Its number."""
    title: str
    """No prefix."""


class Redirect(Register, frozen=True):
    """Whether a page is a redirect."""

    is_redirect: bool


class Existence(Register, frozen=True):
    """Whether a page exists; a deleted one does not."""

    exists: bool


class Happening(NamedTuple):
    """What was done to a page as a whole, as its event tells it."""

    at: int
    """Own time, milliseconds since 1970 UTC."""
    kind: str
    """create, move, delete or undelete."""
    old_namespace: int
    old_title: str
    """Of a move, what the page was called before; else what it is called."""
    namespace: int
    title: str
    user_id: int | None
    user_name: str | None
    redirect_page_id: int | None
    """Of a move, the page that it left under the old title."""


class PageState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="page"):
    """What is known of one page id of one wiki. An empty state is the identity of `join`."""

    title: Title | None = None
    redirect: Redirect | None = None
    existence: Existence | None = None
    cleared: Stamp | None = None
    """The newest deletion: what was present before it is in the archive since."""
    surveyed: Stamp | None = None
    """The newest instant at which tables listed all revisions of this page, live and archived: what was said to be here before
    and was not listed has gone to another page (a history merge, which no event tells by revision)."""
    happenings: tuple[Happening, ...] = ()
    """In order of time."""
    revisions: dict[int, RevisionState] = {}


EMPTY = PageState()


def join(one: PageState, other: PageState) -> PageState:
    """All that the two states say."""
    if not other.revisions:
        revisions = one.revisions
    elif not one.revisions:
        revisions = other.revisions
    else:
        large, small = (
            (one.revisions, other.revisions)
            if len(one.revisions) >= len(other.revisions)
            else (other.revisions, one.revisions)
        )
        revisions = dict(large)
        for rev_id, revision in small.items():
            known = revisions.get(rev_id)
            revisions[rev_id] = revision if known is None else join_revisions(known, revision)
    return _joined(one, other, revisions)


def news(known: PageState, said: PageState) -> PageState:
    """The join of both, but of the revisions only those that are otherwise than in `known`."""
    revisions = {}
    for rev_id, revision in said.revisions.items():
        before = known.revisions.get(rev_id)
        after = revision if before is None else join_revisions(before, revision)
        if after != before:
            revisions[rev_id] = after
    return _joined(known, said, revisions)


def united(states: Iterable[PageState]) -> PageState:
    """The join of all of them, made at once; its revisions are the caller's own to change."""
    head = EMPTY
    revisions: dict[int, RevisionState] = {}
    for state in states:
        head = _joined(head, state, {})
        for rev_id, revision in state.revisions.items():
            known = revisions.get(rev_id)
            revisions[rev_id] = revision if known is None else join_revisions(known, revision)
    return _joined(head, EMPTY, revisions)


def with_news(owned: PageState, told: PageState) -> PageState:
    """The state with what `news` gave for it, its revisions changed in place."""
    owned.revisions.update(told.revisions)
    return PageState(
        title=told.title,
        redirect=told.redirect,
        existence=told.existence,
        cleared=told.cleared,
        surveyed=told.surveyed,
        happenings=told.happenings,
        revisions=owned.revisions,
    )


def _joined(one: PageState, other: PageState, revisions: dict[int, RevisionState]) -> PageState:
    return PageState(
        title=newest(one.title, other.title),
        redirect=newest(one.redirect, other.redirect),
        existence=newest(one.existence, other.existence),
        cleared=newest(one.cleared, other.cleared),
        surveyed=newest(one.surveyed, other.surveyed),
        happenings=_both(one.happenings, other.happenings),
        revisions=revisions,
    )


def _both(one: tuple[Happening, ...], other: tuple[Happening, ...]) -> tuple[Happening, ...]:
    """Those of either."""
    if not other or one == other:
        return one
    return tuple(sorted({*one, *other}, key=repr)) if one else other


def join_revisions(one: RevisionState, other: RevisionState) -> RevisionState:
    """All that two copies of a revision say."""
    if one == other:
        return one
    return RevisionState(
        timestamp=newest(one.timestamp, other.timestamp),
        parent_id=newest(one.parent_id, other.parent_id),
        size=newest(one.size, other.size),
        sha1=newest(one.sha1, other.sha1),
        minor=newest(one.minor, other.minor),
        comment=newest(one.comment, other.comment),
        author=newest(one.author, other.author),
        presence=newest(one.presence, other.presence),
        visibility=newest(one.visibility, other.visibility),
        tags=newest(one.tags, other.tags),
        suppressed=newest(one.suppressed, other.suppressed),
        by_temporary=newest(one.by_temporary, other.by_temporary),
    )


def hidden(state: PageState) -> Iterator[tuple[int, int, int]]:
    """Revision id, bits of what is hidden, and the clock of that, of every revision of which something is hidden."""
    for rev_id, revision in state.revisions.items():
        if revision.visibility is not None and revision.visibility.bits:
            yield rev_id, revision.visibility.bits, revision.visibility.clock


def belongs(page_id: int, page: PageState, revision: RevisionState | None) -> bool:
    """Whether the revision is in the history of the page: see `shared_logic.things.page`."""
    return (
        revision is not None
        and revision.timestamp is not None
        and (presence := revision.presence) is not None
        and presence.page_id == page_id
        and (page.surveyed is None or not presence.is_before(page.surveyed))
    )


def shown_sha1(state: RevisionState) -> str | None:
    """The sha1 of a text that is not hidden."""
    return None if state.visibility and state.visibility.bits & TEXT_HIDDEN else state.sha1


def newest(one: Comparable | None, other: Comparable | None) -> Comparable | None:
    """The greater of two values, unknown being least: for registers the newest, for facts the known one."""
    if one is None:
        return other
    if other is None:
        return one
    return max(one, other)


def ordered(state: PageState) -> PageState:
    """The same state with its revisions in order of id."""
    if len(state.revisions) < 2:  # noqa: PLR2004
        return state
    return msgspec.structs.replace(state, revisions=dict(sorted(state.revisions.items())))
