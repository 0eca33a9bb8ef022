"""The commands that run a whole installation on one machine: Kafka, Cassandra, Spark, Airflow, the API, the speed daemons."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli.configuration import mistaken, parsed
from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption
from cli.output import meter, out, print_json, print_outcome, print_records
from stack.airflow import AirflowSettings, parts, password
from stack.cassandra_node import SMALLEST_HEAP_MIB, CassandraNode, NodeSettings
from stack.kafka_broker import BrokerSettings, KafkaBroker
from stack.process import Program, ProgramServer
from stack.server import Server, ServerError
from stack.spark_cluster import SparkMaster, SparkSettings, SparkWorker
from stack.supervisor import Supervisor, status

app = typer.Typer(help="A whole installation on this machine, without containers.", no_args_is_help=True)
ROOT = Path(__file__).parents[2]
_JARS = ROOT / ".tools"
SECONDS_TO_BE_UP = 300
SECONDS_TO_END = 180
LINES = 40
LARGEST_PORT = 65_535
Port = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PORT)]
Memory = Annotated[int, msgspec.Meta(ge=128)]
"""MiB of a process' heap; with less, none of them starts."""
Count = Annotated[int, msgspec.Meta(ge=1)]
_SCHEDULE = re.compile(
    r"@(once|continuous|hourly|daily|weekly|monthly|quarterly|yearly)|\S+( +\S+){4}", re.ASCII
)


class StackSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stack.yaml in the home says; every line may be left out."""

    host: str = "127.0.0.1"
    kafka_port: Port = 9092
    kafka_controller_port: Port = 9093
    kafka_memory_mib: Memory = 256
    cassandra_port: Port = 9042
    cassandra_storage_port: Port = 7000
    cassandra_memory_mib: Annotated[int, msgspec.Meta(ge=SMALLEST_HEAP_MIB)] = SMALLEST_HEAP_MIB
    spark_port: Port = 7077
    spark_web_port: Port = 8081
    spark_workers: Count = 2
    spark_worker_port: Port = 7078
    """Of the first worker; each takes two ports, the next ones after those."""
    spark_worker_memory_mib: Memory = 2_048
    airflow_port: Port = 8088
    api_port: Port = 8080
    speed_processes: Count = 2
    speed_port: Port = 9464
    """Of the first daemon; the others take the next ones."""
    sinks_port: Port = 9474
    partitions: Count = 4
    schedule: str | None = None
    """How often everything is recomputed; empty: when it is asked for; None: monthly, from when somebody unpauses Airflow's DAGs."""
    wiki: str = ""
    """The wiki that requests mean which name none."""


@app.command()
def up(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Start everything, in the background, and wait until it answers; where it runs already, nothing is done."""
    folder = _folder(home)
    found = status(folder)
    if found is None or not _lives(found.pid):
        settings(home)  # a mistake in it is told here
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "status.json").unlink(missing_ok=True)
        with (folder / "supervisor.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "stack", "supervise", "--home", str(home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _await(folder, process)
    _show(home, json)


@app.command()
def down(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Stop everything in order; what is stored stays."""
    found = status(_folder(home))
    if found is None or not _lives(found.pid):
        print_outcome({"stopped": False}, "nothing runs", json=json)
        return
    os.kill(found.pid, signal.SIGTERM)
    end = time.monotonic() + SECONDS_TO_END
    while _lives(found.pid):
        if time.monotonic() > end:
            message = f"process {found.pid} did not end within {SECONDS_TO_END} s; see {_folder(home)}/supervisor.log"
            raise Failure(message)
        time.sleep(0.2)
    print_outcome({"stopped": True}, "stopped", json=json)


@app.command("status")
def status_(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Show every server: how it is, how often it was started again, where its log lies."""
    _show(home, json)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A server, as `stack status` calls it.")],
    lines: Annotated[int, typer.Option(min=1, help="So many of the last.")] = LINES,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print the end of a server's log."""
    found = status(_folder(home))
    paths = {state.name: Path(state.log) for state in found.servers} if found else {}
    if name not in paths:
        message = f"no server {name!r}; there are {', '.join(paths) or 'none'}"
        raise Failure(message)
    text = paths[name].read_text(encoding="utf-8", errors="replace") if paths[name].exists() else ""
    for line in text.splitlines()[-lines:]:
        out.print(line, markup=False, highlight=False)


@app.command(hidden=True)
def supervise(home: HomeOption = DEFAULT_HOME) -> None:
    """Be the process in the background."""
    place = home.expanduser().resolve()
    made = settings(place)
    folder = _folder(place)
    topic = f"kafka://{made.host}:{made.kafka_port}/wikibraid"
    keyspace = f"cassandra://{made.host}:{made.cassandra_port}/wikibraid"

    def after(stage: int) -> None:
        if stage == 0:
            words = ["--log", topic, "--store", keyspace, "--partitions", str(made.partitions)]
            subprocess.run(_wikibraid(place, "init", *words), check=True, env=_variables(place))

    try:
        Supervisor(folder, os.getpid(), servers(place, made)).run(after)
    except (ServerError, subprocess.CalledProcessError) as error:
        raise Failure(str(error)) from error


def settings(home: Path) -> StackSettings:
    """What stack.yaml says.

    Raises:
        Failure: it can't be used.
    """
    path = home.expanduser() / "stack.yaml"
    made = parsed(path, StackSettings) if path.exists() else StackSettings()
    taken: dict[int, str] = {}
    for what, port in _ports(made):
        if (other := taken.setdefault(port, what)) != what:
            why = f"port {port} is wanted for {other} and for {what}; give each a port of its own"
            raise mistaken(path, why, what.partition(" ")[0])
        if port > LARGEST_PORT:
            raise mistaken(path, f"{what} is {port}; ports end with {LARGEST_PORT}", what.partition(" ")[0])
    if made.schedule and not _SCHEDULE.fullmatch(made.schedule):
        why = f"{made.schedule!r} is no schedule of Airflow; write the five fields of cron, or one such as @weekly"
        raise mistaken(path, why, "schedule")
    return made


def _ports(made: StackSettings) -> list[tuple[str, int]]:
    """What listens where, by the names of the settings."""
    several = {
        "spark_worker_port": 2 * made.spark_workers,
        "speed_port": made.speed_processes,
    }
    found = []
    for name, first in msgspec.structs.asdict(made).items():
        if name.endswith("_port"):
            more = [(f"{name} + {further}", first + further) for further in range(1, several.get(name, 1))]
            found += [(name, first), *more]
    return found


def servers(home: Path, made: StackSettings) -> list[list[tuple[str, Server]]]:
    """The servers in the stages in which they start."""
    master = SparkMaster(_spark(home, made, "spark-master", made.spark_port, made.spark_web_port))
    airflow_server, scheduler, processor = parts(airflow_settings(home, made))
    return [
        [
            ("kafka", KafkaBroker(_kafka(home, made))),
            ("cassandra", CassandraNode(_cassandra(home, made))),
            ("spark-master", master),
        ],
        [*_spark_workers(home, made, master.address), *_programs(home, made)],
        [("airflow-api-server", airflow_server)],
        [("airflow-scheduler", scheduler), ("airflow-dag-processor", processor)],
    ]


def _kafka(home: Path, made: StackSettings) -> BrokerSettings:
    return BrokerSettings(
        folder=_folder(home) / "kafka",
        jars=_JARS / "kafka",
        host=made.host,
        port=made.kafka_port,
        controller_port=made.kafka_controller_port,
        heap_mib=made.kafka_memory_mib,
    )


def _cassandra(home: Path, made: StackSettings) -> NodeSettings:
    return NodeSettings(
        folder=_folder(home) / "cassandra",
        jars=_JARS / "cassandra",
        host=made.host,
        port=made.cassandra_port,
        storage_port=made.cassandra_storage_port,
        heap_mib=made.cassandra_memory_mib,
    )


def _spark(home: Path, made: StackSettings, name: str, port: int, web_port: int) -> SparkSettings:
    folder = _folder(home)
    return SparkSettings(
        folder=folder / name, configuration=folder / "spark", host=made.host, port=port, web_port=web_port
    )


def _spark_workers(home: Path, made: StackSettings, master: str) -> Iterator[tuple[str, Server]]:
    for number in range(made.spark_workers):
        name, port = f"spark-worker-{number + 1}", made.spark_worker_port + 2 * number
        of_it = _spark(home, made, name, port, port + 1)
        yield name, SparkWorker(of_it, master, memory_mib=made.spark_worker_memory_mib)


def _programs(home: Path, made: StackSettings) -> Iterator[tuple[str, Server]]:
    """Our own."""

    def program(name: str, what: str, port: int, *words: str) -> tuple[str, Server]:
        of_it = Program(
            name=what,
            folder=_folder(home) / name,
            command=_wikibraid(home, *words, "--host", made.host, "--port", str(port)),
            host=made.host,
            port=port,
            path="/health/live",
            variables=_variables(home),
        )
        return name, ProgramServer(of_it)

    yield program("api", "the API", made.api_port, "serve", "--wiki", made.wiki)
    for number in range(made.speed_processes):
        share = f"{number + 1}/{made.speed_processes}"
        port, words = made.speed_port + number, ("speed", "daemon", "--share", share)
        yield program(f"speed-{number + 1}", f"speed daemon {share}", port, *words)
    if (home / "sinks.yaml").exists():
        yield program("sinks", "the sinks", made.sinks_port, "sinks", "daemon")


def airflow_settings(home: Path, made: StackSettings) -> AirflowSettings:
    """Airflow's part of the stack."""
    return AirflowSettings(
        folder=_folder(home) / "airflow",
        dags=ROOT / "dags",
        host=made.host,
        port=made.airflow_port,
        variables={
            **_variables(home),
            **({} if made.schedule is None else {"WIKIBRAID_SCHEDULE": made.schedule}),
            "SPARK_CONF_DIR": str(_folder(home) / "spark"),
            "SPARK_MASTER": f"spark://{made.host}:{made.spark_port}",
            "WIKIBRAID_COMMAND": str(Path(sys.executable).with_name("wikibraid")),
        },
    )


def _wikibraid(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *words, "--home", str(home)]


def _variables(home: Path) -> dict[str, str]:
    return {"WIKIBRAID_HOME": str(home), "PYTHONPATH": str(ROOT)}


def _folder(home: Path) -> Path:
    return home.expanduser().resolve() / "stack"


def _await(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until all servers are up.

    Raises:
        Failure: the supervisor ended, or they don't come up in time.
    """
    end = time.monotonic() + SECONDS_TO_BE_UP
    with meter("starting") as progress:
        while (found := status(folder)) is None or not found.ready:
            if process.poll() is not None:
                said = (folder / "supervisor.log").read_text(errors="replace").strip().splitlines()
                message = f"the stack could not be started: {said[-1] if said else 'nothing was said'}"
                raise Failure(message)
            if time.monotonic() > end:
                message = f"not all servers were up after {SECONDS_TO_BE_UP} s; `wikibraid stack status` shows which"
                raise Failure(message)
            if found is not None:
                waiting = [state.name for state in found.servers if state.state == "starting"]
                progress.say(f"starting {', '.join(waiting)}")
            time.sleep(0.2)


def _show(home: Path, json: bool) -> None:
    folder = _folder(home)
    found = status(folder)
    if found is None or not _lives(found.pid):
        message = "nothing runs; `wikibraid stack up` starts everything"
        raise Failure(message, CANNOT_KNOW)
    rows: list[dict[str, object]] = [
        {"server": state.name, "state": state.state, "restarts": state.restarts, "log": state.log}
        for state in found.servers
    ]
    if json:
        print_json([row | {"told": state.told} for row, state in zip(rows, found.servers, strict=True)])
        return
    print_records(rows)
    for state in found.servers:
        if state.told:
            out.print(f"{state.name} was down. {state.told}", markup=False)
    made = settings(home)
    secret = password(airflow_settings(home.expanduser().resolve(), made)) if found.ready else "…"
    out.print(f"Airflow: http://{made.host}:{made.airflow_port} (admin, {secret})", markup=False)
    out.print(f"API: http://{made.host}:{made.api_port}/docs", markup=False)


def _lives(pid: int) -> bool:
    with suppress(OSError):  # it is gone
        return "cli.main" in Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return False
