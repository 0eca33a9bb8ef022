"""What ingest noted of revisions that went elsewhere is looked up, and appended to the log."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from shared_logic.events.read import read
from shared_logic.events.records import RevisionsRelocated
from shared_logic.relocations import Pages, Told, Unresolved, resolved, told
from speed.sqlite_log import SqliteLog


@dataclass
class Outcome:
    """What became of what was noted."""

    resolved: int = 0
    """The log says it revision by revision now, or did before."""
    revisions: int = 0
    """That the log tells the page of now, newly."""
    unresolved: dict[Told, str] = field(default_factory=dict)
    """Why it could not be looked up; it stays noted, and is tried again the next time."""


def resolve(log: SqliteLog, pages: Pages, events: Collection[bytes]) -> Outcome:
    """Append what the pages tell of these events, which the log notes; `pages` include what the log held when they came."""
    outcome = Outcome()
    noted: dict[Told, list[bytes]] = {}
    for raw in events:
        what = told(read(raw))
        if what is None:
            # Its title was taken out of it by a purge.
            log.settle_relocation(raw)
        else:
            noted.setdefault(what, []).append(raw)
    for what, found in resolved(noted, pages):
        with log.atomically():
            if isinstance(found, Unresolved):
                for raw in noted[what]:
                    log.put_off_relocation(raw, str(found))
                outcome.unresolved[what] = str(found)
                continue
            for event in found:
                _append(log, event, outcome)
            for raw in noted[what]:
                log.settle_relocation(raw)
            outcome.resolved += 1
    return outcome


def _append(log: SqliteLog, raw: bytes, outcome: Outcome) -> None:
    found = read(raw)
    log.append([(entity, raw) for entity in found.entities])
    if isinstance(found.event, RevisionsRelocated):
        for rev_id in found.event.revisions:
            log.note_restored(found.event.wiki_id, rev_id, found.event.to_page_id)
        outcome.revisions += len(found.event.revisions)
