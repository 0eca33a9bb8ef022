"""The change feed of a merged table: which rows are new, other or gone since a mark.

A feed tells of every row that may have changed, as it is now, and of some that have not. So it can be taken twice, and a mark is
only to be kept after all before it was taken. Flips and rollbacks are changes as others: what two generations show differently is
told, and so is all that speed has changed on either of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple, Self

from serving.reader import NotPublished, Reader, through_of
from shared_logic.definition import Dataset
from shared_logic.generations import generation_of
from shared_logic.protocols import Cut, Generation, Lane, Store
from shared_logic.sinks import Change

_AT_ONCE = 5_000


class UnknownMark(LookupError):  # noqa: N818  what is wrong, not that something is
    """What was shown at the mark is not known here, or not any more; only all rows can tell what has changed since."""


class Mark(NamedTuple):
    """A moment of a merged table."""

    generation: int
    through: Cut
    """The offsets of the log before which everything was included."""
    run: str
    """Id of the run that made the generation: elsewhere one of the same number was made by another. Empty: the mark doesn't tell."""

    def __str__(self) -> str:
        """As `of` reads it."""
        return f"{self.generation}:{','.join(map(str, self.through))}@{self.run}"

    @classmethod
    def of(cls, text: str) -> Self:
        """The mark of that text.

        Raises:
            ValueError: it is none.
        """
        place, _, run = text.partition("@")
        generation, colon, offsets = place.partition(":")
        words = offsets.split(",")
        if not colon or not all(word.isdecimal() for word in (generation, *words)):
            message = f"{text!r} is no mark; a change feed ends with one, such as 3:120,48,9,77@1f0c2ab9d3e4"
            raise ValueError(message)
        return cls(int(generation), tuple(map(int, words)), run)


@dataclass(frozen=True, slots=True)
class Feed:
    """What has changed since a mark."""

    changes: Iterator[Change]
    mark: Mark
    """Where the next feed goes on, once all changes of this one were taken."""


def changes(store: Store, dataset: Dataset, since: Mark | None) -> Feed:
    """All that may have changed since the mark; without one all rows.

    Raises:
        NotPublished: there is no published generation, or it has other columns than the code.
        UnknownMark: the generation of the mark was given up, is another installation's, or never showed what lies at those offsets.
    """
    reader = Reader(store)
    made = store.published(dataset.name)
    if made is None:
        message = (
            f"{dataset.name} is not published yet; `wikibraid batch run {dataset.name}` makes a generation"
        )
        raise NotPublished(message)
    mark = Mark(made.number, reader.through(dataset, made.number), made.run)
    if since is None:
        return Feed(_all(reader, dataset, made), mark)
    _refuse_unknown(store, dataset, since, made)
    keys = (
        _since(store, dataset, since.through, mark)
        if since.generation == made.number
        else _between(reader, store, dataset, since, mark)
    )
    return Feed(_rows(reader, dataset, made, keys), mark)


def _all(reader: Reader, dataset: Dataset, made: Generation) -> Iterator[Change]:
    names = dataset.schema.key_names
    for row in reader.stream(dataset, (), made.number).rows:
        yield Change(tuple(row[name] for name in names), row)


def _since(store: Store, dataset: Dataset, after: Cut, mark: Mark) -> Iterator[bytes]:
    """Keys that speed has changed in the generation that is published as it was."""
    lane = Lane(dataset.name, mark.generation)
    told: set[bytes] = set()
    for partition, (start, end) in enumerate(zip(after, mark.through, strict=True)):
        for key in store.changed(lane, partition, start, end):
            if key not in told:
                told.add(key)
                yield key


def _between(reader: Reader, store: Store, dataset: Dataset, since: Mark, mark: Mark) -> Iterator[bytes]:
    """Keys that may be shown differently by another generation, in order.

    Raises:
        NotPublished: the former was given up meanwhile, and keys may be missing.
    """
    lanes = [Lane(dataset.name, number) for number in (since.generation, mark.generation)]
    yield from _once(
        heapq.merge(
            store.changed_between(dataset.name, since.generation, mark.generation),
            *(_of_speed(store, dataset, lane) for lane in lanes),
        )
    )
    reader.check_kept(dataset, since.generation)


def _refuse_unknown(store: Store, dataset: Dataset, since: Mark, made: Generation) -> None:
    """Refuse a mark of which nothing can be told; `made` is the generation that is published.

    Raises:
        UnknownMark: it is one.
    """
    again = "take all rows, without a mark"
    known = generation_of(store, dataset.name, since.generation)
    if known is None or known.run != since.run or (known != made and not _has_keys_of(known, dataset)):
        message = f"{dataset.name}: what generation {since.generation} of the mark {since} showed is not known here, or not any more; {again}"
        raise UnknownMark(message)
    through = through_of(store, known)
    if len(since.through) != len(through) or not all(
        start <= offset <= end for start, offset, end in zip(known.cut, since.through, through, strict=True)
    ):
        bounds = " to ".join(",".join(map(str, cut)) for cut in (known.cut, through))
        message = f"{dataset.name}: generation {known.number} has shown {bounds}, and the mark {since} is not among it; {again}"
        raise UnknownMark(message)


def _has_keys_of(made: Generation, dataset: Dataset) -> bool:
    return _key_columns(made.columns) == _key_columns(dataset.schema.signature)


def _key_columns(signature: tuple[str, ...]) -> list[str]:
    return [column for column in signature if column.endswith((" partition", " clustering"))]


def _of_speed(store: Store, dataset: Dataset, lane: Lane) -> Iterator[bytes]:
    """Keys of all that speed says of a lane, in order."""
    stored = store.accumulated(lane, b"") if dataset.is_rollup else store.speed_rows(lane, b"")
    return (key for key, _ in stored)


def _once(keys: Iterator[bytes]) -> Iterator[bytes]:
    return (key for key, _ in groupby(keys))


def _rows(reader: Reader, dataset: Dataset, made: Generation, keys: Iterator[bytes]) -> Iterator[Change]:
    """The rows of these keys as they are now.

    Some keys are taken at once, so that no cursor of the store is open while whoever reads this takes his time.

    Raises:
        NotPublished: the generation was given up meanwhile, and keys or rows may be missing.
    """
    while some := list(islice(keys, _AT_ONCE)):
        yield from (Change(key, row) for key, row in reader.rows_of(dataset, some, made.number))
    reader.check_kept(dataset, made.number)
