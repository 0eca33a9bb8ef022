"""What the layers meet through: the canonical log, the store, generations, what they tell operators. Implementations stand in speed/ and serving/."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

Cut = tuple[int, ...]
"""An offset per partition of the canonical log: what lies before it is in the batch, the rest in the speed layer."""
Tell = Callable[[str], None]
"""Takes a line for whoever operates a process: what happened, and what to do about it."""


class Message(NamedTuple):
    """One event in the canonical log."""

    offset: int
    key: str
    """Of the entity (see `shared_logic.entities`) that the event is there for."""
    value: bytes
    """The event's bytes, as they came."""


class LogError(Exception):
    """The log can't be opened, read or written; the message says what to do."""


class Log(Protocol):
    """The canonical log: append-only, keyed by entity, cut into partitions. Who can't be asked raises a `LogError`."""

    @property
    def identity(self) -> str:
        """Tells this log from every other one."""

    @property
    def partitions(self) -> int:
        """How many there are; fixed when the home is made."""

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        """Up to `most` messages from `offset` on, in order of offset."""

    def ends(self) -> Cut:
        """The offset after the last message of every partition."""

    def starts(self) -> Cut:
        """The first offset that every partition still holds."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One batch view of one dataset: what it was made of, and where it ends."""

    dataset: str
    number: int
    """Counts up by one per dataset, abandoned and dropped ones included."""
    cut: Cut
    bootstrap: str
    """Id of the history from before the log; empty: none."""
    base: str
    """Id of the entity states from which the speed layer goes on."""
    fingerprint: str
    """Hash of the definition's code."""
    delta_version: int
    run: str
    """Id of the run that made it."""
    columns: tuple[str, ...] = ()
    """Of its table (see `Schema.signature`); rows are read with these only. Empty: not noted."""

    @property
    def lane(self) -> Lane:
        """The lane of its speed state."""
        return Lane(self.dataset, self.number)


class Lane(NamedTuple):
    """Whose speed state it is: speed state belongs to one generation of one dataset."""

    dataset: str
    generation: int


class Accumulator(NamedTuple):
    """Sums that one partition's events added to a rollup key since the cut, and the offset through which they are included."""

    sums: tuple[int, ...]
    version: int


class Parts(NamedTuple):
    """All that a read of one key needs: which generation, how far it is, and what each layer holds of the key."""

    generation: Generation
    through: Cut
    """The offsets before which everything is included; the rows may include more, never less."""
    batch: bytes | None
    speed: tuple[bytes | None] | None
    """(row,), (None,) for a tombstone, or None where speed says nothing."""
    accumulators: Mapping[int, Accumulator]
    """By partition; of a rollup only."""


class Told(NamedTuple):
    """What a store holds of entities, by key; those of which it holds nothing are left out."""

    states: Mapping[str, bytes]
    """As a batch left them."""
    tails: Mapping[str, Sequence[bytes]]
    """What events said of them since."""


class Store(Protocol):
    """Rows and what speed needs to make them. Keys and values are bytes of `shared_logic.keys`.

    Every write is idempotent. Inside `atomically` all writes happen or none, where the store can do that; the order of writes
    is such that stores which can't are right as well.
    """

    def atomically(self) -> AbstractContextManager[object]:
        """All writes inside become durable together, if the store can."""

    # --- generations and the manifest
    def add_generation(self, generation: Generation) -> None:
        """Note a candidate; the same number again replaces it."""

    def datasets(self) -> Sequence[str]:
        """Names, in order, of all of which something is here, whether or not anybody still knows how it was made."""

    def generations(self, dataset: str) -> Sequence[Generation]:
        """All that were added, oldest first."""

    def last_number(self, dataset: str) -> int:
        """The greatest that a generation had, of those that were given up or dropped too; 0: there never was one."""

    def published(self, dataset: str) -> Generation | None:
        """The one that readers read; None before the first flip."""

    def publish(self, dataset: str, number: int) -> None:
        """Make it the one that readers read: flip and rollback are this one write. KeyError: no such generation."""

    def expire(self, dataset: str, kept: Collection[int]) -> int:
        """Give up generations before the newest kept one that aren't kept; returns how many versions of rows were removed.

        Generations after the newest kept one stay: they are candidates.

        Raises:
            ValueError: one of them doesn't exist, or the published one isn't among them.
        """

    def drop(self, dataset: str) -> None:
        """Give up all of a dataset, the published generation too: rows, and speed state of all lanes; its numbers are not given again.

        What an earlier call left undone is done.
        """

    # --- a point read
    def parts(self, dataset: str, key: bytes, number: int | None = None) -> Parts | None:
        """What the layers hold of that key in the published generation, or in that one; None: there is no such generation."""

    # --- batch views: versions of rows by generation
    def load(self, dataset: str, number: int, rows: Iterable[tuple[bytes, bytes]]) -> tuple[int, int, int]:
        """Make the view at `number` equal to `rows`, writing only what differs from what it would show (tombstones included).

        Rows come in ascending order of key, each key once. Returns how many were new or changed, removed, and unchanged.
        """

    def batch_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """By key the newest version not newer than the generation; keys without a row are left out."""

    def batch_rows(self, lane: Lane, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Those of all keys that start with `prefix` and are not before `start`, in order of key."""

    def changed_between(self, dataset: str, one: int, other: int) -> Iterator[bytes]:
        """Keys, in order, of all rows that may differ between the batch views at two generations that are kept."""

    # --- entity states: base and tail
    def load_states(self, base: str, states: Iterable[tuple[str, bytes]]) -> int:
        """Add entity states (key, bytes) of one base; returns how many."""

    def has_states(self, base: str) -> bool:
        """Whether states of that base were loaded, to the end."""

    def states_of(self, base: str, keys: Sequence[str]) -> Mapping[str, bytes]:
        """The base states of these entities; keys without one are left out."""

    def forget(self, bases: Collection[str], cut: Cut) -> None:
        """Give up the entity states of all bases but these, and tails before the cut: no generation that is kept needs them.

        What is written afterwards is there, also where it was given up.
        """

    def vacuum(self) -> None:
        """Leave no byte of what was given up in the store's files.

        Raises:
            Exception: of the store, where somebody holds the files.
        """

    def write_tails(self, partition: int, tails: Iterable[tuple[str, int, bytes]]) -> None:
        """Add what events said: (key, offset, state bytes)."""

    def tails_of(
        self, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Mapping[str, Sequence[bytes]]:
        """What the events at offsets from `start` on and before `end` said of these entities; keys without any are left out."""

    def told_of(
        self, base: str, partition: int, keys: Sequence[str], start: int, end: int
    ) -> Callable[[], Told]:
        """Ask for both, `states_of` and `tails_of`: a store that is elsewhere looks while the caller does something else."""

    # --- what is hidden on the wikis
    def redact(self, wiki: str, rev_id: int, bits: int, clock: int) -> None:
        """Note what of a revision is hidden (bits of rev_deleted); what was noted before stays, whatever comes later."""

    def redactions(self, wiki: str, rev_ids: Sequence[int]) -> Mapping[int, int]:
        """The bits of those revisions of which something is hidden."""

    # --- speed state of a lane
    def take_over(self, lanes: Sequence[Lane], partitions: Sequence[int]) -> None:
        """Be the one who writes these partitions of the lanes: whoever did is refused with the next batch.

        What is read of them afterwards stays until this process changes it.
        """

    def progress(self, lane: Lane, partition: int) -> int | None:
        """The offset before which everything is included; None: never begun."""

    def progress_of(self, lane: Lane) -> Mapping[int, int]:
        """The same of all partitions; those that were never begun are left out."""

    def write_progress(self, lane: Lane, partition: int, offset: int) -> None:
        """Written last."""

    def batch_end(self, lane: Lane, partition: int) -> int | None:
        """The end of the batch of events that was begun last."""

    def write_batch_end(self, lane: Lane, partition: int, offset: int) -> None:
        """Written first."""

    def write_rows(self, lane: Lane, rows: Mapping[bytes, bytes | None]) -> None:
        """Put speed rows; None is a tombstone, which hides a batch row."""

    def speed_rows_of(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, bytes | None]:
        """Rows by key, tombstones as None; keys of which speed says nothing are left out."""

    def speed_rows(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Those of all keys that start with `prefix` and are not before `start`, in order of key, tombstones as None."""

    def accumulators(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, Mapping[int, Accumulator]]:
        """Accumulators by key and partition; keys without any are left out."""

    def write_accumulators(
        self, lane: Lane, partition: int, accumulators: Mapping[bytes, Accumulator]
    ) -> None:
        """Put that partition's accumulators."""

    def accumulated(
        self, lane: Lane, prefix: bytes, start: bytes = b""
    ) -> Iterator[tuple[bytes, tuple[int, ...]]]:
        """Sums over all partitions, of all keys that start with `prefix` and are not before `start`, in order of key."""

    def write_changed(self, lane: Lane, partition: int, end: int, keys: Collection[bytes]) -> None:
        """Note which rows were changed by the batch of events that ends there, beside those noted for that end before."""

    def changed(self, lane: Lane, partition: int, after: int, upto: int) -> Iterator[bytes]:
        """Keys noted for batches that end after `after` and not after `upto`, by their ends; some more than once."""

    def passed(self, lane: Lane, keys: Sequence[bytes]) -> Mapping[bytes, tuple[int, ...]]:
        """By rollup key, what was noted of the total that was last passed on to what is derived; keys without one are left out."""

    def write_passed(self, lane: Lane, totals: Mapping[bytes, tuple[int, ...]]) -> None:
        """Put what is noted, whatever it is: `speed.derived_rows` knows."""
