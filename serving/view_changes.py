"""The change feed of a view: the feeds of the tables that it is made of, each row under the name of its table.

A view is stored nowhere, and one row of a table may be many of its rows: an account that is renamed is one row of `user_lives`, and
every revision of mediawiki_history that it ever made. So what is told are the rows that changed, not what they change; whoever keeps
the tables has the view by the view's own SQL, and a rename costs him one row as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from serving.changes import Mark, changes
from shared_logic.definition import Dataset
from shared_logic.protocols import Store
from shared_logic.registry import registry
from shared_logic.sinks import Change
from shared_logic.views import View


@dataclass(frozen=True, slots=True)
class Marks:
    """A moment of all tables of a view."""

    of_tables: Mapping[str, Mark]

    def __str__(self) -> str:
        """As `of` reads it."""
        return ";".join(f"{name}={mark}" for name, mark in self.of_tables.items())

    @classmethod
    def of(cls, text: str) -> Self:
        """The marks of that text.

        Raises:
            ValueError: it is none.
        """
        named = (part.partition("=") for part in text.split(";"))
        return cls({name: Mark.of(mark) for name, _, mark in named})


@dataclass(frozen=True, slots=True)
class ViewFeed:
    """What has changed in the tables of a view since a mark."""

    changes: Iterator[tuple[Dataset, Change]]
    marks: Marks
    """Where the next feed goes on, once all changes of this one were taken."""


def view_changes(store: Store, view: View, since: Marks | None) -> ViewFeed:
    """All that may have changed since the marks; without them all rows.

    Raises:
        NotPublished: a table has no published generation, or one with other columns than the code.
        UnknownMark: what was shown at a mark is not known here, or not any more.
        ValueError: the marks are of another view.
    """
    known = None if since is None else since.of_tables
    if known is not None and known.keys() != set(view.datasets):
        message = f"{view.name} is made of {', '.join(view.datasets)}; the mark is of {', '.join(known)}"
        raise ValueError(message)
    feeds = {
        name: changes(store, registry[name], None if known is None else known[name]) for name in view.datasets
    }
    told = ((registry[name], change) for name, feed in feeds.items() for change in feed.changes)
    return ViewFeed(told, Marks({name: feed.mark for name, feed in feeds.items()}))
