"""Where merged tables are written to for others: what a sink is given, and what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from shared_logic.definition import Dataset
from shared_logic.tables import Column, Key


class SinkError(Exception):
    """A sink can't take the table as it is; the message says what to do."""


class Change(NamedTuple):
    """One row of a merged table as it is now."""

    key: Key
    row: dict[str, Any] | None
    """Names and values; None: there is no such row."""


@dataclass(frozen=True, slots=True)
class OutputTable:
    """The columns of a dataset's table that a sink is given."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    partition: tuple[str, ...]
    clustering: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def key_names(self) -> tuple[str, ...]:
        """Of the key's columns."""
        return self.partition + self.clustering

    def record(self, row: dict[str, Any]) -> dict[str, Any]:
        """Those columns of a row."""
        return {name: row[name] for name in self.names}

    def key_record(self, key: Key) -> dict[str, Any]:
        """Names and values of a key."""
        return dict(zip(self.key_names, key, strict=True))


def whole_table(dataset: Dataset) -> OutputTable:
    """All columns, those too that are private."""
    schema = dataset.schema
    return OutputTable(
        dataset.name, dataset.doc or schema.doc, schema.columns, schema.partition, schema.clustering
    )


def public_table(dataset: Dataset) -> OutputTable:
    """The columns that aren't private.

    Raises:
        SinkError: a column of the key is, so that no row can be told.
    """
    whole = whole_table(dataset)
    kept = tuple(column for column in whole.columns if not column.about.private)
    hidden = [name for name in whole.key_names if name not in {column.name for column in kept}]
    if hidden:
        message = f"the key of {dataset.name} is private ({', '.join(hidden)}); with `private: true` all columns are written"
        raise SinkError(message)
    return OutputTable(whole.name, whole.doc, kept, whole.partition, whole.clustering)


class Sink(Protocol):
    """A table elsewhere that is made equal to a merged one. One process writes it at a time.

    Rows of one `write` come later than those of the one before; within it each key comes once. What is written may be written again.
    """

    most: int
    """How many changes it is given at once."""

    def prepare(self) -> None:
        """Make the table, or add to it the columns that are new.

        Raises:
            SinkError: there is another table already, with which that can't be done.
        """

    def keys(self) -> Iterator[Key]:
        """Of all rows that it has, in any order."""

    def write(self, changes: Sequence[Change]) -> None:
        """Put and delete rows; all are durable afterwards."""

    def finish(self, mark: str) -> None:
        """Note for readers that everything up to that mark of the change feed is there."""
