"""Merged reads: rows by key, how fresh they are, and which layer said what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

from serving.redaction import HiddenNames, Redaction
from serving.standing import Standing, Waiting, standing
from shared_logic.definition import Dataset
from shared_logic.generations import generation_of
from shared_logic.kernel import add
from shared_logic.keys import decode_key, decode_values, encode_key
from shared_logic.merge import merged, merged_of
from shared_logic.protocols import Cut, Generation, Parts, Store
from shared_logic.tables import Key, Schema, Values


class NotPublished(Exception):  # noqa: N818  what is so, not that something failed
    """Nothing is published that could answer: not "no row", but "cannot know"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, and what they include."""

    rows: list[dict[str, Any]]
    """Names and values; none: there is no such row."""
    generation: int
    through: Cut
    """The offsets of the log before which everything is included."""
    complete: bool | None
    """Whether that is all that is known by now; None: not known here."""
    lag: int | None
    """Messages that are not included yet; None: not known here."""
    waiting: int = 0
    """History merges and restores of the wiki that were not looked up yet, as far as that is known here."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The rows of a whole merged table as they are stored; to be put together once (see `serving.layers`)."""

    batch: Sequence[Path]
    """Parquet files with the batch's rows."""
    speed: Iterator[tuple[Key, Values | None]]
    """Rows in place of the batch's, None for one that is gone; of a rollup, sums to be added. Read as they are asked for, once."""
    redaction: Redaction


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows that are read one after the other, as they are asked for, and what they include."""

    rows: Iterator[dict[str, Any]]
    generation: int
    through: Cut
    complete: bool | None
    """As in an answer, but as of the beginning: whether that was all that the log held then."""
    lag: int | None
    waiting: int = 0
    """As in an answer, as of the beginning."""
    layers: Layers | None = None
    """Of a whole table whose batch lies in files: the same rows for who can put layers together."""


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

    def __init__(
        self,
        store: Store,
        ends: Callable[[], Cut] | None = None,
        hiding: Store | None = None,
        files: Callable[[Generation], Sequence[Path] | None] | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        """Read from a store.

        Args:
            store: what is read.
            ends: tells where the log ends now; without it no answer knows whether it is complete.
            hiding: the store that knows which accounts are hidden now, where that is another one.
            files: tells in which Parquet files the rows of a generation's batch lie as well; None: in none any more.
            waiting: tells what was not looked up yet; without it no answer says so.
        """
        self._store, self._ends, self._hidden = store, ends, HiddenNames(hiding or store)
        self._files, self._waiting = files or (lambda _: None), waiting
        self._redactions: dict[Schema[Any], Redaction] = {}

    def get(self, dataset: Dataset, key: Key, generation: int | None = None) -> Answer:
        """The row with that whole key, or none; `generation` reads as of another one.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have that key.
        """
        _check(dataset, key, whole=True)
        parts = self._parts(dataset, key, generation)
        values = _merged(dataset, parts)
        shown = self._shown(dataset, key, values)
        rows = [] if shown is None else [dataset.schema.record(key, shown)]
        return self._answer(dataset, key, parts.generation, parts.through, rows)

    def scan(self, dataset: Dataset, prefix: Key = (), generation: int | None = None) -> Answer:
        """All rows whose key starts with `prefix`, in order of key; `generation` reads as of another one.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have such keys.
        """
        made, through, rows = self._rows(dataset, prefix, generation)
        return self._answer(dataset, prefix, made, through, list(rows))

    def stream(
        self, dataset: Dataset, prefix: Key = (), generation: int | None = None, start: bytes = b""
    ) -> Stream:
        """The same rows as `scan`, read as they are asked for: however many there are, few are held at a time.

        `start` is where to begin: no key before it (as bytes, see `shared_logic.keys`) is read.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have such keys.
        """
        made, through, rows = self._rows(dataset, prefix, generation, start)
        told = self._standing(dataset, prefix, through)
        layers = None if prefix or start else self._layers(dataset, made)
        return Stream(rows, made.number, through, *told, layers)

    def stream_of(self, dataset: Dataset, prefixes: Iterable[Key], generation: int | None = None) -> Stream:
        """The rows whose key starts with any of these, one after the other, read as they are asked for.

        Raises:
            NotPublished: there is no such generation, or none is published yet.
            ValueError: the table can't have such keys.
        """
        made = self._generation(dataset, generation)
        through = through_of(self._store, made)
        told = self._standing(dataset, (), through)

        def rows() -> Iterator[dict[str, Any]]:
            for prefix in prefixes:
                _check(dataset, prefix, whole=False)
                yield from self._beginning(dataset, made, prefix)
            check_kept(self._store, made)

        return Stream(rows(), made.number, through, *told)

    def check_kept(self, dataset: Dataset, generation: int) -> None:
        """Refuse what was read of a generation that was given up since; for who doesn't read a stream to its end, which does so itself.

        Raises:
            NotPublished: it was.
        """
        _check_kept(self._store, dataset.name, generation)

    def rows_of(
        self, dataset: Dataset, keys: Sequence[bytes], generation: int
    ) -> Iterator[tuple[Key, dict[str, Any] | None]]:
        """The rows that these keys (see `shared_logic.keys`) have in a generation, None for those without one, in any order.

        Raises:
            NotPublished: there is no such generation, or it was given up while it was read.
        """
        made = self._generation(dataset, generation)
        schema = dataset.schema
        there: list[tuple[Key, Values]] = []
        missing: set[Key] = set()
        for encoded, row in merged_of(self._store, dataset, made.lane, keys):
            key = decode_key(schema, encoded)
            if row is None:
                missing.add(key)
            else:
                there.append((key, decode_values(schema, row)))
        # Before anybody takes a row for one that was deleted.
        check_kept(self._store, made)
        missing.update(key for key, _ in there)
        for key, values in self._redaction(dataset).of_rows(there):
            missing.discard(key)
            yield key, schema.record(key, values)
        for key in missing:
            yield key, None

    def through(self, dataset: Dataset, generation: int) -> Cut:
        """The offsets before which everything is included in that generation's merged table."""
        return through_of(self._store, self._generation(dataset, generation))

    def sorted_rows(
        self, dataset: Dataset, generation: int | None = None, *, redacted: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """The merged table as bytes (see `shared_logic.keys`), in order of key.

        Only an audit, which compares with what was never redacted, asks for rows that are not `redacted`.

        Raises:
            NotPublished: there is no such generation; or, at their end, it was given up while they were read.
        """
        made = self._generation(dataset, generation)

        def rows() -> Iterator[tuple[bytes, bytes]]:
            found = merged(self._store, dataset, made.lane)
            yield from self._redaction(dataset).of_bytes(found) if redacted else found
            check_kept(self._store, made)

        return rows()

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
        schema = dataset.schema
        parts = self._parts(dataset, key, generation)
        put = parts.speed[0] if parts.speed else None
        sums = [accumulator.sums for accumulator in parts.accumulators.values()]
        batch = None if parts.batch is None else decode_values(schema, parts.batch)
        added = reduce(add, sums) if sums else None if put is None else decode_values(schema, put)
        shown = self._shown(dataset, key, _merged(dataset, parts))
        return Explanation(
            dataset=dataset.name,
            key=key,
            generation=parts.generation.number,
            batch=self._shown(dataset, key, batch),
            speed=self._shown(dataset, key, added),
            removed=batch is not None and parts.speed == (None,),
            partitions={number: (part.sums, part.version) for number, part in parts.accumulators.items()},
            merged=None if shown is None else schema.record(key, shown),
        )

    def _rows(
        self, dataset: Dataset, prefix: Key, generation: int | None, start: bytes = b""
    ) -> tuple[Generation, Cut, Iterator[dict[str, Any]]]:
        """The generation, the offsets it was through before any row was read, and the rows as they are asked for."""
        _check(dataset, prefix, whole=False)
        made = self._generation(dataset, generation)

        def rows() -> Iterator[dict[str, Any]]:
            yield from self._beginning(dataset, made, prefix, start)
            check_kept(self._store, made)

        return made, through_of(self._store, made), rows()

    def _layers(self, dataset: Dataset, made: Generation) -> Layers | None:
        files = self._files(made)
        return None if files is None else Layers(files, self._said(dataset, made), self._redaction(dataset))

    def _said(self, dataset: Dataset, made: Generation) -> Iterator[tuple[Key, Values | None]]:
        """What speed says of the generation's rows."""
        schema, lane = dataset.schema, made.lane
        if dataset.is_rollup:
            for key, sums in self._store.accumulated(lane, b""):
                yield decode_key(schema, key), sums
        else:
            for key, row in self._store.speed_rows(lane, b""):
                yield decode_key(schema, key), None if row is None else decode_values(schema, row)
        check_kept(self._store, made)

    def _beginning(
        self, dataset: Dataset, made: Generation, prefix: Key, start: bytes = b""
    ) -> Iterator[dict[str, Any]]:
        """The rows of a generation whose key starts so and is not before `start`, as they are asked for."""
        schema = dataset.schema
        rows = merged(self._store, dataset, made.lane, encode_key(prefix), start)
        decoded = ((decode_key(schema, key), decode_values(schema, values)) for key, values in rows)
        for key, values in self._redaction(dataset).of_rows(decoded):
            yield schema.record(key, values)

    def _answer(
        self, dataset: Dataset, prefix: Key, made: Generation, through: Cut, rows: list[dict[str, Any]]
    ) -> Answer:
        """Say how fresh the rows are; `through` was read before them, they may include more and never less."""
        return Answer(rows, made.number, through, *self._standing(dataset, prefix, through))

    def _standing(self, dataset: Dataset, prefix: Key, through: Cut) -> Standing:
        return standing(dataset, prefix, through, self._ends, self._waiting)

    def _parts(self, dataset: Dataset, key: Key, generation: int | None) -> Parts:
        parts = self._store.parts(dataset.name, encode_key(key), generation)
        if parts is None:
            raise _unknown(dataset, generation)
        check_columns(dataset, parts.generation)
        return parts

    def _shown(self, dataset: Dataset, key: Key, values: Values | None) -> Values | None:
        return None if values is None else self._redaction(dataset).of_row(key, values)

    def _redaction(self, dataset: Dataset) -> Redaction:
        known = self._redactions.get(dataset.schema)
        if known is None:
            known = self._redactions[dataset.schema] = Redaction(self._store, self._hidden, dataset)
        return known

    def _generation(self, dataset: Dataset, number: int | None) -> Generation:
        made = (
            self._store.published(dataset.name)
            if number is None
            else generation_of(self._store, dataset.name, number)
        )
        if made is None:
            raise _unknown(dataset, number)
        check_columns(dataset, made)
        return made


def through_of(store: Store, made: Generation) -> Cut:
    """The offsets before which everything is included in a generation's merged table."""
    progress = store.progress_of(made.lane)
    return tuple(progress.get(partition, end) for partition, end in enumerate(made.cut))


def check_kept(store: Store, made: Generation) -> None:
    """Refuse what was read while its generation was given up: stores forget it before its rows, of which some may be missing.

    Raises:
        NotPublished: it was.
    """
    _check_kept(store, made.dataset, made.number)


def check_columns(dataset: Dataset, made: Generation) -> None:
    """Refuse rows of another table than the dataset has by now: never is one read as the other.

    Raises:
        NotPublished: the generation was made with other columns.
    """
    if made.columns and made.columns != dataset.schema.signature:
        new = ", ".join(sorted(set(dataset.schema.signature) - set(made.columns))) or "no more"
        gone = ", ".join(sorted(set(made.columns) - set(dataset.schema.signature))) or "none"
        message = (
            f"{dataset.name}, generation {made.number} was made with other columns than the code has by now "
            f"(new: {new}; gone: {gone}); `wikibraid batch run {dataset.name}` makes a generation with these"
        )
        raise NotPublished(message)


def _check_kept(store: Store, dataset: str, number: int) -> None:
    if generation_of(store, dataset, number) is None:
        message = f"{dataset}, generation {number} was given up while it was read; read again"
        raise NotPublished(message)


def _unknown(dataset: Dataset, number: int | None) -> NotPublished:
    """Why a generation can't be read."""
    if number is None:
        return NotPublished(
            f"{dataset.name} is not published yet; `wikibraid batch run {dataset.name}` makes a generation"
        )
    return NotPublished(
        f"{dataset.name} has no generation {number}; `wikibraid generations list {dataset.name}` lists them"
    )


def _merged(dataset: Dataset, parts: Parts) -> Values | None:
    """The values of one key: speed's row or tombstone instead of the batch's, sums of both added; None: no row."""
    if dataset.is_rollup:
        sums = [accumulator.sums for accumulator in parts.accumulators.values()]
        if parts.batch is not None:
            sums.append(decode_values(dataset.schema, parts.batch))
        total = reduce(add, sums) if sums else ()
        return total if any(total) else None
    row = parts.speed[0] if parts.speed else parts.batch
    return None if row is None else decode_values(dataset.schema, row)


def _is_plainly_right(dataset: Dataset, key: Key, *, whole: bool) -> bool:
    """Whether the types alone say that rows can have the key, as they nearly always do; of an instant its zone must be looked at."""
    types, given = dataset.schema.key_types, tuple(map(type, key))
    return given == types[: len(given)] and datetime not in given and (len(given) == len(types) or not whole)


def _check(dataset: Dataset, key: Key, *, whole: bool) -> None:
    """Refuse a key that no row can have, which would else read as "no such row"."""
    if _is_plainly_right(dataset, key, whole=whole):
        return
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
