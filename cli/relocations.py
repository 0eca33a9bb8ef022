"""Revisions that went from one page to another are looked up where input is brought in: at once, or from time to time."""

from __future__ import annotations

import time
from collections.abc import Collection

from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home, Intake
from cli.output import err
from serving.reader import NotPublished, lag_of
from serving.sqlite_store import StoreError
from serving.stored_pages import StoredPages
from shared_logic.protocols import Cut, Store
from shared_logic.relocations import Merge, Told
from speed.relocations import Outcome, resolve

SECONDS_BETWEEN = 30.0


def look_up(intake: Intake, store: Store, events: Collection[bytes], before: Cut) -> Outcome:
    """Look these up and append what is found; `before` is where the log ended when they had come.

    Raises:
        NotPublished: the merged tables are not there, or do not include that yet.
    """
    pages = StoredPages(store)
    lag = lag_of(before, pages.through)
    if lag:
        message = f"the merged tables are {lag:,} messages behind; `wikibraid speed run`, or the daemons, bring them on"
        raise NotPublished(message)
    try:
        return resolve(intake.notes, pages, events)
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
        return look_up(intake, store, intake.notes.relocations().keys(), ends)
    except NotPublished as why:
        raise Failure(str(why), CANNOT_KNOW) from why


def followed(place: Home, store: Store, what: str) -> bool:
    """Look up where history merges and restores took revisions, at the end of a command; whether the log says anything new of it.

    Where another process brings input in, it is told that these wait.
    """
    with place.notes() as notes:
        waiting = len(notes.relocations())
    if not waiting:
        return False
    try:
        with place.writing_log(what), place.intake() as intake:
            outcome = look_up_all(place, intake, store)
    except Failure as why:
        message = f"{waiting:,} history merges or restores are not followed: {why}; `wikibraid ingest relocations` does it later"
        err.print(message, markup=False, soft_wrap=True)
        return False
    if outcome.unresolved:
        message = f"{len(outcome.unresolved):,} history merges can't be followed; `wikibraid ingest relocations` tells why"
        err.print(message, markup=False, soft_wrap=True)
    return outcome.revisions > 0


class LookingUp:
    """Looks up what was noted while input is brought in, as soon as the merged tables include what came before."""

    def __init__(self, place: Home, intake: Intake) -> None:
        """Begin with what earlier processes noted."""
        self._place, self._intake = place, intake
        self._next = 0.0
        self._waiting: tuple[Collection[bytes], Cut] | None = None

    def __call__(self) -> None:
        """See whether it is time, and whether anything waits."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN
        if self._waiting is None:
            events = [event for event, why in self._intake.notes.relocations().items() if not why]
            if not events:
                return
            with self._place.log() as log:
                self._waiting = events, log.ends()
        try:
            with self._place.store() as store:
                outcome = look_up(self._intake, store, *self._waiting)
        except (NotPublished, StoreError) as why:
            err.print(f"{_waiting(self._waiting[0])}: {why}", markup=False, soft_wrap=True)
            return
        self._waiting = None
        for line in unresolved(outcome):
            err.print(line, markup=False, soft_wrap=True)


def unresolved(outcome: Outcome) -> list[str]:
    """A line for each that could not be looked up."""
    return [f"{_named(what)} can't be followed: {why}" for what, why in outcome.unresolved.items()]


def _waiting(events: Collection[bytes]) -> str:
    return f"{len(events):,} history merges or restores wait to be followed"


def _named(what: Told) -> str:
    if isinstance(what, Merge):
        return f"{what.wiki}, log row {what.log_id}: the merge of {what.title} into {what.destination}"
    return f"{what.wiki}: the restore of page {what.page_id}, {what.title}"
