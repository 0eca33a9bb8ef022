"""A merged table as a compacted topic of Kafka: the newest record of a key is its row, a record without value is no row.

Keys and values are JSON, each checked against the table's schema before it is sent. Records are spread over partitions as Java's
clients spread them, by murmur2 of the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from jsonschema import Draft202012Validator, ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from shared_logic.json_schema import key_schema, row_schema
from shared_logic.sinks import Change, OutputTable, SinkError
from shared_logic.tables import Key
from speed.kafka_errors import Complaints, without_groups
from speed.kafka_log import PATIENCE_SECONDS, KafkaUnreachable, Topic
from speed.kafka_sending import DURABLE, REQUEST_SECONDS, send, waiting

_LARGEST_RECORD = 16 * 1024 * 1024
_SECONDS_LISTENED = 0.2
_AT_ONCE = 10_000


class KafkaSink:
    """See `shared_logic.sinks.Sink`."""

    most = 10_000

    def __init__(
        self,
        topic: Topic,
        table: OutputTable,
        options: Mapping[str, str] | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Of this topic; nothing is asked yet. `options` are librdkafka's, `patience` is in seconds."""
        self._topic, self._table, self._patience = topic, table, patience
        self._options = {"bootstrap.servers": topic.brokers, "log_level": 0, **dict(options or {})}
        self._row, self._key = (
            Draft202012Validator(row_schema(table)),
            Draft202012Validator(key_schema(table)),
        )
        self._producer: Producer | None = None

    def prepare(self) -> None:
        """See `Sink`."""
        complaints = Complaints()
        admin = AdminClient({**self._options, "error_cb": complaints})
        wanted = NewTopic(
            self._topic.name,
            config={"cleanup.policy": "compact", "max.message.bytes": str(_LARGEST_RECORD)},
        )
        (future,) = admin.create_topics([wanted], operation_timeout=30).values()
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._unreachable(complaints.beside(error.args[0].str(), admin)) from error
        try:
            policy = self._cleanup_policy(admin)
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error
        if "compact" not in policy:
            message = (
                f"the topic {self._topic.name} is not compacted (cleanup.policy={policy}), so that it would forget rows that don't "
                "change; set cleanup.policy=compact, or name another topic in sinks.yaml"
            )
            raise SinkError(message)

    def keys(self) -> Iterator[Key]:
        """See `Sink`. The whole topic is read."""
        consumer = Consumer(
            {
                **self._options,
                "group.id": "wikibraid",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
            }
        )
        try:
            for partition in self._partitions(consumer):
                yield from self._keys_of(consumer, partition)
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error
        finally:
            consumer.close()

    def write(self, changes: Sequence[Change]) -> None:
        """See `Sink`.

        Raises:
            SinkError: a row is not as its schema says.
            KafkaUnreachable: some were not acknowledged in time.
        """
        if self._producer is None:
            own = {"partitioner": "murmur2_random", "message.max.bytes": _LARGEST_RECORD}
            self._producer = Producer({**self._options, **DURABLE, **waiting(self._patience), **own})
        # All are checked before the first is sent.
        records = [self._record(change) for change in changes]
        failure = send(
            self._producer,
            ({"topic": self._topic.name, "key": key, "value": value} for key, value in records),
        )
        if failure is not None:
            self._producer = None
            raise self._unreachable(failure.str())

    def finish(self, mark: str) -> None:
        """See `Sink`: readers of a topic see by its offsets what is there."""

    def _record(self, change: Change) -> tuple[bytes, bytes | None]:
        key = _plain(self._table.key_record(change.key))
        row = None if change.row is None else _plain(self._table.record(change.row))
        try:
            self._key.validate(key)
            if row is not None:
                self._row.validate(row)
        except ValidationError as error:
            message = f"{self._table.name}, key {key}: no row of its schema ({error.message}); nothing of its batch was sent"
            raise SinkError(message) from error
        return _encode(key), None if row is None else _encode(row)

    def _cleanup_policy(self, admin: AdminClient) -> str:
        """A topic that was just made is not yet known to every broker: asked until it is, or patience ends."""
        resource = ConfigResource(ResourceType.TOPIC, self._topic.name)
        attempts = Retrying(
            retry=retry_if_exception(_is_unknown_topic),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(0.1, max=2),
            reraise=True,
        )

        def asked() -> str:
            (described,) = admin.describe_configs([resource]).values()
            policy: str = described.result()["cleanup.policy"].value
            return policy

        return attempts(asked)

    def _partitions(self, consumer: Consumer) -> list[int]:
        described = consumer.list_topics(self._topic.name, timeout=REQUEST_SECONDS).topics[self._topic.name]
        if described.error is not None:
            raise self._unreachable(described.error.str())
        return sorted(described.partitions)

    def _keys_of(self, consumer: Consumer, partition: int) -> Iterator[Key]:
        """Keys whose newest record has a value."""
        place = TopicPartition(self._topic.name, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=REQUEST_SECONDS)
        consumer.assign([TopicPartition(self._topic.name, partition, low)])
        newest: dict[bytes, bool] = {}
        silent = 0.0
        while low < high:
            records = without_groups(consumer.consume(min(high - low, _AT_ONCE), timeout=_SECONDS_LISTENED))
            silent = 0.0 if records else silent + _SECONDS_LISTENED
            if silent > self._patience:
                raise self._unreachable(f"nothing of partition {partition}")
            for record in records:
                if (error := record.error()) is not None:
                    raise self._unreachable(error.str())
                newest[record.key() or b""] = record.value() is not None
                low = (record.offset() or 0) + 1
        kinds = {column.name: column.type for column in self._table.columns}
        for encoded, there in newest.items():
            if there:
                key = msgspec.json.decode(encoded)
                yield tuple(msgspec.convert(key[name], kinds[name]) for name in self._table.key_names)

    def _unreachable(self, why: str) -> KafkaUnreachable:
        return KafkaUnreachable(
            f"Kafka at {self._topic.brokers} doesn't answer for topic {self._topic.name} ({why}); check that it runs and can be "
            "reached from here"
        )


def _is_unknown_topic(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the values that JSON has."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


_encode = msgspec.json.Encoder(order="deterministic").encode
