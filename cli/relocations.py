"""Revisions that went from one page to another are looked up where input is brought in: at once, or from time to time."""

from __future__ import annotations

import time
from collections.abc import Collection
from sqlite3 import OperationalError

from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home, Intake
from cli.output import tell
from serving.reader import NotPublished
from serving.sqlite_store import StoreError
from serving.standing import lag_of
from serving.stored_pages import StoredPages
from shared_logic.protocols import Cut, LogError, Store
from shared_logic.relocations import Merge, MergeOrRestore
from speed.noted_relocations import Relocation
from speed.relocations import SECONDS_UNTIL_SETTLED, Outcome, resolve

SECONDS_BETWEEN = 30.0
"""How often it is looked whether anything waits, and how long events of other streams are waited for that belong to it."""
MOST_SECONDS_BETWEEN = 600.0
"""Where the tables can't be read, or do not include what came before."""
PATIENCE_SECONDS = 2.0
"""Nothing is brought in meanwhile."""
AT_ONCE = 20


def look_up(intake: Intake, store: Store, noted: Collection[Relocation], before: Cut) -> Outcome:
    """Look these up and append what is found; `before` is where the log ended when they had come.

    Raises:
        NotPublished: the merged tables are not there, or do not include that yet.
    """
    pages = StoredPages(store)
    lag = lag_of(before, pages.through)
    if lag:
        message = "the merged tables are behind the log; `wikibraid speed run`, or the daemons, bring them on"
        raise NotPublished(message)
    try:
        return resolve(intake.notes, pages, noted)
    finally:
        intake.relay()


def look_up_all(place: Home, intake: Intake, store: Store) -> Outcome:
    """Look up all that was noted.

    Raises:
        Failure: the merged tables do not include all that the log holds.
    """
    with place.log() as log:
        ends = log.ends()
    try:
        return look_up(intake, store, intake.notes.relocations.unsettled(), ends)
    except NotPublished as why:
        raise Failure(str(why), CANNOT_KNOW) from why


def followed(place: Home, store: Store, what: str) -> bool:
    """Look up where history merges and restores took revisions, at the end of a command; whether the log says anything new of it.

    Where another process brings input in, it is told that these wait.
    """
    if not place.has_notes:
        return False
    with place.notes() as notes:
        waiting = notes.relocations.unsettled()
    if not waiting:
        return False
    try:
        with place.writing_log(what), place.intake() as intake:
            outcome = look_up_all(place, intake, store)
    except (Failure, StoreError, LogError, OperationalError) as why:
        if not all(one.looked_up for one in waiting):
            message = f"{_waiting(waiting)}: {why}; `wikibraid ingest relocations` does it later"
            tell(message)
        return False
    if outcome.unresolved:
        message = f"{len(outcome.unresolved):,} history merges can't be followed; `wikibraid ingest relocations` tells why"
        tell(message)
    return outcome.revisions > 0


class LookingUp:
    """Looks up what was noted while input is brought in, as soon as the merged tables include what came before."""

    def __init__(self, place: Home, intake: Intake) -> None:
        """Begin with what earlier processes noted."""
        self._place, self._intake = place, intake
        self._next, self._failures = 0.0, 0
        self._tried_again = set[bytes]()
        """What could not be followed once more, when all that belongs to it should have come."""
        self._waiting: tuple[list[Relocation], Cut] | None = None
        self._said = ""

    def __call__(self) -> None:
        """See whether it is time, and whether anything waits; of much a little at a time."""
        if time.monotonic() < self._next:
            return
        if self._waiting is None and (due := self._due()):
            with self._place.log() as log:
                self._waiting = due, log.ends()
        if self._waiting is not None:
            self._look(*self._waiting)
        pause = min(SECONDS_BETWEEN * 2 ** max(0, self._failures - 1), MOST_SECONDS_BETWEEN)
        self._next = time.monotonic() + (0.0 if self._waiting is not None and not self._failures else pause)

    def _due(self) -> list[Relocation]:
        """What has been noted for a while and was not looked up since, and the same once more when it is old."""
        now = time.time()
        return [
            one
            for one in self._intake.notes.relocations.unsettled()
            if now - one.noted >= (SECONDS_UNTIL_SETTLED if one.looked_up else SECONDS_BETWEEN)
            and one.event not in self._tried_again
        ]

    def _look(self, due: list[Relocation], before: Cut) -> None:
        some, rest = due[:AT_ONCE], due[AT_ONCE:]
        try:
            with self._place.store(PATIENCE_SECONDS) as store:
                outcome = look_up(self._intake, store, some, before)
        except (NotPublished, StoreError, OperationalError) as why:
            self._failures += 1
            self._say(f"{_waiting(due)}: {why}")
            return
        self._failures, self._said = 0, ""
        self._tried_again |= {one.event for one in some if one.looked_up and one.why}
        if rest and outcome.revisions:
            # A merge may go on from one before it, which the tables must include then.
            with self._place.log() as log:
                before = log.ends()
        self._waiting = (rest, before) if rest else None
        for line in unresolved(outcome):
            self._say(line)

    def _say(self, line: str) -> None:
        if line != self._said:
            tell(line)
        self._said = line


def unresolved(outcome: Outcome) -> list[str]:
    """A line for each that could not be looked up."""
    return [f"{_named(what)} can't be followed: {why}" for what, why in outcome.unresolved.items()]


def _waiting(noted: Collection[Relocation]) -> str:
    return f"{len(noted):,} history merges or restores wait to be followed"


def _named(what: MergeOrRestore) -> str:
    if isinstance(what, Merge):
        return f"{what.wiki}, log row {what.log_id}: the merge of {what.title} into {what.destination}"
    return f"{what.wiki}: the restore of page {what.page_id}, {what.title}"
