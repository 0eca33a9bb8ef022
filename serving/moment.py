"""Reads of several tables as they were published together, with no statement more than the rows need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from serving.reader import NotPublished, Stream, check_columns, check_kept, through_of
from serving.redaction import HiddenNames, Redaction
from serving.standing import Ends, Waiting, standing
from shared_logic.datasets.user_current import hidden_names
from shared_logic.definition import Dataset
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.merge import merged, merged_of
from shared_logic.protocols import Generation, Store
from shared_logic.registry import registry
from shared_logic.tables import Key

Record = dict[str, Any]


def published_together(store: Store, names: Collection[str]) -> dict[str, Generation]:
    """The published generations of these datasets, and of the one that says which names are hidden.

    Raises:
        NotPublished: one of them is not published, or was made with other columns than the code has by now.
    """
    wanted = {*names, hidden_names.name}
    while True:
        found = {name: store.published(name) for name in wanted}
        # Whatever flips, flips all of a run: two looks alike have not seen a flip in between.
        if found == {name: store.published(name) for name in wanted}:
            break
    together: dict[str, Generation] = {}
    for name, made in found.items():
        if made is None:
            message = f"{name} is not published yet; `wikibraid batch run {name}` makes a generation"
            raise NotPublished(message)
        check_columns(registry[name], made)
        together[name] = made
    return together


class Moment:
    """Tables in generations that were published together.

    As a context it refuses at its end, also where that is an error, what was read of a generation that was given up meanwhile: rows may have
    been missing.
    """

    def __init__(
        self,
        store: Store,
        generations: Mapping[str, Generation],
        ends: Ends | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        """Read these generations, by dataset (see `published_together`); `ends` and `waiting` tell what is known by now."""
        self._store, self._ends, self._waiting = store, ends, waiting
        hidden = HiddenNames(store, generations[hidden_names.name])
        self._tables = {
            name: _Table(registry[name], made, Redaction(store, hidden, registry[name]))
            for name, made in generations.items()
        }
        self._names = {hidden_names.name}
        """Of the tables that were read."""

    def row(self, name: str, *key: Any) -> Record | None:
        """The row with that whole key."""
        return self.rows_of(name, [key]).get(key)

    def rows(self, name: str, *prefix: Any) -> list[Record]:
        """All rows whose key starts so, in order of key."""
        return list(self.rows_beginning(name, [prefix]))

    def rows_beginning(self, name: str, prefixes: Iterable[Key]) -> Iterator[Record]:
        """All rows whose key starts with any of these, one after the other, read as they are asked for."""
        table = self._read(name)
        found = (
            row
            for prefix in prefixes
            for row in merged(self._store, table.dataset, table.made.lane, encode_key(prefix))
        )
        return (row for _, row in table.shown(found))

    def rows_of(self, name: str, keys: Sequence[Key]) -> dict[Key, Record]:
        """By key the rows that these keys have; keys without one are left out."""
        table = self._read(name)
        found = merged_of(self._store, table.dataset, table.made.lane, [encode_key(key) for key in keys])
        return dict(table.shown((key, row) for key, row in found if row is not None))

    def __enter__(self) -> Self:
        """Begin to read."""
        return self

    def __exit__(self, *_: object) -> None:
        """Look whether all that was read is still there.

        Raises:
            NotPublished: it isn't.
        """
        read, self._names = self._names, {hidden_names.name}
        for name in read:
            check_kept(self._store, self._tables[name].made)

    def freshness(self, name: str, *prefix: Any) -> Stream:
        """What rows of a table include whose key starts so, and that are read from now on; none of them."""
        table = self._tables[name]
        through = through_of(self._store, table.made)
        told = standing(table.dataset, prefix, through, self._ends, self._waiting)
        return Stream(iter(()), table.made.number, through, *told)

    def _read(self, name: str) -> _Table:
        self._names.add(name)
        return self._tables[name]


class _Table:
    def __init__(self, dataset: Dataset, made: Generation, redaction: Redaction) -> None:
        self.dataset, self.made = dataset, made
        self._redaction = redaction

    def shown(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[Key, Record]]:
        """The rows as names and values, each with its key, without what is hidden."""
        schema = self.dataset.schema
        decoded = ((decode_key(schema, key), decode_values(schema, row)) for key, row in rows)
        return ((key, schema.record(key, values)) for key, values in self._redaction.of_rows(decoded))
