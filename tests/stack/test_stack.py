"""The whole installation: started by one command, worked by Airflow's scheduler, mended when something dies, gone afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import psutil  # type: ignore[import-untyped]  # comes with Airflow
import pytest
import yaml
from typer.testing import CliRunner

import shared_logic.datasets  # noqa: F401  registers them
from batch.table_files import read_table_folder
from cli.commands.stack import airflow_settings
from cli.home import Home
from cli.main import app
from cli.stack_settings import settings
from shared_logic.eventify.tables import states
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import differences, states_before
from shared_logic.reference import reference, united
from shared_logic.registry import registry
from shared_logic.views import views
from stack.airflow import passwords_file
from tests import sample
from tests.faults.processes import chance, rounds
from tests.servers import TOOLS, broker_settings, free_ports, node_settings

pytestmark = [pytest.mark.e2e, pytest.mark.cassandra, pytest.mark.kafka]
PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "cassandra_port",
    "cassandra_storage_port",
    "spark_port",
    "spark_web_port",
    "airflow_port",
    "airflow_execution_port",
    "api_port",
    "speed_port",
)
VIEW = "mediawiki_history"
SIMILAR_USERS = ("coedits", "coedit_pages", "user_activity", "user_hours", "user_days", "user_edits")
ROOT = TOOLS.parent
Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose stack takes ports that are free; without jars the test is skipped."""
    broker_settings(tmp_path)
    node_settings(tmp_path)
    made = tmp_path / "home"
    made.mkdir()
    first, *_ = free_ports(4)
    told: dict[str, object] = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    told |= {"spark_worker_port": first, "speed_processes": 1, "wiki": sample.WIKI}
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


@pytest.fixture
def passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of Kafka and Cassandra, in files that the environment names; these servers don't ask for them."""
    for variable, lines in {
        "WIKIBRAID_KAFKA_OPTIONS": "sasl.password=of-kafka",
        "WIKIBRAID_CASSANDRA_LOGIN": "user\nof-cassandra",
    }.items():
        (tmp_path / variable).write_text(lines)
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return ["of-kafka", "of-cassandra"]


def processes_of(home: Path) -> list[int]:
    """Those that were told of the home, or lie in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line, place = (entry / "cmdline").read_bytes(), (entry / "cwd").readlink()
            except OSError:
                continue
            if str(home).encode() in line or place.is_relative_to(home):
                found.append(int(entry.name))
    return found


def pid_of(home: Path, folder: str) -> int:
    """The process of the server of that folder of the stack; its parent is the one that ends it with whoever started it."""
    for pid in processes_of(home):
        status = Path(f"/proc/{pid}/status").read_text()
        parent = int(status.partition("PPid:")[2].split()[0])
        is_server = b"tethered.py" in Path(f"/proc/{parent}/cmdline").read_bytes()
        if is_server and Path(f"/proc/{pid}/cwd").readlink() == home / "stack" / folder:
            return pid
    raise AssertionError(folder)


def airflow_command(home: Path, *words: str) -> None:
    """Asks Airflow as the documents say."""
    command = [sys.executable, "-m", "cli.main", "stack", "airflow", *words, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def client(home: Path) -> httpx.Client:
    """Of Airflow's API, as its administrator."""
    made = airflow_settings(home, settings(home))
    place = f"http://{made.host}:{made.port}"
    login = {"username": "admin", "password": json.loads(passwords_file(made).read_text())["admin"]}
    token = httpx.post(f"{place}/auth/token", json=login, timeout=60).json()["access_token"]
    return httpx.Client(base_url=place, timeout=60, headers={"Authorization": f"Bearer {token}"})


def ended(airflow: httpx.Client, dag: str, run_id: str, seconds: float = 1_800) -> dict[str, str]:
    """Waits for a run of a DAG; the state of every task."""
    end = time.monotonic() + seconds
    path = f"/api/v2/dags/{dag}/dagRuns/{run_id}"
    while airflow.get(path).json()["state"] not in {"success", "failed"}:
        assert time.monotonic() < end, airflow.get(f"{path}/taskInstances").text
        time.sleep(1)
    tasks = airflow.get(f"{path}/taskInstances").json()["task_instances"]
    return {task["task_id"]: task["state"] for task in tasks}


def asked_for(airflow: httpx.Client, dag: str, configuration: dict[str, object]) -> str:
    """Has the real scheduler run a DAG; the id of the run."""
    end = time.monotonic() + 300
    asked = {"logical_date": None, "conf": configuration}
    while (answer := airflow.post(f"/api/v2/dags/{dag}/dagRuns", json=asked)).is_error:
        assert time.monotonic() < end, answer.text  # the DAG was never parsed
        time.sleep(1)
    run_id = answer.json()["dag_run_id"]
    # A paused DAG has no runs but those that are asked for; these wait until it isn't.
    airflow.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()
    return str(run_id)


def assert_whole(home: Path, names: Sequence[str], number: int) -> None:
    """The tables in Cassandra are of that generation, and the reference's over the bootstrap and the whole log."""
    place = Home(home)
    tables = read_table_folder(sample.SNAPSHOT)
    with place.log() as log, place.store() as store:
        lanes = [
            DatasetGeneration(dataset, made)
            for dataset in registry.closure(names)
            if (made := store.published(dataset.name)) is not None and made.number == number
        ]
        assert {dataset.name for dataset, _ in lanes} >= set(names)
        end = time.monotonic() + 600
        while not all(store.parts(d.name, b"", made.number).through == log.ends() for d, made in lanes):  # type: ignore[union-attr]
            assert time.monotonic() < end, "the daemon does not keep up"
            time.sleep(0.5)
        (_, known) = place.bootstraps_known()[0]
        base = united(states(tables, sample.WIKI, known.beginning, lambda _: None))
        told = states_before(log, log.ends(), base)
        assert differences(store, lanes, reference([dataset for dataset, _ in lanes], told)) == []


def addresses_of(home: Path) -> set[tuple[str, int]]:
    """Where its processes listen, as IP address and port."""
    found = set()
    for pid in processes_of(home):
        with suppress(psutil.NoSuchProcess):  # Airflow has some that live for a moment
            found |= {
                (socket.laddr.ip.removeprefix("::ffff:"), socket.laddr.port)
                for socket in psutil.Process(pid).net_connections("inet")
                if socket.status == psutil.CONN_LISTEN
            }
    return found


def rendered_by(airflow: httpx.Client) -> str:
    """What Airflow shows to all its users of what its tasks were given."""
    found = []
    for dag in airflow.get("/api/v2/dags").json()["dags"]:
        for made in airflow.get(f"/api/v2/dags/{dag['dag_id']}/dagRuns").json()["dag_runs"]:
            path = f"/api/v2/dags/{dag['dag_id']}/dagRuns/{made['dag_run_id']}/taskInstances"
            found += [task["rendered_fields"] for task in airflow.get(path).json()["task_instances"]]
    return json.dumps(found)


def secrets_of(home: Path) -> list[str]:
    """What nobody may learn of a stack but its owner."""
    files = (
        "airflow/jwt_secret",
        "airflow/fernet_key",
        "airflow/passwords.json",
        "spark/spark-defaults.conf",
    )
    words = [re.split(r'["\s]+', (home / "stack" / name).read_text()) for name in files]
    return [max(found, key=len) for found in words]


def restarts_of(run: Run, server: str) -> int:
    (found,) = [one for one in json.loads(run("stack", "status", "--json")) if one["server"] == server]
    return int(found["restarts"])


def test_mediawiki_history_through_the_scheduler_ends_as_rows_in_cassandra(
    home: Path, passwords: list[str], run: Run, tmp_path: Path
) -> None:
    # given a stack whose environment names files with passwords, and events in Kafka
    run("stack", "up")
    status = json.loads(run("stack", "status", "--json"))
    assert {server["state"] for server in status} == {"up"}
    # (which nobody reaches from elsewhere, nor at a port that the configuration doesn't name)
    assert {address for address, _ in addresses_of(home)} == {"127.0.0.1"}
    named = {
        value for name, value in msgspec.structs.asdict(settings(home)).items() if name.endswith("_port")
    }
    first = settings(home).spark_worker_port
    assert {port for _, port in addresses_of(home)} <= named | set(range(first, first + 4))
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()[:2_000]))
    run("ingest", "events", str(events))
    token = run("access", "admit", "alice", "--role", "similareditors").strip()
    # when the DAG runs, by spark-workers of the cluster
    # (what it computes is compared with the reference below, so that it need not compute everything twice)
    configuration = {"bootstrap": str(sample.SNAPSHOT), "wiki": sample.WIKI, "parity": False}
    with client(home) as airflow:
        dag = f"recompute_{VIEW}"
        tasks = ended(airflow, dag, asked_for(airflow, dag, configuration))
        assert tasks == dict.fromkeys(("refresh", "cut", "batch", "parity", "announce"), "success")
        assert list((home / "stack" / "spark-worker-1" / "work").iterdir())
        # then the daemon went on through all flips
        assert restarts_of(run, "speed-1") == 0
        # and the rows are in Cassandra, and the view reads them
        names = views[VIEW].datasets
        assert_whole(home, names, 1)
        count = "SELECT count(*)::BIGINT AS rows FROM mediawiki_history"
        (before,) = json.loads(run("sql", count, "--json"))
        assert before["rows"] > 0
        # and the daemon keeps them: what comes later is read without another run
        events.write_bytes(b"\n".join(sample.events()[2_000:]))
        run("ingest", "events", str(events))
        assert_whole(home, names, 1)
        (after,) = json.loads(run("sql", count, "--json"))
        assert after["rows"] > before["rows"]
        # and a backfill makes what was never made, similar users, as of its day
        dag = "recompute_similar_users"
        day = datetime.now(tz=UTC).strftime("%Y-%m-01")
        how = ("--dag-id", dag, "--from-date", day, "--to-date", day, "--dag-run-conf", '{"parity": false}')
        airflow_command(home, "backfill", "create", *how)
        # (whose scheduler is killed before it begins)
        os.kill(pid_of(home, "airflow/scheduler"), signal.SIGKILL)
        # (Once it isn't paused it would run as of that day by itself, if nobody had asked for it.)
        airflow_command(home, "dags", "unpause", dag)
        (made,) = airflow.get(f"/api/v2/dags/{dag}/dagRuns").json()["dag_runs"]
        assert made["run_type"] == "backfill"
        assert set(ended(airflow, dag, made["dag_run_id"]).values()) == {"success"}
        assert restarts_of(run, "airflow-scheduler") == 1
        # and no secret is among what Airflow shows of its tasks
        shown = rendered_by(airflow)
        assert "coedits" in shown
        assert [secret for secret in (token, *passwords, *secrets_of(home)) if secret in shown] == []
    assert Home(home).now() == f"{day}T00:00:00Z"
    # and these rows too are in Cassandra
    assert_whole(home, SIMILAR_USERS, 1)
    # and a daemon that dies is started again
    os.kill(pid_of(home, "speed-1"), signal.SIGKILL)
    end = time.monotonic() + 120
    while restarts_of(run, "speed-1") != 1:
        assert time.monotonic() < end
        time.sleep(0.5)
    # and after the end nothing is left but the home
    run("stack", "down")
    assert processes_of(home) == []


@pytest.mark.slow
def test_mediawiki_history_by_spark_submit_on_two_workers(home: Path, run: Run, tmp_path: Path) -> None:
    # given a stack with a wiki's tables and events
    run("stack", "up")
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sample.events()))
    run("ingest", "tables", str(sample.SNAPSHOT), "--wiki", sample.WIKI)
    run("ingest", "events", str(events))
    # when the batch is submitted to the cluster
    jars = ",".join(map(str, sorted((TOOLS / "jars").glob("*.jar"))))
    master = f"spark://127.0.0.1:{settings(home).spark_port}"
    submit = [str(Path(sys.executable).with_name("spark-submit")), "--master", master, "--jars", jars]
    program = [str(ROOT / "cli" / "main.py"), "batch", "run", VIEW, "--home", str(home)]
    done = subprocess.run(
        [*submit, *program],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_CONF_DIR": str(home / "stack" / "spark"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    # then both workers had a part in it, with the code that was shipped, and the rows are the reference's
    for number in (1, 2):
        work = home / "stack" / f"spark-worker-{number}" / "work"
        assert list(work.rglob("code.zip")), work
    assert_whole(home, views[VIEW].datasets, 1)


@pytest.mark.slow
def test_a_killed_scheduler_finishes_its_runs(home: Path, run: Run) -> None:
    # given a stack in which a DAG runs
    draw = chance()
    run("stack", "up")
    with client(home) as airflow:
        for number in range(rounds(1, 10)):
            dag = "recompute_page_current"
            run_id = asked_for(airflow, dag, {"bootstrap": str(sample.SNAPSHOT), "wiki": sample.WIKI})
            # when the scheduler is killed somewhere in its midst
            time.sleep(draw.uniform(0, 40))
            os.kill(pid_of(home, "airflow/scheduler"), signal.SIGKILL)
            # then another one brings the run to its end
            assert set(ended(airflow, dag, run_id, 1_200).values()) == {"success"}
            assert restarts_of(run, "airflow-scheduler") == number + 1
    assert_whole(home, ["page_current"], 1)
