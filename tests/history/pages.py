"""Seeds, events and states in few words, for tests of the rebuild of pages."""

from __future__ import annotations

from itertools import count

from shared_logic.clock import from_iso
from shared_logic.history.log_row import Actor
from shared_logic.history.page_events import PageEvent, PageEventType
from shared_logic.history.page_history import PageHistoryState, PageSeed
from shared_logic.history.page_rebuild import Rebuilt, rebuilt

WIKI = "testwiki"
BEGINNING = from_iso("2020-01-01T00:00:00Z")
"""Day 0 of most stories: page ids in log rows can be trusted."""
DAY = 86_400_000
LONG = (from_iso("2010-01-01T00:00:00Z") - BEGINNING) / DAY
"""Days to add for a story in which page ids of moves, deletions and restores can't be trusted."""
ADMIN = Actor(
    user_id=9, central_id=99, name="Admin", is_anonymous=False, is_temporary=False, is_permanent=True
)
ALICE = Actor(user_id=1, name="Alice", is_anonymous=False)
CONTENT = frozenset({0})

_log_ids = count(1)


def day(number: float) -> int:
    return BEGINNING + int(number * DAY)


def page(page_id, title, *, first=0, namespace=0, created=None, deleted=False, redirect=False):
    """A seed whose first edit was on that day (None: no edit is known)."""
    return PageSeed(
        wiki=WIKI,
        page_id=page_id,
        namespace=namespace,
        title=title,
        first_edit=None if first is None else day(first),
        creator=ALICE,
        is_redirect=None if deleted else redirect,
        is_deleted=deleted,
        creation=None if created is None else day(created),
    )


def event(event_type, at, title, *, to=None, page_id=None, namespace=0, new_namespace=None, log_id=None):
    """An event on that day; log ids count up unless told."""
    return PageEvent(
        wiki=WIKI,
        log_id=next(_log_ids) if log_id is None else log_id,
        at=day(at),
        event_type=PageEventType(event_type),
        page_id=page_id,
        old_namespace=namespace,
        old_title=title,
        new_namespace=namespace if new_namespace is None else new_namespace,
        new_title=title if to is None else to,
        caused_by=ADMIN,
        comment="because",
        params={"key": "value"},
    )


def move(at, title, to, **more):
    return event("move", at, title, to=to, **more)


def delete(at, title, **more):
    return event("delete", at, title, **more)


def restore(at, title, **more):
    return event("restore", at, title, **more)


def create_page(at, title, **more):
    return event("create-page", at, title, **more)


def merge(at, title, **more):
    return event("merge", at, title, **more)


def rebuild(seeds, events) -> Rebuilt:
    return rebuilt(seeds, events, CONTENT)


def states(seeds, events) -> tuple[PageHistoryState, ...]:
    """The states, where nothing is odd."""
    result = rebuild(seeds, events)
    assert result.issues == ()
    return result.states


def days(instant):
    """The day of an instant; None stays None."""
    if instant is None:
        return None
    number = (instant - BEGINNING) / DAY
    return int(number) if number.is_integer() else number


def told(state: PageHistoryState):
    """What a state says, short: page, type, from and to (days), title then, and why it was inferred."""
    return (
        state.page_id,
        str(state.caused_by_event_type),
        days(state.start_timestamp),
        days(state.end_timestamp),
        state.page_title_historical,
        state.inferred_from and str(state.inferred_from),
    )


def stories(seeds, events):
    """What the states say, where nothing is odd."""
    return [told(state) for state in states(seeds, events)]


def of_page(found, page_id):
    return [state for state in found if state.page_id == page_id]


def lived(state: PageHistoryState):
    """Type, and from and to when it really was so (days)."""
    return str(state.caused_by_event_type), days(state.valid_from), days(state.valid_to)


def codes(result: Rebuilt):
    return [issue.code for issue in result.issues]
