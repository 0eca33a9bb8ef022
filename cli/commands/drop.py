"""The command that drops a dataset wholly."""

from __future__ import annotations

import shutil
from difflib import get_close_matches
from typing import Annotated

import typer

from cli.commands.batch import forget_unread
from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, NameArgument, known_home
from cli.output import print_outcome
from shared_logic.datasets.user_current import hidden_names
from shared_logic.definition import names_accounts
from shared_logic.protocols import Store
from shared_logic.registry import registry


def drop(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Drop it; else it is told what would go.")] = False,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Give up a dataset wholly: every generation, the published one too, with all rows and files; registered or not."""
    place = known_home(home)
    with place.writing_store("generations drop"), place.store() as store:
        _refuse_unknown(store, name)
        _refuse_needed(store, name)
        numbers = [made.number for made in store.generations(name)]
        if not yes:
            raise Failure(_what_would_go(store, name, len(numbers)))
        # The store last, so that a drop that was killed can be asked for again.
        if (place.delta / name).exists():
            shutil.rmtree(place.delta / name)
        (place.parity / f"{name}.json").unlink(missing_ok=True)
        store.drop(name)
        forget_unread(place, store)
    print_outcome(
        {"dataset": name, "dropped": numbers},
        f"{name} was dropped, {len(numbers)} generation{'s' * (len(numbers) != 1)}",
        json=json,
    )


def _refuse_unknown(store: Store, name: str) -> None:
    """Refuse a name of which nothing is held.

    Raises:
        Failure: it is such.
    """
    held = store.datasets()
    if name in held:
        return
    if name in registry:
        message = f"{name} has no generations: there is nothing to drop"
        raise Failure(message, CANNOT_KNOW)
    alike = get_close_matches(name, held)
    meant = f"did you mean {' or '.join(alike)}? " if alike else ""
    message = f"nothing is held of {name!r}; {meant}there are {', '.join(held) or 'none'}"
    raise Failure(message)


def _refuse_needed(store: Store, name: str) -> None:
    """Refuse a dataset without which another one that is published can't be kept, or not be shown.

    Raises:
        Failure: it is such.
    """
    if name not in registry:
        return
    reading = [one.name for one in registry.derived_from(registry[name]) if store.published(one.name)]
    if reading:
        message = (
            f"{name} is not dropped: {', '.join(reading)} read{'s' * (len(reading) == 1)} it; "
            f"drop that first, by `wikibraid generations drop {reading[0]}`"
        )
        raise Failure(message)
    naming = [
        one.name
        for one in registry.values()
        if one.name != name and names_accounts(one) and store.published(one.name)
    ]
    if name == hidden_names.name and naming:
        message = f"{name} is not dropped: without it nobody knows which names are hidden in {', '.join(naming)}; drop these first"
        raise Failure(message)


def _what_would_go(store: Store, name: str, count: int) -> str:
    is_published = store.published(name) is not None
    again = (
        f"`wikibraid batch run {name}` would compute it again"
        if name in registry
        else "nobody here could compute it again"
    )
    return (
        f"{name}: {count} generation{'s' * (count != 1)} with all rows and files"
        f"{', the one that readers read too,' * is_published} would go; {again}. "
        f"`wikibraid generations drop {name} --yes` does it"
    )
