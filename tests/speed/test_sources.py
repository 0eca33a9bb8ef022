"""Events while they happen: nothing is lost and nothing comes twice, wherever the connection or the process ends."""

from __future__ import annotations

import errno
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
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from shared_logic.laws import states_before
from shared_logic.protocols import LogError
from shared_logic.reference import States
from speed import event_streams, kafka_source
from speed.event_streams import EventStreams, StreamRefused
from speed.ingest import Arrived, Counts, Ingestion, Scope, ingest
from speed.kafka_source import Beginning, KafkaSource, Lost, TopicRefused
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


def test_certificates_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a file of certificates that does not exist
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, "https://127.0.0.1:9/v2/stream", ["a"], "", lambda _: None)
        # when events are taken, then that ends it
        with source.reading(), pytest.raises(FileNotFoundError):
            source.take(1, 10)


def test_an_operator_who_can_not_be_told_ends_the_reading(tmp_path: Path) -> None:
    # given a service that fails, and nowhere to tell of it
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    service = EventService(EVENTS, failures=1)
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "", full)
        with source.reading():
            # when events are taken, then that ends it
            with pytest.raises(OSError, match="No space left"):
                source.take(1, 10)
            # and who takes again does not wait for what nobody reads
            source._thread.join(10)
            with pytest.raises(LogError, match="nothing reads"):
                source.take(1, 0.1)


def test_what_was_read_is_taken_before_the_end_is_told(tmp_path: Path) -> None:
    # given a service that ends the connection after some events, and nowhere to tell of it
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    service = EventService(EVENTS[:10])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        source = EventStreams(log, url, ["a"], "", full)
        with source.reading():
            source._thread.join(10)
            # when they are taken, then all come, and the end after them
            assert len(source.take(10, 10)) == 10
            with pytest.raises(OSError, match="No space left"):
                source.take(10, 10)


def edit(wiki: str, rev_id: int) -> bytes:
    meta = {"stream": "mediawiki.revision-create", "dt": "2024-01-01T00:00:00Z"}
    about = {"database": wiki, "page_id": 1, "page_title": "P", "page_namespace": 0, "rev_id": rev_id}
    schema = {"$schema": "/mediawiki/revision/create/1.1.0", "rev_timestamp": "2024-01-01T00:00:00Z"}
    return json.dumps({"meta": meta, **about, **schema}).encode()


def wanting(*wikis: str) -> Scope:
    return Scope(frozenset(wikis))


def brought(log: SqliteLog, service: EventService, url: str, scope: Scope, since: str = "") -> list[str]:
    """What an operator is told while all that the service has is brought in for these wikis."""
    told: list[str] = []
    source = EventStreams(log, url, ["s"], since, told.append, scope)
    with source.reading():
        while events := source.take(100, 0.5):
            Ingestion(log, scope).add(events, lambda: source.note(log))
            if json.loads(source._last)[0]["offset"] == len(service.events) - 1:
                break
    return [line for line in told if "was read for" in line]


def revisions(log: SqliteLog) -> set[tuple[str, int]]:
    """Wiki and id of every revision that the log tells of."""
    told = (message.value for number in range(log.partitions) for message in log.read(number, 0, 1_000))
    return {(event["database"], event["rev_id"]) for event in map(json.loads, told)}


def test_who_follows_other_streams_is_told_that_they_begin_now(tmp_path: Path) -> None:
    # given a stream that was followed
    with SqliteLog(tmp_path / "log.db") as log:
        told: list[str] = []
        before = EventStreams(log, "https://there/stream", ["a"], "", told.append)
        before.note(log)
        assert told == []
        # when it is followed with another, then where it stood is no place in both
        EventStreams(log, "https://there/stream/", ["a", "b"], "", told.append)
        assert len(told) == 1
        assert told[0].startswith(
            "https://there/stream/a,b was never followed (but https://there/stream/a): it begins now"
        )
        # but nothing is to be told where the beginning is named, of another service, or of what was followed
        EventStreams(log, "https://there/stream", ["a", "b"], "2024-01-01T00:00:00Z", told.append)
        EventStreams(log, "https://elsewhere/stream", ["a", "b"], "", told.append)
        EventStreams(log, "https://there/stream", ["a"], "", told.append)
        assert len(told) == 1


def test_a_stream_stands_for_the_wikis_that_are_wanted_of_it(tmp_path: Path) -> None:
    # given a stream of three wikis that was followed for one of them
    service = EventService([edit(wiki, number) for number in range(1, 5) for wiki in ("a", "b", "c")])
    of = {wiki: {(wiki, number) for number in range(1, 5)} for wiki in ("a", "b", "c")}
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        assert brought(log, service, url, wanting("a")) == []
        assert revisions(log) == of["a"]
        # when it is followed for another, then that one begins where it is told to, or is told that it begins now
        service.asked.clear()
        (told,) = brought(log, service, url, wanting("b"))
        assert told.endswith(
            "was read for a; for other wikis it begins now, and with --since INSTANT earlier"
        )
        assert service.asked[0][1] == ""
        assert revisions(log) == of["a"] | of["b"]


def test_a_stream_of_more_wikis_goes_on_where_it_was_for_some(tmp_path: Path) -> None:
    # given a stream that was followed for one wiki up to some event
    service = EventService([edit("a", 1), edit("b", 2)])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        brought(log, service, url, wanting("a"))
        # when it is followed for two, then it goes on there: nothing of the first is missing
        service.events = [*service.events, edit("a", 3), edit("b", 4)]
        service.asked.clear()
        brought(log, service, url, wanting("a", "b"))
        assert json.loads(service.asked[0][1])[0]["offset"] == 1
        assert revisions(log) == {("a", 1), ("b", 2), ("a", 3), ("b", 4)}
        # and for the second alone where it was for both, not where it was for the first
        service.asked.clear()
        brought(log, service, url, wanting("b"))
        assert json.loads(service.asked[0][1])[0]["offset"] == 3


def test_parts_that_were_read_apart_are_read_together_from_a_named_instant(tmp_path: Path) -> None:
    service = EventService([edit("a", 1), edit("b", 2)])
    with service.served() as url, SqliteLog(tmp_path / "log.db") as log:
        # given a stream that was followed for two wikis apart
        brought(log, service, url, wanting("a"))
        brought(log, service, url, wanting("b"))
        # when it is followed for both, then nobody guesses where both stood
        with pytest.raises(StreamRefused, match="was read apart for a; b; say with --since INSTANT"):
            brought(log, service, url, wanting("a", "b"))
        service.asked.clear()
        brought(log, service, url, wanting("a", "b"), since="2024-01-01T00:00:00Z")
        assert service.asked[0] == ("s", "", "2024-01-01T00:00:00Z")


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
            source = KafkaSource(log, brokers, [*names, "missing"], Beginning(None), print)
            with source.reading():
                followed(log, source, lambda counts: counts.read >= 150)
    with SqliteLog(tmp_path / "log.db") as log:
        source = KafkaSource(log, brokers, names, Beginning(None), print)
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
        source = KafkaSource(log, brokers, [name], Beginning(None), print)
        with source.reading():
            followed(log, source, lambda counts: counts.read >= 5)
        # when records that were never read are given up
        produce(brokers, places, list(enumerate(EVENTS[20:60])))
        admin = AdminClient({"bootstrap.servers": brokers})
        admin.list_topics(timeout=10)
        for future in admin.delete_records([TopicPartition(name, 0, 25)]).values():
            future.result()
        with pytest.raises(Lost, match=r"offset \d+ comes next, and Kafka holds 25 to 30"):
            KafkaSource(log, brokers, [name], Beginning(None), print)
        # then it is gone on with only where that is said
        source = KafkaSource(log, brokers, [name], Beginning(None, accept_loss=True), print)
        with source.reading():
            assert {event.position for event in source.take(100, 5)} >= {25}
        with pytest.raises(LogError, match="none of the topics"):
            KafkaSource(log, brokers, ["missing"], Beginning(None), print)


@pytest.mark.kafka
def test_partitions_and_topics_that_come_later_are_read(
    topics: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers, (name, _) = topics
    later = f"later.{name}"
    told: list[str] = []
    admin = AdminClient({"bootstrap.servers": brokers})
    # given a source that has taken some of what there is, and fetched more, and wants only what is not older than a minute
    produce(brokers, [(name, 0), (name, 1)], list(enumerate(EVENTS[:100])))
    with SqliteLog(tmp_path / "log.db") as log:
        beginning = Beginning(int(time.time() * 1000) - 60_000)
        source = KafkaSource(log, brokers, [name, later], beginning, told.append)
        with source.reading():
            taken = list(source.take(30, 10))
            # when the topic gets a partition whose records bear old times, and another topic is made
            grown = admin.create_partitions([NewPartitions(name, 3)])
            made = admin.create_topics([NewTopic(later, 1)])
            for future in chain(grown.values(), made.values()):
                future.result()
            producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
            for number, event in enumerate(EVENTS[100:160]):
                topic, partition = [(name, 2), (later, 0)][number % 2]
                old = 1_000 if number < 20 else int(time.time() * 1000)
                producer.produce(topic, event, partition=partition, timestamp=old)
            assert producer.flush(30) == 0
            monkeypatch.setattr(kafka_source, "SECONDS_BETWEEN_LOOKS", 0.5)
            end = time.monotonic() + 30
            while len(taken) < 150 and time.monotonic() < end:
                taken += source.take(30, 1)
            taken += source.take(30, 1)
    # then the partition is read from its first record, the topic from where was asked, and nothing else twice or not at all
    found = sorted((event.source, event.position) for event in taken)
    cluster = admin.list_topics().cluster_id
    old_partitions = [(f"kafka {cluster} {name}/{partition}", at) for partition in (0, 1) for at in range(50)]
    added = [(f"kafka {cluster} {name}/2", at) for at in range(30)]
    appeared = [(f"kafka {cluster} {later}/0", at) for at in range(10, 30)]
    assert found == sorted(old_partitions + added + appeared)
    # and what was not read is told once, and that it is read now
    assert told == [
        f"Kafka at {brokers}: not read: {later} (Broker: Unknown topic or partition)",
        f"Kafka at {brokers}: all topics are read",
    ]


class Cluster:
    """What a consumer is told of topics and their partitions, and where it reads."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[int, int | None]] = {"a": {0: None}}
        """By partition what is wrong with it."""
        self.refused: set[str] = set()
        """A list of all topics leaves them out."""
        self.id = "x"
        self.away = False
        self.come: list[SimpleNamespace] = []
        self.assigned: list[tuple[str | None, int | None, int]] = []

    def __call__(self, options: object) -> Cluster:
        return self

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> SimpleNamespace:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        found = {
            name: SimpleNamespace(
                error=None,
                partitions={
                    number: SimpleNamespace(error=wrong and KafkaError(wrong))
                    for number, wrong in partitions.items()
                },
            )
            for name, partitions in self.topics.items()
        }
        if topic is not None and topic not in found:
            refused = topic in self.refused
            code = KafkaError.TOPIC_AUTHORIZATION_FAILED if refused else KafkaError.UNKNOWN_TOPIC_OR_PART
            found[topic] = SimpleNamespace(error=KafkaError(code), partitions={})
        return SimpleNamespace(topics=found, cluster_id=self.id)

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, 5

    def assign(self, places: list[TopicPartition]) -> None:
        self.assigned = [(place.topic, place.partition, place.offset) for place in places]

    def consume(self, most: int, timeout: float) -> list[SimpleNamespace]:
        come, self.come = self.come, []
        return come


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(kafka_source, "Consumer", made)
    monkeypatch.setattr(kafka_source, "SECONDS_BETWEEN_LOOKS", 0.0)
    return made


def record(error: int | None = None, offset: int = 0) -> SimpleNamespace:
    """A record of the first partition of the topic a."""
    values = {
        "topic": "a",
        "partition": 0,
        "offset": offset,
        "value": b"{}",
        "error": error and KafkaError(error),
    }
    return SimpleNamespace(**{name: lambda value=value: value for name, value in values.items()})


def test_what_is_not_read_is_told_once_for_each_change(cluster: Cluster) -> None:
    told: list[str] = []
    # given a partition without a leader, and a topic that is missing
    cluster.topics["a"][1] = KafkaError.LEADER_NOT_AVAILABLE
    with SqliteLog(Path(":memory:")) as log:
        log.advance_source("kafka x a/1", 4)
        source = KafkaSource(log, "x:1", ["a", "b"], Beginning(None), told.append)
        assert cluster.assigned == [("a", 0, 0)]
        # when some is taken, the brokers are away for a while, and then there is all
        cluster.come = [record(offset=2)]
        assert [event.position for event in source.take(10, 0)] == [2]
        cluster.away = True
        for _ in range(2):
            assert not source.take(10, 0)
        cluster.away = False
        cluster.topics["a"][1] = None
        source.take(10, 0)
        cluster.topics["b"] = {0: None}
        for _ in range(2):
            source.take(10, 0)
    # then each is read from where it was, and each change is told once
    assert cluster.assigned == [("a", 0, 3), ("a", 1, 4), ("b", 0, 0)]
    missing = "b (Broker: Unknown topic or partition)"
    assert told == [
        f"Kafka at x:1: not read: a, partition 1 (Broker: Leader not available), {missing}",
        "Kafka at x:1: the topics can't be listed (Local: Broker transport failure)",
        f"Kafka at x:1: not read: {missing}",
        "Kafka at x:1: all topics are read",
    ]


def test_the_topics_are_listed_again_only_after_a_while(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_source, "SECONDS_BETWEEN_LOOKS", 60.0)
    with SqliteLog(Path(":memory:")) as log:
        source = KafkaSource(log, "x:1", ["a"], Beginning(None), print)
        cluster.topics["a"][1] = None
        source.take(10, 0)
        assert cluster.assigned == [("a", 0, 0)]
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 61)
        source.take(10, 0)
        assert cluster.assigned == [("a", 0, 0), ("a", 1, 0)]


def test_a_topic_that_may_not_be_read_is_refused(cluster: Cluster) -> None:
    refused = "doesn't let topic {} be read .*; allow READ and DESCRIBE on it, or name in streams.yaml only what may be read"
    with SqliteLog(Path(":memory:")) as log:
        source = KafkaSource(log, "x:1", ["a", "b"], Beginning(None), print)
        # when it may be seen and not read
        cluster.come = [record(KafkaError.TOPIC_AUTHORIZATION_FAILED)]
        with pytest.raises(TopicRefused, match=refused.format("a")):
            source.take(10, 0)
        # or not even seen, later or from the first
        cluster.refused.add("b")
        with pytest.raises(TopicRefused, match=refused.format("b")):
            source.take(10, 0)
        with pytest.raises(TopicRefused, match=refused.format("b")):
            KafkaSource(log, "x:1", ["a", "b"], Beginning(None), print)


def test_a_partition_of_which_nothing_was_there_yet_loses_nothing_silently(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteLog(Path(":memory:")) as log:
        # given a partition that was empty when it was read last, and records that came and went since
        log.advance_source("kafka x a/0", 0)
        monkeypatch.setattr(Cluster, "get_watermark_offsets", lambda *_, **__: (3, 5))
        # then that is told, and gone on from only if that is asked for
        with pytest.raises(Lost, match="offset 0 comes next, and Kafka holds 3 to 5"):
            KafkaSource(log, "x:1", ["a"], Beginning(None), print)
        KafkaSource(log, "x:1", ["a"], Beginning(None, accept_loss=True), print)
        assert cluster.assigned == [("a", 0, 3)]
        # and what is new begins with the oldest there is
        cluster.id = "y"
        KafkaSource(log, "x:1", ["a"], Beginning(None), print)
        assert cluster.assigned == [("a", 0, 3)]


@pytest.mark.parametrize("found,begins", [(2, 2), (-1, 5)])
def test_a_partition_begins_with_what_is_not_older(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, found: int, begins: int
) -> None:
    def asked(_: object, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, found) for place in places]

    monkeypatch.setattr(Cluster, "offsets_for_times", asked, raising=False)
    with SqliteLog(Path(":memory:")) as log:
        # where all records are older, that is its end
        KafkaSource(log, "x:1", ["a"], Beginning(1_700_000_000_000), print)
    assert cluster.assigned == [("a", 0, begins)]


def test_a_partition_that_ends_before_what_was_read_is_told(cluster: Cluster) -> None:
    with SqliteLog(Path(":memory:")) as log:
        # given a topic that was made anew
        log.advance_source("kafka x a/0", 6)
        with pytest.raises(Lost, match="offset 6 comes next, and Kafka holds 0 to 5"):
            KafkaSource(log, "x:1", ["a"], Beginning(None), print)


def test_a_cluster_is_known_by_whatever_brokers_it_is_asked(cluster: Cluster) -> None:
    with SqliteLog(Path(":memory:")) as log:
        log.advance_source("kafka x a/0", 4)
        for brokers in ("x:1", "x:2,x:1"):
            KafkaSource(log, brokers, ["a"], Beginning(None), print)
            assert cluster.assigned == [("a", 0, 4)]


def test_rights_to_a_group_are_not_needed(cluster: Cluster) -> None:
    with SqliteLog(Path(":memory:")) as log:
        source = KafkaSource(log, "x:1", ["a"], Beginning(None), print)
        cluster.come = [record(KafkaError.GROUP_AUTHORIZATION_FAILED), record(offset=0)]
        assert [event.position for event in source.take(10, 0)] == [0]


def test_topics_stand_for_the_wikis_that_are_wanted_of_them(cluster: Cluster) -> None:
    def begun(*wikis: str) -> int:
        """Where the first partition is begun with for these wikis; one record is taken then."""
        source = KafkaSource(log, "broker:1", ["a"], Beginning(None), print, scope=wanting(*wikis))
        ((_, _, offset),) = cluster.assigned
        cluster.come = [record(offset=offset)]
        Ingestion(log, wanting(*wikis)).add(source.take(1, 0), lambda: source.note(log))
        return offset

    with SqliteLog(Path(":memory:")) as log:
        # given a topic of which two records were read for two wikis
        assert [begun("x", "y") for _ in range(2)] == [0, 1]
        # then others begin with the first record, and each of the two goes on after these
        assert begun("z") == 0
        assert begun("x") == 2
        assert begun() == 0
        # and what was read for all, or for more, was read for each
        assert [begun() for _ in range(3)] == [1, 2, 3]
        assert begun("z") == 4
