"""What the sweep holds: states that wait for an older event, by what the page was called then and by its id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared_logic.history.page_events import PageEvent, PageKey
from shared_logic.history.page_history import PageHistoryState


@dataclass(eq=False, slots=True)
class Held:
    """A state that waits, and where it is found."""

    state: PageHistoryState
    key: PageKey
    page_id: int | None
    """None: not found by id."""
    not_before: int | None = None
    """The last instant at which another page had this title, where that is known."""


class StateStore:
    """States by title and by id.

    Of two under one title or id the later is found; the other one stays until it is taken by what it is still found by.
    """

    def __init__(self) -> None:
        self._all: dict[Held, None] = {}
        self._by_key: dict[PageKey, Held] = {}
        self._by_id: dict[tuple[str, int], Held] = {}

    def __iter__(self) -> Iterator[Held]:
        """All that wait, in the order in which they were put."""
        return iter(self._all)

    def put(self, held: Held) -> Held | None:
        """Keep it; the answer is what was found under its title before."""
        before = self._by_key.get(held.key)
        self._all[held] = None
        self._by_key[held.key] = held
        if held.page_id is not None:
            self._by_id[held.state.wiki_db, held.page_id] = held
        return before

    def take(self, held: Held) -> PageHistoryState:
        """The state, which waits no longer."""
        del self._all[held]
        if self._by_key.get(held.key) is held:
            del self._by_key[held.key]
        if held.page_id is not None and self._by_id.get((held.state.wiki_db, held.page_id)) is held:
            del self._by_id[held.state.wiki_db, held.page_id]
        return held.state

    def titled(self, key: PageKey) -> Held | None:
        """What bears that title."""
        return self._by_key.get(key)

    def identified(self, wiki: str, page_id: int | None) -> Held | None:
        """What has that page id."""
        return None if page_id is None else self._by_id.get((wiki, page_id))

    def match(self, event: PageEvent) -> Held | None:
        """What the event fits: by its id if that is usable, else by the title that it leads to."""
        if event.usable_page_id is None:
            return self.titled(event.new_key)
        return self.identified(event.wiki, event.usable_page_id)


class Titled(NamedTuple):
    """A deleted page that was found by its title."""

    state: PageHistoryState
    is_ambiguous: bool
    """Whether another one of that title began before, too."""


class Archive:
    """First states of deleted pages, each given out once: by id, or by title."""

    def __init__(self) -> None:
        self._all: dict[Held, None] = {}
        self._by_id: dict[tuple[str, int], Held] = {}
        self._by_key: dict[PageKey, list[Held]] = {}

    def __iter__(self) -> Iterator[PageHistoryState]:
        """Those that were not given out."""
        return (held.state for held in self._all)

    def put(self, state: PageHistoryState) -> None:
        """Keep it; those of one title come in order of their first edits."""
        held = Held(state, state.key, state.page_id)
        self._all[held] = None
        self._by_key.setdefault(held.key, []).append(held)
        if state.page_id is not None:
            self._by_id[state.wiki_db, state.page_id] = held

    def take_identified(self, wiki: str, page_id: int) -> PageHistoryState | None:
        """The deleted page of that id."""
        held = self._by_id.pop((wiki, page_id), None)
        if held is None:
            return None
        self._all.pop(held, None)
        return held.state

    def take_titled(self, key: PageKey, before: int) -> Titled | None:
        """The last page of that title that began before an instant, no later than in any call before."""
        waiting = self._by_key.get(key, [])
        while waiting and not (
            waiting[-1] in self._all and (waiting[-1].state.start_timestamp or 0) <= before
        ):
            waiting.pop()
        if not waiting:
            return None
        held = waiting.pop()
        del self._all[held]
        if self._by_id.get((held.state.wiki_db, held.page_id or 0)) is held:
            del self._by_id[held.state.wiki_db, held.page_id or 0]
        while waiting and waiting[-1] not in self._all:
            waiting.pop()
        return Titled(held.state, is_ambiguous=bool(waiting))
