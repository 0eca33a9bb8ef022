"""Three lines of sinks.yaml bring a merged table to where it is wanted, and keep it; mistakes are told with file and line."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

from cli.failures import BUSY, CANNOT_KNOW, Failure
from cli.home import Home
from cli.main import app
from cli.reading import replay
from serving.cassandra_session import Address, connected
from serving.reader import Reader
from shared_logic.fingerprint import fingerprint
from shared_logic.generations import DatasetGeneration
from shared_logic.laws import load_generation, states_before
from shared_logic.registry import registry
from shared_logic.sinks import public_table
from speed.ingest import ingest
from speed.kafka_log import Topic
from stack.cassandra_node import CassandraNode
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.e2e.commands import ran
from tests.servers import free_ports
from tests.sinks.readers import newest, plain

pytestmark = pytest.mark.e2e
NAME = "daily_edits"
ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


def run(home: Path, *words: str) -> str:
    return ran(*words, "--home", str(home)).stdout


def load(home: Path, begin: int, end: int, name: str) -> list[DatasetGeneration]:
    """Bring these events in, make a generation of all so far, and publish it."""
    chain = registry.closure([NAME])
    place = Home(home)
    with place.log() as log, place.store() as store:
        ingest(log, f"events {begin}", list(sample.events()[begin:end]))
        cut = log.ends()
        lanes = load_generation(store, chain, states_before(log, cut, {}), cut, name)
        for dataset, made in lanes:
            store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
            store.publish(dataset.name, made.number)
        return lanes


def go_on(home: Path, lanes: list[DatasetGeneration], begin: int, end: int) -> None:
    """Bring these events in and let speed apply them."""
    place = Home(home)
    with place.log() as log, place.store() as store:
        ingest(log, f"events {begin}", list(sample.events()[begin:end]))
        replay(log, store, lanes)


def served(home: Path) -> Rows:
    table = public_table(registry[NAME])
    with Home(home).store() as store:
        return ordered([table.record(row) for row in Reader(store).scan(registry[NAME]).rows])


def ordered(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


def in_delta(folder: Path) -> Rows:
    rows = DeltaTable(str(folder)).to_pyarrow_table().to_pylist()
    return ordered([{name: plain(value) for name, value in row.items()} for row in rows])


def test_three_lines_make_a_sink_that_can_be_brought_to_now(tmp_path: Path) -> None:
    home, lake = tmp_path / "home", tmp_path / "lake"
    home.mkdir()
    # given nothing that is published, and then a generation
    (home / "sinks.yaml").write_text(f"edits:\n  dataset: {NAME}\n  to: delta://{lake}\n")
    with pytest.raises(Failure) as nothing:
        run(home, "sinks", "deliver")
    assert nothing.value.code == CANNOT_KNOW
    lanes = load(home, 0, 1_500, "one")
    # when all is delivered, and then what the events of an hour have changed
    (first,) = json.loads(run(home, "sinks", "deliver", "--json"))
    assert in_delta(lake) == served(home) != []
    go_on(home, lanes, 1_500, 1_700)
    (second,) = json.loads(run(home, "sinks", "deliver", "edits", "--json"))
    # then the table is what readers read, and only changes were written
    assert in_delta(lake) == served(home)
    assert 0 < second["put"] + second["deleted"] < first["put"]
    (listed,) = json.loads(run(home, "sinks", "list", "--json"))
    assert listed["mark"] == second["mark"] != first["mark"]
    # and the change feed tells the same
    lines = [json.loads(line) for line in run(home, "changes", NAME, "--since", first["mark"]).splitlines()]
    assert sum("put" in line for line in lines) == second["put"]
    assert lines[-1] == {"mark": second["mark"]}
    # and a flip and a rollback are followed
    load(home, 1_700, 2_500, "two")
    for number in ("2", "1"):
        run(home, "generations", "publish", NAME, number)
        run(home, "sinks", "deliver")
        assert in_delta(lake) == served(home)
    schemas = json.loads(run(home, "sinks", "schema", "edits"))
    assert schemas["key"]["required"] == list(registry[NAME].schema.key_names)


@pytest.mark.kafka
@pytest.mark.cassandra
def test_the_daemon_keeps_all_kinds_over_kills_and_servers_that_stay_away(
    tmp_path: Path, broker: KafkaBroker, node: CassandraNode
) -> None:
    seed = int(os.environ.get("WIKIBRAID_SEED", random.randrange(1 << 30)))
    sys.stderr.write(f"WIKIBRAID_SEED={seed}\n")  # shown where the test fails
    rng = random.Random(seed)
    home, lake = tmp_path / "home", tmp_path / "lake"
    home.mkdir()
    keyspace, topic = f"sinks_{seed}", f"sinks-{seed}"
    (nobody,) = free_ports(1)
    (home / "sinks.yaml").write_text(
        f"""
in_cassandra:
  dataset: {NAME}
  to: cassandra://127.0.0.1:{node.settings.port}/{keyspace}
in_kafka:
  dataset: {NAME}
  to: kafka://{broker.address}/{topic}
in_delta:
  dataset: {NAME}
  to: delta://{lake}
  seconds: 1
nowhere:
  dataset: {NAME}
  to: cassandra://127.0.0.1:{nobody}/none
"""
    )
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "cli.main", "sinks", "daemon", "--port", str(port), "--home", str(home)]

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stderr=(home / "daemon.log").open("ab"))

    # given a daemon that is killed while events, a flip and a rollback come
    lanes = load(home, 0, 800, "one")
    process = started()
    try:
        for step, begin in enumerate(range(800, 2_400, 400)):
            go_on(home, lanes, begin, begin + 400)
            time.sleep(3 + 2 * rng.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = started()
            if step == 1:
                newer = load(home, 2_400, 2_401, "two")
            if step == 2:
                replay_all(home, newer)
        run(home, "generations", "publish", NAME, "1")
        time.sleep(3)
        with pytest.raises(Failure) as busy:
            run(home, "sinks", "deliver", "in_delta")
        assert busy.value.code == BUSY
        # then in the end every sink that answers has what readers read
        wanted = served(home)
        address = Address(("127.0.0.1",), node.settings.port, keyspace)
        end = time.monotonic() + 60
        while not (
            in_delta(lake) == wanted
            and in_kafka(Topic(broker.address, topic)) == wanted
            and in_cassandra(address) == wanted
        ):
            assert time.monotonic() < end, (home / "daemon.log").read_text()
            time.sleep(1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        assert 'wikibraid_sink_failing{sink="in_kafka"} 0.0' in metrics
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=90) == 0
    assert "nowhere: Cassandra at 127.0.0.1" in (home / "daemon.log").read_text()


def replay_all(home: Path, lanes: list[DatasetGeneration]) -> None:
    place = Home(home)
    with place.log() as log, place.store() as store:
        replay(log, store, lanes)


def in_kafka(topic: Topic) -> Rows:
    kinds = {column.name: column.type for column in registry[NAME].schema.columns}
    values = [msgspec.json.decode(value) for value in newest(topic).values() if value is not None]
    return ordered([{name: msgspec.convert(v, kinds[name]) for name, v in row.items()} for row in values])


def in_cassandra(address: Address) -> Rows:
    """As a plain client reads it."""
    names = public_table(registry[NAME]).names
    with connected(address) as cql:
        rows = cql.rows(f"SELECT {', '.join(names)} FROM {address.keyspace}.{NAME}")
        return ordered([dict(zip(names, map(plain, row), strict=True)) for row in rows])


@pytest.mark.parametrize(
    "name,text,told",
    [
        ("sinks.yaml", "a:\n  dataset: nothing\n  to: delta:///x\n", r"line 2: a: no dataset 'nothing'"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: ftp://x\n", r"line 3: a: 'ftp://x' is no sink; write cass"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: kafka://h:99999/x\n", r"line 3: a: .*write kafka://HOST:PORT"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta://here\n", r"line 3: .*delta:///path/to/folder"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n", r"line 2: a: to is missing"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x\n  secs: 3\n", r"line 4: a: there is no secs; did you mean seconds\?"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x\n  seconds: 0\n", r"line 4: a: seconds must be"),
        ("sinks.yaml", f"a: &a\n  dataset: {NAME}\n  to: delta:///x\nb: *a\n", r"line \d: b writes to where a writes to"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: kafka://h/x\nb:\n  dataset: {NAME}\n  to: kafka://h:9092/x\n", r"line 6: b writes"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x\na:\n", r"line 4: a stands here a second time"),
        ("sinks.yaml", "a:\n  dataset: user_by_name\n  to: delta:///x\n", r"line 3: a: the key of user_by_name is private"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x\nb:\n  dataset: page_current\n  to: delta:///x/y\n", r"line 6: b writes to"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x/y\nb:\n  dataset: page_current\n  to: delta:///x\n", r"line 6: b writes to"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: delta:///x\nb:\n  dataset: page_current\n  to: delta:///z/../x\n", r"line 6: b writes"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: kafka://localhost/x\nb:\n  dataset: {NAME}\n  to: kafka://127.0.0.1/x\n", r"line 6: b"),
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: cassandra://localhost/x\nb:\n  dataset: {NAME}\n  to: cassandra://127.0.0.1/x\n", r"line 6"),
        ("sinks.yaml", "a:\n  dataset: mediawiki_history\n  to: delta:///x\n", r"line 2: a: mediawiki_history is a view.*revision_facts"),
        ("sinks.yaml", "a: 1\n[b]: 1\n", r"line 2: a name is wanted before the colon"),
        ("sinks.yaml", "a: &a\n  b:\n    c: *a\n", r"line 1: what stands here is named again within itself"),
        ("sinks.yaml", "- a\n", r"line 1: names with what belongs to each are wanted"),
        ("streams.yaml", "s:\n  schema_title: nothing\n", r"line 2: s: nothing reads the schema nothing"),
        ("streams.yaml", "", r"line 1: no stream is named"),
        ("wikibraid.yaml", "log: kafka\n", r"wikibraid\.yaml, line 1: log: 'kafka' is no address"),
        ("wikibraid.yaml", "log: embedded\nstore: kafka\n", r"line 2: store: 'kafka' is no address"),
        ("wikibraid.yaml", "datasets:\n  Nothing: {a: 1}\n", r"line 2: datasets: no dataset has settings Nothing"),
        ("wikibraid.yaml", "datasets:\n  SimilarUsersSettings:\n    anonymous: true\n    window: x\n", r"line 4: datasets: SimilarUsersSettings: window: a whole number is wanted, and this is text"),
        ("wikibraid.yaml", "datasets:\n  SimilarUsersSettings:\n    anonymous: true\n    windo: 1\n", r"line 4: datasets: SimilarUsersSettings: there is no windo; did you mean window\?"),
        ("access.yaml", "alice: {sha256: x, roles: []}\n", r"access\.yaml, line 1: alice: "),
        ("stack.yaml", "kafka_port: x\n", r"stack\.yaml, line 1: kafka_port: a whole number is wanted, and this is text"),
        ("stack.yaml", "- kafka_port\n", r"stack\.yaml, line 1: names with what belongs to each are wanted, and this is a list"),
        ("stack.yaml", "wiki: 5\nschedule: 7\n", r"line 1: wiki: text is wanted, and this is a whole number"),
        ("stack.yaml", "wiki: w\nschedule: 7\n", r"line 2: schedule: text or nothing is wanted, and this is a whole number"),
        ("stack.yaml", "wiki: w\nnonsense: 7\n", r"line 2: there is no nonsense, but host, kafka_port, .* wiki$"),
        ("streams.yaml", "s:\n  schema_title: x\n  topics: [a, 1]\n", r"line 3: s: topics\.1: text is wanted, and this is a whole"),
        ("streams.yaml", "s:\n  schema_title: x\n  public: no way\n", r"line 3: s: public: true or false is wanted, and this is text"),
        ("wikibraid.yaml", "stroe: embedded\n", r"line 1: there is no stroe; did you mean store\?"),
        ("access.yaml", "alice: {sha: x, roles: []}\n", r"line 1: alice: there is no sha; did you mean sha256\?"),
        ("stack.yaml", "speed_processes: 2\nspeed_port: 65535\n", r"line 2: speed_port \+ 1 would be port 65536"),
        ("stack.yaml", "kafka_port: 9000\ncassandra_port: 9000\n", r"line 2: port 9000 is wanted for kafka_port and for"),
        ("stack.yaml", "kafka_port: 9000\nschedule: sometimes\n", r"line 2: schedule: 'sometimes' is none that Airflow knows"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_and_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    done = CliRunner().invoke(app, ["config", "check", "--home", str(tmp_path)])
    assert isinstance(done.exception, Failure)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert str(tmp_path / name) in line
    assert re.search(told, line), line


@pytest.mark.parametrize(
    "name,lines",
    [
        ("sinks.yaml", f"a:\n  dataset: {NAME}\n  to: {{}}\n"),
        ("wikibraid.yaml", "log: {}\n"),
        ("wikibraid.yaml", "store: {}\n"),
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "kafka://u:s3cret@host:9092/topic",
        "kafka://host:9092,u:s3/cr@et@host/topic",
        "cassandra://u:s3cret@host/keyspace",
        "delta://u:s3cret@host/folder",
        "ftp://u:s3cret@host/x",
        "u:s3cret@host:9092",
    ],
)
def test_passwords_in_addresses_are_not_repeated(tmp_path: Path, name: str, lines: str, address: str) -> None:
    (tmp_path / name).write_text(lines.format(address))
    for words in (["config", "check"], ["sinks", "list"], ["stack", "up"]):
        done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
        told = f"{done.output}{done.exception}"
        assert done.exit_code == 1, told
        assert words == ["stack", "up"] or re.search(r"(//|')…@host", told), told
        assert "s3" not in told


@pytest.mark.parametrize(
    "variable,content,told",
    [
        ("WIKIBRAID_KAFKA_OPTIONS", "sasl.password\n", "line 1 .*: write name=value"),
        ("WIKIBRAID_KAFKA_OPTIONS", "nothing=1\n", 'No such configuration property: "nothing"'),
        ("WIKIBRAID_KAFKA_OPTIONS", "security.protocol=SASL_SSL\nsasl.mechanism=NONE\n", "Unsupported SASL mechanism"),
        ("WIKIBRAID_DATABASE_PASSWORD", None, r"can't be read \(No such file"),
    ],
)  # fmt: skip
def test_what_variables_name_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None, told: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    done = CliRunner().invoke(app, ["config", "check", "--home", str(tmp_path / "home")])
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert line.startswith(f"✗ {path}")
    assert re.search(told, line), line


@pytest.mark.parametrize("schedule", ["", "@weekly", "0 5 * * 1"])
def test_schedules_are_airflows(tmp_path: Path, schedule: str) -> None:
    (tmp_path / "stack.yaml").write_text(f'schedule: "{schedule}"\n')
    run(tmp_path, "config", "check")


@pytest.mark.parametrize(
    "to,what",
    [
        ("kafka://localhost:9092/events", "the log"),
        ("kafka://other:9092,KAFKA2/events", "the log"),
        ("cassandra://127.0.0.1/braid", "the store"),
        ("delta://{home}", "the home"),
        ("delta://{home}/archive", "the home"),
        ("delta://{home}/../home/delta/daily_edits/", "the home"),
        ("delta://{home}/..", "the home"),
    ],
)
def test_no_sink_writes_to_wikibraids_own_data(tmp_path: Path, to: str, what: str) -> None:
    # given a home on servers, and a sink that aims at the log, the store or the home
    home = tmp_path / "home"
    home.mkdir()
    (home / "wikibraid.yaml").write_text(
        "log: kafka://127.0.0.1:9092,kafka2:9092/events\nstore: cassandra://localhost:9042/braid\n"
    )
    (home / "sinks.yaml").write_text(f"a:\n  dataset: {NAME}\n  to: {to.format(home=home)}\n")
    # then it is refused by whoever looks for mistakes, and by whoever delivers
    told = rf"sinks\.yaml, line 3: a would write to where {what}.* lies"
    checked = CliRunner().invoke(app, ["config", "check", "--home", str(home)])
    assert re.search(told, checked.stdout)
    with pytest.raises(Failure, match=told):
        run(home, "sinks", "deliver")
    assert not (home / "archive").exists()


@pytest.mark.parametrize(
    "to", ["kafka://127.0.0.1:9092/other", "kafka://other:9092/events", "cassandra://localhost/other"]
)
def test_sinks_may_be_on_the_servers_of_the_log_and_the_store(tmp_path: Path, to: str) -> None:
    (tmp_path / "wikibraid.yaml").write_text(
        "log: kafka://127.0.0.1:9092/events\nstore: cassandra://localhost:9042/braid\n"
    )
    (tmp_path / "sinks.yaml").write_text(f"a:\n  dataset: {NAME}\n  to: {to}\n")
    assert run(tmp_path, "config", "check").count("✓") == 8


@pytest.mark.parametrize(
    "name", ["sinks.yaml", "streams.yaml", "stack.yaml", "wikibraid.yaml", "access.yaml"]
)
def test_a_file_that_is_no_utf_8_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("# here\n# Zoë\n".encode("latin-1"))
    checked = CliRunner().invoke(app, ["config", "check", "--home", str(tmp_path)])
    assert isinstance(checked.exception, Failure)
    assert f"✗ {tmp_path / name}, line 2: no text in UTF-8" in checked.stdout


@pytest.mark.parametrize("words", [("sinks", "daemon"), ("ingest", "live"), ("speed", "daemon")])
def test_a_port_that_is_taken_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "sinks.yaml").write_text(f"a:\n  dataset: {NAME}\n  to: delta:///x\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "cli.main", *words, "--port", port, "--home", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "give another --port" in done.stderr


@pytest.mark.parametrize(
    "document,example",
    [
        ("docs/operations.md", r"^## Sinks$.*?^```yaml\n(.*?)^```"),
        ("conf/sinks.yaml", r"^#\n((?:#   [^\n]*\n){3})#\n"),
    ],
)
def test_the_sink_that_documents_show_can_be_used(tmp_path: Path, document: str, example: str) -> None:
    found = re.search(example, (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    # given the lines as they stand there, but for the sign of a comment before them
    (tmp_path / "sinks.yaml").write_text(re.sub(r"^#   ", "", found[1], flags=re.MULTILINE))
    # then nothing is wrong with them
    run(tmp_path, "config", "check")
    (listed,) = json.loads(run(tmp_path, "sinks", "list", "--json"))
    assert listed["to"].startswith("cassandra://")


def test_what_is_right_is_told_too(tmp_path: Path) -> None:
    assert run(tmp_path, "config", "check").count("✓") == 8
