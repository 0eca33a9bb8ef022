"""What every interpreter does with a dataset: rows of things, what a change of a thing changes, and how totals are kept.

Keys and values are plain tuples in the order of the table's columns. A *change* is the difference between the rows of a thing
before and after: puts and tombstones for a table of rows, differences of sums for a rollup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from shared_logic.language import Dataset, Key, Values
from shared_logic.page_state import PageState
from shared_logic.things import Page, Revision, page

Sums = tuple[int, ...]
Rows = dict[Key, Values]


@dataclass(slots=True)
class Changes:
    """What one dataset's table gains and loses; of several changes of one key the last put stands, sums are added."""

    rows: dict[Key, Values | None] = field(default_factory=dict)
    """Rows to put; None is a tombstone."""
    sums: dict[Key, Sums] = field(default_factory=dict)
    """Differences to add."""

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.rows or self.sums)


def rows_of_page(dataset: Dataset, thing: Page) -> Rows:
    """The rows that a page contributes: of its revisions for an enrichment, else of itself; sums of one key added up."""
    if dataset.reads is Revision:
        return rows_of(dataset, thing.revisions)
    return rows_of(dataset, (thing,))


def rows_of(dataset: Dataset, things: Iterable[object]) -> Rows:
    """The rows of these things by key; a key whose sums are all zero is no row."""
    split = dataset.schema.split
    rows: Rows = {}
    if not dataset.is_rollup:
        for thing in things:
            for row in dataset.function(thing):
                key, values = split(row)
                rows[key] = values
        return rows
    for thing in things:
        for row in dataset.function(thing):
            key, values = split(row)
            known = rows.get(key)
            whole = _whole(values)
            rows[key] = add(known, whole) if known else whole
    return {key: values for key, values in rows.items() if any(values)}


Failed = Callable[[str, str, str], None]
"""Told of a function that raised: dataset, page (as `wiki/id`), and what was raised."""


def _whole(values: Values) -> Sums:
    """The sums as whole numbers, booleans counting as 0 and 1."""
    return tuple(map(int, values))


def page_rows(
    dataset: Dataset, wiki: str, page_id: int, state: PageState, failed: Failed = lambda *_: None
) -> Rows:
    """The rows that a page in this state contributes; none where the author's function raises, in every layer alike."""
    try:
        return rows_of_page(dataset, page(wiki, page_id, state))
    except Exception as error:  # noqa: BLE001  whatever an author's function raises concerns this page only
        failed(dataset.name, f"{wiki}/{page_id}", f"{type(error).__name__}: {error}")
        return {}


def change(dataset: Dataset, before: Rows, after: Rows, into: Changes) -> None:
    """Note in `into` what turns the rows before into those after."""
    if dataset.is_rollup:
        for key in before.keys() | after.keys():
            old, new = before.get(key), after.get(key)
            if old != new:
                difference = subtract(new, old)
                known = into.sums.get(key)
                into.sums[key] = add(known, difference) if known else difference
        return
    for key in before.keys() - after.keys():
        into.rows.setdefault(key, None)
    for key, values in after.items():
        if before.get(key) != values:
            into.rows[key] = values


def add(one: Sums, other: Sums) -> Sums:
    """The group's operation; the identity is all zero."""
    return tuple([a + b for a, b in zip(one, other, strict=True)])


def negate(sums: Sums) -> Sums:
    """The group's inverse."""
    return tuple([-value for value in sums])


def subtract(one: Sums | None, other: Sums | None) -> Sums:
    """One less the other, where nothing is the identity."""
    if other is None:
        return one or ()
    return negate(other) if one is None else tuple([a - b for a, b in zip(one, other, strict=True)])


def derive(dataset: Dataset, key: Key, total: Sums | None) -> Rows:
    """The rows that a derived dataset makes of one total; of none, or one of zeros, it makes none."""
    if dataset.source is None or total is None or not any(total):
        return {}
    return rows_of(dataset, (dataset.source.schema.row(key, total),))


def entity_datasets(datasets: Iterable[Dataset]) -> Iterator[Dataset]:
    """Those that read pages or revisions, not totals."""
    return (dataset for dataset in datasets if dataset.source is None)
