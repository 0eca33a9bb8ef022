"""The command that says of revisions that went elsewhere which they are."""

from __future__ import annotations

from cli.failures import Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import err, print_outcome
from cli.relocations import look_up_all, unresolved


def relocations(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Follow history merges and restores: look up which revisions they took to another page, and append that to the log.

    Events tell titles only; the merged tables know which pages bore them. `speed run`, `ingest live` and `ingest kafka` do the same by
    themselves; what can't be followed yet stays noted, and is tried again by this command.
    """
    place = home_at(home)
    with place.writing_log("ingest relocations"), place.intake() as intake, place.store() as store:
        outcome = look_up_all(place, intake, store)
    for line in unresolved(outcome):
        err.print(line, markup=False, soft_wrap=True)
    print_outcome(
        {"resolved": outcome.resolved, "revisions": outcome.revisions, "unresolved": len(outcome.unresolved)},
        f"{outcome.resolved:,} merges and restores followed, {outcome.revisions:,} revisions found on another page",
        json=json,
    )
    if outcome.unresolved:
        message = (
            f"{len(outcome.unresolved)} can't be followed; a bootstrap of those pages tells what they hold"
        )
        raise Failure(message)
