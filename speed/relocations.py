"""What ingest noted of revisions that went elsewhere is looked up, and appended to the log.

Streams are not ordered among one another: what belongs to an event may come after it. So each is looked up at least twice, the last
time when it has been noted for long; what is known already is not said again. A merge that comes late may have been gone on from by
later ones, so that merges are remembered, and those after it looked up again with it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from shared_logic.entities import page
from shared_logic.events.read import DeadLetter, Read, read
from shared_logic.events.records import RevisionsRelocated
from shared_logic.relocations import Merge, MergeOrRestore, Pages, Unresolved, resolved, told
from speed.noted_relocations import Relocation
from speed.sqlite_log import SqliteLog

SECONDS_UNTIL_SETTLED = 3_600.0
"""How long after an event others are waited for that belong to it."""


@dataclass
class Outcome:
    """What became of what was noted."""

    resolved: int = 0
    """The log says it revision by revision now, or did before."""
    revisions: int = 0
    """That the log tells the page of now, newly."""
    unresolved: dict[MergeOrRestore, str] = field(default_factory=dict)
    """Why it could not be looked up; it stays noted, and is tried again the next time."""


def resolve(log: SqliteLog, pages: Pages, noted: Collection[Relocation]) -> Outcome:
    """Append what the pages tell of these events; `pages` include what the log held when the newest had come."""
    outcome = Outcome()
    pending: dict[MergeOrRestore, list[Relocation]] = {}
    for one in noted:
        try:
            what = told(read(one.event))
        except DeadLetter as unreadable:
            log.relocations.put_off(one.event, str(unreadable))
            continue
        if what is None:
            # Its title was taken out of it by a purge.
            log.relocations.settle(one.event, remember=False)
        else:
            pending.setdefault(what, []).append(one)
    gone_on_from = set(_later_merges(log, pending))
    for what, found in resolved({*pending, *gone_on_from}, pages):
        with log.atomically():
            why = str(found) if isinstance(found, Unresolved) else _appended(log, found, outcome)
            if what in gone_on_from:
                # It was resolved before, by what was known then.
                why = ""
            for one in pending.get(what, ()):
                if why or not one.looked_up or time.time() - one.noted < SECONDS_UNTIL_SETTLED:
                    log.relocations.put_off(one.event, why)
                else:
                    log.relocations.settle(one.event, remember=isinstance(what, Merge))
        if why:
            outcome.unresolved[what] = why
        elif what in pending:
            outcome.resolved += 1
    return outcome


def given_up(log: SqliteLog) -> int:
    """Forget what could not be looked up; returns how many events."""
    with log.atomically():
        vain = [one.event for one in log.relocations.unsettled() if one.why]
        for event in vain:
            log.relocations.settle(event, remember=False)
    return len(vain)


def _later_merges(log: SqliteLog, pending: Collection[MergeOrRestore]) -> Iterator[MergeOrRestore]:
    """Merges that were settled, of the wikis of pending ones and not before these."""
    earliest: dict[str, int] = {}
    for what in pending:
        if isinstance(what, Merge):
            earliest[what.wiki] = min(what.at, earliest.get(what.wiki, what.at))
    for raw in log.relocations.settled() if earliest else ():
        settled = told(read(raw))
        if isinstance(settled, Merge) and settled.at >= earliest.get(settled.wiki, settled.at + 1):
            yield settled


def _appended(log: SqliteLog, events: Collection[bytes], outcome: Outcome) -> str:
    """Append these events; why they can't be, else empty."""
    found: list[tuple[bytes, Read]] = []
    for raw in events:
        try:
            found.append((raw, read(raw)))
        except DeadLetter as why:
            return str(why)
    for raw, said in found:
        log.append([(entity, raw) for entity in said.entities])
        if isinstance(said.event, RevisionsRelocated):
            _follow_marks(log, said.event)
            outcome.revisions += len(said.event.revisions)
    return ""


def _follow_marks(log: SqliteLog, event: RevisionsRelocated) -> None:
    """Marks that were told to the old page go to the new one: also those that the tables do not include yet, and later ones."""
    reached = page(event.wiki_id, event.to_page_id)
    for rev_id in event.revisions:
        log.marks.note_restored(event.wiki_id, rev_id, event.to_page_id)
    marks = [(reached, mark) for rev_id in event.revisions for mark in log.marks.marks(event.wiki_id, rev_id)]
    if marks:
        log.append(marks)
