"""Merged reads: rows by key, how fresh they are, and which layer said what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from serving.sqlite_store import SqliteStore
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.language import Dataset, Key, Values
from shared_logic.merge import merged
from shared_logic.protocols import Cut, Generation, Lane


class NotPublished(Exception):  # noqa: N818  what is so, not that something failed
    """Nothing is published that could answer: not "no row", but "cannot know"."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Rows, and what they include."""

    rows: list[dict[str, Any]]
    """Names and values; none: there is no such row."""
    generation: int
    through: Cut
    """The offsets of the page log before which everything is included."""
    complete: bool
    """Whether that is all that the log holds."""
    lag: int
    """Messages that are not included yet."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which layer says what of one row; each None where the layer says nothing."""

    dataset: str
    key: Key
    generation: int
    batch: Values | None
    speed: Values | None
    """The row that speed put in its place, or the sums that it added."""
    removed: bool
    """Whether speed has taken the batch's row away."""
    partitions: dict[int, tuple[tuple[int, ...], int]]
    """Of a rollup: per partition, the sums that were added, and the offset through which."""
    merged: dict[str, Any] | None


class Reader:
    """Reads merged tables of one store."""

    def __init__(self, store: SqliteStore, ends: Callable[[], Cut]) -> None:
        """Read from `store`; `ends` tells where the page log ends now."""
        self._store, self._ends = store, ends

    def scan(self, dataset: Dataset, prefix: Key = (), generation: int | None = None) -> Answers:
        """All rows whose key starts with `prefix`, in order of key; `generation` reads as of another one.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
        """
        made = self._generation(dataset, generation)
        through = self.through(dataset, made.number)
        lane = Lane(dataset.name, made.number)
        schema = dataset.schema
        rows = [
            schema.record(decode_key(schema, key), decode_values(schema, values))
            for key, values in merged(self._store, dataset, lane, encode_key(prefix))
        ]
        lag = sum(end - at for end, at in zip(self._ends(), through, strict=True))
        return Answers(rows, made.number, through, lag <= 0, max(0, lag))

    def through(self, dataset: Dataset, generation: int) -> Cut:
        """The offsets before which everything is included in that generation's merged table."""
        made = self._generation(dataset, generation)
        lane = Lane(dataset.name, generation)
        return tuple(
            cut if (at := self._store.progress(lane, partition)) is None else at
            for partition, cut in enumerate(made.cut)
        )

    def sorted_rows(self, dataset: Dataset, generation: int | None = None) -> Iterator[tuple[bytes, bytes]]:
        """The merged table as bytes (see `shared_logic.keys`), in order of key."""
        made = self._generation(dataset, generation)
        return merged(self._store, dataset, Lane(dataset.name, made.number))

    def digest(self, dataset: Dataset, generation: int | None = None) -> str:
        """SHA-256 over the merged table: equal tables have equal digests."""
        digest = sha256()
        for key, values in self.sorted_rows(dataset, generation):
            digest.update(len(key).to_bytes(4, "big") + key + len(values).to_bytes(4, "big") + values)
        return digest.hexdigest()

    def explain(self, dataset: Dataset, key: Key, generation: int | None = None) -> Explanation:
        """Which layer says what of the row with that whole key."""
        made = self._generation(dataset, generation)
        lane, encoded, schema = Lane(dataset.name, made.number), encode_key(key), dataset.schema
        batch = self._store.batch_row(lane, encoded)
        put = self._store.speed_row(lane, encoded)
        parts = self._store.accumulators(lane, [encoded]).get(encoded, {})
        added = dict(self._store.accumulated(lane, encoded)).get(encoded)
        row = dict(merged(self._store, dataset, lane, encoded)).get(encoded)
        return Explanation(
            dataset=dataset.name,
            key=key,
            generation=made.number,
            batch=None if batch is None else decode_values(schema, batch),
            speed=added if put is None or put[0] is None else decode_values(schema, put[0]),
            removed=put is not None and put[0] is None,
            partitions={number: (part.sums, part.version) for number, part in parts.items()},
            merged=None if row is None else schema.record(key, decode_values(schema, row)),
        )

    def _generation(self, dataset: Dataset, number: int | None) -> Generation:
        if number is None:
            made = self._store.published(dataset.name)
            if made is None:
                message = f"{dataset.name} is not published yet; `wikibraid batch run {dataset.name}` makes a generation"
                raise NotPublished(message)
            return made
        for made in self._store.generations(dataset.name):
            if made.number == number:
                return made
        message = f"{dataset.name} has no generation {number}; `wikibraid generations list {dataset.name}` lists them"
        raise NotPublished(message)
