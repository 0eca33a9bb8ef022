"""Topics of Kafka as a source: each record is read once, what can't be read is told, and so is what Kafka gave up."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from shared_logic.protocols import LogError
from speed import kafka_source
from speed.ingest import Ingestion, Scope
from speed.kafka_source import Beginning, KafkaSource, Lost, TopicRefused
from speed.sqlite_log import SqliteLog
from stack.kafka_broker import KafkaBroker
from tests.speed.followed import EVENTS, expected, followed, messages, wanting


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
