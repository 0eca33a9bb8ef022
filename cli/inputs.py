"""Inputs that are read into the canonical log one after the other: damage in one keeps no other out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from batch.compressed import InputError
from cli.home import Intake
from cli.output import Meter
from speed.ingest import Counts, Scope
from speed.ingest import ingest as ingest_lines

HEAD_BYTES = 512
"""Of a file: by these it is told from another one of its name."""


class Inputs:
    """What became of the inputs so far, all together."""

    def __init__(self, intake: Intake, scope: Scope, progress: Meter) -> None:
        """Bring events in by an intake, as far as they are wanted, and show how many are read."""
        self.total = Counts()
        """Of all inputs that are done, and of those that could not be read to the end what was read."""
        self.skipped: list[InputError] = []
        """Why inputs could not be read to the end."""
        self._intake = intake
        self._scope = scope
        self._progress = progress
        self._counts = Counts()

    @contextmanager
    def one(self) -> Iterator[None]:
        """While one input is opened and read; an `InputError` ends it, and is kept."""
        self._counts = Counts()
        try:
            yield
        except InputError as error:
            self.skipped.append(error)
        self.total.add(self._counts)

    def ingest(self, source: str, lines: Iterable[bytes]) -> None:
        """Append the events of the input, as `speed.ingest.ingest` does, and relay them commit by commit."""
        self._counts = ingest_lines(self._intake.notes, source, lines, self._scope, self._committed)

    def _committed(self, so_far: Counts) -> None:
        self._counts = so_far
        self._intake.relay()
        self._progress.at(self.total.read + so_far.read)


def source_name(path: Path) -> str:
    """Path and a digest of the first bytes, so that another file under the same name is another source.

    Raises:
        InputError: the file can't be read.
    """
    if str(path) == "-":
        return f"stdin {datetime.now(tz=UTC).isoformat()}"
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        message = f"{path}: can't be read ({error.strerror}); check the path and its rights"
        raise InputError(message) from error
    return f"{path.resolve()} {sha256(head).hexdigest()[:12]}"
