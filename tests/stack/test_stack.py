"""The whole installation: started by one command, worked by Airflow's scheduler, mended when something dies, gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from cli.commands.stack import airflow_settings, settings
from cli.main import app
from stack.airflow import password
from tests import sample
from tests.servers import broker_settings, free_ports, node_settings

pytestmark = [pytest.mark.e2e, pytest.mark.cassandra, pytest.mark.kafka]
PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "cassandra_port",
    "cassandra_storage_port",
    "spark_port",
    "spark_web_port",
    "airflow_port",
    "api_port",
    "speed_port",
)
GROUP = "similar_users"
Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose stack takes ports that are free; without jars the test is skipped."""
    broker_settings(tmp_path)
    node_settings(tmp_path)
    made = tmp_path / "home"
    made.mkdir()
    first = free_ports(1)[0]
    told = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    told |= {"spark_worker_port": first, "speed_processes": 1, "schedule": "", "wiki": sample.WIKI}
    (made / "stack.yaml").write_text(yaml.safe_dump(told))
    return made


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """Runs commands there; in the end the stack is stopped."""

    def command(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--home", str(home)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    yield command
    command("stack", "down")


def processes_of(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(home).encode() in line:
                found.append(int(entry.name))
    return found


def triggered(home: Path, dag: str, configuration: dict[str, object]) -> dict[str, str]:
    """Runs a DAG through the real scheduler; the state of every task."""
    made = airflow_settings(home, settings(home))
    with httpx.Client(base_url=f"http://{made.host}:{made.port}", timeout=60) as client:
        login = {"username": "admin", "password": password(made)}
        token = client.post("/auth/token", json=login).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        end = time.monotonic() + 300
        while client.get(f"/api/v2/dags/{dag}").status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < end, "the DAG was never parsed"
            time.sleep(1)
        asked = {"logical_date": None, "conf": configuration}
        run_id = client.post(f"/api/v2/dags/{dag}/dagRuns", json=asked).json()["dag_run_id"]
        # A paused DAG has no runs but those that are asked for; these wait until it isn't.
        client.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
        path = f"/api/v2/dags/{dag}/dagRuns/{run_id}"
        while client.get(path).json()["state"] not in {"success", "failed"}:
            assert time.monotonic() < end, client.get(f"{path}/taskInstances").text
            time.sleep(1)
        tasks = client.get(f"{path}/taskInstances").json()["task_instances"]
    return {task["task_id"]: task["state"] for task in tasks}


def test_a_dag_through_the_scheduler_ends_as_rows_in_cassandra(home: Path, run: Run, tmp_path: Path) -> None:
    # given a stack, and events in Kafka
    run("stack", "up")
    status = json.loads(run("stack", "status", "--json"))
    assert {server["state"] for server in status} == {"up"}
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:2_000]))
    run("ingest", "events", str(events))
    # when the DAG runs, by spark-workers of the cluster
    configuration = {"bootstrap": str(sample.SNAPSHOT), "wiki": sample.WIKI}
    states = triggered(home, f"recompute_{GROUP}", configuration)
    assert states == dict.fromkeys(("refresh", "cut", "batch", "parity", "announce"), "success")
    assert list((home / "stack" / "spark-worker-1" / "work").iterdir())
    # then the rows are read from Cassandra, complete
    answer = json.loads(run("query", "user_activity", sample.WIKI, "--format", "json"))
    assert answer["complete"]
    assert len(answer["rows"]) == 0 or answer["rows"][0]["edits"] > 0
    # and the daemon keeps them: what comes later is read without another run
    events.write_bytes(b"\n".join(sample.events()[2_000:]))
    run("ingest", "events", str(events))
    end = time.monotonic() + 60
    while not (later := json.loads(run("query", "user_activity", "--format", "json")))["complete"]:
        assert time.monotonic() < end, later
        time.sleep(0.5)
    assert later["rows"] != answer["rows"]
    # and a daemon that dies is started again
    (daemon,) = [
        pid
        for pid in processes_of(home)
        if b"daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()
        and b"tethered" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(daemon, signal.SIGKILL)
    while {
        server["restarts"]
        for server in json.loads(run("stack", "status", "--json"))
        if server["server"] == "speed-1"
    } != {1}:
        assert time.monotonic() < end + 60
        time.sleep(0.5)
    # and after the end nothing is left but the home
    run("stack", "down")
    assert processes_of(home) == []
