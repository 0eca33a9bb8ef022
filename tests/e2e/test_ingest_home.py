"""A home of other partitions takes over what an old one has, and goes on where that stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import shared_logic.datasets  # noqa: F401  registers them
from cli.failures import CANNOT_KNOW, Failure
from cli.home import Home
from shared_logic.laws import states_before
from shared_logic.reference import States
from tests import sample
from tests.e2e.commands import ran

pytestmark = pytest.mark.e2e


def run(*words: str) -> str:
    return ran(*words).stdout


def states(home: Path) -> States:
    with Home(home).log() as log:
        return states_before(log, log.ends(), {})


def by_key(home: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    with Home(home).log() as log:
        for partition, end in enumerate(log.ends()):
            for message in log.read(partition, 0, end):
                found.setdefault(message.key, []).append(message.value)
    return found


@pytest.mark.parametrize("lost", [False, True])
def test_a_home_of_other_partitions(tmp_path: Path, lost: bool) -> None:
    # given a home of four partitions with tables and events, a dead letter among them
    old, new = tmp_path / "old", tmp_path / "new"
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join((*sample.events()[:2_000], b"{broken\n")))
    run("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--home", str(old))
    run("ingest", "events", str(events), "--home", str(old))
    before, keys = states(old), by_key(old)
    if lost:
        # the log's messages are gone, its archive is not
        run("archive", "--home", str(old))
        with Home(old).notes() as notes:
            for partition, end in enumerate(notes.ends()):
                notes.forget(partition, end)
    # when a home of three takes it over, and once more
    run("init", "--partitions", "3", "--home", str(new))
    option = ["--archive-only"] if lost else []
    assert "messages and 1 bootstraps" in run("ingest", "home", str(old), *option, "--home", str(new))
    assert run("ingest", "home", str(old), *option, "--home", str(new)).startswith("0 messages")
    # then it says the same, each key in its order, and knows what was read already
    assert states(new) == before
    assert by_key(new) == keys
    with Home(new).log() as log:
        assert len(log.ends()) == 3
    assert [made.id for _, made in Home(new).bootstraps_known()] == [
        made.id for _, made in Home(old).bootstraps_known()
    ]
    assert "not-json" in run("deadletters", "list", "--json", "--home", str(new))
    with events.open("ab") as file:
        file.write(b"\n".join(sample.events()[2_000:2_100]))
    told = run("ingest", "events", str(events), "--home", str(new))
    assert told.startswith("read 100 ")


def test_what_is_no_other_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("init", "--home", str(home))
    with pytest.raises(Failure, match="is no home"):
        run("ingest", "home", str(tmp_path / "nothing"), "--home", str(home))
    with pytest.raises(Failure, match="the same home"):
        run("ingest", "home", str(home), "--home", str(home))
    shutil.rmtree(home)


@pytest.mark.spark
def test_a_mark_of_the_old_home_is_refused_by_the_new_one(tmp_path: Path) -> None:
    # given a home, and another that took it over, whose first generations are of the same history and cut
    old, new = tmp_path / "old", tmp_path / "new"
    run("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--home", str(old))
    run("init", "--home", str(new))
    run("ingest", "home", str(old), "--home", str(new))
    for home in (old, new):
        run("batch", "run", "page_current", "--home", str(home))
    # then a mark is good in its own home only: from here on offsets are of other messages
    *_, told = run("changes", "page_current", "--home", str(old)).splitlines()
    mark = json.loads(told)["mark"]
    assert json.loads(run("changes", "page_current", "--since", mark, "--home", str(old))) == {"mark": mark}
    with pytest.raises(Failure, match=r"is not known here.* take all rows") as refused:
        run("changes", "page_current", "--since", mark, "--home", str(new))
    assert refused.value.code == CANNOT_KNOW
