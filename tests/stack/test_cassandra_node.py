"""A node that is started here ends here, whatever happens, and says why it could not be started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stack import tethered
from stack.cassandra_node import CassandraNode
from stack.server import ServerError
from tests.servers import node_settings

pytestmark = pytest.mark.cassandra

LISTENER = "import os, socket, time; print(os.getpid(), flush=True); time.sleep(600)"
STARTER = """
import subprocess, sys, time
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
time.sleep(600)
"""
NODE_STARTER = """
import sys, time
from pathlib import Path
from stack.cassandra_node import CassandraNode, NodeSettings
folder, jars, port, storage_port = sys.argv[1:]
settings = NodeSettings(folder=Path(folder), jars=Path(jars), port=int(port), storage_port=int(storage_port))
with CassandraNode(settings):
    print("up", flush=True)
    time.sleep(600)
"""


def eventually(holds: Callable[[], bool], seconds: float = 40) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return holds()


def processes_of(folder: Path) -> list[int]:
    """Those whose command line names the folder, beside what runs this test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"CassandraDaemon" in line and str(folder).encode() in line:
                found.append(int(entry.name))
    return found


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CassandraNode]:
    made = CassandraNode(node_settings(tmp_path / "node"))
    yield made
    made.kill()


def test_a_node_answers_stops_and_leaves_its_folder_only(node: CassandraNode, tmp_path: Path) -> None:
    temporary = Path(tempfile.gettempdir())
    before = set(temporary.iterdir())
    # when it is started twice
    node.start()
    node.start()
    # then it listens, in one process and the one that it is tethered to
    assert listens(node.settings.port)
    assert len(processes_of(tmp_path)) == 2
    # and nobody else starts one in its folder, or at its port
    with pytest.raises(ServerError, match="in use by another server"):
        CassandraNode(replace(node.settings, port=1, storage_port=2)).start()
    with pytest.raises(ServerError, match=f"can't listen on port {node.settings.port} .*give another port"):
        CassandraNode(replace(node.settings, folder=tmp_path / "other")).start()
    # when it is stopped, twice
    node.stop()
    node.stop()
    # then nothing is left of it but the folder
    assert not listens(node.settings.port)
    assert processes_of(tmp_path) == []
    new = {path.name for path in set(temporary.iterdir()) - before}
    assert [name for name in new if "jna" in name or "hsperf" in name or "netty" in name] == []


def test_a_start_that_fails_tells_the_logs_last_lines_and_leaves_no_process(node: CassandraNode) -> None:
    # given a folder that holds a file where Cassandra wants a folder
    node.settings.folder.mkdir()
    (node.settings.folder / "commitlog").write_text("no folder")
    # when it is started
    with pytest.raises(ServerError, match=r"ended with status \d+ before it answered.*commitlog") as told:
        node.start()
    # then one line tells why
    assert "\n" not in str(told.value)
    assert processes_of(node.settings.folder) == []


def test_a_node_that_takes_too_long_is_killed(node: CassandraNode) -> None:
    with pytest.raises(ServerError, match="didn't answer within 0 s"):
        node.start(seconds=0.2)
    assert processes_of(node.settings.folder) == []


def test_without_java(node: CassandraNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(ServerError, match="needs Java 17 or newer"):
        node.start()


def test_settings_that_can_not_be_run(tmp_path: Path) -> None:
    settings = node_settings(tmp_path)
    with pytest.raises(ServerError, match="a heap of 256 MiB is too small for Cassandra; give 512 or more"):
        CassandraNode(replace(settings, heap_mib=256))
    with pytest.raises(
        ServerError, match=r"holds no jars of Cassandra; `python conf/bootstrap.py cassandra`"
    ):
        CassandraNode(replace(settings, jars=tmp_path / "none"))


def test_a_node_ends_with_whoever_started_it(tmp_path: Path) -> None:
    # given a process that has started a node
    settings = node_settings(tmp_path / "node")
    arguments = (settings.folder, settings.jars, settings.port, settings.storage_port)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, "-c", NODE_STARTER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "up\n"
        # when it is killed
        starter.send_signal(signal.SIGKILL)
    # then the node ends too
    assert eventually(lambda: processes_of(tmp_path) == [])
    assert not listens(settings.port)


def test_ctrl_c_while_it_starts_ends_it(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "node")
    arguments = (settings.folder, settings.jars, settings.port, settings.storage_port)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, "-c", NODE_STARTER, *map(str, arguments)], stderr=subprocess.PIPE, env=environment
    ) as starter:
        assert eventually(lambda: len(processes_of(tmp_path)) == 2)
        starter.send_signal(signal.SIGINT)
        starter.communicate(timeout=60)
    assert processes_of(tmp_path) == []


def test_a_tethered_program_ends_with_its_starter() -> None:
    # given a starter, and a program that is tethered to it
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, sys.executable, tethered.__file__, sys.executable, "-c", LISTENER],
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        program = int(starter.stdout.readline())
        assert Path(f"/proc/{program}").exists()
        # when the starter is killed
        starter.kill()
        # then the program ends
        assert eventually(lambda: not Path(f"/proc/{program}").exists())


def test_a_tethered_programs_status_is_told() -> None:
    program = (sys.executable, "-c", "raise SystemExit(7)")
    with subprocess.Popen([sys.executable, tethered.__file__, *program], stdin=subprocess.PIPE) as tethers:
        assert tethers.wait(30) == 7
