"""The canonical log in Kafka says what the embedded log says, and gets each message of the outbox once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from shared_logic.entities import page
from shared_logic.protocols import LogError, Message
from speed import kafka_log
from speed.kafka_log import KafkaLog, KafkaUnreachable, Topic, create_topic
from speed.kafka_segments import new_segments
from speed.outbox import relay
from speed.sqlite_log import SqliteLog
from stack.kafka_broker import KafkaBroker
from tests.servers import broker_settings, free_ports

pytestmark = pytest.mark.kafka
PARTITIONS = 3


@pytest.fixture
def topic(broker: KafkaBroker) -> Topic:
    made = Topic.of(f"kafka://{broker.address}/log-{uuid.uuid4()}")
    create_topic(made, PARTITIONS)
    return made


@pytest.fixture
def log(topic: Topic) -> Iterator[KafkaLog]:
    with KafkaLog(topic) as opened:
        yield opened


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path / "log.db", PARTITIONS) as opened:
        yield opened


def add(outbox: SqliteLog, numbers: range) -> None:
    with outbox.atomically():
        outbox.append((page("wiki", number), b"event %d" % number) for number in numbers)


def everything(log: KafkaLog, most: int = 7) -> list[Sequence[Message]]:
    found = []
    for partition, start in enumerate(log.starts()):
        messages: list[Message] = []
        while some := log.read(partition, start + len(messages), most):
            messages += some
        found.append(messages)
    return found


def test_what_is_relayed_is_what_was_noted(outbox: SqliteLog, log: KafkaLog) -> None:
    # given messages in the outbox
    add(outbox, range(100))
    noted = [outbox.read(partition, 0, 1_000) for partition in range(PARTITIONS)]
    # when they are relayed, in two parts
    assert relay(outbox, log) == 100
    assert relay(outbox, log) == 0
    # then Kafka has each of them once, at the same offsets, and the outbox none
    assert everything(log) == noted
    assert log.ends() == outbox.ends()
    assert all(not outbox.read(partition, 0, 1) for partition in range(PARTITIONS))
    # and what comes later follows
    add(outbox, range(100, 120))
    assert relay(outbox, log) == 20
    assert sum(map(len, everything(log))) == 120


class Watched(Consumer):  # type: ignore[misc]  the client has no types
    """A consumer that notes where it is set, and how many records it is asked for."""

    placed: ClassVar[list[int]] = []
    asked: ClassVar[list[int]] = []

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.placed.append(partitions[0].offset)
        super().assign(partitions)

    def consume(self, num_messages: int, timeout: float) -> list[Record]:
        self.asked.append(num_messages)
        return list(super().consume(num_messages, timeout))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Watched]]:
    monkeypatch.setattr(kafka_log, "Consumer", Watched)
    yield Watched
    Watched.placed.clear()
    Watched.asked.clear()


def test_readers_that_go_on_at_several_places_are_not_set_anew(topic: Topic, watched: type[Watched]) -> None:
    # given a log
    with KafkaLog(topic) as log:
        log.append(0, [Message(offset, "wiki/1", b"event") for offset in range(60)])
        # when two workers and one that is far behind read it in turn
        places = [40, 40, 0]
        for _ in range(4):
            places = [log.read(0, place, 5)[-1].offset + 1 for place in places]
        # then each goes on where it was, as far as there are readers of their own
        assert places == [60, 60, 20]
        assert watched.placed == [40, 40, 0]
        # and one more takes the place of the one that read longest ago, and reads the same
        assert [message.offset for message in log.read(0, 7, 3)] == [7, 8, 9]
        assert watched.placed[3:] == [7]
        assert [message.offset for message in log.read(0, 20, 3)] == [20, 21, 22]
        assert watched.placed[4:] == []


def test_no_more_is_waited_for_than_there_is(topic: Topic, watched: type[Watched]) -> None:
    with KafkaLog(topic) as log:
        log.append(0, [Message(offset, "wiki/1", b"event") for offset in range(7)])
        assert len(log.read(0, 0, 5_000)) == 7
    assert max(watched.asked) == 7


def test_a_relay_that_was_killed_goes_on(outbox: SqliteLog, log: KafkaLog) -> None:
    # given a relay that got as far as Kafka with some of a partition, and no further
    add(outbox, range(50))
    noted = [outbox.read(partition, 0, 1_000) for partition in range(PARTITIONS)]
    log.append(1, noted[1][:4])
    # when another one runs
    relay(outbox, log)
    # then nothing is there twice
    assert everything(log) == noted


def test_reads_begin_anywhere(outbox: SqliteLog, log: KafkaLog) -> None:
    add(outbox, range(90))
    relay(outbox, log)
    end = log.ends()[0]
    assert [message.offset for message in log.read(0, 5, 3)] == [5, 6, 7]
    assert [message.offset for message in log.read(0, 2, 2)] == [2, 3]
    assert [message.offset for message in log.read(0, end - 1, 10)] == [end - 1]
    assert log.read(0, end, 10) == []


def test_a_topic_of_another_home_is_refused(outbox: SqliteLog, log: KafkaLog, tmp_path: Path) -> None:
    # given a topic that holds what another home relayed
    add(outbox, range(30))
    relay(outbox, log)
    with SqliteLog(tmp_path / "other.db", PARTITIONS) as other:
        add(other, range(3))
        # then this home's messages are not mixed with them
        with pytest.raises(LogError, match="they are of different homes"):
            relay(other, log)
    with (
        SqliteLog(tmp_path / "third.db", PARTITIONS + 1) as third,
        pytest.raises(LogError, match="has 3 partitions, but this home was made for 4"),
    ):
        relay(third, log)


def test_records_of_others_are_refused(broker: KafkaBroker, outbox: SqliteLog, log: KafkaLog) -> None:
    # given a topic to which something else writes
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(log.topic.name, b"{}", b"wiki/1", partition=0)
    producer.flush()
    add(outbox, range(9))
    with pytest.raises(LogError, match="something else writes to this topic"):
        relay(outbox, log)


def test_every_topic_is_told_from_every_other_one(broker: KafkaBroker, topic: Topic) -> None:
    # given a topic, and another one
    other = Topic.of(f"kafka://{broker.address}/log-{uuid.uuid4()}")
    create_topic(other, PARTITIONS)
    # then each is always the same, and no other
    with KafkaLog(topic) as one, KafkaLog(topic) as again, KafkaLog(other) as another:
        assert one.identity == again.identity != another.identity


def test_a_topic_that_is_missing_is_named(broker: KafkaBroker) -> None:
    with pytest.raises(LogError, match="there is no topic nowhere"):
        KafkaLog(Topic(broker.address, "nowhere"), patience=5)


def test_a_broker_that_is_away_is_told() -> None:
    (port,) = free_ports(1)
    with pytest.raises(KafkaUnreachable, match=r"doesn't answer .*check that it runs"):
        KafkaLog(Topic(f"127.0.0.1:{port}", "log"), patience=1)


def test_offsets_that_kafka_gave_up_are_told(outbox: SqliteLog, log: KafkaLog, broker: KafkaBroker) -> None:
    # given a partition of which the beginning is gone
    add(outbox, range(60))
    relay(outbox, log)
    admin = AdminClient({"bootstrap.servers": broker.address})
    deleted = admin.delete_records([TopicPartition(log.topic.name, 0, 5)])
    for future in deleted.values():
        future.result()
    # then it begins later, and whoever wants what was before is told
    assert log.starts()[0] == 5
    with pytest.raises(LogError, match="begins at offset 5, and 2 is wanted"):
        log.read(0, 2, 10)


def test_what_is_forgotten_leaves_kafkas_files(tmp_path: Path) -> None:
    # given a broker that looks for what it can drop every second, and messages in its files
    settings = broker_settings(tmp_path / "broker")
    often = {"log.retention.check.interval.ms": "1000", "log.segment.delete.delay.ms": "100"}
    with (
        KafkaBroker(replace(settings, properties=often)) as own,
        SqliteLog(tmp_path / "log.db", PARTITIONS) as outbox,
    ):
        topic = Topic(own.address, "log")
        create_topic(topic, PARTITIONS)
        with KafkaLog(topic) as log:
            for _ in range(2):
                add(outbox, range(40))
                relay(outbox, log)
                files, end = set((tmp_path / "broker").rglob("log-*/*.log")), log.ends()
                assert len(files) == PARTITIONS
                # when each partition begins a new file, and what was before is forgotten
                with new_segments(topic, {}):
                    add(outbox, range(40, 60))
                    relay(outbox, log)
                for partition, offset in enumerate(end):
                    log.forget(partition, offset)
                # then the files are gone, and what came since is there
                limit = time.monotonic() + 60
                while any(file.exists() for file in files):
                    assert time.monotonic() < limit
                    time.sleep(0.5)
                assert sum(map(len, everything(log))) == 20
            # and files grow as they did before
            admin = AdminClient({"bootstrap.servers": own.address})
            (told,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, "log")]).values()
            assert told.result()["segment.ms"].value == "604800000"


@pytest.mark.parametrize(
    "text",
    [
        "http://a/b",
        "kafka://a",
        "kafka:///t",
        "kafka://u:p@a/t",
        "kafka://a:1/t?x",
        "kafka://a:65536/t",
        "kafka://a:0/t",
    ],
)
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write kafka://HOST:PORT/TOPIC"):
        Topic.of(text)


def test_an_acknowledged_message_survives_the_brokers_death(tmp_path: Path) -> None:
    # given a broker of its own that was told some messages
    settings = broker_settings(tmp_path / "broker")
    own = KafkaBroker(settings)
    own.start()
    topic = Topic(own.address, "log")
    create_topic(topic, PARTITIONS)
    with SqliteLog(tmp_path / "log.db", PARTITIONS) as outbox, KafkaLog(topic) as log:
        add(outbox, range(40))
        relay(outbox, log)
        before = everything(log)
        # when it is killed and started again, with messages waiting in the outbox meanwhile
        own.kill()
        add(outbox, range(40, 50))
        own.start()
        relay(outbox, log)
        # then all are there, each once
        after = everything(log)
        assert [messages[: len(old)] for messages, old in zip(after, before, strict=True)] == before
        assert sum(map(len, after)) == 50
    own.stop()


def test_a_topic_to_which_partitions_were_added_is_refused(broker: KafkaBroker, tmp_path: Path) -> None:
    from confluent_kafka.admin import AdminClient, NewPartitions
    from typer.testing import CliRunner

    from cli.failures import Failure
    from cli.home import Home
    from cli.main import app

    # given a home whose topic somebody has enlarged
    home = tmp_path / "home"
    log = f"kafka://{broker.address}/enlarged"
    assert CliRunner().invoke(app, ["init", "--log", log, "--home", str(home)]).exit_code == 0
    admin = AdminClient({"bootstrap.servers": broker.address})
    (future,) = admin.create_partitions([NewPartitions("enlarged", 9)]).values()
    future.result()
    while len(admin.list_topics("enlarged", timeout=10).topics["enlarged"].partitions) < 9:
        time.sleep(0.1)
    # then it is not read as if nothing had happened
    with pytest.raises(Failure, match="has 9 partitions, and this home was made for 4"), Home(home).log():
        pass
    # but a home from which nothing was ever brought in, as where daemons run, has no opinion
    other = tmp_path / "other"
    other.mkdir()
    (other / "wikibraid.yaml").write_text(f"log: {log}\n")
    with Home(other).log() as found:
        assert found.partitions == 9
