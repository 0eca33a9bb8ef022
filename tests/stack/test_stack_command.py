"""`stack up` and `stack down` beside one another, and beside what others run; no server is needed for that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from cli.commands import stack
from cli.failures import CANNOT_KNOW, Failure
from cli.main import app
from speed.sqlite_log import SqliteLog
from stack.supervisor import State, Status, note
from tests.servers import TOOLS, free_ports

LOG, STORE = "kafka://127.0.0.1:9092/wikibraid", "cassandra://127.0.0.1:9042/wikibraid"
Starts = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def starts() -> Iterator[Starts]:
    """Starts a process that does nothing, with these words on its command line."""
    started = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *words]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def command(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["stack", *words, "--home", str(home)])


def told(home: Path, pid: int, state: str, configured: dict[str, Any] | None = None) -> None:
    """The status that a supervisor of that id would write."""
    server = State(name="api", state=state, restarts=0, log=str(home / "log"))
    folder = home / "stack"
    folder.mkdir(exist_ok=True)
    note(folder, Status(pid=pid, ready=state == "up", servers=(server,), configured=configured or {}))


def test_up_waits_for_what_another_up_has_started(tmp_path: Path, starts: Starts) -> None:
    # given a supervisor whose servers are not up yet
    supervisor = starts(*stack._supervising(tmp_path))
    told(tmp_path, supervisor.pid, "starting")
    ended: list[Result] = []
    asking = threading.Thread(target=lambda: ended.append(command(tmp_path, "up", "--json")))
    # when another `up` comes
    asking.start()
    asking.join(1)
    # then it waits
    assert asking.is_alive()
    # until they are
    told(tmp_path, supervisor.pid, "up")
    asking.join(30)
    (done,) = ended
    assert done.exit_code == 0, (done.output, done.exception)
    assert [server["state"] for server in json.loads(done.stdout)] == ["up"]
    assert not (tmp_path / "stack" / "supervisor.log").exists()
    # and `down` ends the supervisor
    threading.Thread(target=supervisor.wait).start()  # nobody else collects its end
    assert json.loads(command(tmp_path, "down", "--json").stdout) == {"stopped": True}
    assert supervisor.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    "name,text,says",
    [
        ("stack.yaml", "# theirs\nwiki: testwiki\n", ""),
        ("stack.yaml", "wiki: testwiki\napi_port: 8000\n", "(stack.yaml): `wikibraid stack down`, then `up`"),
        ("sinks.yaml", "a: {dataset: daily_edits, to: delta:///x}\n", "(sinks.yaml): `wikibraid stack down`"),
        ("wikibraid.yaml", f"log: {LOG}\nstore: {STORE}\n", ""),
        ("wikibraid.yaml", f"log: {LOG}\nstore: {STORE}\ndatasets: {{SimilarUsersSettings: {{window: 5}}}}\n", "(wikibraid.yaml): `wikib"),
        ("stack.yaml", "nothing: 1\n", "and can't be used: "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("word", ["up", "status"])
def test_a_change_that_what_runs_does_not_know_is_told(
    tmp_path: Path, starts: Starts, word: str, name: str, text: str, says: str
) -> None:
    # given a stack that runs as stack.yaml said
    (tmp_path / "stack.yaml").write_text("wiki: testwiki\n")
    supervisor = starts(*stack._supervising(tmp_path))
    told(tmp_path, supervisor.pid, "up", stack._configured(tmp_path))
    # when a file of the configuration is changed
    (tmp_path / name).write_text(text)
    done = command(tmp_path, word)
    # then what runs is shown, and that it was started otherwise
    if says and "used" in says and word == "up":
        assert "there is no nothing" in str(done.exception)
        return
    assert done.exit_code == 0, done.exception
    assert "API: http://127.0.0.1:8080/docs" in done.stdout
    found = [line for line in done.stderr.splitlines() if "configuration changed since the start" in line]
    assert [says in line for line in found] == [True] * bool(says)


@pytest.mark.parametrize("words", [("stack", "supervise", "--home", "/another"), ("speed", "daemon")])
def test_a_process_that_got_the_id_of_a_dead_supervisor_is_let_be(
    tmp_path: Path, starts: Starts, words: tuple[str, ...]
) -> None:
    # given the status of a supervisor that was killed, and another command of this project under its id
    other = starts("-m", "cli.main", *words)
    told(tmp_path, other.pid, "up")
    # then nothing runs, and nobody is stopped
    assert json.loads(command(tmp_path, "down", "--json").stdout) == {"stopped": False}
    done = command(tmp_path, "status")
    assert isinstance(done.exception, Failure)
    assert done.exception.code == CANNOT_KNOW
    time.sleep(0.1)
    assert other.poll() is None


def test_a_supervisor_is_known_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given supervisors that do nothing
    program = tmp_path / "waits"
    program.write_text("#!/bin/sh\nsleep 60\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    words: list[list[str]] = []

    def noting(folder: Path, status: Status) -> None:
        words.append(stack._words(status.pid))
        note(folder, status)

    monkeypatch.setattr(stack, "note", noting)
    (tmp_path / "stack").mkdir()
    # when they are started, each of which Linux takes a moment to make
    for _ in range(30):
        pid = stack._supervisor(tmp_path, tmp_path / "stack")
        assert stack._pid(tmp_path) == pid
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    # then each is told from every other process before anybody is told of it
    assert {tuple(told[-4:]) for told in words} == {tuple(stack._supervising(tmp_path))}


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    done = command(tmp_path / place, "up")
    assert isinstance(done.exception, Failure), done.exception
    assert "can't be made" in str(done.exception)
    assert "--home" in str(done.exception)


def test_what_a_command_of_the_stack_fails_for_is_told() -> None:
    program = "import sys; sys.exit('something before\\nwikibraid: it has its log elsewhere')"
    with pytest.raises(Failure, match=r"^it has its log elsewhere$"):
        stack._run([sys.executable, "-c", program], {})
    with pytest.raises(Failure, match="ended with 3"):
        stack._run([sys.executable, "-c", "raise SystemExit(3)"], {})


def begun(home: Path, log: str, store: str, *, with_servers: bool = True) -> None:
    """A home whose stack was started, with what its wikibraid.yaml says."""
    (home / "wikibraid.yaml").write_text(
        f"# ours\nlog: '{log}'  # Kafka\nstore: {store}\ndatasets: {{SimilarUsersSettings: {{window: 5}}}}\n"
    )
    SqliteLog(home / "log.db").close()
    if with_servers:
        (home / "stack" / "kafka" / "data").mkdir(parents=True)
        (home / "stack" / "kafka" / "data" / "meta.properties").touch()
        (home / "stack" / "cassandra" / "data").mkdir(parents=True)


def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """How `up` ends where it only comes to the point at which it would start servers."""

    def starting(*_: object) -> int:
        raise Failure("nothing is wrong")

    monkeypatch.setattr(stack, "_supervisor", starting)
    done = command(home, "up")
    assert isinstance(done.exception, Failure), (done.output, done.exception)
    return done.exception


def test_the_home_follows_ports_of_its_own_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given the home of a stack, sinks on its servers, and others
    begun(tmp_path, LOG, STORE)
    sinks = "a: {{dataset: daily_edits, to: kafka://{}:{}/edits}} # here\nb:\n  dataset: daily_edits\n  to: kafka://far:9092/edits\n"
    (tmp_path / "sinks.yaml").write_text(sinks.format("localhost", 9092))
    # when the ports are changed
    (tmp_path / "stack.yaml").write_text("kafka_port: 19092\ncassandra_port: 19042\n")
    assert "✗" not in config_check(tmp_path)
    assert str(started(tmp_path, monkeypatch)) == "nothing is wrong"
    # then both files name them, and are as they were in all else
    assert (tmp_path / "wikibraid.yaml").read_text() == (
        "# ours\nlog: 'kafka://127.0.0.1:19092/wikibraid'  # Kafka\nstore: cassandra://127.0.0.1:19042/wikibraid\n"
        "datasets: {SimilarUsersSettings: {window: 5}}\n"
    )
    assert (tmp_path / "sinks.yaml").read_text() == sinks.format("127.0.0.1", 19092)


@pytest.mark.parametrize(
    "log,store,with_servers,lines,told",
    [
        (LOG, STORE, False, "kafka_port: 19092", "wikibraid.yaml, line 2: log: kafka://127.0.0.1:9092/wikibraid here, and kafka://127.0.0.1:19092/"),
        ("kafka://far:9092/wikibraid", STORE, True, "", "wikibraid.yaml, line 2: log: kafka://far:9092/wikibraid here"),
        ("kafka://127.0.0.1:9092/other", STORE, True, "", "wikibraid.yaml, line 2: log: kafka://127.0.0.1:9092/other here"),
        (LOG, "cassandra://127.0.0.1/other", True, "", "wikibraid.yaml, line 3: store: cassandra://127.0.0.1/other here"),
        ("embedded", "embedded", False, "", "wikibraid.yaml, line 2: log: embedded here"),
        (LOG, STORE, True, "wiki: w\npartitions: 8", "stack.yaml, line 2: partitions: 8, and the log of"),
    ],
)  # fmt: skip
def test_a_home_that_is_elsewhere_is_told_before_anything_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    store: str,
    with_servers: bool,
    lines: str,
    told: str,
) -> None:
    begun(tmp_path, log, store, with_servers=with_servers)
    (tmp_path / "stack.yaml").write_text(lines)
    before = (tmp_path / "wikibraid.yaml").read_text()
    assert f"{tmp_path}/{told}" in str(started(tmp_path, monkeypatch))
    assert f"✗ {tmp_path}/{told}" in config_check(tmp_path)
    assert (tmp_path / "wikibraid.yaml").read_text() == before


def test_a_mistake_in_sinks_yaml_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sinks.yaml").write_text(f"a:\n  dataset: daily_edits\n  to: {LOG}\n")
    told = str(started(tmp_path, monkeypatch))
    assert f"{tmp_path}/sinks.yaml, line 3: a would write to where the log lies" in told
    assert not (tmp_path / "stack").exists()


def test_a_home_on_servers_of_others_is_no_mistake_where_there_is_no_stack(tmp_path: Path) -> None:
    begun(tmp_path, "kafka://far:9092/wikibraid", STORE, with_servers=False)
    assert "✗" not in config_check(tmp_path)


def config_check(home: Path) -> str:
    return CliRunner().invoke(app, ["config", "check", "--home", str(home)]).stdout


def airflow(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "stack", "airflow", *words, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_airflow_is_asked_of_the_stack_and_ends_as_it_ends(tmp_path: Path) -> None:
    # given the folder that a stack's Airflow has made
    folder = tmp_path / "stack" / "airflow"
    folder.mkdir(parents=True)
    for name in (".prepared", "jwt_secret"):
        (folder / name).touch()
    (folder / "fernet_key").write_text(Fernet.generate_key().decode())
    # when Airflow is asked where its database is, then it is the one of the stack
    done = airflow(tmp_path, "config", "get-value", "database", "sql_alchemy_conn")
    assert done.returncode == 0, done.stderr
    assert f"sqlite:///{folder}/airflow.db" in done.stdout
    # and options are Airflow's, as its exit status is
    assert "--dag-run-conf" in airflow(tmp_path, "backfill", "create", "--help").stdout
    assert airflow(tmp_path, "dags", "unpause", "--nothing").returncode == 2


def test_the_status_tells_where_the_password_is_and_not_which(tmp_path: Path, starts: Starts) -> None:
    # given a stack whose Airflow has a password
    told(tmp_path, starts(*stack._supervising(tmp_path)).pid, "up")
    passwords = tmp_path / "stack" / "airflow" / "passwords.json"
    passwords.parent.mkdir()
    passwords.write_text('{"admin": "s3cret"}')
    # then who asks how it is may show others what is answered
    said = command(tmp_path, "status").output
    assert f"(admin, with the password in {passwords})" in said
    assert "s3cret" not in said


def test_without_a_stack_there_is_no_airflow_to_ask(tmp_path: Path) -> None:
    done = command(tmp_path, "airflow", "dags", "list")
    assert isinstance(done.exception, Failure), done.output
    assert f"no stack was made in {tmp_path}" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_down_ends_a_stack_of_which_nothing_is_up_yet(tmp_path: Path) -> None:
    # given an `up` that has only begun, and was interrupted
    if not any((TOOLS / "kafka").glob("*.jar")):
        pytest.skip("there are no jars of Kafka: run `python conf/bootstrap.py kafka`")
    ports = [name for name in stack.StackSettings.__struct_fields__ if name.endswith("_port")]
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(dict(zip(ports, free_ports(60)[::5], strict=False))))
    words = [sys.executable, "-m", "cli.main", "stack", "up", "--home", str(tmp_path)]
    up = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + 60
    while not (pids := supervisors_of(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(up.pid, signal.SIGINT)
    up.wait()
    # when it is stopped
    done = command(tmp_path, "down", "--json")
    # then that does not come up after all
    assert json.loads(done.stdout) == {"stopped": True}
    assert not pids & supervisors_of(tmp_path)


def supervisors_of(home: Path) -> set[int]:
    """Processes in the background for that home."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if "supervise" in words and str(home) in words:
                found.add(int(entry.name))
    return found
