"""Datasets that read one another's tables are kept together or wait: half published, left unequal by a crash, left behind."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from cli.main import app
from serving.sqlite_store import SqliteStore
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import differences, load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.protocols import Lane, Store
from shared_logic.reference import reference
from shared_logic.registry import registry
from speed import daemon
from speed.daemon import Daemon
from speed.ingest import ingest
from speed.loop_engine import run_until_idle
from speed.shares import Share
from speed.sqlite_log import SqliteLog
from speed.worker import LogTooShort, Worker, alike
from tests import sample

SOURCE, DERIVED = registry["editor_days"], registry["editor_months"]
FAMILY = registry.closure([DERIVED.name])
PARTITIONS = 2


@pytest.fixture
def log(tmp_path: Path) -> SqliteLog:
    made = SqliteLog(tmp_path / "log.db", PARTITIONS)
    ingest(made, "real", sample.events()[:300])
    return made


def loaded(store: Store, datasets: tuple[Dataset, ...], run: str, cut: tuple[int, ...]) -> None:
    """A generation of these datasets, over nothing."""
    for dataset, made in load_generation(store, datasets, {}, cut, run):
        store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))


def lanes_of(store: Store) -> list[DatasetGeneration]:
    return [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in FAMILY]


class Killed(Exception):  # noqa: N818  what happens
    """The process ends here."""


class KilledStore(MemoryStore):
    """Dies after so many writes of progress, or of ends of batches, once."""

    def __init__(self, method: str, after: int) -> None:
        super().__init__()
        self.left = after
        write = getattr(self, method)

        def counted(lane: Lane, partition: int, offset: int) -> None:
            write(lane, partition, offset)
            self.left -= 1
            if not self.left:
                raise Killed

        setattr(self, method, counted)


@pytest.mark.parametrize("method", ["write_batch_end", "write_progress"])
@pytest.mark.parametrize("after", [1, len(FAMILY) + 1])
def test_a_family_is_kept_together_after_a_crash_between_its_writes(
    log: SqliteLog, method: str, after: int
) -> None:
    # given a worker that dies when it has written to the first lane, and not yet to the others
    store = KilledStore(method, after)
    loaded(store, FAMILY, "run", (0,) * PARTITIONS)
    with pytest.raises(Killed):
        run_until_idle(Worker(log, store, lanes_of(store)), most=50)
    # when its successor begins
    (group,) = alike(store, range(PARTITIONS), lanes_of(store))
    run_until_idle(Worker(log, store, group), most=20)
    # then the tables are the reference's, and all lanes say so
    expected = reference(list(FAMILY), states_before(log, log.ends(), {}))
    assert differences(store, lanes_of(store), expected) == []
    for made in lanes_of(store):
        assert [store.progress(made.lane, partition) for partition in range(PARTITIONS)] == list(log.ends())


def test_what_came_to_the_same_place_by_other_batches_is_not_redone_with_a_family(log: SqliteLog) -> None:
    # given a rollup that came to the end of the log in small batches
    store = KilledStore("write_progress", 0)
    beside = registry["user_hours"]
    loaded(store, (*FAMILY, beside), "run", (0,) * PARTITIONS)
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in (*FAMILY, beside)]
    run_until_idle(Worker(log, store, lanes[-1:]), most=7)
    # and a family that came there in one, of which one lane says so, and the other not yet
    store.left = (PARTITIONS - 1) * len(FAMILY) + 1
    with pytest.raises(Killed):
        run_until_idle(Worker(log, store, lanes[:-1]), most=10_000)
    # when the family's last batch is redone
    for group in alike(store, range(PARTITIONS), lanes):
        run_until_idle(Worker(log, store, group), most=20)
    # then nothing of it is added to the rollup again
    expected = reference([*FAMILY, beside], states_before(log, log.ends(), {}))
    assert differences(store, lanes, expected) == []


def test_what_a_crash_left_unequal_is_kept_by_one_worker_at_once(log: SqliteLog) -> None:
    # given a worker of a family and a table beside it that died when it had told the progress of one of them
    store, told = KilledStore("write_progress", 1), list[str]()
    datasets = (*FAMILY, registry["page_current"])
    loaded(store, datasets, "run", (0,) * PARTITIONS)
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in datasets]
    with pytest.raises(Killed):
        run_until_idle(Worker(log, store, lanes), most=50)
    # when a daemon begins, of which the workers finish what was begun
    for dataset in datasets:
        store.publish(dataset.name, 1)
    assert names_kept(keeper(log, store, told)) == {dataset.name for dataset in datasets}
    # then one keeps all from then on
    assert told == ["keeps 3 datasets with 1 workers"]


def keeper(log: SqliteLog, store: MemoryStore, told: list[str]) -> Daemon:
    return Daemon(log, store, tuple(registry.values()), Share(1, 1), told.append)


def names_kept(kept: Daemon) -> set[str]:
    kept._begin(kept._published())
    return {name for worker in kept._workers for name in worker.names}


def test_a_daemon_waits_until_all_of_a_family_is_flipped(log: SqliteLog) -> None:
    # given a store that flips one by one, and another family's table that is whole
    store, told = MemoryStore(), list[str]()
    kept = keeper(log, store, told)
    loaded(store, (registry["page_current"], *FAMILY), "one", (0,) * PARTITIONS)
    store.publish("page_current", 1)
    for dataset in FAMILY[:-1]:
        store.publish(dataset.name, 1)
        # when a daemon looks in between, then it goes on with nothing that the rest could not catch up with
        assert names_kept(kept) == {"page_current"}
    assert any(f"{FAMILY[0].name} waits at generation 1" in line for line in told)
    # and with all of it after the last flip
    store.publish(FAMILY[-1].name, 1)
    assert names_kept(kept) == {"page_current", *(dataset.name for dataset in FAMILY)}


def test_what_was_left_behind_by_the_table_that_it_reads_waits_for_a_batch_run(log: SqliteLog) -> None:
    # given a family of which the source went on alone, as with code that had paused the other
    store, told = MemoryStore(), list[str]()
    loaded(store, FAMILY, "one", (0,) * PARTITIONS)
    for dataset in FAMILY:
        store.publish(dataset.name, 1)
    run_until_idle(Worker(log, store, lanes_of(store)[:1]), most=50)
    # when a daemon begins with both
    kept = names_kept(keeper(log, store, told))
    # then it keeps the source, and says what is to be done of the other
    assert kept == {SOURCE.name}
    assert any("`wikibraid batch run editor_months`" in line for line in told)


def test_what_the_log_no_longer_holds_waits_and_the_rest_goes_on(log: SqliteLog) -> None:
    # given two tables of one run, of which one was left behind, and a log that has forgotten what it needs
    store, told = MemoryStore(), list[str]()
    datasets = (registry["page_current"], registry["identity_reverts"])
    loaded(store, datasets, "one", (0,) * PARTITIONS)
    for dataset in datasets:
        store.publish(dataset.name, 1)
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in datasets]
    run_until_idle(Worker(log, store, lanes[:1]))
    log._db.execute("DELETE FROM messages WHERE position < 10")
    # when a daemon begins with both, then it keeps the one, and says what is lost of the other and what to do
    kept = keeper(log, store, told)
    assert names_kept(kept) == {"page_current"}
    assert any("identity_reverts must go on from 0: what lies between is lost" in line for line in told)
    assert told[-1] == "keeps 1 datasets with 1 workers"
    # and says so once, however often it looks
    before = list(told)
    assert names_kept(kept) == {"page_current"}
    assert told == before
    # and where it has nothing else to keep, it ends
    with pytest.raises(LogTooShort):
        names_kept(Daemon(log, store, datasets[1:], Share(1, 1), told.append))


def test_what_a_function_raises_is_told_once_and_names_nobody(log: SqliteLog) -> None:
    # given a worker whose function has raised for two pages, naming somebody
    store, told = MemoryStore(), list[str]()
    loaded(store, (registry["page_current"],), "one", (0,) * PARTITIONS)
    store.publish("page_current", 1)
    kept = keeper(log, store, told)
    published = kept._published()
    kept._begin(published)
    for page in ("w/1", "w/2"):
        kept._workers[0].outcome.failures["page_current", page] = "KeyError: 'Vandal'"
    # when the daemon looks around twice
    for _ in range(2):
        kept._look(published)
    # then its log tells of that, once
    raised = [line for line in told if "raises" in line]
    assert raised == ["page_current's function raises KeyError: what it raises for has no rows"]


def paused(log: SqliteLog, store: Store, told: list[str], *names: str) -> Daemon:
    return Daemon(log, store, tuple(registry.values()), Share(1, 1), told.append, paused=names)


def worked_off(kept: Daemon) -> set[str]:
    """What the daemon keeps, after it has brought that to the end of the log."""
    names = names_kept(kept)
    for worker in kept._workers:
        run_until_idle(worker, most=50)
    return names


def test_what_is_paused_with_its_readers_goes_on_from_where_it_is(log: SqliteLog) -> None:
    # given a family and a table beside it, some of which came before the pause
    store, told = MemoryStore(), list[str]()
    datasets = (*FAMILY, registry["page_current"])
    loaded(store, datasets, "one", (0,) * PARTITIONS)
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in datasets]
    for dataset in datasets:
        store.publish(dataset.name, 1)
    assert worked_off(keeper(log, store, told)) == {dataset.name for dataset in datasets}
    before = {dataset.name: store.progress_of(made.lane) for dataset, made in lanes}
    # when the family is paused while more comes
    ingest(log, "more", sample.events()[300:600])
    kept = paused(log, store, told, *(dataset.name for dataset in FAMILY))
    assert worked_off(kept) == {"page_current"}
    # then it stays as it is, which is counted, and nothing waits
    assert {dataset.name: store.progress_of(made.lane) for dataset, made in lanes[:-1]} == {
        dataset.name: before[dataset.name] for dataset in FAMILY
    }
    assert [
        kept.collected.get_sample_value("wikibraid_paused", {"dataset": one.name}) for one in datasets
    ] == [1, 1, 0]
    assert not [line for line in told if "waits" in line]
    # and at the end of the pause all tables are the reference's
    assert worked_off(keeper(log, store, told)) == {dataset.name for dataset in datasets}
    assert differences(store, lanes, reference(list(datasets), states_before(log, log.ends(), {}))) == []


def test_a_table_goes_on_while_what_reads_it_is_paused(log: SqliteLog) -> None:
    # given a family of one run
    store, told = MemoryStore(), list[str]()
    loaded(store, FAMILY, "one", (0,) * PARTITIONS)
    for dataset in FAMILY:
        store.publish(dataset.name, 1)
    # when what reads the other's table is paused, then that is kept, and waits for nothing
    assert worked_off(paused(log, store, told, DERIVED.name)) == {SOURCE.name}
    assert told == ["keeps 1 datasets with 1 workers"]
    assert store.progress_of(lanes_of(store)[-1].lane) == {}
    # and what was paused is whole again with the next batch run only, which is said
    assert names_kept(keeper(log, store, told)) == {SOURCE.name}
    assert any("`wikibraid batch run editor_months`" in line for line in told)


@pytest.mark.bytewax
def test_what_was_apart_is_kept_by_one_worker_when_it_has_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two tables of one run, of which one is ahead
    log, store, told = (
        SqliteLog(tmp_path / "log.db", PARTITIONS),
        SqliteStore(tmp_path / "store.db"),
        list[str](),
    )
    ingest(log, "real", sample.events()[:100])
    datasets = (registry["page_current"], registry["identity_reverts"])
    loaded(store, datasets, "one", (0,) * PARTITIONS)
    lanes = [DatasetGeneration(dataset, store.generations(dataset.name)[-1]) for dataset in datasets]
    run_until_idle(Worker(log, store, lanes[:1]))
    for dataset in datasets:
        store.publish(dataset.name, 1)
    # when a daemon keeps both, which looks around after every batch, and more comes meanwhile
    monkeypatch.setattr(daemon, "SECONDS_BETWEEN_LOOKS", 0)
    more = iter(range(100, 2_000, 100))

    kept = keeper(log, store, told)
    look = kept._look

    def looked(published: list[DatasetGeneration]) -> int:
        behind = look(published)
        if not behind and (begin := next(more, None)) is not None:
            ingest(log, f"part {begin}", sample.events()[begin : begin + 100])
        elif not behind:
            kept.stop()
        return behind

    monkeypatch.setattr(kept, "_look", looked)
    kept.run()
    # then both are whole, by one worker in the end
    assert differences(store, lanes, reference(list(datasets), states_before(log, log.ends(), {}))) == []
    assert told[0] == "keeps 2 datasets with 2 workers"
    assert told[-1] == "keeps 2 datasets with 1 workers"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A first generation of a rollup alone, and a second one with a dataset that reads it, which is published; and new events."""
    made = Home(tmp_path / "home")
    with made.log() as log, made.store() as store, store.atomically():
        cut = (0,) * log.partitions
        loaded(store, (SOURCE,), "one", cut)
        loaded(store, FAMILY, "two", cut)
        for dataset in FAMILY:
            store.publish(dataset.name, store.generations(dataset.name)[-1].number)
    with made.notes() as notes:
        ingest(notes, "real", sample.events()[:300])
    return made


def refused(home: Home, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--home", str(home.path)])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    assert done.exception.code == CANNOT_KNOW
    return str(done.exception)


def test_no_source_is_rolled_back_beneath_what_reads_it(home: Home) -> None:
    # when a generation is asked for from before the dataset that reads it
    said = refused(home, "generations", "publish", SOURCE.name, "1")
    # then it is refused, in a line that says what can be done instead
    assert "editor_months belongs to it and has none of that run" in said
    assert "`wikibraid batch run editor_days`" in said
    assert "and 2 can be published" in said
    # and what is read is what was read
    with home.store() as store:
        assert [store.published(dataset.name).number for dataset in FAMILY] == [2, 1]  # type: ignore[union-attr]


def test_speed_says_what_does_not_belong_together(home: Home) -> None:
    # given a source that was rolled back beneath what reads it
    with home.store() as store, store.atomically():
        store.publish(SOURCE.name, 1)
    # when speed is to bring both on, then it says what makes them whole
    said = refused(home, "speed", "run")
    assert "`wikibraid generations publish editor_months 1`" in said
    # and that does it
    for words in (("generations", "publish", "editor_months", "1"), ("speed", "run")):
        done = CliRunner().invoke(app, [*words, "--home", str(home.path)])
        assert done.exit_code == 0, (done.output, done.exception)
