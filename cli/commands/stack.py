"""The commands that run a whole installation on one machine: Kafka, Cassandra, Spark, Airflow, the API, the speed daemons."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli.configuration import configuration, parsed_entries
from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption
from cli.output import meter, out, print_json, print_outcome, print_records, tell
from cli.sinks import Own, Setting, outputs_of
from cli.stack_places import follow, moved, places
from cli.stack_settings import StackSettings, port_names, settings
from serving.cassandra_session import Address
from speed.kafka_log import Topic
from stack.airflow import ADMIN, AirflowSettings, environment, is_made, parts, passwords_file, program
from stack.cassandra_node import CassandraNode, NodeSettings
from stack.kafka_broker import BrokerSettings, KafkaBroker
from stack.process import Program, ProgramServer
from stack.server import Server, ServerError
from stack.spark_cluster import SparkMaster, SparkSettings, SparkWorker
from stack.supervisor import Status, Supervisor, note, status

app = typer.Typer(help="A whole installation on this machine, without containers.", no_args_is_help=True)
ROOT = Path(__file__).parents[2]
_JARS = ROOT / ".tools"
SECONDS_TO_BE_UP = 300
SECONDS_TO_END = 180
SECONDS_BETWEEN_LOOKS = 0.01
LINES = 40


@app.command()
def up(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Start everything, in the background, and wait until it answers; where it runs already, nothing is done."""
    place = home.expanduser().resolve()
    folder, made = _folder(place), settings(place)
    # What is wrong in a file is told before anything is made or started.
    found = moved(place, made)
    if (place / "sinks.yaml").exists():
        lie = places(made)
        outputs_of(place / "sinks.yaml", Own(place, Topic.of(lie["log"]), Address.of(lie["store"])))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        message = f"{folder} can't be made ({error.strerror}); name another place with --home"
        raise Failure(message) from error
    with _starting(folder):
        pid = _pid(place)
        if pid is None:
            for line in follow(place, found):
                tell(line)
            pid = _supervisor(place, folder)
    _await(place, pid)
    _show(home, json)


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Of several `up` at a time one starts, and the others find what it has started."""
    with (folder / ".up.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _supervisor(home: Path, folder: Path) -> int:
    """Start the process in the background; its id, by which `down` finds it from now on, however little of it has begun."""
    with (folder / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *_supervising(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # While Linux still makes the process it has no words, and would be taken for another one.
    while process.poll() is None and not _words(process.pid):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    note(folder, Status(pid=process.pid, ready=False, servers=()))
    return process.pid


@app.command()
def down(home: HomeOption = DEFAULT_HOME, json: JsonOption = False) -> None:
    """Stop everything in order; what is stored stays."""
    pid = _pid(home)
    if pid is None:
        print_outcome({"stopped": False}, "nothing runs", json=json)
        return
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + SECONDS_TO_END
    while _pid(home) == pid:
        if time.monotonic() > end:
            message = (
                f"process {pid} did not end within {SECONDS_TO_END} s; see {_folder(home)}/supervisor.log"
            )
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


# Airflow's own help is what is asked for with --help.
@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
def airflow(
    words: Annotated[
        list[str], typer.Argument(metavar="ARGS...", help="As of the program airflow, options too.")
    ],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Run Airflow's own command line over the stack's Airflow, such as `dags unpause NAME`."""
    place = home.expanduser().resolve()
    told = airflow_settings(place, settings(place))
    if not is_made(told):
        message = (
            f"no stack was made in {place}: `wikibraid stack up` makes one, or name its place with --home"
        )
        raise Failure(message)
    sys.stdout.flush()
    os.execve(program(), ["airflow", *words], {**os.environ, **environment(told)})  # noqa: S606  no shell is meant


@app.command(hidden=True)
def supervise(home: HomeOption = DEFAULT_HOME) -> None:
    """Be the process in the background."""
    place = home.expanduser().resolve()
    made = settings(place)
    folder = _folder(place)
    lie = places(made)

    def after(stage: int) -> None:
        if stage == 0:
            words = ["--log", lie["log"], "--store", lie["store"], "--partitions", str(made.partitions)]
            _run(_wikibraid(place, "init", *words), _variables(place))

    try:
        Supervisor(folder, os.getpid(), servers(place, made), _configured(place)).run(after)
    except ServerError as error:
        raise Failure(str(error)) from error


def _configured(home: Path) -> dict[str, Any]:
    """By file what the servers of a stack are told when they start, and don't look at again.

    Raises:
        Failure: it can't be used.
    """
    sinks = home / "sinks.yaml"
    told = {
        "stack.yaml": settings(home),
        "sinks.yaml": parsed_entries(sinks, Setting).entries if sinks.exists() else None,
        # Where log and store lie is known from stack.yaml, and written there only when the servers are up.
        "wikibraid.yaml": configuration(home / "wikibraid.yaml").datasets,
    }
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return found


def _say_changes(home: Path, at_start: Mapping[str, Any]) -> None:
    """Say so where servers that run were told something else than what the files say now."""
    if not at_start:
        return
    try:
        now = _configured(home)
    except Failure as failure:
        tell(f"configuration changed since the start, and can't be used: {failure}")
        return
    if changed := [name for name in now if now[name] != at_start.get(name)]:
        tell(
            f"configuration changed since the start ({', '.join(changed)}): `wikibraid stack down`, then `up`"
        )


def _run(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run one of our commands to its end.

    Raises:
        Failure: it failed, and said that.
    """
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        message = (
            said[-1].removeprefix("wikibraid: ")
            if said
            else f"{shlex.join(command)} ended with {done.returncode}"
        )
        raise Failure(message)


def servers(home: Path, made: StackSettings) -> list[list[tuple[str, Server]]]:
    """The servers in the stages in which they start."""
    master = SparkMaster(_spark(home, made, "spark-master", made.spark_port, made.spark_web_port))
    api_server, execution_api, scheduler, processor = parts(airflow_settings(home, made))
    stages: list[list[tuple[str, Server]]] = [
        [
            ("kafka", KafkaBroker(_kafka(home, made))),
            ("cassandra", CassandraNode(_cassandra(home, made))),
            ("spark-master", master),
        ],
        [*_spark_workers(home, made, master.address), *_programs(home, made)],
        [("airflow-api-server", api_server), ("airflow-execution-api", execution_api)],
        [("airflow-scheduler", scheduler), ("airflow-dag-processor", processor)],
    ]
    for _, server in chain.from_iterable(stages):
        server.port_names = port_names(home, made)
    return stages


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
        port, words = made.speed_port + number, ["speed", "daemon", "--share", share]
        words += [f"--without={paused}" for paused in made.paused]
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
        execution_port=made.airflow_execution_port,
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


def _await(home: Path, pid: int) -> None:
    """Wait until all servers are up.

    Raises:
        Failure: the supervisor ended, or they don't come up in time.
    """
    folder = _folder(home)
    end = time.monotonic() + SECONDS_TO_BE_UP
    said = ""
    with meter("starting") as progress:
        while (found := status(folder)) is None or not found.ready:
            if _pid(home) != pid:
                lines = (folder / "supervisor.log").read_text(errors="replace").strip().splitlines()
                why = lines[-1].removeprefix("wikibraid: ") if lines else "nothing was said"
                message = f"the stack could not be started: {why}"
                raise Failure(message)
            if time.monotonic() > end:
                message = f"not all servers were up after {SECONDS_TO_BE_UP} s; `wikibraid stack status` shows which"
                raise Failure(message)
            starting = [state.name for state in found.servers if state.state == "starting"] if found else []
            if starting and (line := f"starting {', '.join(starting)}") != said:
                progress.say(line)
                said = line
            time.sleep(0.2)


def _show(home: Path, json: bool) -> None:
    folder = _folder(home)
    found = status(folder)
    if found is None or _pid(home) is None:
        message = "nothing runs; `wikibraid stack up` starts everything"
        raise Failure(message, CANNOT_KNOW)
    _say_changes(home.expanduser().resolve(), found.configured)
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
    at_start = found.configured.get("stack.yaml")
    made = settings(home) if at_start is None else msgspec.convert(at_start, StackSettings)
    secret = passwords_file(airflow_settings(home.expanduser().resolve(), made))
    out.print(
        f"Airflow: http://{made.host}:{made.airflow_port} ({ADMIN}, with the password in {secret})",
        markup=False,
    )
    out.print(f"API: http://{made.host}:{made.api_port}/docs", markup=False)


def _supervising(home: Path) -> list[str]:
    """The words of the command that is the process in the background."""
    return ["stack", "supervise", "--home", str(home.expanduser().resolve())]


def _pid(home: Path) -> int | None:
    """Of the home's supervisor; None: there is none. Another process may have got the id of one that was killed."""
    found = status(_folder(home))
    if found is None:
        return None
    return found.pid if _words(found.pid)[-4:] == _supervising(home) else None


def _words(pid: int) -> list[str]:
    """Of a process' command line; none of one that is gone, or only begins."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    return []
