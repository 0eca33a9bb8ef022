"""What a home says of itself: who made it, what it takes for the present, how a run is gone on with."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from typer.testing import CliRunner

from batch.bootstrap import Bootstrap, begin, describe
from batch.fingerprint import taking_fingerprint
from cli.batch_run import despite_growth_command, with_relatives
from cli.commands import doctor
from cli.commands.doctor import findings
from cli.failures import Failure
from cli.home import Home
from cli.main import app
from cli.temporary import LOCK, temporary
from serving.sqlite_file import StoreError
from shared_logic.entities import encode, page
from shared_logic.laws import load_generation, states_before
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from shared_logic.states.page_state import PageState
from speed.ingest import ingest
from speed.kafka_log import KafkaUnreachable
from stack.cassandra_node import CassandraNode
from tests import sample
from tests.e2e.commands import ran
from tests.servers import free_ports

ROOT = Path(__file__).parents[2]

MADE = Bootstrap(
    id="aaaa", wiki="w", beginning=1, cut=(0,), sources=("page.tsv",), pages=1, revisions=1, problems=0
)


def test_a_bootstrap_of_other_code_is_refused_until_it_is_made_again(tmp_path: Path) -> None:
    # given a bootstrap that other code made
    home = Home(tmp_path)
    (home.bootstraps / "aaaa").mkdir(parents=True)
    describe(home.bootstraps / "aaaa", MADE)
    # then it is refused, with what to do
    with pytest.raises(
        Failure, match=r"bootstrap aaaa of w was made by another version; ingest its files again \(page\.tsv"
    ):
        home.bootstraps_known()
    # until the same files were ingested again
    (home.bootstraps / "bbbb").mkdir()
    describe(home.bootstraps / "bbbb", msgspec.structs.replace(MADE, id="bbbb", reading=taking_fingerprint()))
    assert [made.id for _, made in home.bootstraps_known()] == ["bbbb"]


def test_temporary_files_of_a_killed_process_go_with_the_next_command(tmp_path: Path) -> None:
    # given a process that has temporary files in a home
    home = Home(tmp_path)
    program = "import sys, time; from pathlib import Path; from cli.temporary import temporary\n"
    program += "with temporary(Path(sys.argv[1])) as folder: print(folder, flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", program, home.temporary], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        # when another command makes some, then those stay while they are in use, its own only as long as it runs
        with temporary(home.temporary) as mine:
            home.remove_left_behind()
            assert (mine.exists(), theirs.exists()) == (True, True)
        assert (mine.exists(), theirs.exists()) == (False, True)
        # but not once that process was killed
        process.kill()
    assert theirs.exists()
    home.remove_left_behind()
    assert [path.name for path in home.temporary.iterdir()] == [LOCK]


def test_a_bootstrap_that_a_killed_process_did_not_end_is_removed(tmp_path: Path) -> None:
    # given a whole bootstrap, and one of which only some parts were written
    home = Home(tmp_path)
    (home.bootstraps / "aaaa").mkdir(parents=True)
    describe(home.bootstraps / "aaaa", MADE)
    begin(home.bootstraps / "bbbb")
    # when tables are ingested
    done = CliRunner().invoke(
        app, ["ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI, "--home", str(tmp_path)]
    )
    # then only whole ones are there
    assert done.exit_code == 0, done.exception
    assert (home.bootstraps / "aaaa").exists()
    assert not (home.bootstraps / "bbbb").exists()


def test_the_present_that_a_run_named_is_never_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an instant that a run named
    home = Home(tmp_path)
    assert home.now() is None
    home.set_now("2026-01-01T00:00:00Z")

    # when a later run is killed while it writes another
    def killed(path: Path, text: str) -> None:
        with path.open("w") as file:
            file.write(text[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        home.set_now("2026-02-01T00:00:00Z")
    # then readers are told the first
    assert home.now() == "2026-01-01T00:00:00Z"
    # until a run names none
    home.set_now(None)
    assert home.now() is None


def test_what_only_grew_is_published_by_the_command_of_the_same_run(tmp_path: Path) -> None:
    home = Home(tmp_path)
    some = with_relatives(MemoryStore(), (registry["revision_facts"],))
    command = despite_growth_command(home, some, (3, 0, 5), full=False).split()
    assert command[:3] == ["wikibraid", "batch", "run"]
    assert command[-5:] == ["--cut", "3,0,5", "--despite-growth", "--home", str(home.path)]
    # the names that it gives are those of the run, and all of them are none
    named = tuple(registry[name] for name in command[3:-5])
    assert with_relatives(MemoryStore(), named) == some
    every = despite_growth_command(home, tuple(registry.values()), (3,), full=False).split()
    assert every[3:5] == ["--cut", "3"]


@pytest.mark.cassandra
def test_a_keyspace_of_another_home_is_refused_and_not_configured(
    tmp_path: Path, node: CassandraNode
) -> None:
    # given a home with a keyspace, made twice
    store = f"cassandra://{node.settings.host}:{node.settings.port}/bound"
    for _ in range(2):
        ran("init", "--store", store, "--home", str(tmp_path / "one"))
    # when another home is to have it
    with pytest.raises(StoreError, match="is kept from another log, of another home; make a new home"):
        ran("init", "--store", store, "--home", str(tmp_path / "two"))
    # then nothing there leads to it
    assert Home(tmp_path / "two").address() is None
    assert Home(tmp_path / "one").address() is not None
    # and it can have another one
    ran("init", "--store", f"{store}_too", "--partitions", "3", "--home", str(tmp_path / "two"))
    assert Home(tmp_path / "two").address() is not None


def test_a_home_is_bound_to_nothing_before_the_servers_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an address at which no broker is
    (port,) = free_ports(1)
    (tmp_path / "options").write_text("socket.timeout.ms=1000\n")
    monkeypatch.setenv("WIKIBRAID_KAFKA_OPTIONS", str(tmp_path / "options"))
    home = tmp_path / "home"
    with pytest.raises(KafkaUnreachable):
        ran("init", "--log", f"kafka://127.0.0.1:{port}/log", "--home", str(home))
    # then the command can be given again with what is right, whatever that is
    ran("init", "--partitions", "3", "--home", str(home))
    with Home(home).log() as log:
        assert log.partitions == 3


def test_what_no_generation_needs_any_more_is_given_up(tmp_path: Path) -> None:
    # given three generations at later and later cuts, and what events said since the first
    home = Home(tmp_path)
    pages = [registry["page_current"]]
    said = {page("w", 1): PageState()}
    with home.store() as store:
        for cut in (10, 20, 30):
            ((_, made),) = load_generation(store, pages, said, (cut, 0, 0, 0), str(cut))
            store.publish("page_current", made.number)
        store.write_tails(0, [("w/1", offset, encode(PageState())) for offset in (15, 25, 35)])
    # when all but the newest two are given up
    ran("generations", "expire", "--keep", "2", "--home", str(home.path))
    # then so is what only the oldest was made of, and what every other one includes
    with home.store() as store:
        assert [store.has_states(base) for base in ("10", "20", "30")] == [False, True, True]
        assert len(store.tails_of(0, ["w/1"], 0, 99)["w/1"]) == 2


@pytest.mark.parametrize(
    "told, is_well",
    [
        ("", False),
        ('java version "1.8.0_392"', False),
        ('openjdk version "11.0.21" 2023-10-17', False),
        ('openjdk version "17.0.9" 2023-10-17', True),
        ('openjdk version "21" 2023-09-19', True),
    ],
)
def test_doctor_tells_of_a_java_that_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, is_well: bool
) -> None:
    # given a Java that says so of itself
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    # when everything is checked, then it is well only if Spark runs on it
    (found,) = (row for row in findings(tmp_path / "home") if row["check"] == "java")
    assert (found["fix"] == "") == is_well


def test_doctor_tells_who_is_at_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a port that is free, one that another program has, and one at which we answer
    class Ours(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"live\n" if self.path == "/health/live" else b"")

    (free,) = free_ports(1)
    with HTTPServer(("127.0.0.1", 0), Ours) as ours, socket.create_server(("127.0.0.1", 0)) as other:
        Thread(target=ours.serve_forever, daemon=True).start()
        ports = {"a": free, "b": other.getsockname()[1], "c": ours.server_port}
        monkeypatch.setattr(doctor, "PORTS", ports)
        monkeypatch.setattr(doctor, "SECONDS_FOR_AN_ANSWER", 0.5)
        # when the doctor looks, then each is told, with what to do about the second
        found = [row for row in findings(tmp_path / "none") if row["check"].startswith("port ")]
        ours.shutdown()
    assert [(row["found"], row["fix"]) for row in found] == [
        ("free, for a", ""),
        ("taken, by another program than b", "give b another --port, or end that program"),
        ("taken, by a process of wikibraid", ""),
    ]


def test_doctor_makes_no_home(tmp_path: Path) -> None:
    (found,) = (row for row in findings(tmp_path / "home") if row["check"] == "home")
    assert found["found"].startswith(f"none at {tmp_path / 'home'} yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["log.db", "store.db"])
def test_doctor_tells_of_a_damaged_database(tmp_path: Path, name: str) -> None:
    # given a home whose databases are well
    ran("init", "--home", str(tmp_path))

    def told() -> dict[str, bool]:
        return {
            row["check"]: row["fix"] == ""
            for row in findings(tmp_path)
            if row["check"] in {"log.db", "store.db"}
        }

    assert told() == {"log.db": True, "store.db": True}
    # when one is damaged in its midst, then it is told
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2 :] = b"x" * (len(data) - len(data) // 2)
    (tmp_path / name).write_bytes(data)
    assert told() == {"log.db": True, "store.db": True} | {name: False}


def test_a_home_from_which_nothing_was_brought_in_has_no_dead_letters(tmp_path: Path) -> None:
    # given a home on servers of which only daemons run here
    (tmp_path / "wikibraid.yaml").write_text(
        "log: kafka://nowhere:9092/topic\nstore: cassandra://nowhere/space\n"
    )
    # when its dead letters are asked for, then there are none, and nothing is made that would say how its log is parted
    assert ran("deadletters", "list", "--json", "--home", str(tmp_path)).stdout.strip() == "[]"
    assert not Home(tmp_path).has_notes


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """Of most systems: others read what one writes."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[int]:
    """Of the folder and all that lies in it."""
    return {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


@pytest.mark.spark
def test_a_home_is_its_users_alone(tmp_path: Path, usual_umask: None) -> None:
    # given no home
    home, events = tmp_path / "home", tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join((*sample.events()[:100], b"no event")))
    # when events and what can't be read are brought in, and a Spark of the command's own makes tables of them
    for words in (["ingest", "events", str(events)], ["batch", "run", "page_current"]):
        command = [sys.executable, "-m", "cli.main", *words, "--home", str(home)]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    # then nobody else may enter or read anything
    assert {"archive", "delta", "log.db", "store.db"} <= {path.name for path in home.iterdir()}
    assert all(mode & 0o077 == 0 for mode in modes(home))


def test_doctor_tells_of_a_home_that_others_may_enter(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    for mode, fix in ((0o700, ""), (0o750, ""), (0o755, f"chmod 700 '{home}'")):
        # given a home that lets in so many
        Home(home).path.chmod(mode)
        # then it is told how to keep others out
        (found,) = (row for row in findings(home) if row["check"] == "home")
        assert found["fix"].endswith(fix)
        assert bool(found["fix"]) == bool(fix)


def test_what_is_written_for_others_follows_the_users_umask(tmp_path: Path, usual_umask: None) -> None:
    # given a published table, and a sink to files
    home, out = Home(tmp_path / "home"), tmp_path / "out"
    with home.log() as log, home.store() as store:
        ingest(log, "events", list(sample.events()[:300]))
        cut = log.ends()
        for dataset, made in load_generation(
            store, [registry["page_current"]], states_before(log, cut, {}), cut, "run"
        ):
            store.publish(dataset.name, made.number)
    (home.path / "sinks.yaml").write_text(f"pages:\n  dataset: page_current\n  to: delta://{out / 'lake'}\n")
    # when it is exported and delivered, and a dataset is begun
    ran("export", "page_current", "--out", str(out), "--home", str(home.path))
    ran("sinks", "deliver", "--home", str(home.path))
    ran("new", "fresh", "--folder", str(out))
    # then others read that
    assert modes(out) == {0o755, 0o644}
