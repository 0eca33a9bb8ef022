"""Restores to another page id: the copies of the revisions must also reach the page that they left.

When a deleted page is restored onto a page that was made under its title meanwhile, the copies (revision-create) name the new
page id only, and `page-undelete` alone tells the old one. All share a request id. This keeps, per request, what was seen so
far, and says which events go to the old page's key as well, in whatever order they come.

What was hidden of a revision and how it is tagged was told to the old page only, so these marks are remembered by revision, and
follow it to the new page. Of each event is kept what is read of it. A restore may come years later, when the
log begins long after the mark, so they outlive what is archived or sent on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from shared_logic.clock import SECOND_MS, milliseconds
from shared_logic.entities import Entity, page
from shared_logic.events import records as r
from shared_logic.events.read import Read

REQUESTS_KEPT = 1_000
"""Requests of restores that are remembered; their events arrive within seconds of one another."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What was seen of one request so far."""

    old_pages: tuple[tuple[int, int], ...] = ()
    """(page id, the id that its revisions had before)."""
    copies: tuple[tuple[int, int, bytes], ...] = ()
    """(page id, revision id, bytes of the event)."""


Mark = r.VisibilityChange | r.TagsChange
"""What is said of a revision, whatever page it is on."""


class Marks(Protocol):
    """Marks, and the restores that took revisions elsewhere, both by revision, longer than the log keeps its messages."""

    def note_mark(self, wiki: str, rev_id: int, event: bytes) -> None:
        """Remember the event that tells what was hidden, or the tags."""

    def marks(self, wiki: str, rev_id: int) -> Sequence[bytes]:
        """The events that marked a revision."""

    def note_restored(self, wiki: str, rev_id: int, page_id: int) -> None:
        """Remember that the revision was restored to a page that it had not been on."""

    def restored_to(self, wiki: str, rev_id: int) -> Sequence[int]:
        """The pages that the revision was so restored to."""


class MarksInMemory:
    """In dictionaries, for a list of events."""

    def __init__(self) -> None:
        """Start empty."""
        self._marks: dict[tuple[str, int], list[bytes]] = {}
        self._restored: dict[tuple[str, int], list[int]] = {}

    def note_mark(self, wiki: str, rev_id: int, event: bytes) -> None:
        """See `Marks`."""
        self._marks.setdefault((wiki, rev_id), []).append(event)

    def marks(self, wiki: str, rev_id: int) -> Sequence[bytes]:
        """See `Marks`."""
        return self._marks.get((wiki, rev_id), ())

    def note_restored(self, wiki: str, rev_id: int, page_id: int) -> None:
        """See `Marks`."""
        self._restored.setdefault((wiki, rev_id), []).append(page_id)

    def restored_to(self, wiki: str, rev_id: int) -> Sequence[int]:
        """See `Marks`."""
        return self._restored.get((wiki, rev_id), ())


class Restores:
    """The memory of recent restores; `encoded` and the constructor carry it over a restart."""

    def __init__(self, encoded: bytes | None = None, marks: Marks | None = None) -> None:
        """Start empty, or from what `encoded` gave."""
        self._requests: dict[str, Request] = _decoder.decode(encoded) if encoded else {}
        self._marks = marks or MarksInMemory()

    def encoded(self) -> bytes:
        """The memory as bytes."""
        return _encoder.encode(self._requests)

    def also(self, read: Read, raw: bytes) -> Iterator[tuple[Entity, bytes]]:
        """Further pages: for this event, and for earlier ones whose old page it names."""
        event = read.event
        if isinstance(event, Mark):
            yield from self._mark(event, raw)
        elif isinstance(event, r.RevisionCreate):
            yield from self._copy(event, raw)
        else:
            yield from self._undelete(event)

    def _mark(self, event: Mark, raw: bytes) -> Iterator[tuple[Entity, bytes]]:
        self._marks.note_mark(event.database, event.rev_id, msgspec.json.encode(event))
        for page_id in self._marks.restored_to(event.database, event.rev_id):
            if page_id != event.page_id:
                yield page(event.database, page_id), raw

    def _copy(self, event: r.RevisionCreate, raw: bytes) -> Iterator[tuple[Entity, bytes]]:
        is_new = milliseconds(event.meta.dt) - milliseconds(event.rev_timestamp) < SECOND_MS
        if is_new or not event.meta.request_id:
            return
        name = f"{event.database} {event.meta.request_id}"
        known = self._requests.get(name, Request())
        copy = event.page_id, event.rev_id, raw
        if copy not in known.copies:
            self._keep(name, Request(known.old_pages, (*known.copies, copy)))
        for page_id, old_id in known.old_pages:
            if page_id == event.page_id:
                yield from self._moved(event.database, old_id, copy)

    def _undelete(self, event: r.Event) -> Iterator[tuple[Entity, bytes]]:
        told = _old_page(event)
        if told is None:
            return
        wiki, page_id, old_id = told
        name = f"{wiki} {event.meta.request_id}"
        known = self._requests.get(name, Request())
        if (page_id, old_id) in known.old_pages:
            return
        self._keep(name, Request((*known.old_pages, (page_id, old_id)), known.copies))
        for copy in known.copies:
            if copy[0] == page_id:
                yield from self._moved(wiki, old_id, copy)

    def _moved(self, wiki: str, old_id: int, copy: tuple[int, int, bytes]) -> Iterator[tuple[Entity, bytes]]:
        """The copy goes to the page that was left, its marks go to the page that was reached."""
        page_id, rev_id, raw = copy
        yield page(wiki, old_id), raw
        self._marks.note_restored(wiki, rev_id, page_id)
        for mark in self._marks.marks(wiki, rev_id):
            yield page(wiki, page_id), mark

    def _keep(self, name: str, request: Request) -> None:
        self._requests.pop(name, None)
        self._requests[name] = request
        while len(self._requests) > REQUESTS_KEPT:
            del self._requests[next(iter(self._requests))]


def rewritten(encoded: bytes, rewrite: Callable[[bytes], bytes]) -> bytes:
    """The memory that `Restores.encoded` gave, with every event of it rewritten."""
    return _encoder.encode(
        {
            name: msgspec.structs.replace(
                request,
                copies=tuple((page_id, rev_id, rewrite(raw)) for page_id, rev_id, raw in request.copies),
            )
            for name, request in _decoder.decode(encoded).items()
        }
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, Request])


def _old_page(event: r.Event) -> tuple[str, int, int] | None:
    if isinstance(event, r.PageUndelete) and event.prior_state and event.prior_state.page_id:
        return event.database, event.page_id, event.prior_state.page_id
    if isinstance(event, r.PageChange) and event.page_change_kind == "undelete":
        prior = event.prior_state.page if event.prior_state else None
        if prior is not None and prior.page_id and prior.page_id != event.page.page_id:
            return event.wiki_id, event.page.page_id, prior.page_id
    return None
