"""What every interpreter does with a dataset: rows of things, what a change of a thing changes, and how totals are kept.

Keys and values are plain tuples in the order of the table's columns. A *change* is the difference between the rows of a thing
before and after: puts and tombstones for a table of rows, differences of sums for a rollup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import add as plus
from operator import itemgetter
from typing import Any

from shared_logic.definition import Dataset, Linked
from shared_logic.entities import Entity, Kind, State
from shared_logic.events.declared import Declared, is_declared
from shared_logic.tables import Key, Schema, Values
from shared_logic.things import (
    Account,
    InputIssue,
    LogEntry,
    Page,
    Revision,
    Site,
    StrayRevision,
    account,
    input_issue,
    log_entry,
    page,
    site,
    stray_revision,
)

Sums = tuple[int, ...]
Rows = dict[Key, Values]


@dataclass(slots=True)
class Changes:
    """What one dataset's table gains and loses."""

    rows: dict[Key, tuple[Values | None, Values | None]] = field(default_factory=dict)
    """The row before and after; None is no row. Of several changes of one key the first before and the last put stand."""
    sums: dict[Key, Sums] = field(default_factory=dict)
    """Differences to add."""

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.rows or self.sums)


Failed = Callable[[str, str, str], None]
"""Told of a function that raised: dataset, place (an entity's key), and what was raised."""


def told_elsewhere(dataset: str, place: str, error: str) -> None:
    """A `Failed` of those who make rows again: what raised was told when they were made first."""


def rows_of(dataset: Dataset, place: str, things: Sequence[object], failed: Failed) -> Rows:
    """The rows of these things by key, sums of one key added up; a key whose sums are all zero is no row.

    A thing for which the author's function raises has none, in every layer alike.
    """
    if len(things) == 1:
        return _finished(dataset, _made(dataset, place, things, failed))
    rows: Rows = {}
    for thing in things:
        made = _made(dataset, place, (thing,), failed)
        if not rows:
            rows = made
        elif dataset.is_rollup:
            for key, sums in made.items():
                known = rows.get(key)
                rows[key] = add(known, sums) if known else sums
        else:
            rows |= made
    return _finished(dataset, rows)


def _made(dataset: Dataset, place: str, things: Sequence[object], failed: Failed) -> Rows:
    """What one call of the author's function yields, sums of one key added up; nothing where it raises, which is told."""
    rows: Rows = {}
    is_rollup = dataset.is_rollup
    try:
        made = map(dataset.schema.split, dataset(*things))
        for key, values in _storable(dataset.schema, made) if dataset.reads_declared else made:
            known = rows.get(key) if is_rollup else None
            rows[key] = add(known, values) if known else values
        _check_revision(dataset, things[0], rows)
        return rows
    except Exception as error:  # noqa: BLE001  whatever an author's function raises concerns this place only
        failed(dataset.name, place, raised_by(dataset, error))
        return {}


def raised_by(dataset: Dataset, error: Exception) -> str:
    """What was raised, and the line of the author's package where it was, if it was there."""
    package = dataset.function.__module__.rpartition(".")[0] or dataset.function.__module__
    where, trace = "", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        if module == package or module.startswith(f"{package}."):
            where = f" ({module}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{where}"


def _storable(schema: Schema[Any], made: Iterable[tuple[Key, Values]]) -> Iterator[tuple[Key, Values]]:
    """The rows as stores give them back: nobody has looked at what is in events that authors declare."""
    for key, values in made:
        yield schema.storable(key), schema.storable(values)


def _check_revision(dataset: Dataset, thing: object, made: Rows) -> None:
    """Refuse rows that name another revision than they are made of: who follows the log makes those of each by themselves.

    Raises:
        TypeError: a row whose key has another revision's id.
    """
    if dataset.is_rollup or not (isinstance(thing, Revision) and dataset.is_by_revision):
        return
    schema = dataset.schema
    place = schema.key_names.index("rev_id")
    for key in made:
        if key[place] != thing.rev_id:
            message = (
                f"{schema.name}.rev_id is {key[place]} in a row of revision {thing.rev_id}; a rev_id in the key is that of the "
                "revision which the function reads, so call a column with another one something else"
            )
            raise TypeError(message)


def _finished(dataset: Dataset, rows: Rows) -> Rows:
    """The rows; of a rollup without keys whose sums are all zero."""
    if not dataset.is_rollup or all(map(any, rows.values())):
        return rows
    return {key: values for key, values in rows.items() if any(values)}


class Described:
    """An entity in one state, as authors see it: made at most once for all datasets that read it."""

    def __init__(self, entity: Entity, state: State) -> None:
        """Describe nothing yet."""
        self.entity, self.state = entity, state

    @cached_property
    def thing(self) -> object | None:
        """The page, account, log row, site, issue, stray revision or declared event; None while too little is known of it."""
        return _DESCRIBES[self.entity.kind](self.entity, self.state)

    def read_by(self, dataset: Dataset) -> Sequence[object]:
        """What of it the dataset reads."""
        if not reads(dataset, self.entity.kind) or self.thing is None:
            return ()
        return read_of(self.thing, dataset)


def reads(dataset: Dataset, kind: Kind) -> bool:
    """Whether the dataset reads things that entities of this kind are."""
    if kind is Kind.EVENT:
        return dataset.reads_declared
    return not _READERS_READ[kind].isdisjoint(dataset.reads)


def read_of(thing: object, dataset: Dataset) -> Sequence[object]:
    """What a dataset that reads such things is given: a page as a whole, or each of its revisions that are not in the archive."""
    if isinstance(thing, Declared):
        return thing.read_as(filter(is_declared, dataset.reads))
    return thing.revisions if isinstance(thing, Page) and Revision in dataset.reads else (thing,)


def entity_rows(dataset: Dataset, described: Described, failed: Failed) -> Rows:
    """The rows that an entity contributes."""
    return rows_of(dataset, described.entity.key, described.read_by(dataset), failed)


def _place(key: Key) -> str:
    return "/".join(map(str, key))


_READERS_READ: Mapping[Kind, frozenset[type]] = {
    Kind.PAGE: frozenset({Page, Revision}),
    Kind.USER: frozenset({Account}),
    Kind.LOG: frozenset({LogEntry}),
    Kind.SITE: frozenset({Site}),
    Kind.ISSUE: frozenset({InputIssue}),
    Kind.STRAY: frozenset({StrayRevision}),
}
_DESCRIBES: Mapping[Kind, Callable[[Entity, Any], object | None]] = {
    Kind.PAGE: lambda entity, state: page(entity.wiki, entity.id, state),
    Kind.USER: lambda entity, state: account(entity.wiki, entity.id, state),
    Kind.LOG: lambda entity, state: log_entry(entity.wiki, entity.id, state),
    Kind.SITE: lambda entity, state: site(entity.wiki, state),
    Kind.ISSUE: lambda entity, state: input_issue(entity.wiki, state),
    Kind.STRAY: lambda entity, state: stray_revision(entity.wiki, state),
    Kind.EVENT: lambda _, state: Declared(state),
}


def change(dataset: Dataset, before: Rows, after: Rows, into: Changes) -> None:
    """Note in `into` what turns the rows before into those after."""
    if dataset.is_rollup:
        for key in _keys(before, after):
            old, new = before.get(key), after.get(key)
            if old != new:
                difference = subtract(new, old)
                known = into.sums.get(key)
                into.sums[key] = add(known, difference) if known else difference
        return
    for key in _keys(before, after):
        was, now = before.get(key), after.get(key)
        if was != now:
            first, last = into.rows.get(key, (None, None))
            into.rows[key] = was if first is None else first, last if now is None else now


def _keys(before: Rows, after: Rows) -> Iterable[Key]:
    return before.keys() | after.keys() if before else after


def add(one: Sums, other: Sums) -> Sums:
    """The group's operation; the identity is all zero."""
    return tuple(map(plus, one, other))


def negate(sums: Sums) -> Sums:
    """The group's inverse."""
    return tuple([-value for value in sums])


def subtract(one: Sums | None, other: Sums | None) -> Sums:
    """One less the other, where nothing is the identity."""
    if other is None:
        return one or ()
    return negate(other) if one is None else tuple([a - b for a, b in zip(one, other, strict=True)])


def derive(
    dataset: Dataset,
    key: Key,
    total: Sums | None,
    beside: Values | None,
    failed: Failed,
) -> Rows:
    """The rows that a derived dataset makes of one total (of none, or one of zeros, none) and the joined row, if it has one."""
    if dataset.source is None or total is None or not any(total):
        return {}
    things = (dataset.source.schema.row(key, total), *_joined(dataset, key, beside))
    return _finished(dataset, _made(dataset, _place(key), things, failed))


def _joined(dataset: Dataset, key: Key, beside: Values | None) -> tuple[object, ...]:
    """The row that is given beside what has that key; nothing for a dataset that joins none."""
    if dataset.joined is None:
        return ()
    schema = dataset.joined.schema
    return (None if beside is None else schema.row(key[: len(schema.key_names)], beside),)


def linked_rows(dataset: Dataset, rows: Rows, beside: Values | None, failed: Failed) -> Rows:
    """The rows that a dataset makes of all rows that name one another, and of the joined row, if it has one."""
    if dataset.source is None or not rows:
        return {}
    schema = dataset.source.schema
    linked = Linked(tuple(schema.row(key, values) for key, values in sorted(rows.items(), key=itemgetter(0))))
    first = partition_of(schema, min(rows))
    things = (linked, *_joined(dataset, first, beside))
    return _finished(dataset, _made(dataset, _place(first), things, failed))


def linked(schema: Schema[Any], start: Key, partition: Callable[[Key], Rows]) -> Rows:
    """All rows that name one another, from one partition on; `partition` gives the rows of a partition key.

    Links are followed in both directions only where rows name each other: an author gives each of the named partitions a row.
    """
    place = schema.value_names.index(schema.links[0])
    found: Rows = {}
    seen = {start}
    waiting = [start]
    while waiting:
        at = waiting.pop()
        rows = partition(at)
        found |= rows
        for name in {name for values in rows.values() for name in values[place] or ()}:
            named = (at[0], name)
            if named not in seen:
                seen.add(named)
                waiting.append(named)
    return found


def partition_of(schema: Schema[Any], key: Key) -> Key:
    """The partition columns of a key."""
    return key[: len(schema.partition)]
