"""What is known of a server that died: its log goes on over starts, within bounds, and its end is told."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from cli.commands.stack import _programs
from cli.failures import Failure
from cli.main import app
from cli.stack_settings import port_names, settings
from stack import server as servers
from stack import supervisor
from stack.process import Program, ProgramServer
from stack.server import Server, ServerError
from stack.supervisor import Supervisor, status
from tests.servers import free_ports

ANSWERS = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        print("the cupboard is bare" if self.path == "/die" else "x" * 100, flush=True)
        if self.path == "/die":
            os._exit(7)
        self.send_response(200)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProgramServer]:
    """Answers, and dies when it is asked to."""
    (port,) = free_ports(1)
    program = Program(
        name="it",
        folder=tmp_path / "it",
        command=[sys.executable, "-c", ANSWERS, str(port)],
        host="127.0.0.1",
        port=port,
        path="/",
    )
    made = ProgramServer(program)
    yield made
    made.stop()


def die(server: ProgramServer) -> None:
    with suppress(URLError, OSError):
        urlopen(f"http://127.0.0.1:{server._program.port}/die", timeout=5)
    eventually(lambda: not server.is_running)


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_port_that_is_about_to_be_free_is_waited_for(server: ProgramServer) -> None:
    # given a server that was killed, and whose port is free only a moment later
    taken = socket.create_server(("127.0.0.1", server._program.port))
    threading.Timer(0.5, taken.close).start()
    # when it is started again, then it is not refused
    server.start()
    assert server.answers()


def test_a_port_that_is_taken_is_told_with_where_it_is_set(server: ProgramServer, tmp_path: Path) -> None:
    # given a port that something else listens on, the second of speed's
    port = server._program.port
    (tmp_path / "stack.yaml").write_text(f"speed_port: {port - 1}\nspeed_processes: 2\n")
    server.port_names = port_names(tmp_path, settings(tmp_path))
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(
            ServerError,
            match=rf"port {port} .*; end what does, or give another speed_port in {tmp_path}/stack\.yaml$",
        ),
    ):
        server.start()


def test_why_a_server_died_is_known_after_it_was_started_again(
    server: ProgramServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that is kept, and dies
    monkeypatch.setattr(supervisor, "SECONDS_BEFORE_AGAIN", 0.0)
    kept = Supervisor(tmp_path, os.getpid(), [[("it", server)]], {"stack.yaml": {"wiki": "w"}})
    kept._start(kept._stages[0])
    die(server)

    # when it was started again
    def is_up_again() -> bool:
        kept._mend()
        kept._tell()
        found = status(tmp_path)
        return found is not None and found.ready and found.servers[0].restarts == 1

    eventually(is_up_again)
    # then its status tells the end of the one before
    found = status(tmp_path)
    assert found is not None
    assert "it in " in found.servers[0].told
    assert "ended with status 7" in found.servers[0].told
    assert found.servers[0].told.endswith("the cupboard is bare")
    assert found.configured == {"stack.yaml": {"wiki": "w"}}
    # and the log has both
    log = server.log.read_text()
    assert log.count("--- started ") == 2
    assert "the cupboard is bare" in log.rpartition("--- started ")[0]


class Fake(Server):
    """A process that lives, and answers when it is told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "127.0.0.1", ())
        self.name = folder.name
        self.is_well = True
        self.slowness: threading.Event | None = None

    def prepare(self) -> list[str]:
        return [sys.executable, "-c", "import time; time.sleep(600)"]

    def answers(self) -> bool:
        if self.slowness is not None:
            self.slowness.wait(60)
        return self.is_well


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Supervisor, list[Fake]]]:
    """Two that are kept, and a supervisor that is in a hurry."""
    monkeypatch.setattr(supervisor, "SECONDS_BEFORE_AGAIN", 0.0)
    monkeypatch.setattr(supervisor, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    made = [Fake(tmp_path / name) for name in ("one", "other")]
    kept = Supervisor(tmp_path, os.getpid(), [[(server.name, server) for server in made]])
    kept._start(kept._stages[0])
    yield kept, made
    kept._beside.shutdown()
    for server in made:
        server.stop()


def test_a_server_that_no_longer_answers_is_started_again(
    fakes: tuple[Supervisor, list[Fake]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a server that lives and no longer answers
    kept, (one, _) = fakes
    before = one._process
    one.is_well = False

    # when it is looked at for a while
    def is_down() -> bool:
        kept._mend()
        return kept._stages[0][0].state == "down"

    eventually(is_down)
    one.is_well = True

    def is_up_again() -> bool:
        kept._mend()
        kept._tell()
        found = status(tmp_path)
        return found is not None and found.ready

    eventually(is_up_again)
    # then another process runs in its place, and the other server is as it was
    assert before is not None
    assert before.poll() is not None
    assert one.is_running
    found = status(tmp_path)
    assert found is not None
    assert [state.restarts for state in found.servers] == [1, 0]
    # and the status and the supervisor's log tell why
    assert "one in " in found.servers[0].told
    assert f"didn't answer {supervisor.NOES} times in a row" in found.servers[0].told
    assert capsys.readouterr().err == f"{found.servers[0].told}\n"


def test_a_server_that_answers_again_in_time_is_let_be(fakes: tuple[Supervisor, list[Fake]]) -> None:
    # given a server that says no, but once less than too often
    kept, (one, _) = fakes
    first = kept._stages[0][0]
    one.is_well = False
    eventually(lambda: kept._mend() or first.noes == supervisor.NOES - 1)
    # when it answers again
    one.is_well = True
    eventually(lambda: kept._mend() or first.noes == 0)
    # then nothing was done to it
    assert (first.state, first.restarts) == ("up", 0)


def test_a_death_is_noticed_while_another_server_is_asked(fakes: tuple[Supervisor, list[Fake]]) -> None:
    # given a server that is slow to say whether it lives
    kept, (one, other) = fakes
    one.slowness = threading.Event()
    eventually(lambda: kept._mend() or kept._stages[0][0].question is not None)
    # when another dies, then it is noticed before the slow one has answered
    assert other._process is not None
    os.killpg(other._process.pid, signal.SIGKILL)
    eventually(lambda: kept._mend() or kept._stages[0][1].restarts == 1)
    assert kept._stages[0][0].question is not None
    one.slowness.set()


def test_a_log_does_not_grow_for_ever(server: ProgramServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a server whose log is longer than it may be
    server.start()
    server.answers()
    monkeypatch.setattr(servers, "LOG_BYTES", 50)
    # when that is looked at
    server.bound_log()
    # then what it says from now on is in a new log, and what was said beside it
    assert server.log.stat().st_size == 0
    assert "x" * 100 in server.log.with_suffix(".old.log").read_text()
    assert server.answers()
    eventually(lambda: server.log.read_bytes().startswith(b"x" * 100))


def test_a_full_disk_does_not_end_what_runs(
    fakes: tuple[Supervisor, list[Fake]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a disk without space, on which neither logs nor the status can be written
    kept, (one, other) = fakes
    first, second = kept._stages[0]

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(supervisor, "note", no_space)
    monkeypatch.setattr(one, "bound_log", no_space)
    # when a server dies of that
    assert one._process is not None
    os.killpg(one._process.pid, signal.SIGKILL)
    # then it is started in vain, again and again, and the reason is known
    eventually(lambda: kept._mend() or first.restarts > 1)
    assert first.told.endswith(f"one can't be started in {one.folder}: No space left on device")
    assert (second.state, other.is_running) == ("up", True)
    # until there is space
    monkeypatch.undo()
    monkeypatch.setattr(supervisor, "SECONDS_BEFORE_AGAIN", 0.0)
    eventually(lambda: kept._mend() or first.state == "up")


def test_servers_of_a_killed_supervisor_are_waited_for(
    fakes: tuple[Supervisor, list[Fake]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # those of this process stay what they are
    # given servers that go on for a moment, since what ends them is the death of who started them
    _, (one, other) = fakes
    successors = [Fake(server.folder) for server in (one, other)]
    successor = Supervisor(tmp_path, os.getpid(), [[(server.name, server) for server in successors]])
    ending = threading.Timer(0.5, lambda: [server.kill() for server in (one, other)])
    ending.start()
    # when the next supervisor begins at once, and is told to stop when all are up
    successor.run(lambda _: successor.stop())
    # then it has started its own
    found = status(tmp_path)
    assert found is not None
    assert [state.told for state in found.servers] == ["", ""]
    assert all(server.log.read_text().count("--- started ") == 2 for server in successors)
    ending.join()


def test_a_status_that_a_crash_left_unreadable_is_none(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"pid":')
    assert status(tmp_path) is None


@pytest.mark.parametrize(
    "lines,told",
    [
        ("api_port: 9092", "port 9092 is wanted for kafka_port and for api_port"),
        ("speed_port: 8087", "port 8088 is wanted for airflow_port and for speed_port + 1"),
        (
            "speed_processes: 2\nspeed_port: 65535",
            "speed_port + 1 would be port 65536, and the last one is 65535",
        ),
        ("wiki: w\nkafka_port: 70000", "stack.yaml, line 2: kafka_port: at most 65535 is wanted"),
        ("api_port: 0", "stack.yaml, line 1: api_port: at least 1 is wanted"),
        ("speed_processes: -1", "stack.yaml, line 1: speed_processes: at least 0 is wanted"),
        ("spark_workers: 0", "stack.yaml, line 1: spark_workers: at least 1 is wanted"),
        ("partitions: 0", "stack.yaml, line 1: partitions: at least 1 is wanted"),
        ("kafka_memory_mib: 10", "stack.yaml, line 1: kafka_memory_mib: at least 256 is wanted"),
        ("cassandra_memory_mib: 511", "stack.yaml, line 1: cassandra_memory_mib: at least 512 is wanted"),
        (
            "spark_worker_memory_mib: 512",
            "stack.yaml, line 1: spark_worker_memory_mib: at least 1024 is wanted",
        ),
        ("host: ''", "stack.yaml, line 1: host: `str` of length >= 1 is wanted"),
        (
            "wiki: w\npaused: [page_current, user_curent]",
            "stack.yaml, line 2: paused: no dataset 'user_curent'; did you mean user_current",
        ),
        ("schedule: every now", "schedule: 'every now' is none that Airflow knows"),
        (
            "spark_workers: 4\nspark_web_port: 7081",
            "port 7081 is wanted for spark_web_port and for spark_worker_port + 3",
        ),
    ],
)
def test_a_mistake_in_stack_yaml_is_told_before_anything_starts(
    tmp_path: Path, lines: str, told: str
) -> None:
    (tmp_path / "stack.yaml").write_text(lines)
    done = CliRunner().invoke(app, ["stack", "up", "--home", str(tmp_path)])
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    assert told in str(done.exception)
    assert not (tmp_path / "stack").exists()


@pytest.mark.parametrize("schedule", ["", "@weekly", "@once", "0 4 * * 1"])
def test_schedules_of_airflow_are_taken(tmp_path: Path, schedule: str) -> None:
    (tmp_path / "stack.yaml").write_text(f"schedule: '{schedule}'")
    assert settings(tmp_path).schedule == schedule


def test_the_daemons_of_a_stack_are_told_what_is_paused(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text("paused: [page_current, coedits]")
    daemons = [
        server.prepare()
        for name, server in _programs(tmp_path, settings(tmp_path))
        if name.startswith("speed-")
    ]
    assert len(daemons) == 2
    assert all({"--without=page_current", "--without=coedits"} <= set(words) for words in daemons)
