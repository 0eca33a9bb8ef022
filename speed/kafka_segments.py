"""How Kafka's files of a topic are brought to be dropped: it drops segments whole, and never the one that is written to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from speed.kafka_log import KafkaUnreachable, Topic
from speed.kafka_sending import REQUEST_SECONDS

_OPTION = "segment.ms"
_AT_ONCE = "1"
_SECONDS_TO_BE_KNOWN = 2.0
"""After a setting was acknowledged, until every broker goes by it."""


@contextmanager
def new_segments(topic: Topic, options: Mapping[str, str]) -> Iterator[None]:
    """While inside, a record that is appended begins a new segment, so that those before can be dropped once they are forgotten.

    Raises:
        KafkaUnreachable: no broker answers, or it refuses.
    """
    admin = AdminClient({"bootstrap.servers": topic.brokers, "log_level": 0, **options})
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    try:
        (known,) = admin.describe_configs([resource], request_timeout=REQUEST_SECONDS).values()
        before = known.result()[_OPTION]
        _set(admin, topic, _AT_ONCE)
        time.sleep(_SECONDS_TO_BE_KNOWN)
        try:
            yield
        finally:
            # Where a killed process left its own setting, the topic had none.
            is_its_own = before.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value and before.value != _AT_ONCE
            _set(admin, topic, before.value if is_its_own else None)
    except KafkaException as error:
        message = f"Kafka at {topic.brokers} does not change {_OPTION} of the topic {topic.name}: {error.args[0].str()}"
        raise KafkaUnreachable(message) from error


def _set(admin: AdminClient, topic: Topic, value: str | None) -> None:
    """Set the topic's own value; None: it has none, so that the brokers' counts."""
    how = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(_OPTION, value, incremental_operation=how)
    wanted = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
    (future,) = admin.incremental_alter_configs([wanted], request_timeout=REQUEST_SECONDS).values()
    future.result()
