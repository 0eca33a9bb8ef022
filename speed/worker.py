"""What every engine runs: a batch of messages becomes tails, rows, accumulators and progress of the lanes.

The order of writes is what makes a crash harmless in a store without transactions: the end of the batch is durable first, then
tails, rows and accumulators, what was passed on to derived datasets, and progress last. A restart redoes the batch with the
same end, from the state before it; an accumulator says through which offset it is included, so that it is added once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from shared_logic.entities import Entity, Kind, State, decode, encode, entity
from shared_logic.events.read import DeadLetter, read
from shared_logic.incremental import IncrementalEntity, readers
from shared_logic.kernel import (
    Changes,
    Rows,
    Sums,
    add,
    change,
    derive,
    linked,
    linked_rows,
    partition_of,
)
from shared_logic.keys import decode_key, decode_values, encode_key, encode_values
from shared_logic.language import Dataset, Key, Values
from shared_logic.merge import merged
from shared_logic.page_state import PageState, hidden
from shared_logic.protocols import Accumulator, Generation, Lane, Log, Message, Store

ENTITIES_CACHED = 20_000
REVISIONS_CACHED = 250_000
"""Of all entities in memory after a batch, but for those that it touched."""


class LogTooShort(Exception):  # noqa: N818  what is wrong, not that something is
    """The log no longer reaches back to where a lane must go on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one partition, from `start` to before `end`."""

    partition: int
    start: int
    end: int
    messages: Sequence[Message]


@dataclass
class Outcome:
    """What a worker has done since it began."""

    messages: int = 0
    unreadable: int = 0
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    """(dataset, place) whose function raised, with what it said; such a thing has no rows until it can be computed."""

    def add(self, other: Outcome) -> None:
        """Count what another worker has done too."""
        self.messages += other.messages
        self.unreadable += other.unreadable
        self.failures |= other.failures


class Worker:
    """Keeps lanes that start from the same base and stand at the same progress.

    Single writer: one worker owns a partition of a lane at a time, and all partitions where a dataset reads another's table.
    """

    def __init__(
        self,
        log: Log,
        store: Store,
        lanes: Sequence[tuple[Dataset, Generation]],
        partitions: Sequence[int] | None = None,
    ) -> None:
        """Take over the lanes, which must be alike in base, cut and progress (see `alike`), in these partitions, else in all.

        A batch that was begun and not finished is finished at once.

        Raises:
            LogTooShort: the log begins after a lane's progress.
        """
        self._log, self._store = log, store
        self._lanes = {dataset.name: (dataset, Lane(dataset.name, made.number)) for dataset, made in lanes}
        self._base, self._cut = lanes[0][1].base, lanes[0][1].cut
        self._readers = readers([dataset for dataset, _ in lanes])
        self._cache: OrderedDict[str, IncrementalEntity] = OrderedDict()
        self._sizes: dict[str, int] = {}
        """By key, of the entities in memory, after the last batch."""
        self._size = 0
        self._asked: dict[str, _Totals] = {}
        """By dataset: what was asked of its totals for the batch that is under way."""
        self.outcome = Outcome()
        self.partitions = tuple(range(log.partitions)) if partitions is None else tuple(partitions)
        starts = log.starts()
        for partition in self.partitions:
            begin = self.progress(partition)
            if starts[partition] > begin:
                message = (
                    f"partition {partition} of the log begins at offset {starts[partition]}, but "
                    f"{', '.join(self._lanes)} must go on from {begin}: what lies between is lost to the speed layer; "
                    "run `wikibraid batch run` for a new generation"
                )
                raise LogTooShort(message)
        _, lane = next(iter(self._lanes.values()))
        self._begun = {partition: store.batch_end(lane, partition) or 0 for partition in self.partitions}
        """By partition: the end of the batch that was begun last."""
        self._applied = {partition: self.progress(partition) for partition in self.partitions}
        """By partition: the end of the batch that was applied last."""
        for partition in self.partitions:
            self._finish(partition)

    @property
    def names(self) -> tuple[str, ...]:
        """The datasets that it keeps."""
        return tuple(self._lanes)

    @property
    def entities_held(self) -> int:
        """How many entities' states are in memory."""
        return len(self._cache)

    @property
    def revisions_held(self) -> int:
        """How many revisions these have; of what has none, one."""
        return self._size

    def progress(self, partition: int) -> int:
        """The offset before which everything of that partition is included."""
        _, lane = next(iter(self._lanes.values()))
        known = self._store.progress(lane, partition)
        return self._cut[partition] if known is None else known

    def read(self, partition: int, start: int, most: int) -> Batch | None:
        """The batch that begins at `start`: the one that was begun already, else up to `most` messages; None: nothing new."""
        begun = self._begun[partition]
        wanted = begun - start if begun > start else most
        messages = self._log.read(partition, start, wanted)
        if not messages:
            return None
        return Batch(partition, start, messages[-1].offset + 1, messages)

    def _finish(self, partition: int) -> None:
        """Redo a batch that was begun and not finished.

        That comes before any other batch adds to the same totals: what is passed on of them is told by what was passed on
        before, and half a batch of that is neither.
        """
        batch_end, start = self._begun[partition], self.progress(partition)
        if batch_end > start:
            batch = self.read(partition, start, batch_end - start)
            if batch is not None:
                self.apply(batch)

    def apply(self, batch: Batch) -> None:
        """Bring the lanes past the batch."""
        self._begun[batch.partition] = batch.end
        self._asked.clear()
        with self._store.atomically():
            for _, lane in self._lanes.values():
                self._store.write_batch_end(lane, batch.partition, batch.end)
            entities = self._entities(batch)
            said = self._said(batch.messages, entities)
            self._store.write_tails(
                batch.partition,
                ((key, offset, encode(state)) for key, copies in said.items() for offset, state in copies),
            )
            changes: dict[str, Changes] = {name: Changes() for name in self._lanes}
            for key, copies in said.items():
                entities[key].take([state for _, state in copies], changes, self._failed)
            for name, (dataset, lane) in self._lanes.items():
                if dataset.is_linked:
                    self._link(dataset, changes)
                elif dataset.source is not None:
                    self._derive(dataset, changes)
                self._write(batch, lane, changes[name])
            self._note_passed(changes)
            for _, lane in self._lanes.values():
                self._store.write_progress(lane, batch.partition, batch.end)
        self._make_room(entities)
        self._applied[batch.partition] = batch.end
        self.outcome.messages += len(batch.messages)

    def position(self, partition: int) -> int:
        """The offset before which everything of that partition is included, as this worker knows without asking the store."""
        return self._applied[partition]

    def is_applied(self, batch: Batch) -> bool:
        """Whether this worker has brought the lanes past the batch."""
        return self._applied[batch.partition] >= batch.end

    def _entities(self, batch: Batch) -> dict[str, IncrementalEntity]:
        """By key the entities of the batch that a dataset reads, and all its pages, as they are before the batch."""
        cache = self._cache
        found: dict[str, IncrementalEntity] = {}
        new: dict[str, Entity] = {}
        for key in {message.key: None for message in batch.messages}:
            known = cache.get(key)
            if known is not None:
                cache.move_to_end(key)
                found[key] = known
            else:
                one = entity(key)
                if one.kind is Kind.PAGE or any(self._readers[one.kind]):
                    new[key] = one
        bases = self._store.states_of(self._base, list(new))
        tails = self._store.tails_of(batch.partition, list(new), self._cut[batch.partition], batch.start)
        for key, one in new.items():
            told = (*([bases[key]] if key in bases else ()), *tails.get(key, ()))
            found[key] = cache[key] = IncrementalEntity(one, self._readers[one.kind], map(decode, told))
        return found

    def _make_room(self, needed: Mapping[str, IncrementalEntity]) -> None:
        """Forget what was needed longest ago, where there is too much after what these have become."""
        for key, one in needed.items():
            self._size += one.size - self._sizes.get(key, 0)
            self._sizes[key] = one.size
        while len(self._cache) > len(needed) and (
            len(self._cache) > ENTITIES_CACHED or self._size > REVISIONS_CACHED
        ):
            key, _ = self._cache.popitem(last=False)
            self._size -= self._sizes.pop(key)

    def _said(
        self, messages: Iterable[Message], entities: Mapping[str, IncrementalEntity]
    ) -> dict[str, list[tuple[int, State]]]:
        """What the messages say of these entities, with their offsets, by key; what they hide is noted."""
        said: dict[str, list[tuple[int, State]]] = {}
        for offset, key, value in messages:
            about = entities.get(key)
            if about is None:
                continue
            try:
                state = read(value).state(about.entity)
            except DeadLetter:
                self.outcome.unreadable += 1
                continue
            said.setdefault(key, []).append((offset, state))
            if isinstance(state, PageState):
                for hiding in hidden(state):
                    self._store.redact(about.entity.wiki, *hiding)
        return said

    def _failed(self, dataset: str, place: str, error: str) -> None:
        self.outcome.failures[dataset, place] = error

    def _write(self, batch: Batch, lane: Lane, changes: Changes) -> None:
        """Rows and accumulators; then their keys, for whoever follows the merged table, so that nobody reads them too early."""
        rows = {
            encode_key(key): None if row is None else encode_values(row)
            for key, (_, row) in changes.rows.items()
        }
        sums = {encode_key(key): difference for key, difference in changes.sums.items()}
        if rows:
            self._store.write_rows(lane, rows)
        if sums:
            self._write_sums(batch, lane, sums)
        if rows or sums:
            self._store.write_changed(lane, batch.partition, batch.end, {*rows, *sums})

    def _write_sums(self, batch: Batch, lane: Lane, differences: Mapping[bytes, Sums]) -> None:
        known = self._store.accumulators(lane, list(differences))
        new: dict[bytes, Accumulator] = {}
        for key, difference in differences.items():
            accumulator = known.get(key, {}).get(batch.partition)
            if accumulator is None:
                new[key] = Accumulator(difference, batch.end)
            elif accumulator.version < batch.end:
                new[key] = Accumulator(add(accumulator.sums, difference), batch.end)
        self._store.write_accumulators(lane, batch.partition, new)

    def _link(self, dataset: Dataset, changes: dict[str, Changes]) -> None:
        """Rows made of linked rows: those of every group that a changed row was in, and is in now."""
        source, lane = self._source(dataset)
        changed = changes[source.name].rows
        touched = {partition_of(source.schema, key) for key in changed}
        beside = _Beside({}, {})
        if dataset.joined is not None:
            beside = self._beside(dataset.joined, touched, changes[dataset.joined.name].rows)
        before: Rows = {}
        for rows in self._groups(source, lane, touched, {key: old for key, (old, _) in changed.items()}):
            before |= linked_rows(dataset, rows, beside.of(dataset, min(rows, default=()))[0])
        after: Rows = {}
        for rows in self._groups(source, lane, touched, {key: new for key, (_, new) in changed.items()}):
            after |= linked_rows(dataset, rows, beside.of(dataset, min(rows, default=()))[1], self._failed)
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

    def _derive(self, dataset: Dataset, changes: dict[str, Changes]) -> None:
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
                derive(dataset, key, totals.passed[encoded], old),
                derive(dataset, key, totals.now[encoded], new, self._failed),
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
        lane = self._lanes[joined.name][1]
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
            totals.passed[key] = passed.get(key, base)
        return totals

    def _note_passed(self, changes: dict[str, Changes]) -> None:
        """The totals now are what derived rows say, so that only what is added to them later is passed on.

        What is derived last is noted first: as long as a total is not noted, a redone batch passes it on again, and so comes to
        all that is derived from it.
        """
        read = {dataset.source.name for dataset, _ in self._lanes.values() if dataset.source is not None}
        for name, (dataset, lane) in reversed(self._lanes.items()):
            if name in read and changes[name].sums:
                keys = [encode_key(key) for key in changes[name].sums]
                totals = self._totals(dataset, lane, keys)
                self._store.write_passed(
                    lane, {key: totals.now[key] for key in keys if totals.now[key] != totals.passed[key]}
                )

    def _source(self, dataset: Dataset) -> tuple[Dataset, Lane]:
        if dataset.source is None:
            message = f"dataset {dataset.name} reads no table"
            raise AssertionError(message)
        return self._lanes[dataset.source.name]


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


def alike(
    store: Store, partitions: Iterable[int], lanes: Sequence[tuple[Dataset, Generation]]
) -> list[list[tuple[Dataset, Generation]]]:
    """The lanes in groups that one worker can keep: same run, base and cut, same progress and begun batches in these partitions."""
    places = tuple(partitions)
    groups: dict[tuple[object, ...], list[tuple[Dataset, Generation]]] = {}
    for dataset, made in lanes:
        lane = Lane(dataset.name, made.number)
        standing = tuple(
            (store.progress(lane, partition), store.batch_end(lane, partition)) for partition in places
        )
        groups.setdefault((made.run, made.base, made.cut, standing), []).append((dataset, made))
    return list(groups.values())
