"""Restores to another page id: the copies of the revisions must also reach the page that they left.

When a deleted page is restored onto a page that was made under its title meanwhile, the copies (revision-create) name the new
page id only, and `page-undelete` alone tells the old one. All share a request id. This keeps, per request, what was seen so
far, and says which events go to the old page's key as well, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared_logic.clock import SECOND_MS, milliseconds
from shared_logic.events import records as r
from shared_logic.events.read import Read
from shared_logic.events.streams import PAGE, Route

REQUESTS_KEPT = 1_000
"""Requests of restores that are remembered; their events arrive within seconds of one another."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What was seen of one request so far."""

    old_pages: tuple[tuple[int, int], ...] = ()
    """(page id, the id that its revisions had before)."""
    copies: tuple[tuple[int, bytes], ...] = ()
    """(page id, bytes of the event)."""


class Restores:
    """The memory of recent restores; `encoded` and the constructor carry it over a restart."""

    def __init__(self, encoded: bytes | None = None) -> None:
        """Start empty, or from what `encoded` gave."""
        self._requests: dict[str, Request] = _decoder.decode(encoded) if encoded else {}

    def encoded(self) -> bytes:
        """The memory as bytes."""
        return _encoder.encode(self._requests)

    def also(self, read: Read, raw: bytes) -> Iterator[tuple[Route, bytes]]:
        """Further routes: of this event, and of earlier ones whose old page it names."""
        event = read.event
        if isinstance(event, r.RevisionCreate):
            if (
                not event.meta.request_id
                or milliseconds(event.meta.dt) - milliseconds(event.rev_timestamp) < SECOND_MS
            ):
                return
            name = f"{event.database} {event.meta.request_id}"
            known = self._requests.get(name, Request())
            if (event.page_id, raw) not in known.copies:
                self._keep(name, Request(known.old_pages, (*known.copies, (event.page_id, raw))))
            for page_id, old_id in known.old_pages:
                if page_id == event.page_id:
                    yield Route(PAGE, event.database, old_id), raw
            return
        told = _old_page(event)
        if told is None:
            return
        wiki, page_id, old_id = told
        name = f"{wiki} {event.meta.request_id}"
        known = self._requests.get(name, Request())
        if (page_id, old_id) in known.old_pages:
            return
        self._keep(name, Request((*known.old_pages, (page_id, old_id)), known.copies))
        for page, copy in known.copies:
            if page == page_id:
                yield Route(PAGE, wiki, old_id), copy

    def _keep(self, name: str, request: Request) -> None:
        self._requests.pop(name, None)
        self._requests[name] = request
        while len(self._requests) > REQUESTS_KEPT:
            del self._requests[next(iter(self._requests))]


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
