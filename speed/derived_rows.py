"""Rows of datasets that read other datasets' tables, kept in step with those: derived from totals, or made of linked rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

from shared_logic.definition import Dataset
from shared_logic.generations import DatasetGeneration
from shared_logic.kernel import (
    Changes,
    Failed,
    Rows,
    Sums,
    add,
    change,
    derive,
    linked,
    linked_rows,
    partition_of,
    told_elsewhere,
)
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.merge import merged
from shared_logic.protocols import Lane, Store
from shared_logic.tables import Key, Values


class DerivedRows:
    """Changes of derived and linked rows, batch by batch."""

    def __init__(self, store: Store, lanes: dict[str, DatasetGeneration]) -> None:
        """Of these lanes, by dataset's name, sources first."""
        self._store, self._lanes = store, lanes
        self._asked: dict[str, _Totals] = {}
        """By dataset: what was asked of its totals for the batch that is under way."""
        self._batch = (0, 0)
        """Its partition and its end."""

    def begin(self, partition: int, end: int) -> None:
        """The batch of that partition with that end begins, perhaps again: totals are asked for anew."""
        self._asked.clear()
        self._batch = partition, end

    def link(self, dataset: Dataset, changes: dict[str, Changes], failed: Failed) -> None:
        """Rows made of linked rows: those of every group that a changed row was in, and is in now."""
        source, lane = self._source(dataset)
        changed = changes[source.name].rows
        touched = {partition_of(source.schema, key) for key in changed}
        beside = _Beside({}, {})
        if dataset.joined is not None:
            beside = self._beside(dataset.joined, touched, changes[dataset.joined.name].rows)
        before: Rows = {}
        for rows in self._groups(source, lane, touched, {key: old for key, (old, _) in changed.items()}):
            before |= linked_rows(dataset, rows, beside.of(dataset, min(rows, default=()))[0], told_elsewhere)
        after: Rows = {}
        for rows in self._groups(source, lane, touched, {key: new for key, (_, new) in changed.items()}):
            after |= linked_rows(dataset, rows, beside.of(dataset, min(rows, default=()))[1], failed)
        change(dataset, before, after, changes[dataset.name])

    def _groups(
        self, source: Dataset, lane: Lane, starts: Iterable[Key], instead: Mapping[Key, Values | None]
    ) -> Iterator[Rows]:
        """The groups of linked rows around these partitions, where the changed rows are as in `instead`.

        What the store says of a changed row is not looked at: after a crash it may be the row before or after this batch.
        """
        replaced: dict[Key, Rows] = {}
        for key, row in instead.items():
            rows = replaced.setdefault(partition_of(source.schema, key), {})
            if row is not None:
                rows[key] = row

        def partition(at: Key) -> Rows:
            stored = (
                (decode_key(source.schema, key), row)
                for key, row in merged(self._store, source, lane, encode_key(at))
            )
            kept = {key: decode_values(source.schema, row) for key, row in stored if key not in instead}
            return kept | replaced.get(at, {})

        seen: set[Key] = set()
        for start in starts:
            if start not in seen:
                rows = linked(source.schema, start, partition)
                seen.update(partition_of(source.schema, key) for key in rows)
                yield rows

    def derive(self, dataset: Dataset, changes: dict[str, Changes], failed: Failed) -> None:
        """Rows made of totals: those whose total changed, and those whose joined row did."""
        source, lane = self._source(dataset)
        keys = {encode_key(key): key for key in changes[source.name].sums}
        beside = _Beside({}, {})
        if dataset.joined is not None:
            changed = changes[dataset.joined.name].rows
            for first in changed:
                keys |= self._beginning_with(source, lane, first)
            beside = self._beside(dataset.joined, keys.values(), changed)
        totals = self._totals(source, lane, keys)
        for encoded, key in keys.items():
            old, new = beside.of(dataset, key)
            change(
                dataset,
                derive(dataset, key, totals.passed[encoded], old, told_elsewhere),
                derive(dataset, key, totals.now[encoded], new, failed),
                changes[dataset.name],
            )

    def _beginning_with(self, source: Dataset, lane: Lane, first: Key) -> dict[bytes, Key]:
        """Keys of a rollup that begin with these columns, whether in the batch or since."""
        prefix = encode_key(first)
        stored = (self._store.batch_rows(lane, prefix), self._store.accumulated(lane, prefix))
        return {key: decode_key(source.schema, key) for rows in stored for key, _ in rows}

    def _beside(
        self, joined: Dataset, keys: Iterable[Key], changed: Mapping[Key, tuple[Values | None, Values | None]]
    ) -> _Beside:
        lane = self._lanes[joined.name].lane
        before, after = {}, {}
        for first in {key[: len(joined.schema.key_names)] for key in keys}:
            if first in changed:
                before[first], after[first] = changed[first]
                continue
            rows = merged(self._store, joined, lane, encode_key(first))
            row = next((decode_values(joined.schema, row) for _, row in rows), None)
            before[first] = after[first] = row
        return _Beside(before, after)

    def _totals(self, dataset: Dataset, lane: Lane, keys: Iterable[bytes]) -> _Totals:
        """The totals of these keys and of others; the store is asked once a batch for each, after the batch is in them."""
        totals = self._asked.setdefault(dataset.name, _Totals({}, {}))
        new = [key for key in keys if key not in totals.now]
        accumulators = self._store.accumulators(lane, new)
        passed = self._store.passed(lane, new)
        rows = self._store.batch_rows_of(lane, new)
        nothing = (0,) * len(dataset.schema.sums)
        for key in new:
            row = rows.get(key)
            base: Sums = decode_values(dataset.schema, row) if row is not None else nothing
            parts = accumulators.get(key, {}).values()
            totals.now[key] = reduce(add, (part.sums for part in parts), base)
            totals.passed[key] = self._passed_before(passed[key], len(nothing)) if key in passed else base
        return totals

    def _passed_before(self, noted: Sums, width: int) -> Sums:
        """What was passed on before this batch: what a try of it that died has noted counts as not passed on."""
        total, before, batch = noted[:width], noted[width : 2 * width], noted[2 * width :]
        return before if batch == self._batch else total

    def note_passed(self, changes: dict[str, Changes]) -> None:
        """The totals now are what derived rows say, so that only what is added to them later is passed on.

        With each is noted what was passed on before, and the batch. What a row of another table says beside a total may change in
        the same batch: redone from any other total than its first try began with, it would take back what was never said.
        """
        read = {dataset.source.name for dataset, _ in self._lanes.values() if dataset.source is not None}
        for name, (dataset, made) in reversed(self._lanes.items()):
            if name in read and changes[name].sums:
                keys = [encode_key(key) for key in changes[name].sums]
                totals = self._totals(dataset, made.lane, keys)
                self._store.write_passed(
                    made.lane,
                    {
                        key: (*totals.now[key], *totals.passed[key], *self._batch)
                        for key in keys
                        if totals.now[key] != totals.passed[key]
                    },
                )

    def _source(self, dataset: Dataset) -> tuple[Dataset, Lane]:
        if dataset.source is None:
            message = f"dataset {dataset.name} reads no table"
            raise AssertionError(message)
        kept = self._lanes[dataset.source.name]
        return kept.dataset, kept.lane


@dataclass(frozen=True, slots=True)
class _Totals:
    """Of a rollup, by key: the total now, and the total that was last passed on (in the beginning the batch's)."""

    now: dict[bytes, Sums]
    passed: dict[bytes, Sums]


@dataclass(frozen=True, slots=True)
class _Beside:
    """Joined rows by their keys, before and after a batch."""

    before: Mapping[Key, Values | None]
    after: Mapping[Key, Values | None]

    def of(self, dataset: Dataset, key: Key) -> tuple[Values | None, Values | None]:
        if dataset.joined is None or not key:
            return None, None
        first = key[: len(dataset.joined.schema.key_names)]
        return self.before[first], self.after[first]
