"""What Kafka's client tells beside what its calls raise: why no broker answers, and what means nothing here."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient


class Complaints:
    """The client's `error_cb`: keeps what it said last of its connections, where calls tell only that they failed."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        """Keep what tells why; that all brokers are down is said by the call itself."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  so it is named
            self._last = error.str()

    def forget(self) -> None:
        """What was said before a call does not explain it."""
        self._last = ""

    def beside(self, why: str, client: AdminClient | Consumer | Producer) -> str:
        """Why a call of that client failed, with what it said meanwhile; it must not be fetching records."""
        client.poll(0)  # nothing is said before
        return f"{why}; {self._last}" if self._last else why


def without_groups(records: Iterable[Message]) -> list[Message]:
    """What was fetched, but for the error that the consumer may not use its group.

    Every consumer has to name one. Here none is joined and nothing is committed to it, so that no right to it is needed.
    """
    return [record for record in records if not _is_of_group(record.error())]


def _is_of_group(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
