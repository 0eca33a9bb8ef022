"""What every engine runs: a batch of messages becomes tails, rows, accumulators and progress of the lanes.

The order of writes is what makes a crash harmless in a store without transactions: the end of the batch is durable first, then
tails, rows and accumulators, what was passed on to derived datasets, and progress last. A restart redoes the batch with the
same end, from the state before it; an accumulator says through which offset it is included, so that it is added once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared_logic.entities import State, encode
from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.generations import DatasetGeneration
from shared_logic.incremental import IncrementalEntity, readers
from shared_logic.kernel import Changes
from shared_logic.keys import encode_key, encode_values
from shared_logic.protocols import Lane, Log, LogError, Message, Store
from shared_logic.states.page_state import PageState, hidden
from speed.derived_rows import DerivedRows
from speed.families import relatives
from speed.held_entities import HELD_BYTES, HeldEntities
from speed.held_sums import HeldSums

_ENTITIES_TO_SUMS = 8
"""So many times as much memory do entities get."""


class LogTooShort(LogError):  # noqa: N818  what is wrong, not that something is
    """The log does not hold where a lane must go on: it begins later, or ends before."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one partition, from `start` to before `end`."""

    partition: int
    start: int
    end: int
    messages: Sequence[Message]

    @property
    def keys(self) -> Collection[str]:
        """Of the entities that they are there for, in order of their first message."""
        return dict.fromkeys(message.key for message in self.messages)


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
        lanes: Sequence[DatasetGeneration],
        partitions: Sequence[int] | None = None,
        held_bytes: int = HELD_BYTES,
        waited: Callable[[str, float], object] = lambda *_: None,
    ) -> None:
        """Take over the lanes, which must be alike in base, cut and progress (see `alike`), in these partitions, else in all.

        About `held_bytes` of entities, and an eighth as much of totals, stay in memory from one batch to the next.

        `waited` is told of every batch how many seconds it waited for the store: `lookup`, until what is told of its entities was there;
        `commit`, from its last row to its being durable. A batch that was begun and not finished is finished at once.

        Raises:
            LogTooShort: the log begins after a lane's progress, or ends before it.
        """
        self._log, self._store, self._waited = log, store, waited
        self._lanes = {kept.dataset.name: kept for kept in lanes}
        self._cut = lanes[0].generation.cut
        self._held = HeldEntities(
            store,
            lanes[0].generation.base,
            self._cut,
            readers([dataset for dataset, _ in lanes]),
            held_bytes,
        )
        self._sums = HeldSums(store, held_bytes // _ENTITIES_TO_SUMS)
        self._derived = DerivedRows(store, self._lanes)
        self.outcome = Outcome()
        self.partitions = tuple(range(log.partitions)) if partitions is None else tuple(partitions)
        self._refuse_short(log)
        self._begun = {
            partition: max(store.batch_end(kept.lane, partition) or 0 for kept in self._lanes.values())
            for partition in self.partitions
        }
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
        return self._held.entities

    @property
    def revisions_held(self) -> int:
        """How many revisions these have; of what has none, one."""
        return self._held.revisions

    def _refuse_short(self, log: Log) -> None:
        """Refuse a log that does not hold where the lanes must go on.

        Raises:
            LogTooShort: it begins after that, or ends before it.
        """
        starts, ends = log.starts(), log.ends()
        for partition in self.partitions:
            begin = self.progress(partition)
            if starts[partition] > begin:
                message = (
                    f"partition {partition} of the log begins at offset {starts[partition]}, but "
                    f"{', '.join(self._lanes)} must go on from {begin}: what lies between is lost to the speed layer; "
                    "run `wikibraid batch run` for a new generation"
                )
                raise LogTooShort(message)
            if ends[partition] < begin:
                message = (
                    f"partition {partition} of the log ends at offset {ends[partition]}, but {', '.join(self._lanes)} must go on "
                    f"from {begin}: the log is an older copy or was made anew, and what came to it next would never be applied; "
                    "make a new home of what is archived: `wikibraid ingest home OLD --home NEW --archive-only`"
                )
                raise LogTooShort(message)

    def progress(self, partition: int) -> int:
        """The offset before which everything of that partition is included by all lanes."""
        known = (self._store.progress(kept.lane, partition) for kept in self._lanes.values())
        return min(self._cut[partition] if offset is None else offset for offset in known)

    def read(self, partition: int, start: int, most: int) -> Batch | None:
        """The batch that begins at `start`: the one that was begun already, else up to `most` messages; None: nothing new.

        The store is asked at once for what these tell of, so that it looks while other partitions' batches are applied.
        """
        begun = self._begun[partition]
        wanted = begun - start if begun > start else most
        messages = self._log.read(partition, start, wanted)
        if not messages:
            return None
        batch = Batch(partition, start, messages[-1].offset + 1, messages)
        self._held.expect(batch.keys, partition, start)
        return batch

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
        self._derived.begin(batch.partition, batch.end)
        with self._store.atomically():
            for kept in self._lanes.values():
                self._store.write_batch_end(kept.lane, batch.partition, batch.end)
            entities = self._held.of(batch.keys, batch.partition, batch.start)
            self._waited("lookup", self._held.seconds_waited)
            said = self._said(batch.messages, entities)
            self._store.write_tails(
                batch.partition,
                ((key, offset, encode(state)) for key, copies in said.items() for offset, state in copies),
            )
            changes: dict[str, Changes] = {name: Changes() for name in self._lanes}
            for key, copies in said.items():
                entities[key].take([state for _, state in copies], changes, self._failed)
            changed: dict[Lane, set[bytes]] = {}
            for name, (dataset, made) in self._lanes.items():
                if dataset.is_linked:
                    self._derived.link(dataset, changes, self._failed)
                elif dataset.source is not None:
                    self._derived.derive(dataset, changes, self._failed)
                changed[made.lane] = self._write(batch, made.lane, changes[name])
            sent = time.monotonic()
            # Behind their rows, so that who follows the merged table does not read them too early.
            for lane, keys in changed.items():
                if keys:
                    self._store.write_changed(lane, batch.partition, batch.end, keys)
            self._derived.note_passed(changes)
            for kept in self._lanes.values():
                self._store.write_progress(kept.lane, batch.partition, batch.end)
        self._waited("commit", time.monotonic() - sent)
        self._held.make_room(entities)
        self._applied[batch.partition] = batch.end
        self.outcome.messages += len(batch.messages)

    def position(self, partition: int) -> int:
        """The offset before which everything of that partition is included, as this worker knows without asking the store."""
        return self._applied[partition]

    def is_applied(self, batch: Batch) -> bool:
        """Whether this worker has brought the lanes past the batch."""
        return self._applied[batch.partition] >= batch.end

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
            except (DeadLetter, OutOfScope):
                self.outcome.unreadable += 1
                continue
            said.setdefault(key, []).append((offset, state))
            if isinstance(state, PageState):
                for hiding in hidden(state):
                    self._store.redact(about.entity.wiki, *hiding)
        return said

    def _failed(self, dataset: str, place: str, error: str) -> None:
        self.outcome.failures[dataset, place] = error

    def _write(self, batch: Batch, lane: Lane, changes: Changes) -> set[bytes]:
        """Rows and accumulators; returns their keys."""
        rows = {
            encode_key(key): None if row is None else encode_values(row)
            for key, (_, row) in changes.rows.items()
        }
        sums = {encode_key(key): difference for key, difference in changes.sums.items()}
        if rows:
            self._store.write_rows(lane, rows)
        if sums:
            self._sums.add(lane, batch.partition, batch.end, sums)
        return {*rows, *sums}


def alike(
    store: Store, partitions: Iterable[int], lanes: Sequence[DatasetGeneration]
) -> list[list[DatasetGeneration]]:
    """The lanes in groups that one worker can keep: same run, base and cut, same progress and begun batches in these partitions.

    Lanes that read one another's tables are together too where a crash in the midst of a batch's first or last writes left them
    unequal: apart they could not redo it. Others are not with them then: these may have come to the same place by other batches, and
    what they had added of this one would be added again.
    """
    places = tuple(partitions)
    standings = {
        kept.lane: tuple(
            (store.progress(kept.lane, partition), store.batch_end(kept.lane, partition))
            for partition in places
        )
        for kept in lanes
    }
    families = _families(lanes)
    first_of: dict[tuple[str, str], _Standing] = {}
    for lane, family in families.items():
        first_of.setdefault(family, standings[lane])
    unequal = {
        family
        for lane, family in families.items()
        if standings[lane] != first_of[family] and _of_one_batch(first_of[family], standings[lane])
    }
    groups: dict[tuple[object, ...], list[DatasetGeneration]] = {}
    for kept in lanes:
        made, family, standing = kept.generation, families[kept.lane], standings[kept.lane]
        redone = None
        if family in unequal and _of_one_batch(first_of[family], standing):
            redone, standing = family, first_of[family]
        groups.setdefault((made.run, made.base, made.cut, standing, redone), []).append(kept)
    return list(groups.values())


def _families(lanes: Sequence[DatasetGeneration]) -> dict[Lane, tuple[str, str]]:
    """By lane its run, and the first of the datasets of that run with which it is connected by what they read."""
    found = {}
    for dataset, made in lanes:
        of_run = [other for other, its in lanes if its.run == made.run]
        found[made.lane] = made.run, relatives(dataset, of_run)[0].name
    return found


_Standing = tuple[tuple[int | None, int | None], ...]
"""Of a lane, by partition: progress, and the end of the batch that was begun last."""


def _of_one_batch(one: _Standing, other: _Standing) -> bool:
    """Whether they differ by no more than who was killed while it began or ended a batch leaves.

    Ends are written to all lanes before anything else, progress when all else is written; so never do both differ.
    """
    return all(mine[0] == its[0] or mine[1] == its[1] for mine, its in zip(one, other, strict=True))
