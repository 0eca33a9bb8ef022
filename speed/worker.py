"""What every engine runs: a batch of messages becomes tails, rows, accumulators and progress of the lanes.

The order of writes is what makes a crash harmless in a store without transactions: the end of the batch is durable first, then
tails, rows and accumulators, what was passed on to derived datasets, and progress last. A restart redoes the batch with the
same end, from the state before it; an accumulator says through which offset it is included, so that it is added once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

from shared_logic.events.read import DeadLetter, read
from shared_logic.events.streams import PAGE
from shared_logic.kernel import Changes, Rows, Sums, add, change, derive, page_rows
from shared_logic.keys import decode_values, encode_key, encode_values
from shared_logic.language import Dataset, Key
from shared_logic.page_state import EMPTY, PageState, decode, encode, hidden, join
from shared_logic.partitions import entity
from shared_logic.protocols import Accumulator, Generation, Lane, Log, Message, Store

PAGES_CACHED = 20_000


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
    """(dataset, page) whose function raised, with what it said; such a page has no rows until it can be computed."""


class Worker:
    """Keeps lanes that start from the same base and stand at the same progress.

    Single writer: one worker owns a partition at a time.
    """

    def __init__(self, log: Log, store: Store, lanes: Sequence[tuple[Dataset, Generation]]) -> None:
        """Take over the lanes, which must be alike in base, cut and progress (see `alike`).

        Raises:
            LogTooShort: the log begins after a lane's progress.
        """
        self._log, self._store = log, store
        self._lanes = {dataset.name: (dataset, Lane(dataset.name, made.number)) for dataset, made in lanes}
        self._base, self._cut = lanes[0][1].base, lanes[0][1].cut
        self._cache: OrderedDict[str, tuple[PageState, dict[str, Rows]]] = OrderedDict()
        self.outcome = Outcome()
        starts = log.starts(PAGE)
        for partition in range(log.partitions):
            begin = self.progress(partition)
            if starts[partition] > begin:
                message = (
                    f"partition {partition} of the page log begins at offset {starts[partition]}, but "
                    f"{', '.join(self._lanes)} must go on from {begin}: what lies between is lost to the speed layer; "
                    "run `wikibraid batch run` for a new generation"
                )
                raise LogTooShort(message)

    def progress(self, partition: int) -> int:
        """The offset before which everything of that partition is included."""
        _, lane = next(iter(self._lanes.values()))
        known = self._store.progress(lane, partition)
        return self._cut[partition] if known is None else known

    def read(self, partition: int, start: int, most: int) -> Batch | None:
        """The batch that begins at `start`: the one that was begun already, else up to `most` messages; None: nothing new."""
        _, lane = next(iter(self._lanes.values()))
        begun = self._store.batch_end(lane, partition) or 0
        wanted = begun - start if begun > start else most
        messages = self._log.read(PAGE, partition, start, wanted)
        if not messages:
            return None
        return Batch(partition, start, messages[-1].offset + 1, messages)

    def apply(self, batch: Batch) -> None:
        """Bring the lanes past the batch."""
        with self._store.atomically():
            for _, lane in self._lanes.values():
                self._store.write_batch_end(lane, batch.partition, batch.end)
            said = self._said(batch.messages)
            self._store.write_tails(
                batch.partition,
                ((key, offset, encode(state)) for key, copies in said.items() for offset, state in copies),
            )
            for key, copies in said.items():
                for _, state in copies:
                    for rev_id, bits, clock in hidden(state):
                        self._store.redact(entity(key)[0], rev_id, bits, clock)
            changes: dict[str, Changes] = {name: Changes() for name in self._lanes}
            for key, copies in said.items():
                self._touch(batch, key, (state for _, state in copies), changes)
            for name, (dataset, _) in self._lanes.items():
                if dataset.source is None:
                    self._write(batch, name, changes[name])
            for _, lane in self._lanes.values():
                self._store.write_progress(lane, batch.partition, batch.end)
        self.outcome.messages += len(batch.messages)

    def _said(self, messages: Iterable[Message]) -> dict[str, list[tuple[int, PageState]]]:
        said: dict[str, list[tuple[int, PageState]]] = {}
        for message in messages:
            try:
                state = read(message.value).state(entity(message.key)[1])
            except DeadLetter:
                self.outcome.unreadable += 1
                continue
            said.setdefault(message.key, []).append((message.offset, state))
        return said

    def _touch(self, batch: Batch, key: str, said: Iterable[PageState], changes: dict[str, Changes]) -> None:
        before, rows_before = self._cached(batch, key)
        after = reduce(join, said, before)
        rows_after: dict[str, Rows] = {}
        wiki, page_id = entity(key)
        for name, (dataset, _) in self._lanes.items():
            if dataset.source is not None:
                continue
            rows_after[name] = page_rows(dataset, wiki, page_id, after, self._failed)
            old = rows_before.get(name)
            if old is None:
                old = page_rows(dataset, wiki, page_id, before, _ignored)
            change(dataset, old, rows_after[name], changes[name])
        self._cache[key] = after, rows_after
        self._cache.move_to_end(key)
        if len(self._cache) > PAGES_CACHED:
            self._cache.popitem(last=False)

    def _cached(self, batch: Batch, key: str) -> tuple[PageState, dict[str, Rows]]:
        found = self._cache.get(key)
        if found is not None:
            return found
        base = self._store.state(self._base, key)
        tail = self._store.tail(batch.partition, key, self._cut[batch.partition], batch.start)
        return reduce(join, map(decode, tail), decode(base) if base is not None else EMPTY), {}

    def _failed(self, dataset: str, page: str, error: str) -> None:
        self.outcome.failures[dataset, page] = error

    def _write(self, batch: Batch, name: str, changes: Changes) -> None:
        """Write the changes of one table, then those of what is derived from it."""
        dataset, lane = self._lanes[name]
        if changes.rows:
            self._store.write_rows(
                lane,
                {
                    encode_key(key): None if row is None else encode_values(row)
                    for key, row in changes.rows.items()
                },
            )
        if not changes.sums:
            return
        keys = {encode_key(key): key for key in changes.sums}
        known = self._store.accumulators(lane, list(keys))
        new: dict[bytes, Accumulator] = {}
        for encoded, key in keys.items():
            accumulator = known.get(encoded, {}).get(batch.partition)
            if accumulator is None:
                new[encoded] = Accumulator(changes.sums[key], batch.end)
            elif accumulator.version < batch.end:
                new[encoded] = Accumulator(add(accumulator.sums, changes.sums[key]), batch.end)
        self._store.write_accumulators(lane, batch.partition, new)
        readers = [d.name for d, _ in self._lanes.values() if d.source is not None and d.source.name == name]
        if readers:
            self._pass_on(batch, dataset, lane, keys, readers)

    def _pass_on(
        self, batch: Batch, dataset: Dataset, lane: Lane, keys: dict[bytes, Key], readers: Sequence[str]
    ) -> None:
        totals, passed = self._totals(dataset, lane, keys)
        for name in readers:
            derived, _ = self._lanes[name]
            changes = Changes()
            for encoded, key in keys.items():
                change(
                    derived,
                    derive(derived, key, passed[encoded]),
                    derive(derived, key, totals[encoded]),
                    changes,
                )
            self._write(batch, name, changes)
        self._store.write_passed(
            lane, {encoded: total for encoded, total in totals.items() if total != passed[encoded]}
        )

    def _totals(
        self, dataset: Dataset, lane: Lane, keys: dict[bytes, Key]
    ) -> tuple[dict[bytes, Sums], dict[bytes, Sums]]:
        """By key: the total now, and the total that was last passed on (in the beginning the batch's)."""
        accumulators = self._store.accumulators(lane, list(keys))
        known = self._store.passed(lane, list(keys))
        nothing = (0,) * len(dataset.schema.sums)
        now: dict[bytes, Sums] = {}
        passed: dict[bytes, Sums] = {}
        for encoded in keys:
            row = self._store.batch_row(lane, encoded)
            base: Sums = decode_values(dataset.schema, row) if row is not None else nothing
            parts = accumulators.get(encoded, {}).values()
            now[encoded] = reduce(add, (part.sums for part in parts), base)
            passed[encoded] = known.get(encoded, base)
        return now, passed


def alike(
    store: Store, log: Log, lanes: Sequence[tuple[Dataset, Generation]]
) -> list[list[tuple[Dataset, Generation]]]:
    """The lanes in groups that one worker can keep: same run, base and cut, same progress, same begun batches."""
    groups: dict[tuple[object, ...], list[tuple[Dataset, Generation]]] = {}
    for dataset, made in lanes:
        lane = Lane(dataset.name, made.number)
        standing = tuple(
            (store.progress(lane, partition), store.batch_end(lane, partition))
            for partition in range(log.partitions)
        )
        groups.setdefault((made.run, made.base, made.cut, standing), []).append((dataset, made))
    return list(groups.values())


def _ignored(dataset: str, page: str, error: str) -> None:
    """The rows before a change failed already when they were the rows after one."""
