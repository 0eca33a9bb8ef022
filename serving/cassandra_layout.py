"""Which bucket of a table a key lies in: rows of one bucket are one partition of Cassandra, in order of key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

from serving.cassandra_session import Cql
from shared_logic.definition import Dataset

_LEAST_COLUMNS = 2
"""One alone is the wiki, and a wiki would be one bucket."""
_TEXT, _NUMBER, _WHOLE = "text", "number", "whole key"
_TEXT_END = b"\x00\x00"
_NUMBER_BYTES = 8


class Layout:
    """Chooses buckets by the head of a key: its partition columns, two columns at least.

    A table's head is noted with its first row and stays what it is, since it decides where rows are. It is a hint, nothing depends
    on its types: keys of other types are found as well, reads of a partition just ask more buckets.
    """

    def __init__(self, cql: Cql, buckets: int, datasets: Iterable[Dataset]) -> None:
        """With as many buckets per table as the store has; datasets that aren't named are laid out by their whole keys."""
        self.buckets = buckets
        self._cql = cql
        self._wanted = {dataset.name: _head(dataset) for dataset in datasets}
        self._noted: dict[str, str] = {}

    def claim(self, dataset: str) -> None:
        """Note the table's head, before its first row is written."""
        if dataset in self._noted:
            return
        head = self._wanted.get(dataset, _WHOLE)
        other = self._cql.conditional(
            "INSERT INTO layouts (dataset, head) VALUES (?, ?) IF NOT EXISTS", dataset, head
        )
        self._noted[dataset] = head if other is None else other["head"]

    def bucket(self, dataset: str, key: bytes) -> int:
        """That of a row."""
        end = _end_of_head(self._head_of(dataset), key)
        return self._of(key if end is None else key[:end])

    def head(self, dataset: str, key: bytes) -> bytes | None:
        """The head of a key or of a key's beginning; None where it has no whole one, or no row of the table was ever written."""
        if dataset not in self._noted:
            self._head_of(dataset)
        noted = self._noted.get(dataset)
        end = None if noted is None else _end_of_head(noted, key)
        return None if end is None else key[:end]

    def buckets_of(self, dataset: str, prefix: bytes) -> Sequence[int]:
        """Those of all rows whose keys start with the prefix."""
        end = _end_of_head(self._head_of(dataset), prefix)
        return range(self.buckets) if end is None else [self._of(prefix[:end])]

    def bucket_of_entity(self, key: str) -> int:
        """That of an entity's states and tails."""
        return self._of(key.encode())

    def bucket_of_revision(self, rev_id: int) -> int:
        """That of what is hidden of a revision."""
        return rev_id % self.buckets

    def _of(self, head: bytes) -> int:
        return crc32(head) % self.buckets

    def _head_of(self, dataset: str) -> str:
        noted = self._noted.get(dataset)
        if noted is None:
            row = self._cql.first("SELECT head FROM layouts WHERE dataset=?", dataset)
            if row is None:  # no row was ever written
                return self._wanted.get(dataset, _WHOLE)
            noted = self._noted[dataset] = row[0]
        return noted


def _head(dataset: Dataset) -> str:
    schema = dataset.schema
    columns = schema.key_names[: max(_LEAST_COLUMNS, len(schema.partition))]
    return ",".join(_TEXT if schema.column(name).type is str else _NUMBER for name in columns)


def _end_of_head(head: str, key: bytes) -> int | None:
    """Where it ends in a key or in a key's beginning; None: not in these bytes.

    It is told from left to right, so that all keys that begin with a whole head have the same one.
    """
    if head == _WHOLE:
        return None
    end = 0
    for kind in head.split(","):
        if kind == _TEXT:
            found = key.find(_TEXT_END, end)
            end = -1 if found < 0 else found + len(_TEXT_END)
        else:
            end += _NUMBER_BYTES
        if not 0 <= end <= len(key):
            return None
    return end
