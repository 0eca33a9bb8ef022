"""Keeps one sink equal to a merged table, by its change feed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from serving.changes import Feed, Mark, UnknownMark, changes
from serving.reader import Reader
from shared_logic.definition import Dataset
from shared_logic.keys import encode_key
from shared_logic.protocols import Store
from shared_logic.sinks import Change, OutputTable, Sink


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sink is, as it is noted in a file."""

    to: str
    columns: tuple[str, ...]
    mark: str


@dataclass(frozen=True, slots=True)
class Done:
    """What one delivery has done."""

    put: int
    deleted: int
    mark: str
    whole: bool
    """Whether all rows were written, not only what had changed."""


class Delivery:
    """Of one dataset to one sink. What was delivered and not yet noted, because the process died, is delivered again."""

    def __init__(self, dataset: Dataset, table: OutputTable, sink: Sink, to: str, note: Path) -> None:
        """Deliver to `sink`, whose address is `to`; `note` is the file that says how far it is."""
        self._dataset, self._table, self._sink = dataset, table, sink
        self._to, self._note = to, note
        self._prepared = False

    def deliver(self, store: Store) -> Done:
        """Bring the sink to what the store says now.

        Raises:
            NotPublished: there is no published generation, or it has other columns than the code.
            SinkError: the sink can't take it.
            Whatever the store and the sink raise when they stay away.
        """
        # First what is to be read: a table that isn't published needs no sink.
        feed, whole = self._feed(store)
        if not self._prepared:
            self._sink.prepare()
            self._prepared = True
        deleted = self._sweep(store, feed.mark.generation) if whole else 0
        put = 0
        while some := list(islice(feed.changes, self._sink.most)):
            self._sink.write(some)
            gone = sum(change.row is None for change in some)
            put, deleted = put + len(some) - gone, deleted + gone
        mark = str(feed.mark)
        if mark != self._mark():
            self._sink.finish(mark)
            self._write(Standing(to=self._to, columns=self._table.names, mark=mark))
        return Done(put, deleted, mark, whole)

    def _feed(self, store: Store) -> tuple[Feed, bool]:
        mark = self._mark()
        if mark is not None:
            try:
                return changes(store, self._dataset, Mark.of(mark)), False
            except UnknownMark:
                pass
        return changes(store, self._dataset, None), True

    def _sweep(self, store: Store, generation: int) -> int:
        """Delete what is there from before and isn't a row; returns how many."""
        reader, deleted = Reader(store), 0
        keys: Iterator[bytes] = map(encode_key, self._sink.keys())
        while some := list(islice(keys, self._sink.most)):
            gone = [
                Change(key, None)
                for key, row in reader.rows_of(self._dataset, some, generation)
                if row is None
            ]
            self._sink.write(gone)
            deleted += len(gone)
        return deleted

    def _mark(self) -> str | None:
        """What is noted, unless that is of another sink or of other columns."""
        known = standing(self._note)
        same = known is not None and (known.to, known.columns) == (self._to, self._table.names)
        return known.mark if known is not None and same else None

    def _write(self, standing: Standing) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._note.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(standing)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._note)


def standing(note: Path) -> Standing | None:
    """What a file says of how far its sink is; None: there is none."""
    return msgspec.json.decode(note.read_bytes(), type=Standing) if note.exists() else None
