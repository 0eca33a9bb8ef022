"""Events while they happen: nothing is lost and nothing comes twice, wherever the connection or the process ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from shared_logic.laws import states_before
from shared_logic.reference import States
from speed import event_streams
from speed.event_streams import EventStreams, StreamRefused
from speed.ingest import Arrived, Counts, Ingestion, Scope, ingest
from speed.kafka_source import Beginning, KafkaSource, Lost
from speed.log_error import LogError
from speed.sources import Follower, Source
from speed.sqlite_log import SqliteLog
from stack.kafka_broker import KafkaBroker
from tests import sample
from tests.servers import free_ports
from tests.speed.event_service import EventService

EVENTS = sample.events()[:600]


def messages(log: SqliteLog) -> tuple[list[list[tuple[str, bytes]]], States]:
    """Messages of the log by partition, and what all say.

    Those to users are left out: who restarts tells a name that was told before, which says nothing new.
    """
    told = [
        [
            (message.key, message.value)
            for message in log.read(partition, 0, 100_000)
            if "/user/" not in message.key
        ]
        for partition in range(log.partitions)
    ]
    return told, states_before(log, log.ends(), {})


def expected(tmp_path: Path) -> tuple[list[list[tuple[str, bytes]]], States]:
    with SqliteLog(tmp_path / "expected.db") as log:
        ingest(log, "all", EVENTS)
        return messages(log)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "SECONDS_BEFORE_AGAIN", (0.01, 0.05))


def followed(log: SqliteLog, source: Source, until: Callable[[Counts], bool], seconds: float = 30) -> Counts:
    """Follow a source until that is so."""
    end = time.monotonic() + seconds

    def committed(counts: Counts) -> None:
        if until(counts) or time.monotonic() > end:
            follower.stop()

    follower = Follower(log, source, Ingestion(log, Scope()), committed)
    follower.run()
    assert time.monotonic() < end
    return follower.ingestion.counts


@pytest.mark.parametrize("address", ["http://[::1", "http://host:port", "no address"])
def test_an_address_that_is_none_is_told(tmp_path: Path, address: str) -> None:
    with SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, address, ["s"], "", lambda _: None)
        with source.reading(), pytest.raises(StreamRefused, match="check the --url"):
            source.take(1, 10)


def done(counts: Counts) -> bool:
    """Whether all was kept that a file of these events would keep."""
    with SqliteLog(Path(":memory:")) as log:
        return counts.kept >= ingest(log, "all", EVENTS).kept


class Commits:
    """A source that gives some events for each commit."""

    def __init__(self, *commits: list[bytes]) -> None:
        self._commits = iter(commits)

    def take(self, most: int, seconds: float) -> list[Arrived]:
        return [Arrived("once", place, raw) for place, raw in enumerate(next(self._commits))]

    def note(self, log: SqliteLog) -> None:
        """It is not asked again."""


def test_canaries_tell_that_a_stream_lives_and_how_late_it_is() -> None:
    # given a stream of which only canaries come, older ones last, and one whose canary is a minute old
    def canary(stream: str, at: float) -> bytes:
        dt = datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps(
            {"$schema": "/a/1.0.0", "meta": {"stream": stream, "dt": dt, "domain": "canary"}}
        ).encode()

    now = int(time.time())
    first = [canary("idle", now), canary("idle", now - 7_200), canary("late", now - 60)]
    second = [canary("idle", now - 3_600)]

    def committed(counts: Counts) -> None:
        if counts.canaries == len(first + second):
            follower.stop()

    with SqliteLog(Path(":memory:")) as log:
        follower = Follower(log, Commits(first, second), Ingestion(log, Scope()), committed)
        follower.run()
    # then Prometheus is told when the newest of each was made, and how long they took
    told = {
        (sample.name, sample.labels.get("stream")): sample.value
        for metric in follower.collected.collect()
        for sample in metric.samples
    }
    assert told["wikibraid_ingested_canary_timestamp_seconds", "idle"] == now
    assert told["wikibraid_ingested_canary_timestamp_seconds", "late"] == now - 60
    assert told["wikibraid_ingested_canary_seconds_count", None] == 2
    assert told["wikibraid_ingested_canary_seconds_sum", None] >= 60
    assert follower.ingestion.counts.canaries == 4


# --- server-sent events


def test_a_stream_comes_whole_over_connections_that_end(tmp_path: Path) -> None:
    # given a service that fails first and ends every connection after 100 events
    service = EventService(EVENTS, cut_after=100, failures=2)
    told: list[str] = []
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a", "b"], "", told.append)
        with source.reading():
            counts = followed(log, source, done)
        # then the log is as if all had come from one file, and each connection went on where the last one ended
        assert messages(log) == expected(tmp_path)
    assert counts.balanced
    assert {streams for streams, _, _ in service.asked} == {"a,b"}
    assert service.asked[2][1] == ""
    assert [json.loads(last)[0]["offset"] for _, last, _ in service.asked[3:6]] == [99, 198, 297]
    assert "503" in told[0]
    assert any("ended the connection" in line for line in told)


def test_a_process_that_died_goes_on_where_its_log_is(tmp_path: Path) -> None:
    service = EventService(EVENTS)
    with service.served() as url:
        for least in (150, 400, len(EVENTS)):
            # given a process that dies somewhere, what it read ahead being lost
            with SqliteLog(tmp_path / "log.db") as log:
                source = EventStreams(log, url, ["a"], "", lambda _: None)
                before = log.source_position(f"live {url}/a")
                taken: list[int] = []
                with source.reading():
                    while before + len(taken) < least:
                        events = source.take(37, 5)
                        taken += [event.position for event in events]
                        Ingestion(log, Scope()).add(events, lambda source=source, log=log: source.note(log))
                    source.take(20, 1)
        with SqliteLog(tmp_path / "log.db") as log:
            source = EventStreams(log, url, ["a"], "", lambda _: None)
            with source.reading():
                followed(log, source, lambda _: messages(log) == expected(tmp_path))
            # then nothing is missing and nothing came twice
            assert messages(log) == expected(tmp_path)


def test_the_first_connection_says_since_when(tmp_path: Path) -> None:
    service = EventService(EVENTS[:10])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "2024-01-01T00:00:00Z", lambda _: None)
        with source.reading():
            followed(log, source, lambda counts: counts.read >= 10)
    assert service.asked[0] == ("a", "", "2024-01-01T00:00:00Z")
    assert all(since == "" for _, last, since in service.asked if last)


def test_a_stream_that_is_refused_is_told(tmp_path: Path) -> None:
    service = EventService(EVENTS)
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["unknown"], "", lambda _: None)
        with source.reading(), pytest.raises(StreamRefused, match=r"answers 404 .* streams\.yaml"):
            followed(log, source, lambda _: True)


@pytest.mark.e2e
def test_the_command_goes_on_after_a_kill(tmp_path: Path) -> None:
    # given the command on a service with bad events among good ones, killed twice at random
    seed = int(os.environ.get("WIKIBRAID_SEED", random.randrange(1 << 30)))
    sys.stderr.write(f"WIKIBRAID_SEED={seed}\n")  # shown where the test fails
    rng = random.Random(seed)
    events = [*EVENTS[:300], b"{not json", *EVENTS[300:]]
    service = EventService(events, cut_after=250)
    home = tmp_path / "home"
    with service.served() as url:
        command = [
            *(sys.executable, "-m", "cli.main", "ingest", "live", "mediawiki.page_change", "--url", url),
            *("--home", str(home), "--json", "--port"),
        ]

        def started() -> tuple[subprocess.Popen[bytes], int]:
            (port,) = free_ports(1)
            return subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE), port

        def read() -> int:
            if not (home / "log.db").exists():
                return 0
            with SqliteLog(home / "log.db") as log:
                return sum(map(len, messages(log)[0]))

        for _ in range(2):
            process, _ = started()
            while not read() and process.poll() is None:
                time.sleep(0.05)
            time.sleep(rng.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
        process, port = started()
        wanted = sum(map(len, expected(tmp_path)[0]))
        end = time.monotonic() + 60
        while read() < wanted and time.monotonic() < end:
            time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics/") as answer:
            metrics = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    # then the log has every event once, and the bad one is a dead letter
    with SqliteLog(home / "log.db") as log:
        assert messages(log) == expected(tmp_path)
        assert [letter.code for letter in log.dead_letters()] == ["not-json"]
    assert 'wikibraid_ingested_events_total{outcome="copies"}' in metrics


# --- Kafka


@pytest.fixture
def topics(broker: KafkaBroker, request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """Brokers and two topics of two partitions each, over which the events are spread."""
    brokers = f"{broker.settings.host}:{broker.settings.port}"
    names = [f"{site}.{request.node.name}" for site in ("eqiad", "codfw")]
    admin = AdminClient({"bootstrap.servers": brokers})
    for future in admin.create_topics([NewTopic(name, 2) for name in names]).values():
        future.result()
    return brokers, names


def produce(brokers: str, places: list[tuple[str, int]], events: list[tuple[int, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
    for number, event in events:
        topic, partition = places[number % len(places)]
        producer.produce(topic, event, partition=partition)
    assert producer.flush(30) == 0


@pytest.mark.kafka
def test_topics_come_whole_over_restarts(topics: tuple[str, list[str]], tmp_path: Path) -> None:
    brokers, names = topics
    places = [(name, partition) for name in names for partition in (0, 1)]
    numbered = list(enumerate(EVENTS))
    # given processes that each read some and end, while events come
    for begin in range(0, 600, 200):
        produce(brokers, places, numbered[begin : begin + 200])
        with SqliteLog(tmp_path / "log.db") as log:
            source = KafkaSource(log, brokers, [*names, "missing"], Beginning(None))
            with source.reading():
                followed(log, source, lambda counts: counts.read >= 150)
    with SqliteLog(tmp_path / "log.db") as log:
        source = KafkaSource(log, brokers, names, Beginning(None))
        with source.reading():
            while events := source.take(100, 3):
                Ingestion(log, Scope()).add(events, lambda: source.note(log))
        # then every event is there once
        (found, states), (wanted, expected_states) = messages(log), expected(tmp_path)
        assert sorted(chain(*found)) == sorted(chain(*wanted))
        assert states == expected_states


@pytest.mark.kafka
def test_what_kafka_gave_up_is_told(topics: tuple[str, list[str]], tmp_path: Path) -> None:
    brokers, (name, _) = topics
    places = [(name, 0), (name, 1)]
    produce(brokers, places, list(enumerate(EVENTS[:20])))
    with SqliteLog(tmp_path / "log.db") as log:
        source = KafkaSource(log, brokers, [name], Beginning(None))
        with source.reading():
            followed(log, source, lambda counts: counts.read >= 5)
        # when records that were never read are given up
        from confluent_kafka import TopicPartition

        produce(brokers, places, list(enumerate(EVENTS[20:60])))
        admin = AdminClient({"bootstrap.servers": brokers})
        admin.list_topics(timeout=10)
        for future in admin.delete_records([TopicPartition(name, 0, 25)]).values():
            future.result()
        with pytest.raises(Lost, match=r"offset \d+ comes next, and Kafka holds 25 to 30"):
            KafkaSource(log, brokers, [name], Beginning(None))
        # then it is gone on with only where that is said
        source = KafkaSource(log, brokers, [name], Beginning(None, accept_loss=True))
        with source.reading():
            assert {event.position for event in source.take(100, 5)} >= {25}
        with pytest.raises(LogError, match="none of the topics"):
            KafkaSource(log, brokers, ["missing"], Beginning(None))
