"""Sends records to Kafka, and waits until every one is acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Record

REQUEST_SECONDS = 10.0
DURABLE: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
}
"""Options of producers whose records must be in every copy, once, in order."""


def waiting(patience: float) -> Mapping[str, Any]:
    """Options of producers that give up after so many seconds."""
    return {
        "delivery.timeout.ms": int(patience * 1_000),
        "request.timeout.ms": int(min(REQUEST_SECONDS, patience) * 1_000),
    }


def send(producer: Producer, records: Iterable[Mapping[str, Any]]) -> KafkaError | None:
    """Send records, each the arguments of `Producer.produce`; None, or why one was not acknowledged: then make a new producer."""
    failures = list[KafkaError]()

    def delivered(error: KafkaError | None, _: Record) -> None:
        if error is not None:
            failures.append(error)

    for record in records:
        while not failures:
            try:
                producer.produce(**record, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return failures[0] if failures else None
