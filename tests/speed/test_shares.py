"""How processes divide the work: each dataset has one owner in each partition, whatever is published meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import shared_logic.datasets  # noqa: F401  registers them
from cli.commands import speed
from cli.failures import MISTAKE, Failure
from cli.home import Home
from cli.main import app
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from speed.daemon import Daemon
from speed.memory_log import MemoryLog
from speed.shares import Share, duties
from tests.generations import generation

PARTITIONS, PARTS = 4, 3


def publish(store: MemoryStore, dataset: Dataset, run: str) -> None:
    cut = (0,) * PARTITIONS
    store.add_generation(generation(dataset.name, cut=cut, fingerprint=fingerprint(dataset), run=run))
    store.publish(dataset.name, 1)


def owners(store: MemoryStore, paused: Sequence[str] = ()) -> dict[tuple[str, int], int]:
    """The place of the process that keeps a dataset in a partition."""
    found = {}
    for place in range(1, PARTS + 1):
        daemon = Daemon(
            MemoryLog(PARTITIONS),
            store,
            tuple(registry.values()),
            Share(place, PARTS),
            lambda _: None,
            paused=paused,
        )
        daemon._begin(daemon._published())
        for worker in daemon._workers:
            for at in ((name, partition) for name in worker.names for partition in worker.partitions):
                assert at not in found, at
                found[at] = place
    return found


def test_nothing_changes_its_owner_while_more_is_published() -> None:
    # given a store in which families are published one after the other, small ones first
    store = MemoryStore()
    families = {registry.family(dataset) for dataset in registry.values()}
    before: dict[tuple[str, int], int] = {}
    for family in sorted(families, key=len):
        # when one more is
        for dataset in family:
            publish(store, dataset, family[0].name)
        # then all that was kept is kept by whom it was kept
        now = owners(store)
        assert {at: now[at] for at in before} == before
        before = now
    # and in the end everything is kept
    assert before.keys() == {(name, partition) for name in registry for partition in range(PARTITIONS)}


@pytest.mark.parametrize("place,parts", [(0, 2), (3, 2), (1, 0), (1, -1)])
def test_there_are_shares_from_the_first_to_the_last_only(place: int, parts: int) -> None:
    with pytest.raises(ValueError, match=f"{place}/{parts} is no share of the work"):
        Share(place, parts)


def test_more_processes_than_partitions_are_of_no_harm() -> None:
    # given more processes than partitions, and datasets that are kept by the partition
    alone = [registry["page_current"]]
    parts = PARTITIONS + 2
    # then each partition has one process, and who has none has nothing to do
    found = [duties(alone, PARTITIONS, Share(place, parts)) for place in range(1, parts + 1)]
    assert [[duty.partitions for duty in mine] for mine in found] == [[(0,)], [(1,)], [(2,)], [(3,)], [], []]


def test_a_process_that_keeps_all_reads_each_message_once() -> None:
    # given datasets of several families, and one that stands alone, of one run
    store = MemoryStore()
    datasets = tuple(registry.values())
    for dataset in datasets:
        publish(store, dataset, "run")
    # when one process keeps them
    daemon = Daemon(MemoryLog(PARTITIONS), store, datasets, Share(1, 1), lambda _: None)
    daemon._begin(daemon._published())
    # then one worker does
    (worker,) = daemon._workers
    assert sorted(worker.names) == sorted(registry)
    assert worker.partitions == tuple(range(PARTITIONS))


def refused(home: Path, *words: str) -> str:
    Home(home)
    done = CliRunner().invoke(app, ["speed", "daemon", *words, "--home", str(home)])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    assert done.exception.code == MISTAKE
    return str(done.exception)


@pytest.mark.parametrize("share", ["1/2", "2/2"])
def test_an_embedded_store_has_no_shares(tmp_path: Path, share: str) -> None:
    said = refused(tmp_path, "--share", share)
    assert f"--share {share}: the store of {tmp_path} is embedded" in said
    assert "leave --share out" in said


def test_what_can_not_be_paused_is_told_with_what_is_like_it(tmp_path: Path) -> None:
    assert "no dataset 'page_curent'; did you mean page_current" in refused(
        tmp_path, "--without", "page_curent"
    )


@pytest.mark.parametrize(
    "words, paused, said",
    [
        (["--without", "page_current"], {"page_current"}, "Kept again they go on from where they are\n"),
        (
            ["--without", "editor_months", "--without", "coedits"],
            {"coedits", "editor_months", "active_editors"},
            "but for editor_months, active_editors, which read tables that went on: `wikibraid batch run editor_months`",
        ),
        (["--without", "hidden_names"], {"hidden_names"}, "accounts that are hidden meanwhile are shown"),
    ],
)
def test_what_is_paused_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], paused: set[str], said: str
) -> None:
    # given a daemon that ends at once
    kept: list[Daemon] = []

    def ended(self: Daemon) -> None:
        kept.append(self)

    monkeypatch.setattr(Daemon, "run", ended)
    monkeypatch.setattr(speed, "on_signal", lambda _: None)
    Home(tmp_path)
    # when it is started without some datasets
    done = CliRunner().invoke(app, ["speed", "daemon", "--port", "0", *words, "--home", str(tmp_path)])
    # then these and what reads their tables are not kept, in one line that says what comes after
    assert done.exit_code == 0, (done.output, done.exception)
    assert kept[0].paused == paused
    (line,) = [line for line in done.output.splitlines(keepends=True) if line.startswith("paused: ")]
    assert set(line.removeprefix("paused: ").partition(";")[0].split(", ")) == paused
    assert said in line


def test_a_pause_changes_nobodys_share() -> None:
    # given what is published, divided among several
    store = MemoryStore()
    for dataset in registry.values():
        publish(store, dataset, "one")
    before = owners(store)
    # when some are paused, then all others stay with whom they were
    names = ("user_days", "editor_months", "active_editors")
    assert owners(store, names) == {at: place for at, place in before.items() if at[0] not in names}
