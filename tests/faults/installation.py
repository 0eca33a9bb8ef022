"""A home on servers with a first generation, as the tests of faults need it, and what must be so in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from typer.testing import CliRunner

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from cli.home import Home
from cli.main import app
from shared_logic.clock import from_iso
from shared_logic.eventify.tables import states
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import differences, load_generation, states_before
from shared_logic.protocols import Log, Store
from shared_logic.reference import States, reference, united
from shared_logic.registry import registry
from tests import sample
from tests.faults.processes import Program, eventually

TAKEN_AT = "2022-01-30T17:25:37Z"
DATASETS = ("page_current", "daily_edits", "coedits", "user_activity", "identity_reverts")
"""Some that are kept by the partition, and a family."""
Run = Callable[..., str]


def running(place: Path) -> Run:
    """What runs commands in a home, in this process; each must end well."""

    def command(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--home", str(place)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    return command


def bootstrap() -> States:
    """What was there before the log."""
    tables = read_table_folder(sample.SNAPSHOT)
    return united(states(tables, sample.WIKI, from_iso(TAKEN_AT), lambda _: None))


def begin(home: Home, base: States, names: Sequence[str] = DATASETS) -> list[DatasetGeneration]:
    """Publish a first generation of what was there before the log, as `batch run` would; Spark is not needed for so little."""
    lanes = []
    with home.log() as log, home.store() as store, store.atomically():
        for dataset, made in load_generation(
            store, registry.closure(names), base, (0,) * log.partitions, "run"
        ):
            known = msgspec.structs.replace(made, fingerprint=fingerprint(dataset))
            store.add_generation(known)
            store.publish(dataset.name, known.number)
            lanes.append(DatasetGeneration(dataset, known))
    return lanes


def published(store: Store, names: Sequence[str] = DATASETS) -> list[DatasetGeneration]:
    """What readers read."""
    return [
        DatasetGeneration(dataset, made)
        for dataset in registry.closure(names)
        if (made := store.published(dataset.name)) is not None
    ]


def is_current(store: Store, log: Log, lanes: list[DatasetGeneration]) -> bool:
    """Whether all of the log is in all of these tables."""
    found = (store.parts(dataset.name, b"", made.number) for dataset, made in lanes)
    return all(parts is not None and parts.through == log.ends() for parts in found)


def assert_whole(
    log: Log, store: Store, base: States, names: Sequence[str] = DATASETS
) -> list[DatasetGeneration]:
    """Wait until all of the log is in all tables that are published; then they must be the reference's."""
    lanes = published(store, names)
    eventually(lambda: is_current(store, log, lanes))
    expected = reference([dataset for dataset, _ in lanes], states_before(log, log.ends(), base))
    assert differences(store, lanes, expected) == []
    return lanes


@contextmanager
def kept_alive(*programs: Program) -> Iterator[None]:
    """The programs are started, started again when they end with an error, as by systemd, and gone in the end."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(1):
            for program in programs:
                program.mend()

    keeper = threading.Thread(target=keep, daemon=True)
    with alive(*programs):
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()


@contextmanager
def alive(*programs: Program) -> Iterator[None]:
    """The programs are started, and gone in the end."""
    try:
        for program in programs:
            program.start()
        yield
    finally:
        for program in programs:
            program.kill()
