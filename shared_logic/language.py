"""The author's language: a table, and one kind of function that yields its rows.

    def f(revision: Revision)        -> Iterator[SomeTable]   an enrichment
    def f(page: Page)                -> Iterator[SomeTable]   an entity; so are Account, LogEntry, Site, and unions of them
    def f(revision: Revision, so_far: MyFold) ...             a fold over a page's history in own order (see `shared_logic.folds`)
    def f(said: MyEvent)             -> Iterator[SomeTable]   of events of another stream (see `shared_logic.events.declared`)
    def f(total: SumTable)           -> Iterator[SomeTable]   derived from a rollup's finished totals
    def f(total: SumTable, of: Row | None)  ...               derived, with the row of another table that bears the first key columns
    def f(rows: Linked[LinkTable])   -> Iterator[SomeTable]   linked: from all rows that name one another; a second
                                                              parameter is the row of a table that is keyed by the wiki

Any of them may take settings as well, which an installation's configuration can change:

    def f(page: Page, *, settings: MySettings = MySettings()) -> Iterator[SomeTable]

The signature says which of them it is; a table with a column typed `Sum` is a rollup (the rows of one key are added up),
any other keeps one row per key. Nothing else is to be declared.
"""

from __future__ import annotations

from shared_logic.definition import Linked, Settings
from shared_logic.events.declared import DeclaredEvent, event
from shared_logic.folds import Fold
from shared_logic.registry import dataset
from shared_logic.tables import Clustering, Link, Partition, Sum, Table, about

__all__ = [
    "Clustering",
    "DeclaredEvent",
    "Fold",
    "Link",
    "Linked",
    "Partition",
    "Settings",
    "Sum",
    "Table",
    "about",
    "dataset",
    "event",
]
