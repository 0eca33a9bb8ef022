"""The command that says of revisions that went elsewhere which they are."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.failures import Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import print_outcome, tell
from cli.relocations import look_up_all, unresolved
from speed.relocations import given_up


def relocations(
    give_up: Annotated[
        bool,
        typer.Option(help="Forget those that can't be followed, as when a bootstrap has told what they did."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Follow history merges and restores: look up which revisions they took to another page, and append that to the log.

    Events tell titles only; the merged tables know which pages bore them. `speed run`, `batch run`, `ingest live` and `ingest kafka` do the
    same by themselves; what can't be followed yet stays noted, and is tried again by this command.
    """
    place = home_at(home)
    with place.writing_log("ingest relocations"), place.intake() as intake, place.store() as store:
        outcome = look_up_all(place, intake, store)
        gone = given_up(intake.notes) if give_up else 0
    for line in unresolved(outcome):
        tell(line)
    print_outcome(
        {
            "resolved": outcome.resolved,
            "revisions": outcome.revisions,
            "unresolved": len(outcome.unresolved),
            "given_up": gone,
        },
        f"{outcome.resolved:,} merges and restores followed, {outcome.revisions:,} revisions found on another page",
        json=json,
    )
    if outcome.unresolved and not give_up:
        message = (
            f"{len(outcome.unresolved)} can't be followed; a bootstrap of those pages tells what they hold "
            "(docs/operations.md), and --give-up forgets them then"
        )
        raise Failure(message)
