"""The canonical log as a topic of Kafka: one partition of the log is one of the topic, offsets are Kafka's.

Every client finds the partition of a key by `shared_logic.partitions`, never by its library's default, so that it makes no
difference which of them wrote. A record's key is the entity's, its value the event as it came, its header `position` where it
stood in the outbox (see `speed.outbox`). Records are kept by time or for ever, never compacted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, NewTopic
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared_logic.addresses import shown
from shared_logic.partitions import PARTITIONS
from shared_logic.protocols import Cut, LogError, Message
from speed.kafka_errors import Complaints, without_groups
from speed.kafka_sending import DURABLE, REQUEST_SECONDS, send, waiting

PATIENCE_SECONDS = 60.0
"""How long Kafka may not answer before that is told; a broker is up again after some 10 seconds."""
POSITION = "position"
_PORT = 9092
_LARGEST_PORT = 65_535
_LARGEST_RECORD = 64 * 1024 * 1024
_FETCHED_AHEAD_KIB = 8_192
_READERS = 3
"""Of a partition at most; a daemon's workers read the same records one after the other, each in its own time."""
_MILLISECONDS_KAFKA_WAITS = 100
"""For news, when there are none."""
_AT_ONCE = 10_000
_SECONDS_LISTENED = 0.5
_T = TypeVar("_T")


class KafkaUnreachable(LogError):  # noqa: N818  what it is
    """Kafka doesn't answer: not "no messages", but "cannot know"."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Where a log lies."""

    brokers: str
    """Hosts with ports, with commas between them."""
    name: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The topic `kafka://HOST[:PORT][,HOST[:PORT]…]/TOPIC`.

        Raises:
            ValueError: it isn't one.
        """
        parts = urlsplit(text)
        name = parts.path.removeprefix("/")
        hosts = parts.netloc.split(",")
        if (
            parts.scheme != "kafka"
            or parts.query
            or not all(map(_is_broker, hosts))
            or not re.fullmatch(r"[\w.\-]{1,249}", name)
        ):
            message = (
                f"{shown(text)!r} is no address of a topic in Kafka; write kafka://HOST:PORT/TOPIC, several hosts with commas "
                "between them, no password"
            )
            raise ValueError(message)
        return cls(",".join(host if ":" in host else f"{host}:{_PORT}" for host in hosts), name)


def _is_broker(text: str) -> bool:
    found = re.fullmatch(r"[\w.\-]+(?::(\d{1,5}))?", text)
    return found is not None and 0 < int(found[1] or _PORT) <= _LARGEST_PORT


@dataclass(frozen=True, slots=True)
class Retention:
    """How a new topic keeps records."""

    replicas: int = 1
    milliseconds: int = -1
    """For how long; -1: for ever."""


class KafkaLog:
    """See `shared_logic.protocols.Log`. Any number of processes read, one at a time appends."""

    def __init__(
        self,
        topic: Topic,
        options: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Open the topic; `options` are librdkafka's, such as `security.protocol`, `patience` is in seconds.

        Raises:
            KafkaUnreachable: no broker answers.
            LogError: there is no such topic.
        """
        self.topic = topic
        self._options, self._patience = dict(options or {}), patience
        self._request_seconds = min(REQUEST_SECONDS, patience)
        self._complaints = Complaints()
        self._asker = self._consumer({"error_cb": self._complaints})
        self._readers: dict[int, list[_Reader]] = {}
        """By partition, those that were used last last."""
        self._producer: Producer | None = None
        found = self._retried(self._described)
        if found.error is not None:
            message = f"there is no topic {topic.name} at {topic.brokers}; make it, or name another one"
            raise LogError(message)
        self._partitions = len(found.partitions)

    @property
    def identity(self) -> str:
        """See `Log`; a topic of the same name that was made after this one was deleted is another.

        Raises:
            KafkaUnreachable: no broker answers, or there is no such topic any more.
        """
        admin = AdminClient(self._client({}))
        (future,) = admin.describe_topics(
            TopicCollection([self.topic.name]), request_timeout=REQUEST_SECONDS
        ).values()
        try:
            return str(future.result().topic_id)
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error

    @property
    def partitions(self) -> int:
        """See `Log`."""
        return self._partitions

    def read(self, partition: int, offset: int, most: int) -> Sequence[Message]:
        """See `Log`.

        Raises:
            KafkaUnreachable: no broker answers.
        """
        return [
            Message(record.offset() or 0, (record.key() or b"").decode(), record.value() or b"")
            for record in self._records(partition, offset, most)
        ]

    def ends(self) -> Cut:
        """See `Log`."""
        return tuple(self._bounds(partition)[1] for partition in range(self._partitions))

    def starts(self) -> Cut:
        """See `Log`."""
        return tuple(self._bounds(partition)[0] for partition in range(self._partitions))

    def last_position(self, partition: int) -> int | None:
        """Where the newest record stood in the outbox; None: there is no record.

        Raises:
            LogError: the newest record was written by somebody else.
        """
        low, high = self._bounds(partition)
        if low == high:
            return None
        (record,) = self._records(partition, high - 1, 1)
        for name, value in record.headers() or ():
            if name == POSITION and value is not None:
                return int(value)
        message = (
            f"the newest record of partition {partition} of {self.topic.name} has no position: something else writes to this "
            "topic; give the canonical log a topic of its own"
        )
        raise LogError(message)

    def append(self, partition: int, messages: Iterable[Message]) -> None:
        """Add messages, whose offsets are their positions in the outbox. All are durable afterwards, in this order.

        Raises:
            KafkaUnreachable: some were not acknowledged in time.
        """
        if self._producer is None:
            own = {"message.max.bytes": _LARGEST_RECORD}
            self._producer = Producer(self._client({**DURABLE, **waiting(self._patience), **own}))
        failure = send(
            self._producer,
            (
                {
                    "topic": self.topic.name,
                    "partition": partition,
                    "key": message.key,
                    "value": message.value,
                    "headers": [(POSITION, str(message.offset).encode())],
                }
                for message in messages
            ),
        )
        if failure is not None:
            self._producer = None  # what was not acknowledged is begun anew, by position
            raise self._unreachable(failure.str())

    def forget(self, partition: int, offset: int) -> None:
        """Give up what lies before that offset: it is kept elsewhere.

        Raises:
            KafkaUnreachable: no broker answers, or it refuses.
        """
        admin = AdminClient(self._client({}))
        (future,) = admin.delete_records([TopicPartition(self.topic.name, partition, offset)]).values()
        try:
            future.result()
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._asker.close()
        for readers in self._readers.values():
            for reader in readers:
                reader.consumer.close()

    def __enter__(self) -> Self:
        """Use in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _consumer(self, options: Mapping[str, object] | None = None) -> Consumer:
        return Consumer(
            self._client(
                {
                    "group.id": "wikibraid",  # demanded, though nothing is committed to it
                    "enable.auto.commit": False,
                    "auto.offset.reset": "error",
                    "fetch.message.max.bytes": _LARGEST_RECORD,
                    "fetch.wait.max.ms": _MILLISECONDS_KAFKA_WAITS,
                    "queued.max.messages.kbytes": _FETCHED_AHEAD_KIB,
                    **(options or {}),
                }
            )
        )

    def _client(self, options: Mapping[str, object]) -> dict[str, Any]:
        # What it tells of brokers that are away comes back as errors of calls.
        base = {"bootstrap.servers": self.topic.brokers, "log_level": 0, "reconnect.backoff.max.ms": 1_000}
        return {**base, **options, **self._options}

    def _records(self, partition: int, offset: int, most: int) -> list[Record]:
        low, high = self._bounds(partition)
        if offset < low:
            message = (
                f"partition {partition} of the topic {self.topic.name} begins at offset {low}, and {offset} is wanted: Kafka has "
                "given up what lies between; keep records longer, and make a new generation with `wikibraid batch run`"
            )
            raise LogError(message)
        if offset >= high or most < 1:
            return []
        reader = self._reader(partition, offset)
        found: list[Record] = []
        silent = 0.0
        while len(found) < most and reader.offset < high:
            # No more than there are: it waits for as many, or for its time to be over.
            some = min(most - len(found), high - reader.offset, _AT_ONCE)
            records = without_groups(reader.consumer.consume(some, timeout=_SECONDS_LISTENED))
            silent = 0.0 if records else silent + _SECONDS_LISTENED
            told = next((error.str() for record in records if (error := record.error()) is not None), "")
            if told or silent > self._patience:
                reader.offset = -1
                raise self._unreachable(told or f"nothing of partition {partition} from {offset} on")
            found += records
            if records:
                reader.offset = (records[-1].offset() or 0) + 1
        return found

    def _reader(self, partition: int, offset: int) -> _Reader:
        """One that gives that offset next: of each place at which somebody reads on there is one, unless there are too many.

        To set one elsewhere takes as long as Kafka waits for news at the place where it was.
        """
        readers = self._readers.setdefault(partition, [])
        place = next((place for place, reader in enumerate(readers) if reader.offset == offset), None)
        if place is not None:
            reader = readers.pop(place)
        else:
            reader = readers.pop(0) if len(readers) == _READERS else _Reader(self._consumer())
            reader.consumer.assign([TopicPartition(self.topic.name, partition, offset)])
            reader.offset = offset
        readers.append(reader)
        return reader

    def _bounds(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self.topic.name, partition)

        def asked() -> tuple[int, int]:
            low, high = self._asker.get_watermark_offsets(place, timeout=self._request_seconds)
            return max(low, 0), max(high, 0)

        return self._retried(asked)

    def _described(self) -> Any:
        return self._asker.list_topics(self.topic.name, timeout=self._request_seconds).topics[self.topic.name]

    def _retried(self, ask: Callable[[], _T]) -> _T:
        attempts = Retrying(
            retry=retry_if_exception_type(KafkaException),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(0.1, max=2),
            reraise=True,
        )
        self._complaints.forget()
        try:
            return attempts(ask)
        except KafkaException as error:
            raise self._unreachable(self._complaints.beside(error.args[0].str(), self._asker)) from error

    def _unreachable(self, why: str) -> KafkaUnreachable:
        return KafkaUnreachable(
            f"Kafka at {self.topic.brokers} doesn't answer for topic {self.topic.name} ({why}); check that it runs and can be "
            "reached from here"
        )


@dataclass(slots=True)
class _Reader:
    """A consumer of one partition, and the offset that it gives next; -1: it must be told."""

    consumer: Consumer
    offset: int = -1


def create_topic(
    topic: Topic,
    partitions: int = PARTITIONS,
    retention: Retention | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Make the topic where it is missing; how many partitions it has is never changed afterwards.

    Raises:
        KafkaUnreachable: no broker answers, or it refuses.
    """
    how = retention or Retention()
    complaints = Complaints()
    base = {"bootstrap.servers": topic.brokers, "log_level": 0, "error_cb": complaints}
    admin = AdminClient({**base, **dict(options or {})})
    wanted = NewTopic(
        topic.name,
        partitions,
        how.replicas,
        config={
            "cleanup.policy": "delete",
            "retention.ms": str(how.milliseconds),
            "max.message.bytes": str(_LARGEST_RECORD),
            "message.timestamp.type": "LogAppendTime",
        },
    )
    (future,) = admin.create_topics([wanted], operation_timeout=30).values()
    try:
        future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            message = f"Kafka at {topic.brokers} does not make the topic {topic.name}: {complaints.beside(error.args[0].str(), admin)}"
            raise KafkaUnreachable(message) from error
    with suppress(KafkaException):  # whoever opens it next asks again
        admin.list_topics(topic.name, timeout=REQUEST_SECONDS)
