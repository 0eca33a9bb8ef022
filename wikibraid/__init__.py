"""The public names for authors and analysts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared_logic.language import (
    Clustering,
    DeclaredEvent,
    Fold,
    Link,
    Linked,
    Partition,
    Settings,
    Sum,
    Table,
    about,
    dataset,
    event,
)
from shared_logic.registry import registry
from shared_logic.things import Account, LogEntry, Page, Revision, Site, User, UserKind

if TYPE_CHECKING:
    from wikibraid.reading import history, read, sql

__all__ = [
    "Account",
    "Clustering",
    "DeclaredEvent",
    "Fold",
    "Link",
    "Linked",
    "LogEntry",
    "Page",
    "Partition",
    "Revision",
    "Settings",
    "Site",
    "Sum",
    "Table",
    "User",
    "UserKind",
    "about",
    "dataset",
    "event",
    "history",
    "read",
    "registry",
    "sql",
]


def __getattr__(name: str) -> Any:
    """What analysts call: not imported where an author's module is, such as in tasks of Spark."""
    if name in {"history", "read", "sql"}:
        from wikibraid import reading  # noqa: PLC0415  see above

        return getattr(reading, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
