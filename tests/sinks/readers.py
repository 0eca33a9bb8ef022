"""Sinks of every kind, each with what somebody reads there who knows nothing of us."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition
from deltalake import DeltaTable

from batch.delta_sink import DeltaSink
from serving.cassandra_session import Cql
from serving.cassandra_sink import CassandraSink
from shared_logic.sinks import OutputTable, Sink
from speed.kafka_log import Topic
from speed.kafka_sink import KafkaSink

Content = list[dict[str, Any]]
_numbers = itertools.count()


@dataclass(frozen=True)
class Place:
    """Somewhere to write a table to, as often as it is opened, and what is there."""

    kind: str
    opened: Callable[[OutputTable], Sink]
    content: Callable[[OutputTable], Content]


def in_cassandra(cql: Cql) -> Place:
    keyspace = cql.address.keyspace

    def content(table: OutputTable) -> Content:
        names = ", ".join(f'"{name}"' for name in table.names)
        rows = cql.rows(f'SELECT {names} FROM {keyspace}."{table.name}"')
        return [dict(zip(table.names, map(plain, row), strict=True)) for row in rows]

    return Place("cassandra", lambda table: CassandraSink(cql, table), content)


def in_kafka(brokers: str) -> Place:
    topic = Topic(brokers, f"sink-{next(_numbers)}")

    def content(table: OutputTable) -> Content:
        kinds = {column.name: column.type for column in table.columns}
        return [
            {
                name: None if value is None else msgspec.convert(value, kinds[name])
                for name, value in msgspec.json.decode(value).items()
            }
            for value in newest(topic).values()
            if value is not None
        ]

    return Place("kafka", lambda table: KafkaSink(topic, table), content)


def in_delta(folder: Path) -> Place:
    def content(table: OutputTable) -> Content:
        rows = DeltaTable(str(folder)).to_pyarrow_table(columns=list(table.names)).to_pylist()
        return [{name: plain(value) for name, value in row.items()} for row in rows]

    return Place("delta", lambda table: DeltaSink(folder, table), content)


def newest(topic: Topic) -> dict[bytes, bytes | None]:
    """The newest value of each key of a topic."""
    consumer = Consumer(
        {"bootstrap.servers": topic.brokers, "group.id": "reader", "auto.offset.reset": "earliest"}
    )
    found: dict[bytes, bytes | None] = {}
    for partition in consumer.list_topics(topic.name, timeout=10).topics[topic.name].partitions:
        place = TopicPartition(topic.name, partition, 0)
        low, high = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([TopicPartition(topic.name, partition, low)])
        while low < high:
            for record in consumer.consume(1_000, timeout=0.2):
                assert record.error() is None
                found[record.key()] = record.value()
                low = record.offset() + 1
    consumer.close()
    return found


def plain(value: Any) -> Any:
    """The value as Python has it, whatever the client's library makes of it."""
    if hasattr(value, "days_from_epoch"):
        return value.date()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return value
    return tuple(value) if isinstance(value, list) else value
