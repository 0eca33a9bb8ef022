"""Progress and begun batches of lanes in Cassandra, and who owns them.

Whoever is to keep lanes takes all their partitions first, with a new epoch, before it reads where they are: tables that read one
another are kept by totals over all partitions, so that two owners of different ones would spoil them. Who wrote them before is
refused from then on. Without that the first write of a process takes its partition, and only if the row is still as the process has
read it. So of two processes the older one is stopped before and after each batch; what it writes in between is dated by older
offsets, and loses.

All writes of the row are conditional, because Cassandra dates these by a clock of its own, which would beat any offset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from serving.cassandra_session import IN_FLIGHT, Cql
from serving.sqlite_file import StoreError
from shared_logic.protocols import Lane

Place = tuple[Lane, int]
"""A partition of a lane."""
_TRIES = 5
"""To take what somebody else still writes."""
_STEP_BITS = 20
"""Of a date: so many writes can follow each other within one batch of events."""

_UPDATE = (
    "UPDATE progress SET epoch=?, owner=?, batch_end=?, position=? WHERE dataset=? AND generation=? AND partition=? "
    "IF epoch=? AND owner=? AND batch_end=? AND position=?"
)
"""Where the condition isn't met, Cassandra tells the columns that it names."""


class LeaseLost(StoreError):  # noqa: N818  what happened
    """Somebody else writes that partition by now; whoever is told must stop."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """The row of a partition of a lane."""

    epoch: int | None = None
    owner: UUID | None = None
    batch_end: int | None = None
    position: int | None = None


@dataclass(slots=True)
class _Told:
    """What this process was told of a row that it doesn't own, and so has decided by."""

    epoch: int | None
    values: dict[str, int | None] = field(default_factory=dict)


class Positions:
    """Those of all lanes of a store, for one process that reads or writes."""

    def __init__(self, cql: Cql) -> None:
        """Over a connection to the store's keyspace; nothing is owned yet."""
        self._cql = cql
        self._owner = uuid4()
        self._owned: dict[Place, _Standing] = {}
        self._told: dict[Place, _Told] = {}
        self._lost: set[Place] = set()
        self._begun: dict[Place, tuple[_Standing, Callable[[], Mapping[str, Any] | None]]] = {}
        self._ends: dict[Lane, dict[int, int]] = {}
        self._steps: dict[tuple[Lane, str], int] = {}
        """How often a table of a lane was dated in its batch."""

    def take(self, places: Sequence[Place]) -> None:
        """Own all of these from now on, as they are: whoever owned one of them is refused with the next batch, in any of them.

        Raises:
            LeaseLost: others go on taking them.
        """
        self.settle()
        left = list(places)
        for _ in range(_TRIES):
            left = [
                place
                for start in range(0, len(left), IN_FLIGHT)
                for place in self._not_taken(left[start : start + IN_FLIGHT])
            ]
        for place in left:
            raise _lost(place)
        for lane in {lane for lane, _ in places}:
            self._read_ends(lane)

    def _not_taken(self, places: Sequence[Place]) -> list[Place]:
        """Try to own these; those that somebody wrote meanwhile."""
        begun = []
        for place in places:
            self._owned.pop(place, None)
            self._told.pop(place, None)
            self._lost.discard(place)
            row = self._row(place)
            wanted = replace(row, epoch=(row.epoch or 0) + 1, owner=self._owner)
            begun.append((place, wanted, self._send(place, wanted, row)))
        refused = []
        for place, wanted, finish in begun:
            found = finish()
            if found is None or _is(wanted, found):
                self._owned[place] = wanted
            else:
                refused.append(place)
        return refused

    def of_lane(self, lane: Lane) -> dict[int, int]:
        """Progress by partition."""
        self.settle()
        rows = self._cql.scan(
            "SELECT partition, position FROM progress WHERE dataset=? AND generation=?", *lane
        )
        return {partition: position for partition, position in rows if position is not None}

    def progress(self, lane: Lane, partition: int) -> int | None:
        """The offset before which everything is included."""
        return self._told_of("position", lane, partition)

    def batch_end(self, lane: Lane, partition: int) -> int | None:
        """The end of the batch that was begun last."""
        return self._told_of("batch_end", lane, partition)

    def begin_progress(self, lane: Lane, partition: int, offset: int) -> None:
        """Send progress; it is durable, or refused, when it is settled."""
        self._begin((lane, partition), lambda row: replace(row, position=offset))

    def begin_batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """Send the end of a batch; it is durable, or refused, when it is settled."""
        self._steps = {(of, table): step for (of, table), step in self._steps.items() if of != lane}
        self._begin((lane, partition), lambda row: replace(row, batch_end=offset))

    def settle(self) -> None:
        """Wait for all that was sent.

        Raises:
            LeaseLost: somebody else owns a partition, or has written it since it was read here.
        """
        begun, self._begun = self._begun, {}
        taken: set[Lane] = set()
        for place, (wanted, finish) in begun.items():
            found = finish()
            if found is not None and not _is(wanted, found):
                self._owned.pop(place, None)
                self._lost.add(place)
                continue
            if place not in self._owned:
                taken.add(place[0])
            self._owned[place] = wanted
            if wanted.batch_end is not None:
                self._ends.setdefault(place[0], {})[place[1]] = wanted.batch_end
        for place in begun.keys() & self._lost:
            raise _lost(place)
        for lane in taken:
            self._read_ends(lane)

    def date(self, lane: Lane, table: str) -> int:
        """What the next write of that table of the lane is dated by: the sum of the ends of batches that were begun, and a step.

        Of one row it only grows: with each batch, and from one owner to the next, who reads the ends of all partitions after taking
        over. A batch that is redone has the same, or a higher one if other partitions went on.
        """
        self.settle()
        if lane not in self._ends:
            self._read_ends(lane)
        step = self._steps.get((lane, table), 0)
        self._steps[lane, table] = step + 1
        return (sum(self._ends[lane].values()) << _STEP_BITS) + step

    def _told_of(self, column: str, lane: Lane, partition: int) -> int | None:
        place = lane, partition
        self.settle()
        found = self._row(place)
        value: int | None = getattr(found, column)
        self._lost.discard(place)
        if place not in self._owned:
            self._told.setdefault(place, _Told(found.epoch)).values[column] = value
        return value

    def _begin(self, place: Place, change: Callable[[_Standing], _Standing]) -> None:
        if place in self._begun or len(self._begun) == IN_FLIGHT:
            self.settle()
        if place in self._lost:
            raise _lost(place)
        owned = self._owned.get(place)
        before = self._before_taking(place) if owned is None else owned
        epoch = (before.epoch or 0) + 1 if owned is None else before.epoch
        wanted = replace(change(before), epoch=epoch, owner=self._owner)
        self._begun[place] = wanted, self._send(place, wanted, before)

    def _send(
        self, place: Place, wanted: _Standing, before: _Standing
    ) -> Callable[[], Mapping[str, Any] | None]:
        """Begin to write a row that must be as before; what is returned waits for it, and gives what it is instead, if it is not."""
        lane, partition = place
        return self._cql.begin_conditional(
            _UPDATE,
            *(wanted.epoch, wanted.owner, wanted.batch_end, wanted.position),
            *(*lane, partition),
            *(before.epoch, before.owner, before.batch_end, before.position),
        )

    def _before_taking(self, place: Place) -> _Standing:
        """What the row must still be: what this process was told, what it never asked for as it is now."""
        found = self._row(place)
        told = self._told.pop(place, None)
        if told is None:
            return found
        batch_end = told.values.get("batch_end", found.batch_end)
        position = told.values.get("position", found.position)
        return _Standing(told.epoch, found.owner, batch_end, position)

    def _row(self, place: Place) -> _Standing:
        lane, partition = place
        row = self._cql.first(
            "SELECT epoch, owner, batch_end, position FROM progress WHERE dataset=? AND generation=? AND partition=?",
            *(*lane, partition),
        )
        return _Standing() if row is None else _Standing(*row)

    def _read_ends(self, lane: Lane) -> None:
        rows = self._cql.scan(
            "SELECT partition, batch_end FROM progress WHERE dataset=? AND generation=?", *lane
        )
        ends = self._ends.setdefault(lane, {})
        for partition, end in rows:
            if end is not None:
                ends[partition] = max(end, ends.get(partition, end))


def _lost(place: Place) -> LeaseLost:
    lane, partition = place
    return LeaseLost(
        f"{lane.dataset}, generation {lane.generation}, partition {partition} is written by another process by now; "
        "this one must stop, and read where that is before it goes on"
    )


def _is(wanted: _Standing, found: Mapping[str, Any]) -> bool:
    """Whether the row is what was to be written: by an earlier try, of which Cassandra hadn't told the end."""
    return all(found.get(column) == getattr(wanted, column) for column in _Standing.__slots__)
