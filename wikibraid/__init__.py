"""The public names for authors and analysts."""

from __future__ import annotations

from shared_logic.language import Clustering, Partition, Sum, Table, about, dataset, registry
from shared_logic.things import Page, Revision, User, UserKind
from wikibraid.reading import read, sql

__all__ = [
    "Clustering",
    "Page",
    "Partition",
    "Revision",
    "Sum",
    "Table",
    "User",
    "UserKind",
    "about",
    "dataset",
    "read",
    "registry",
    "sql",
]
