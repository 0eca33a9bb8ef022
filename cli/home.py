"""The home folder: where the log, the store, the Delta tables and the bootstraps of one installation lie."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch.bootstrap import Bootstrap, described
from cli.failures import BUSY, Failure
from serving.sqlite_store import SqliteStore
from shared_logic.fingerprint import reading_fingerprint
from speed.sqlite_log import SqliteLog

FORMAT = "2"


class Home:
    """Paths of a home, and its one writer's lock."""

    def __init__(self, path: Path) -> None:
        """Take a folder that is a home or can become one.

        Raises:
            Failure: it is neither, or of another format.
        """
        self.path = path.expanduser().resolve()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{path}: can't be a home ({error.strerror}); give another folder with --home"
            raise Failure(message) from error
        marker = self.path / "FORMAT"
        if not marker.exists():
            if any(entry for entry in self.path.iterdir() if entry.name != ".lock"):
                message = (
                    f"{path} is not empty and no home of wikibraid; give an empty or new folder with --home"
                )
                raise Failure(message)
            marker.write_text(FORMAT + "\n")
        found = marker.read_text().strip()
        if found != FORMAT:
            message = f"{path} is a home of format {found}, this version reads {FORMAT}; use the wikibraid that made it"
            raise Failure(message)
        self.archive = self.path / "archive"
        self.delta = self.path / "delta"
        self.bootstraps = self.path / "bootstraps"

    @contextmanager
    def writer(self, what: str) -> Iterator[None]:
        """Be the one writer while inside.

        Raises:
            Failure: another process is, named with what it does.
        """
        with (self.path / ".lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                message = f"{self.path} is in use by {holder}; wait until it ends, or give another --home"
                raise Failure(message, BUSY) from error
            lock.truncate(0)
            lock.write(f"`wikibraid {what}` (process {os.getpid()})")
            lock.flush()
            yield

    @contextmanager
    def log(self) -> Iterator[SqliteLog]:
        """The canonical log."""
        with SqliteLog(self.path / "log.db") as log:
            yield log

    @contextmanager
    def store(self) -> Iterator[SqliteStore]:
        """The store that readers read."""
        store = SqliteStore(self.path / "store.db")
        try:
            yield store
        finally:
            store.close()

    def now(self) -> str | None:
        """The instant that the last batch run named for readers; None: it named none."""
        path = self.path / "NOW"
        return path.read_text().strip() if path.exists() else None

    def set_now(self, instant: str | None) -> None:
        """Note the instant that readers take for the present; None: the present itself."""
        path = self.path / "NOW"
        if instant is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(instant + "\n")

    def bootstraps_known(self) -> list[tuple[Path, Bootstrap]]:
        """Complete bootstraps, oldest beginning first; of those that were made again by newer code, the newer.

        Raises:
            Failure: one was made by other code, and not again since: its states can't be read.
        """
        if not self.bootstraps.exists():
            return []
        found = [(folder, described(folder)) for folder in sorted(self.bootstraps.iterdir())]
        complete = [(folder, made) for folder, made in found if made is not None]
        code = reading_fingerprint()
        current = [(folder, made) for folder, made in complete if made.reading == code]
        renewed = {(made.wiki, made.sources) for _, made in current}
        for _, made in complete:
            if made.reading != code and (made.wiki, made.sources) not in renewed:
                message = (
                    f"bootstrap {made.id} of {made.wiki} was made by another version; ingest its files again "
                    f"({', '.join(made.sources[:3])}{' …' if len(made.sources) > 3 else ''})"  # noqa: PLR2004
                )
                raise Failure(message)
        return sorted(current, key=lambda entry: entry[1].beginning)
