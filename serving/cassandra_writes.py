"""Writes to Cassandra that are under way together, and what has to be durable before what."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from serving.cassandra_positions import Positions
from serving.cassandra_session import Cql, Window
from shared_logic.protocols import Lane

CHANGED, PASSED = "changed", "passed"
"""Tables of which rows must not be there before those that they tell of."""


class Writes:
    """Those of one process, between positions: of these the owner of a lane is told by the next write (see `Positions`)."""

    def __init__(self, cql: Cql, positions: Positions) -> None:
        """Over a connection to the store's keyspace."""
        self._cql, self._positions = cql, positions
        self._depth = 0
        self._window = Window(cql)
        self._under_way: set[tuple[str, object]] = set()
        """Tables, with the lane or what else they are written of, of which a write may not be durable yet."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside, those of which none must come before the other are under way together.

        Positions are durable before the next other write; tails, rows and accumulators before the keys of what changed and what was
        passed on; all of it before progress, before states count as loaded, and before anything is published.
        """
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self.finish()
        finally:
            self._depth -= 1
            if not self._depth:
                self._under_way.clear()
                self._window.abandon()
                self._positions.settle()

    def send(
        self,
        table: str,
        of: object,
        statement: str,
        rows: Iterable[tuple[Hashable, Sequence[object]]],
    ) -> None:
        """Write them: by the end, or inside `together` before anything that has to come after them.

        What comes before the values of each names their partition in Cassandra.
        """
        self._positions.settle()
        if table in {CHANGED, PASSED} and any(other not in {CHANGED, PASSED} for other, _ in self._under_way):
            self.finish()
        self._under_way.add((table, of))
        self._window.send(self._cql.batches(statement, rows))
        if not self._depth:
            self.finish()

    def finish(self) -> None:
        """Wait for all that is written."""
        self._under_way.clear()
        self._window.finish()

    def see(self, table: str, of: object) -> None:
        """Let what was written there be read."""
        if (table, of) in self._under_way:
            self.finish()

    def batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """Write the end of a batch: durable by the end, or inside `together` before the next other write.

        Raises:
            LeaseLost: another process writes that partition by now.
        """
        self._positions.begin_batch_end(lane, partition, offset)
        self._settle_alone()

    def progress(self, lane: Lane, partition: int, offset: int) -> None:
        """Write progress, after all that was written before: durable by the end.

        Raises:
            LeaseLost: another process writes that partition by now.
        """
        self.finish()
        self._positions.begin_progress(lane, partition, offset)
        self._settle_alone()

    def settle(self) -> None:
        """Wait for all, positions too.

        Raises:
            LeaseLost: another process writes a partition by now.
        """
        self.finish()
        self._positions.settle()

    def _settle_alone(self) -> None:
        if not self._depth:
            self._positions.settle()
