"""Revisions that went from one page to another without an event that says which.

A history merge is told by a row of the log: two titles, and the newest instant of what was moved. A restore brings back all that was
archived under a title, and names one of the page ids that were left. Which pages bore those titles, and what they held, is known to whoever
keeps the pages. So these two are noted (`told`), looked up later (`resolved`), and said revision by revision, to both pages, by
an event of our own. It is appended to the log as any other: who reads the log comes to the same, in whatever order, in both layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from shared_logic.clock import SECOND_MS, Rank, Stamp, from_mediawiki, instant, milliseconds, stamp
from shared_logic.events import records as r
from shared_logic.events.read import Read
from shared_logic.events.streams import RELOCATED
from shared_logic.history.page_events import Namespaces, normalized_title, split
from shared_logic.states.page_state import (
    EMPTY,
    Happening,
    PageState,
    Presence,
    RevisionState,
    belongs,
    join,
    join_revisions,
)
from shared_logic.titles import bare_title

REVISIONS_PER_EVENT = 250
"""Of the longest comments they are less than the megabyte that Kafka takes."""


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """A history merge, as its row of the log tells it."""

    wiki: str
    log_id: int
    at: int
    """Milliseconds since 1970 UTC, whole seconds."""
    namespace: int
    title: str
    """Of the page that was left, bare."""
    destination: str
    """Title of the page that was reached, with its prefix."""
    last: tuple[int, int | None]
    """Instant and, since 2021, id of the newest revision that was moved."""
    first: tuple[int, int | None] | None = None
    """Of the oldest; None: all up to the newest."""


class Restore(msgspec.Struct, frozen=True, kw_only=True):
    """A restore of a page, which may have brought back revisions of others that were deleted under its title."""

    wiki: str
    page_id: int
    at: int
    """Milliseconds since 1970 UTC, whole seconds."""
    title: str
    """Bare."""


MergeOrRestore = Merge | Restore


class Unresolved(Exception):  # noqa: N818  what is so, not that something failed
    """Which pages it concerns can't be known from what is kept of them; the message says why."""


class Pages(Protocol):
    """What is kept of pages, as of one moment."""

    def namespaces(self, wiki: str) -> Namespaces:
        """What the wiki's namespaces are called."""

    def called(self, wiki: str, title: str) -> Mapping[int, PageState]:
        """By page id the states of all pages that bear or bore that bare title, in whatever namespace."""


def told(found: Read) -> MergeOrRestore | None:
    """What the event tells of revisions that went elsewhere, without saying which."""
    event = found.event
    match event:
        case r.RecentChange(type="log", log_type="merge", log_action="merge"):
            return _merge(event)
        case r.PageUndelete():
            return _restore(
                event.database, event.page_id, event.meta.dt, event.page_namespace, event.page_title
            )
        case r.PageChange(page_change_kind="undelete"):
            of = event.page
            return _restore(event.wiki_id, of.page_id, event.dt, of.namespace_id, of.page_title)
    return None


def resolved(
    what_was_told: Iterable[MergeOrRestore], pages: Pages
) -> Iterator[tuple[MergeOrRestore, Sequence[bytes] | Unresolved]]:
    """Each with the events that say it revision by revision (none, where all of that is known already), or why nothing can.

    They come as they happened: a page may be left that was reached before.
    """
    known = _Learning(pages)
    for what in sorted(what_was_told, key=_order):
        try:
            events = list(_restored(what, known) if isinstance(what, Restore) else _merged(what, known))
        except Unresolved as why:
            yield what, why
            continue
        for event in events:
            known.learn(event)
        yield what, [msgspec.json.encode(event) for event in events]


_LIVES = frozenset({"create", "delete", "undelete"})
"""Kinds of happenings after which a page exists, or does not."""


class _Learning:
    """Pages, with what was found out of them since."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._said: dict[tuple[str, int], PageState] = {}

    def namespaces(self, wiki: str) -> Namespaces:
        return self._pages.namespaces(wiki)

    def called(self, wiki: str, title: str) -> Mapping[int, PageState]:
        found = self._pages.called(wiki, title)
        return {
            page_id: join(state, self._said.get((wiki, page_id), EMPTY)) for page_id, state in found.items()
        }

    def learn(self, event: r.RevisionsRelocated) -> None:
        for page_id in (event.from_page_id, event.to_page_id):
            known = self._said.get((event.wiki_id, page_id), EMPTY)
            self._said[event.wiki_id, page_id] = join(known, PageState(revisions=event.revisions))


def _order(what: MergeOrRestore) -> tuple[int, int]:
    return what.at, what.log_id if isinstance(what, Merge) else 0


def _restore(wiki: str, page_id: int, at: datetime, namespace: int, title: str) -> Restore:
    second = milliseconds(at) // SECOND_MS * SECOND_MS
    return Restore(wiki=wiki, page_id=page_id, at=second, title=bare_title(namespace, title))


def _merge(event: r.RecentChange) -> Merge | None:
    """None: the row says too little, as when its title is hidden."""
    params = event.log_params
    if not (isinstance(params, dict) and event.log_id and event.title and event.timestamp is not None):
        return None
    last = _revision(params.get("mergepoint"), params.get("mergerevid"))
    destination = params.get("dest")
    if last is None or not isinstance(destination, str) or event.namespace is None:
        return None
    return Merge(
        wiki=event.wiki,
        log_id=event.log_id,
        at=event.timestamp * SECOND_MS,
        namespace=event.namespace,
        title=bare_title(event.namespace, event.title),
        destination=destination,
        last=last,
        first=_revision(params.get("mergestart"), params.get("mergestartid")),
    )


def _revision(at: object, rev_id: object) -> tuple[int, int | None] | None:
    try:
        return from_mediawiki(str(at)), int(str(rev_id)) if rev_id else None
    except ValueError:
        return None


def _merged(merge: Merge, pages: Pages) -> Iterator[r.RevisionsRelocated]:
    """What the page that was left held, told to both."""
    namespace, title = split(normalized_title(merge.destination), pages.namespaces(merge.wiki))
    sources = _alive_as(pages.called(merge.wiki, merge.title), merge.namespace, merge.title, merge.at)
    reached = _the_one(
        _alive_as(pages.called(merge.wiki, title), namespace, title, merge.at), title, merge.at
    )
    moved = {page_id: found for page_id, state in sources.items() if (found := _moved(page_id, state, merge))}
    if not moved:
        _the_one(sources, merge.title, merge.at)
        return
    left = _the_one(moved, merge.title, merge.at)
    revisions = _on(reached, merge.at, moved[left])
    yield from _events(merge.wiki, merge.at, left, reached, revisions, merge.log_id)


def _alive_as(
    called: Mapping[int, PageState], namespace: int, title: str, at: int
) -> Mapping[int, PageState]:
    """Those that existed under that very title in the second of that instant."""
    return {
        page_id: state
        for page_id, state in called.items()
        if (namespace, title) in _titles(state, at) and _is_alive(page_id, state, at)
    }


def _titles(state: PageState, at: int) -> set[tuple[int, str]]:
    """What the page was called in that second: events tell the moves since, else it is called so today."""
    second = at // SECOND_MS
    moves = [one for one in state.happenings if one.kind == "move"]
    titles = {(state.title.namespace, state.title.title)} if state.title else set()
    since = [one for one in moves if _second(one) > second]
    if since:
        # Several of one second stand in no order: the first left a title that none of them gave.
        first = [one for one in since if _second(one) == min(map(_second, since))]
        left = {(one.old_namespace, one.old_title) for one in first}
        titles = left - {(one.namespace, one.title) for one in first} or left
    for one in moves:
        if _second(one) == second:
            titles |= {(one.old_namespace, one.old_title), (one.namespace, one.title)}
    return titles


def _is_alive(page_id: int, state: PageState, at: int) -> bool:
    """Whether the page existed at some moment of that second."""
    second = at // SECOND_MS
    turns = [one for one in state.happenings if one.kind in _LIVES]
    if any(_second(one) == second and one.kind != "delete" for one in turns):
        return True
    before = [one.kind for one in turns if _second(one) < second]
    if before:
        return before[-1] != "delete" and not _was_imported_since(page_id, state, second)
    since = [one.kind for one in turns if _second(one) >= second]
    if not since:
        return (
            state.existence is None or state.existence.exists or state.existence.clock // SECOND_MS >= second
        )
    if since[0] == "undelete":
        # It tells of a page that was not there, or of one that was and got further revisions back.
        present = (one.presence for one in state.revisions.values() if one.presence is not None)
        return any(one.is_live and one.clock // SECOND_MS <= second for one in present)
    return since[0] == "delete"


def _was_imported_since(page_id: int, state: PageState, second: int) -> bool:
    """Whether the page was made by an import after that second, though it seems older.

    The event of its creation bears the time of its oldest revision; but all its revisions are known to be there since later. So are
    those of a page that was restored, of which an event tells.
    """
    present = [one.presence for one in state.revisions.values() if one.presence is not None]
    return (
        bool(present)
        and all(
            one.page_id == page_id and one.rank == Rank.RESTORE and one.clock // SECOND_MS > second
            for one in present
        )
        and not any(one.kind == "undelete" and _second(one) >= second for one in state.happenings)
    )


def _moved(page_id: int, state: PageState, merge: Merge) -> dict[int, RevisionState]:
    """The revisions that the page held when it was merged, and that lie between the bounds."""
    died = max(_deaths(state, merge.at), default=-1)
    return {
        rev_id: revision
        for rev_id, revision in state.revisions.items()
        if belongs(page_id, state, revision)
        and _was_present(revision, died, merge.at)
        and _is_between(revision, rev_id, merge)
    }


def _deaths(state: PageState, at: int) -> Iterator[int]:
    """The seconds before that one in which the page was deleted, in milliseconds."""
    for one in state.happenings:
        if one.kind == "delete" and _second(one) < at // SECOND_MS:
            yield _second(one) * SECOND_MS
    if state.cleared is not None and state.cleared.clock < at:
        yield state.cleared.clock


def _was_present(revision: RevisionState, died: int, at: int) -> bool:
    """Whether it was live then: said to be there since the last deletion before, and not first said to be there afterwards."""
    presence = revision.presence
    if presence is None or not presence.is_live or presence.clock > at:
        return False
    return presence.clock > died or (presence.clock == died and presence.rank > Rank.DELETE)


def _is_between(revision: RevisionState, rev_id: int, merge: Merge) -> bool:
    if revision.timestamp is None:
        return False
    at = revision.timestamp - revision.timestamp % SECOND_MS
    until, last = merge.last
    if at > until or (at == until and last is not None and rev_id > last):
        return False
    if merge.first is None:
        return True
    since, first = merge.first
    return at > since or (at == since and (first is None or rev_id >= first))


def _on(page_id: int, at: int, moved: Mapping[int, RevisionState]) -> dict[int, RevisionState]:
    """These revisions as they are when they are live on that page since then."""
    return {
        rev_id: msgspec.structs.replace(
            revision, presence=Presence(*_after(revision, at), page_id, is_live=True)
        )
        for rev_id, revision in moved.items()
    }


def _after(revision: RevisionState, at: int) -> Stamp:
    """The stamp of what was done then, after all that was said of the revision's presence before."""
    own = stamp(at, at, Rank.MOVE)
    if revision.presence is None or revision.presence.is_before(own):
        return own
    return Stamp(revision.presence.clock, revision.presence.tie + 1, Rank.MOVE)


def _the_one(found: Iterable[int], title: str, at: int) -> int:
    """The page id, of which there must be one."""
    page_ids = sorted(found)
    if len(page_ids) != 1:
        whom = f"pages {', '.join(map(str, page_ids))} were" if page_ids else "no page that is known was"
        message = f"{whom} called {title} on {instant(at):%Y-%m-%dT%H:%M:%SZ}"
        raise Unresolved(message)
    return page_ids[0]


def _restored(restore: Restore, pages: Pages) -> Iterator[r.RevisionsRelocated]:
    """What this page and others under its title say of the same revisions, told to both."""
    called = pages.called(restore.wiki, restore.title)
    here = called.get(restore.page_id, EMPTY)
    for page_id, other in called.items():
        if page_id == restore.page_id:
            continue
        said = {
            rev_id: _of_both(restore.page_id, here.revisions[rev_id], page_id, other.revisions[rev_id])
            for rev_id in here.revisions.keys() & other.revisions.keys()
        }
        news = {
            rev_id: revision
            for rev_id, revision in said.items()
            if any(
                join_revisions(page.revisions[rev_id], revision) != page.revisions[rev_id]
                for page in (here, other)
            )
        }
        yield from _events(restore.wiki, restore.at, page_id, restore.page_id, news, None)


def _of_both(page_id: int, here: RevisionState, other_id: int, there: RevisionState) -> RevisionState:
    """All that two pages say of a revision, with the text, comment and author that the page which holds it now knows.

    Nothing of these three, where neither holds it. No event tells what was hidden in the archive: the copy that came out of it lacks
    it, while the page of before may still know it.
    """
    both = join_revisions(here, there)
    held_by = both.presence.page_id if both.presence is not None else None
    holder = {page_id: here, other_id: there}.get(held_by or 0, RevisionState())
    return msgspec.structs.replace(both, sha1=holder.sha1, comment=holder.comment, author=holder.author)


def _events(
    wiki: str, at: int, left: int, reached: int, revisions: Mapping[int, RevisionState], log_id: int | None
) -> Iterator[r.RevisionsRelocated]:
    rev_ids = sorted(revisions)
    for start in range(0, len(rev_ids), REVISIONS_PER_EVENT):
        some = rev_ids[start : start + REVISIONS_PER_EVENT]
        yield r.RevisionsRelocated(
            schema=f"/{RELOCATED}/1.0.0",
            meta=r.Meta(stream="wikibraid.revisions-relocated", dt=instant(at)),
            wiki_id=wiki,
            from_page_id=left,
            to_page_id=reached,
            log_id=log_id,
            revisions={rev_id: revisions[rev_id] for rev_id in some},
        )


def _second(one: Happening) -> int:
    return one.at // SECOND_MS
