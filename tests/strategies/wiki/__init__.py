"""A small wiki that acts as MediaWiki does: it posts events as EventBus does, and has the tables and the dumps to match.

Every action takes a clock (whole seconds since 1970) that may repeat. Inside one second MediaWiki's order is edit, move,
delete, restore; an action that would go against it on the same page happens a second later, as do a second change of one
revision's visibility or tags, a flip of a redirect, the restore of a revision that was saved in the same second, and a
history merge. An action that cannot be done (its page is gone, its title is taken) changes nothing.

What no event tells of what was done is noted in `untold`.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.strategies.wiki import dump as _dump
from tests.strategies.wiki import tables as _tables
from tests.strategies.wiki.account_actions import AccountActions
from tests.strategies.wiki.cast import ADMIN, DAY, START, TAGS, TEXTS, TITLES, cast
from tests.strategies.wiki.history_actions import HistoryActions
from tests.strategies.wiki.page_actions import PageActions
from tests.strategies.wiki.state import (
    NEVER,
    Age,
    Archived,
    Gap,
    LogRow,
    Page,
    Protection,
    Revision,
    Untold,
    User,
)
from tests.strategies.wiki.tables import Table
from tests.strategies.wiki.text import (
    NAMESPACES,
    Title,
    digits14,
    is_redirect,
    iso,
    php,
    prefixed,
    sha1_base36,
    shown,
    title_of,
)
from tests.strategies.wiki.visibility_actions import VisibilityActions

__all__ = [
    "ADMIN",
    "DAY",
    "NAMESPACES",
    "NEVER",
    "START",
    "TAGS",
    "TEXTS",
    "TITLES",
    "Age",
    "Archived",
    "Gap",
    "LogRow",
    "Page",
    "Protection",
    "Revision",
    "Table",
    "Title",
    "Untold",
    "User",
    "Wiki",
    "digits14",
    "is_redirect",
    "iso",
    "php",
    "prefixed",
    "sha1_base36",
    "shown",
    "title_of",
]


class Wiki(PageActions, HistoryActions, VisibilityActions, AccountActions):
    """One wiki: its actions, the events that they post, its tables and dumps."""

    def __init__(self, name: str, age: Age, users: Iterable[User] | None = None, start: int = START) -> None:
        """An empty wiki; `users` are those that it has from the start (None: those of the stories)."""
        super().__init__(name, age, cast() if users is None else users, start)

    @classmethod
    def of_2008(cls, name: str = "testwiki") -> Wiki:
        """A wiki whose log rows are lines of text, and that posts nothing."""
        return cls(name, Age.OF_2008)

    @classmethod
    def of_2023(cls, name: str = "testwiki") -> Wiki:
        """A wiki with MediaWiki 1.39."""
        return cls(name, Age.OF_2023)

    @classmethod
    def of_today(cls, name: str = "testwiki") -> Wiki:
        """A wiki with MediaWiki 1.46."""
        return cls(name, Age.OF_2026)

    def tables(self) -> dict[str, Table]:
        """The tables of this moment; values as text, None for NULL."""
        return _tables.tables(self)

    def dump(self) -> bytes:
        """The live pages with their whole history, as dumpBackup.php --full writes them (XML 0.11)."""
        return _dump.dump(self)

    def log_dump(self) -> bytes:
        """The log, as dumpBackup.php --logs writes it."""
        return _dump.log_dump(self)
