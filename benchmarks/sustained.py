"""Events through Kafka, Bytewax and Cassandra at a steady rate: whether it holds, how fresh rows are, and whether memory stays flat.

`python -m benchmarks.sustained [EVENTS_A_SECOND] [SECONDS]`. Servers and a daemon run on this machine, each in its own process. Events are
produced when they are due, whether or not earlier ones are in the tables; each bears the time at which it was due. A reader looks every
100 ms how far the tables are: an event's age at the first look at which it is included is its freshness, so that a rate that does not hold
shows as an age that grows. Half of the edits are on pages that were edited shortly before, half on any of `PAGES`; the daemon has the memory
that it has by default, so that it reads many of these pages anew.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import shared_logic.datasets  # noqa: F401  registers the datasets
from benchmarks.result import Result
from benchmarks.story import WIKI, edits_in_bursts, event
from cli.home import Home
from serving.cassandra_keyspace import create_store
from serving.cassandra_session import Address, connected
from shared_logic.fingerprint import fingerprint
from shared_logic.laws import load_generation
from shared_logic.partitions import PARTITIONS, partition
from shared_logic.protocols import Message
from shared_logic.registry import registry
from speed.kafka_log import KafkaLog, Topic, create_topic
from stack.cassandra_node import CassandraNode, NodeSettings
from stack.kafka_broker import BrokerSettings, KafkaBroker

TOOLS = Path(__file__).parents[1] / ".tools"
RATE, SECONDS = 5_000, 120
DATASETS = ("editor_days", "identity_reverts")
KAFKA_PORT, CONTROLLER_PORT, CASSANDRA_PORT, STORAGE_PORT, DAEMON_PORT = (
    29_092,
    29_093,
    29_042,
    27_000,
    29_464,
)
PAGES = 1_500_000
TICK = 0.25
"""Seconds between appends of the producer: each waits until what it sent is on disk."""
LOOK = 0.1


def results(rate: int = RATE, seconds: int = SECONDS) -> Iterator[Result]:
    """One rate, held for so many seconds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        place = Path(folder)
        kafka = BrokerSettings(
            folder=place / "kafka", jars=TOOLS / "kafka", port=KAFKA_PORT, controller_port=CONTROLLER_PORT
        )
        cassandra = NodeSettings(
            folder=place / "cassandra",
            jars=TOOLS / "cassandra",
            port=CASSANDRA_PORT,
            storage_port=STORAGE_PORT,
        )
        broker = stack.enter_context(KafkaBroker(kafka))
        node = stack.enter_context(CassandraNode(cassandra))
        home, topic = _made(place / "home")
        daemon = _daemon(home.path)
        try:
            yield from _held(home, topic, daemon.pid, rate, seconds)
        finally:
            daemon.kill()
            daemon.wait()
        broker.stop()
        node.stop()  # which writes to its tables what is in memory
        events = rate * seconds
        in_log, in_tables = (
            sum(_bytes(folder) for folder in (place / server / "data").glob(f"{topic.name}*"))
            for server in ("kafka", "cassandra")
        )
        yield Result(
            what=f"bytes of {events:,} events in Kafka, and of their rows, tails and accumulators in Cassandra, each an event",
            ours=f"{in_log / events:,.0f} and {in_tables / events:,.0f}",
            aim="(no aim)",
        )


def _made(path: Path) -> tuple[Home, Topic]:
    """A home on the servers with an empty first generation."""
    name = f"sustained_{uuid.uuid4().hex}"
    topic = Topic(f"127.0.0.1:{KAFKA_PORT}", name)
    address = Address(("127.0.0.1",), CASSANDRA_PORT, name)
    create_topic(topic)
    with connected(address) as cql:
        create_store(cql)
    path.mkdir()
    (path / "wikibraid.yaml").write_text(
        f"log: kafka://{topic.brokers}/{name}\nstore: cassandra://127.0.0.1:{CASSANDRA_PORT}/{name}\n"
    )
    home = Home(path)
    with home.store() as store:
        for dataset, made in load_generation(
            store, registry.closure(DATASETS), {}, (0,) * PARTITIONS, "bench"
        ):
            store.add_generation(msgspec.structs.replace(made, fingerprint=fingerprint(dataset)))
            store.publish(dataset.name, made.number)
    return home, topic


def _daemon(home: Path) -> subprocess.Popen[bytes]:
    words = ("speed", "daemon", *DATASETS, "--home", str(home), "--port", str(DAEMON_PORT))
    with (home / "daemon.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *words],
            stdout=log,
            stderr=log,
        )


def _held(home: Home, topic: Topic, process: int, rate: int, seconds: int) -> Iterator[Result]:
    due: list[deque[tuple[int, float]]] = [deque() for _ in range(PARTITIONS)]
    ages: list[tuple[float, float]] = []
    memory: list[int] = []
    over = threading.Event()

    def look() -> None:
        with home.store() as store:
            lanes = [made.lane for name in DATASETS if (made := store.published(name)) is not None]
            while not over.is_set():
                for number, waiting in enumerate(due):
                    through = min(store.progress(lane, number) or 0 for lane in lanes)
                    now = time.time()
                    while waiting and waiting[0][0] <= through:
                        ages.append((now, now - waiting.popleft()[1]))
                memory.append(_resident_mib(process))
                time.sleep(LOOK)

    reader = threading.Thread(target=look)
    reader.start()
    _warmed(topic, due, ages)
    begun = time.time()
    late = _produced(topic, due, rate, seconds, begun)
    end = time.time() + 60
    while any(due) and time.time() < end:
        time.sleep(TICK)
    over.set()
    reader.join()
    held = [age for at, age in ages if at >= begun]
    half = len(held) // 2
    cuts = statistics.quantiles(held, n=100)
    yield Result(
        what=f"{rate:,} events/s for {seconds} s through Kafka, Bytewax and Cassandra to {' and '.join(DATASETS)}: freshness p50 / p99",
        ours=f"{cuts[49]:.2f} / {cuts[98]:.2f} s; median of the halves {statistics.median(held[:half]):.2f} and "
        f"{statistics.median(held[half:]):.2f} s; not in the tables a minute later: {sum(map(len, due)):,}",
        ratio=f"daemon {memory[len(memory) // 3]} MiB at a third, {memory[-1]} at the end; producer {late:.2f} s late at most",
        aim="5,000/s for 10 minutes",
    )


def _warmed(topic: Topic, due: list[deque[tuple[int, float]]], ages: list[tuple[float, float]]) -> None:
    """Wait until the daemon has taken a first event of every partition."""
    _produced(topic, due, 20, 2, time.time())
    while any(due):
        time.sleep(TICK)
    ages.clear()


def _produced(
    topic: Topic, due: list[deque[tuple[int, float]]], rate: int, seconds: int, begun: float
) -> float:
    """Append events when they are due; by how many seconds the latest was late."""
    late = 0.0
    with KafkaLog(topic) as log:
        ends = list(log.ends())
        first = sum(ends)
        told = edits_in_bursts(first + rate * seconds, pages=PAGES)
        for _ in range(first):
            next(told)
        step = max(1, int(rate * TICK))
        for number in range(0, rate * seconds, step):
            at = begun + number / rate
            time.sleep(max(0.0, at - time.time()))
            late = max(late, time.time() - at)
            dated = datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            pieces: dict[int, list[Message]] = {}
            for _ in range(min(step, rate * seconds - number)):
                edit = next(told)
                key = f"{WIKI}/{edit.page_id}"
                place = partition(key, PARTITIONS)
                raw = event(msgspec.structs.replace(edit, at=f"{dated[:19]}Z"))
                pieces.setdefault(place, []).append(Message(ends[place], key, raw))
                ends[place] += 1
                due[place].append((ends[place], at))
            for place, messages in pieces.items():
                log.append(place, messages)
    return late


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _resident_mib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10


if __name__ == "__main__":
    for result in results(*map(int, sys.argv[1:])):
        print(result)
