"""What an account that was called so is called now: its renames since are followed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from shared_logic.history.log_row import LogRow
from shared_logic.history.user_events import UserEvent, user_events


class Rename(NamedTuple):
    """What a name was given up for."""

    at: int
    """Milliseconds since 1970 UTC."""
    log_id: int
    new_name: str


Renames = dict[str, set[Rename]]
"""By old name."""


def renames_of(rows: Iterable[LogRow]) -> Renames:
    """The renames that rows of the log of renames tell of."""
    renames: Renames = {}
    for row in rows:
        told = next(user_events(row), None)
        if isinstance(told, UserEvent) and told.old_name != told.new_name:
            renames.setdefault(told.old_name, set()).add(Rename(row.at, row.log_id, told.new_name))
    return renames


def name_since(name: str, at: int, renames: Renames) -> str:
    """What whoever bore that name at that instant is called after all later renames."""
    last = Rename(at, 0, "")
    while later := [rename for rename in renames.get(name, ()) if rename > last]:
        last = min(later)
        name = last.new_name
    return name
