"""Merged reads: rows by key, how fresh they are, and which layer said what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from hashlib import sha256
from typing import Any

from serving.redaction import Redaction
from shared_logic.kernel import add
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.language import Dataset, Key, Values
from shared_logic.merge import merged
from shared_logic.protocols import Accumulator, Cut, Generation, Lane, Store


class NotPublished(Exception):  # noqa: N818  what is so, not that something failed
    """Nothing is published that could answer: not "no row", but "cannot know"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what they include."""

    rows: list[dict[str, Any]]
    """Names and values; none: there is no such row."""
    generation: int
    through: Cut
    """The offsets of the page log before which everything is included."""
    complete: bool | None
    """Whether that is all that the log holds; None: not known here."""
    lag: int | None
    """Messages that are not included yet; None: not known here."""


Answers = Answer
"""An answer of any number of rows."""


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


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the layers say of one key."""

    batch: Values | None
    speed: Values | None
    removed: bool
    accumulators: dict[int, Accumulator]
    merged: Values | None


class Reader:
    """Reads merged tables of one store."""

    def __init__(self, store: Store, ends: Callable[[], Cut] | None = None) -> None:
        """Read from `store`; `ends` tells where the page log ends now, without it no answer knows whether it is complete."""
        self._store, self._ends = store, ends

    def get(self, dataset: Dataset, key: Key, generation: int | None = None) -> Answer:
        """The row with that whole key, or none; `generation` reads as of another one.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have that key.
        """
        _check(dataset, key, whole=True)
        made = self._generation(dataset, generation)
        through = self._through(dataset, made)
        found = self._parts(dataset, made, key).merged
        return self._answer(dataset, made, through, [] if found is None else [(key, found)])

    def scan(self, dataset: Dataset, prefix: Key = (), generation: int | None = None) -> Answer:
        """All rows whose key starts with `prefix`, in order of key; `generation` reads as of another one.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have such keys.
        """
        _check(dataset, prefix, whole=False)
        made = self._generation(dataset, generation)
        through = self._through(dataset, made)
        schema = dataset.schema
        rows = merged(self._store, dataset, Lane(dataset.name, made.number), encode_key(prefix))
        decoded = ((decode_key(schema, key), decode_values(schema, values)) for key, values in rows)
        return self._answer(dataset, made, through, decoded)

    def through(self, dataset: Dataset, generation: int) -> Cut:
        """The offsets before which everything is included in that generation's merged table."""
        return self._through(dataset, self._generation(dataset, generation))

    def sorted_rows(
        self, dataset: Dataset, generation: int | None = None, *, redacted: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The merged table as bytes (see `shared_logic.keys`), in order of key.

        Only an audit, which compares with what was never redacted, asks for rows that are not `redacted`.
        """
        made = self._generation(dataset, generation)
        rows = merged(self._store, dataset, Lane(dataset.name, made.number))
        return Redaction(self._store, dataset).of_bytes(rows) if redacted else rows

    def digest(self, dataset: Dataset, generation: int | None = None) -> str:
        """SHA-256 over the merged table: equal tables have equal digests."""
        digest = sha256()
        for key, values in self.sorted_rows(dataset, generation):
            digest.update(len(key).to_bytes(4, "big") + key + len(values).to_bytes(4, "big") + values)
        return digest.hexdigest()

    def explain(self, dataset: Dataset, key: Key, generation: int | None = None) -> Explanation:
        """Which layer says what of the row with that whole key.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have that key.
        """
        _check(dataset, key, whole=True)
        made = self._generation(dataset, generation)
        parts = self._parts(dataset, made, key)
        row = self._shown(dataset, key, parts.merged)
        return Explanation(
            dataset=dataset.name,
            key=key,
            generation=made.number,
            batch=self._shown(dataset, key, parts.batch),
            speed=self._shown(dataset, key, parts.speed),
            removed=parts.removed,
            partitions={number: (part.sums, part.version) for number, part in parts.accumulators.items()},
            merged=None if row is None else dataset.schema.record(key, row),
        )

    def _answer(
        self, dataset: Dataset, made: Generation, through: Cut, rows: Iterable[tuple[Key, Values]]
    ) -> Answer:
        """Redact, and say how fresh; `through` was read before the rows, which may include more and never less."""
        shown = Redaction(self._store, dataset).of_rows(rows)
        records = [dataset.schema.record(key, values) for key, values in shown]
        if self._ends is None:
            return Answer(records, made.number, through, complete=None, lag=None)
        lag = sum(max(0, end - at) for end, at in zip(self._ends(), through, strict=True))
        return Answer(records, made.number, through, complete=lag == 0, lag=lag)

    def _parts(self, dataset: Dataset, made: Generation, key: Key) -> _Parts:
        lane, encoded, schema = Lane(dataset.name, made.number), encode_key(key), dataset.schema
        row = self._store.batch_row(lane, encoded)
        batch = None if row is None else decode_values(schema, row)
        if dataset.is_rollup:
            parts = dict(self._store.accumulators(lane, [encoded]).get(encoded, {}))
            added = reduce(add, [part.sums for part in parts.values()]) if parts else None
            total = add(batch, added) if batch and added else batch or added
            return _Parts(batch, added, False, parts, total if total and any(total) else None)  # noqa: FBT003
        put = self._store.speed_row(lane, encoded)
        if put is None:
            return _Parts(batch, None, False, {}, batch)  # noqa: FBT003
        speed = None if put[0] is None else decode_values(schema, put[0])
        return _Parts(batch, speed, put[0] is None, {}, speed)

    def _shown(self, dataset: Dataset, key: Key, values: Values | None) -> Values | None:
        if values is None:
            return None
        return next(Redaction(self._store, dataset).of_rows([(key, values)]))[1]

    def _through(self, dataset: Dataset, made: Generation) -> Cut:
        lane = Lane(dataset.name, made.number)
        return tuple(
            cut if (at := self._store.progress(lane, partition)) is None else at
            for partition, cut in enumerate(made.cut)
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


def _check(dataset: Dataset, key: Key, *, whole: bool) -> None:
    """Refuse a key that no row can have, which would else read as "no such row"."""
    names = dataset.schema.key_names
    if len(key) > len(names) or (whole and len(key) < len(names)):
        message = (
            f"{dataset.name}: the key {key!r} has {len(key)} values; its columns are {', '.join(names)}"
            f"{', name all of them' if whole else ''}"
        )
        raise ValueError(message)
    for name, value in zip(names, key, strict=False):
        kind = dataset.schema.column(name).type
        fits = isinstance(value, kind)
        if kind is int:
            fits = fits and not isinstance(value, bool)
        elif kind is date:
            fits = fits and not isinstance(value, datetime)
        elif kind is datetime:
            fits = isinstance(value, datetime) and value.tzinfo is not None
        if not fits:
            aware = " with a time zone" if kind is datetime else ""
            message = f"{dataset.name}, column {name}: {value!r} can't be its key; give a value of type {kind.__name__}{aware}"
            raise ValueError(message)
