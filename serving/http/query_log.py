"""What is written down of queries for what is private, before they are answered."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from errno import ENOSPC
from pathlib import Path

import msgspec

from shared_logic.purged_names import Pseudonyms, text_without_names

MODE = 0o600
"""Who investigated whom is for the operator alone."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One query."""

    at: datetime
    who: str
    """The bearer's name."""
    wiki: str
    whom: tuple[str, ...]
    """Keys of accounts (`#` and the id) and addresses; names, which may be hidden later, by their digests (see `hidden_names`): `name:` and that
    of an imported one, `user-no-account:` and that of one that is no account's, or a hidden one's, `database-refresh:` while nothing is published."""
    reason: str
    """As it was given."""


class QueryLog:
    """A file of queries, one JSON object a line, on disk before the answer is made."""

    def __init__(self, path: Path) -> None:
        """Add to that file, which is made where it is missing."""
        self._path = path

    def write(self, query: Query) -> None:
        """Write it down.

        Raises:
            OSError: it can't be.
        """
        line = msgspec.json.encode(query) + b"\n"
        with _held(self._path) as file:
            end = os.fstat(file).st_size
            if os.write(file, line) != len(line):
                os.ftruncate(file, end)  # else the next line would go on where this one ends
                raise OSError(ENOSPC, "no room for the whole line")
            os.fsync(file)


def without_names(path: Path, names: Callable[[str], Pseudonyms]) -> None:
    """Put pseudonyms, as `names` gives them for a wiki, in the place of names in the file; there may be no such file."""
    if not path.exists():
        return
    with _held(path):
        queries = [msgspec.json.decode(line, type=Query) for line in path.read_bytes().splitlines()]
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.touch(MODE)
        unfinished.write_bytes(
            b"".join(msgspec.json.encode(_without_names(one, names(one.wiki))) + b"\n" for one in queries)
        )
        unfinished.replace(path)


def _without_names(query: Query, names: Pseudonyms) -> Query:
    return msgspec.structs.replace(
        query,
        reason=text_without_names(query.reason, names),
        whom=tuple(map(names.shown, query.whom)),
    )


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """The file, open to add to, while nobody else writes it; it may be replaced inside."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                yield file
                return
        finally:
            os.close(file)
