"""The reference interpreter: every dataset over a whole story, in memory, in the fewest lines. Engines are held against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.events.streams import PAGE
from shared_logic.kernel import Rows, add, derive, page_rows
from shared_logic.language import Dataset
from shared_logic.page_state import EMPTY, PageState, join
from shared_logic.restores import Restores

PageKey = tuple[str, int]
"""Wiki and page id."""
Tables = dict[str, Rows]
"""Rows by dataset."""


@dataclass
class Told:
    """What a list of events says: states of pages, and the events that said nothing."""

    pages: dict[PageKey, PageState] = field(default_factory=dict)
    dead: list[tuple[int, DeadLetter]] = field(default_factory=list)
    """(place in the list, why)."""
    out_of_scope: list[tuple[int, str]] = field(default_factory=list)


def told(events: Iterable[bytes]) -> Told:
    """What the events say, whatever their order."""
    result = Told()
    restores = Restores()
    for place, raw in enumerate(events):
        try:
            found = read(raw)
        except DeadLetter as why:
            result.dead.append((place, why))
            continue
        except OutOfScope as why:
            result.out_of_scope.append((place, str(why)))
            continue
        for route, copy in (*((route, raw) for route in found.routes), *restores.also(found, raw)):
            if route.log == PAGE:
                key = route.wiki, route.id
                said = (found if copy is raw else read(copy)).state(route.id)
                result.pages[key] = join(result.pages.get(key, EMPTY), said)
    return result


def united(*sources: Iterable[tuple[PageKey, PageState]]) -> dict[PageKey, PageState]:
    """The states of all pages that any of the sources tells of."""
    pages: dict[PageKey, PageState] = {}
    for source in sources:
        for key, state in source:
            pages[key] = join(pages.get(key, EMPTY), state)
    return pages


def reference(datasets: Sequence[Dataset], pages: dict[PageKey, PageState]) -> Tables:
    """Every dataset's table over these pages; a derived dataset's source must stand before it."""
    tables: Tables = {}
    for dataset in datasets:
        source = dataset.source
        if source is None:
            contributed: Iterator[Rows] = (page_rows(dataset, *key, state) for key, state in pages.items())
        else:
            contributed = (derive(dataset, key, total) for key, total in tables[source.name].items())
        tables[dataset.name] = combined(dataset, contributed)
    return tables


def combined(dataset: Dataset, contributed: Iterable[Rows]) -> Rows:
    """The table that these contributions make: rows by key, or sums added up, without keys whose sums are all zero."""
    table: Rows = {}
    if not dataset.is_rollup:
        for rows in contributed:
            table |= rows
        return table
    totals: defaultdict[tuple[object, ...], tuple[int, ...]] = defaultdict(tuple)
    for rows in contributed:
        for key, values in rows.items():
            known = totals[key]
            totals[key] = add(known, values) if known else values
    return {key: values for key, values in totals.items() if any(values)}
