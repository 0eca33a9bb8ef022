"""What all states of one page tell together: which was the first, when the page was made, when each state really held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import msgspec

from shared_logic.history.page_events import PageEventType
from shared_logic.history.page_history import PageHistoryState


def propagated(states: Iterable[PageHistoryState]) -> Iterator[PageHistoryState]:
    """The states in order of page and time, with the columns that depend on the others of their page.

    Args:
        states: all of each page, `valid_from` being the earliest instant at which each can have begun. Of states that
            start and end at the same instants, that which is given first comes first.
    """
    lineages: dict[tuple[str, int, str], list[PageHistoryState]] = {}
    for state in states:
        lineage = (state.wiki_db, state.page_id or 0, state.page_artificial_id or "")
        lineages.setdefault(lineage, []).append(state)
    for _, lineage_states in sorted(lineages.items(), key=lambda item: item[0]):
        yield from _propagated(sorted(lineage_states, key=_order_in_time))


def _propagated(lineage: list[PageHistoryState]) -> Iterator[PageHistoryState]:
    first = lineage[0]
    creation = first.page_creation_timestamp
    intervals = _intervals(lineage)
    real = (since for since, until in intervals if since is None or since != until)
    made = min(real, key=_unknown_first)
    for state, (since, until) in zip(lineage, intervals, strict=True):
        yield msgspec.structs.replace(
            state,
            page_first_state=state is first,
            page_creation_timestamp=first.start_timestamp if creation is None else creation,
            page_first_edit_timestamp=first.page_first_edit_timestamp,
            valid_from=since,
            valid_to=until,
            page_valid_from=made,
        )


def _intervals(lineage: list[PageHistoryState]) -> list[tuple[int | None, int | None]]:
    """From when until when each state held: each that ever did until the next one began, the others at no time."""
    logged = {
        state.start_timestamp for state in lineage if state.caused_by_event_type is PageEventType.CREATE_PAGE
    }
    known = [
        instant
        for state in lineage
        for instant in (state.valid_from, state.end_timestamp)
        if instant is not None
    ]
    intervals: dict[int, tuple[int | None, int | None]] = {}
    begins: list[tuple[int | None, int]] = []
    present: list[tuple[int | None, int]] = []
    for place, state in enumerate(lineage):
        begin, end = state.valid_from, state.end_timestamp
        if begin is None and end is None:
            # It is so at present: whatever else is known of the page was before.
            present.append((max(known, default=None), place))
        elif end is not None and _never_was(state, end, logged, begins):
            intervals[place] = end, end
        else:
            begins.append((begin, place))
    begins.sort(key=lambda item: _unknown_first(item[0]))
    begins.extend(present)
    for (begin, place), (next_begin, _) in zip_longest(begins, begins[1:], fillvalue=(None, 0)):
        intervals[place] = begin, next_begin
    return [intervals[place] for place in range(len(lineage))]


def _never_was(
    state: PageHistoryState, end: int, logged: set[int | None], begins: list[tuple[int | None, int]]
) -> bool:
    """Whether it is before the log row of the page's creation, or one of two that began nobody knows when."""
    if state.caused_by_event_type is PageEventType.CREATE and end in logged:
        return True
    return state.valid_from is None and any(begin is None for begin, _ in begins)


def _unknown_first(instant: int | None) -> tuple[bool, int]:
    return instant is not None, instant or 0


def _order_in_time(state: PageHistoryState) -> tuple[bool, int, bool, int]:
    """By start, unknown first; then by end, none last."""
    end = state.end_timestamp
    return *_unknown_first(state.start_timestamp), end is None, end or 0
