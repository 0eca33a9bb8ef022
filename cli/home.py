"""The home folder: the bootstraps, the Delta tables and, where no servers hold them, the log and the store of one installation."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batch.bootstrap import Bootstrap, described
from batch.fingerprint import taking_fingerprint
from cli import present
from cli.configuration import (
    EMBEDDED,
    Configuration,
    cassandra_security,
    configuration,
    configure_datasets,
    kafka_options,
    mistaken,
)
from cli.failures import BUSY, Failure
from cli.temporary import remove_unused
from serving.cassandra_session import PATIENCE_SECONDS, Address, connected
from serving.cassandra_store import CassandraStore
from serving.sqlite_file import BUSY_SECONDS
from serving.sqlite_readonly import connected_readonly
from serving.sqlite_store import SqliteStore
from shared_logic.protocols import Generation, Log, Store
from shared_logic.registry import registry
from speed.dead_letters import DeadEvent, DeadPlace
from speed.kafka_log import KafkaLog, Topic
from speed.outbox import relay
from speed.sqlite_log import SqliteLog

FORMAT = "3"
SECONDS_FOR_ARCHIVER = 600.0
"""How long one who archives is waited for: each only copies what is new."""
WHOLE = "1/1"
"""The share of a speed daemon that keeps everything."""
CONFIGURATION = Path(__file__).parents[1] / "conf"
_BEFORE_A_HOME = {
    ".archive.lock",
    ".bootstraps.lock",
    ".log.lock",
    ".store.lock",
    "sinks.yaml",
    "stack",
    "stack.yaml",
    "streams.yaml",
    "wikibraid.yaml",
}
"""What may lie in a folder that becomes a home."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What ingest writes to."""

    notes: SqliteLog
    """The embedded log or, with Kafka, its outbox; either way dead letters and where sources stand."""
    relay: Callable[[], int]
    """Brings what is new to the canonical log; returns how many messages."""


class Home:
    """Paths of a home, the locks of those who write, and its log and store."""

    def __init__(self, path: Path) -> None:
        """Take a folder that is a home or can become one.

        Raises:
            Failure: it is neither, or of another format.
        """
        self.path = path.expanduser().resolve()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"{path}: can't be a home ({error.strerror}); give another folder with --home"
            raise Failure(message) from error
        marker = self.path / "FORMAT"
        if not marker.exists():
            if any(entry for entry in self.path.iterdir() if entry.name not in _BEFORE_A_HOME):
                message = (
                    f"{path} is not empty and no home of wikibraid; give an empty or new folder with --home"
                )
                raise Failure(message)
            marker.write_text(FORMAT + "\n")
        found = marker.read_text().strip()
        if found != FORMAT:
            message = f"{path} is a home of format {found}, this version reads {FORMAT}; use the wikibraid that made it"
            raise Failure(message)
        self.configuration_file = self.path / "wikibraid.yaml"
        self.configuration: Configuration = configuration(self.configuration_file)
        configure_datasets(self.configuration, self.configuration_file)
        self.archive = self.path / "archive"
        self.delta = self.path / "delta"
        self.bootstraps = self.path / "bootstraps"
        self.purges = self.path / "purges"
        self.parity = self.path / "parity"
        self.temporary = self.path / "temporary"
        self.access = self.path / "access.yaml"
        self.queries = self.path / "access.log"
        self.sinks_file = self._own_or_usual("sinks.yaml")
        self.streams_file = self._own_or_usual("streams.yaml")

    @property
    def may_write(self) -> bool:
        """Whether who runs this may write here; else the log and the store are only read."""
        return os.access(self.path, os.W_OK)

    def configured(self, wanted: Configuration) -> None:
        """Take these settings from now on.

        Raises:
            Failure: they name no log or no store.
        """
        self.configuration = wanted
        placed(wanted, self.configuration_file)

    @contextmanager
    def writing_log(self, what: str) -> Iterator[None]:
        """Be the one who brings input in while inside; `what` names the command.

        Raises:
            Failure: another process is, named with what it does.
        """
        with self._locked("log", what):
            yield

    @contextmanager
    def writing_bootstraps(self, what: str) -> Iterator[None]:
        """Be the one who takes tables or dumps in while inside, beside whoever brings events in; `what` names the command.

        Raises:
            Failure: another process is, named with what it does.
        """
        with self._locked("bootstraps", what):
            yield

    def remove_left_behind(self) -> None:
        """Remove what killed processes left: temporary files, and bootstraps that are not whole; inside `writing_bootstraps`."""
        remove_unused(self.temporary)
        if self.bootstraps.exists():
            for folder in self.bootstraps.iterdir():
                if folder.is_dir() and described(folder) is None:
                    shutil.rmtree(folder)

    @contextmanager
    def writing_store(self, what: str) -> Iterator[None]:
        """Be the one who writes tables while inside; `what` names the command.

        Raises:
            Failure: another process is, named with what it does.
        """
        with self._locked("store", what):
            yield

    @contextmanager
    def keeping_archive(self, what: str) -> Iterator[None]:
        """Be the one who archives the log while inside, after whoever does now; `what` names the command.

        Raises:
            Failure: another process is for very long, named with what it does.
        """
        with self._locked("archive", what, SECONDS_FOR_ARCHIVER):
            yield

    @contextmanager
    def keeping_current(self, share: str) -> Iterator[None]:
        """Be the daemon of that share while inside; with the embedded store, which has one writer, as `writing_store`.

        Raises:
            Failure: another process is, named with what it does; or nobody could keep the other shares of an embedded store.
        """
        if self.configuration.store == EMBEDDED:
            if share != WHOLE:
                message = (
                    f"--share {share}: the store of {self.path} is embedded and has one writer, so that nobody could keep the other "
                    "shares; leave --share out, or make a home with its store in Cassandra (`wikibraid init --store`)"
                )
                raise Failure(message)
            with self.writing_store("speed daemon"):
                yield
        else:
            with self._locked(f"speed-{share}", f"speed daemon --share {share}"):
                yield

    @contextmanager
    def delivering(self, sink: str, what: str) -> Iterator[None]:
        """Be the one who writes to that sink while inside; `what` names the command.

        Raises:
            Failure: another process is, named with what it does.
        """
        with self._locked(f"sink-{sink}", what):
            yield

    def sink_note(self, sink: str) -> Path:
        """The file that says how far a sink is."""
        return self.path / "sinks" / f"{sink}.json"

    @property
    def to_name_streams(self) -> str:
        """What to do in order to have another stream read."""
        own = self.path / "streams.yaml"
        if self.streams_file == own:
            return f"add it to {own}"
        return f"copy {self.streams_file} to {own}, and add it there"

    def _own_or_usual(self, name: str) -> Path:
        """The home's own file of that name, else the one that comes with wikibraid."""
        own = self.path / name
        return own if own.exists() else CONFIGURATION / name

    @contextmanager
    def _locked(self, resource: str, what: str, patience: float = 0.0) -> Iterator[None]:
        end = time.monotonic() + patience
        with (self.path / f".{resource.replace('/', '-of-')}.lock").open("a+") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() > end:
                        lock.seek(0)
                        holder = lock.read().strip() or "another process"
                        message = (
                            f"{self.path} is in use by {holder}; wait until it ends, or give another --home"
                        )
                        raise Failure(message, BUSY) from error
                time.sleep(0.2)
            lock.truncate(0)
            lock.write(f"`wikibraid {what}` (process {os.getpid()})")
            lock.flush()
            yield

    @contextmanager
    def log(self) -> Iterator[Log]:
        """The canonical log."""
        topic = self.topic()
        with self._notes() if topic is None else self._in_kafka(topic) as log:
            yield log

    @contextmanager
    def intake(self) -> Iterator[Intake]:
        """What ingest writes to; what an earlier one noted is in the canonical log already."""
        topic = self.topic()
        if topic is None:
            with self.notes() as notes:
                yield Intake(notes, lambda: 0)
            return
        with self._in_kafka(topic) as log, SqliteLog(self.path / "log.db", log.partitions) as notes:
            relay(notes, log)
            yield Intake(notes, lambda: relay(notes, log))

    @contextmanager
    def _in_kafka(self, topic: Topic) -> Iterator[KafkaLog]:
        """The log in Kafka.

        Raises:
            Failure: somebody has added partitions to the topic since.
        """
        made_for = self._partitions_made_for()
        with KafkaLog(topic, kafka_options()) as log:
            if made_for not in {None, log.partitions}:
                message = (
                    f"the topic {topic.name} has {log.partitions} partitions, and this home was made for {made_for}: keys would lie "
                    "in other partitions than before. Make a new home with a new topic (`wikibraid init`), and `ingest home` this one"
                )
                raise Failure(message)
            yield log

    def _partitions_made_for(self) -> int | None:
        """None: nothing was ever brought in from here, as where only daemons run."""
        if not self.has_notes:
            return None
        with self.notes() as notes:
            return notes.partitions

    @property
    def has_notes(self) -> bool:
        """Whether anything was ever brought in from here; where only daemons or batch runs are at work it was not."""
        return (self.path / "log.db").exists()

    @contextmanager
    def notes(self) -> Iterator[SqliteLog]:
        """What ingest noted beside the messages: dead letters, and where sources stand; with Kafka, where `has_notes`."""
        with self._notes() as notes:
            yield notes

    def _notes(self) -> SqliteLog:
        path = self.path / "log.db"
        return SqliteLog(path) if self.may_write else SqliteLog(path, readonly=_connected)

    def waiting(self) -> Mapping[str, int]:
        """By wiki how many history merges and restores nobody has looked up yet, as far as ingest noted them here."""
        if not self.has_notes:
            return {}
        with self.notes() as notes:
            return notes.relocations.waiting()

    def dead_letters(self, number: int | None = None) -> Iterator[DeadEvent]:
        """Events that could not be read, oldest first; or the one of that number. None, where nothing was ever brought in from here.

        Each is read when it is asked for.
        """
        if self.has_notes:
            with self.notes() as notes:
                yield from notes.dead_letters.kept(number=number)

    def newest_dead_letters(self, most: int) -> Sequence[DeadPlace]:
        """Where the newest of them came from, oldest first."""
        if not self.has_notes:
            return []
        with self.notes() as notes:
            return notes.dead_letters.newest(most)

    def waiting_dead_letters(self) -> Mapping[str, int]:
        """How many could still be replayed, by reason."""
        if not self.has_notes:
            return {}
        with self.notes() as notes:
            return notes.dead_letters.waiting()

    def batch_files(self, made: Generation) -> Sequence[Path] | None:
        """The Parquet files with the rows of a generation's batch; None: they were given up, or are not here."""
        from batch.views import files_of

        return files_of(self.delta, made)

    @contextmanager
    def store(self, patience: float = PATIENCE_SECONDS) -> Iterator[Store]:
        """The store that readers read; `patience` is how long, in seconds, servers that don't answer are asked again."""
        address = self.address()
        if address is None:
            with SqliteStore(self.path / "store.db", readonly=not self.may_write) as store:
                yield store
        else:
            with connected(address, cassandra_security(), patience) as cql:
                yield CassandraStore(cql, registry.values())

    def topic(self) -> Topic | None:
        """Where Kafka holds the log; None: the log is embedded.

        Raises:
            Failure: the configuration names neither.
        """
        return placed(self.configuration, self.configuration_file)[0]

    def address(self) -> Address | None:
        """Where Cassandra holds the store; None: the store is embedded.

        Raises:
            Failure: the configuration names neither.
        """
        return placed(self.configuration, self.configuration_file)[1]

    def now(self) -> str | None:
        """The instant that the last batch run named for readers; None: it named none."""
        return present.named(self.path)

    def set_now(self, instant: str | None) -> None:
        """Note the instant that readers take for the present; None: the present itself."""
        present.name(self.path, instant)

    def bootstraps_known(self) -> list[tuple[Path, Bootstrap]]:
        """Complete bootstraps, oldest beginning first; of those that were made again by newer code, the newer.

        Raises:
            Failure: one was made by other code, and not again since: its states can't be read.
        """
        if not self.bootstraps.exists():
            return []
        found = [(folder, described(folder)) for folder in sorted(self.bootstraps.iterdir())]
        complete = [(folder, made) for folder, made in found if made is not None]
        code = taking_fingerprint()
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


_connected = partial(connected_readonly, busy_seconds=BUSY_SECONDS)


def placed(told: Configuration, path: Path) -> tuple[Topic | None, Address | None]:
    """Where the log and the store lie, of which None is embedded; `path` is the file that says so.

    Raises:
        Failure: it names neither.
    """
    try:
        what = "log"
        topic = None if told.log == EMBEDDED else Topic.of(told.log)
        what = "store"
        return topic, None if told.store == EMBEDDED else Address.of(told.store)
    except ValueError as error:
        raise mistaken(path, f"{what}: {error}", what) from error
