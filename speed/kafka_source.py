"""Source streams in Kafka, such as Wikimedia's `eqiad.mediawiki.page_change.v1`: all partitions of some topics, read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from speed.ingest import Arrived
from speed.kafka_log import KafkaUnreachable
from speed.log_error import LogError
from speed.sqlite_log import SqliteLog

_REQUEST_SECONDS = 30.0
_LARGEST_RECORD = 64 * 1024 * 1024
_FETCHED_AHEAD_KIB = 65_536
Tell = Callable[[str], None]
Place = tuple[str, int]
"""Topic and partition."""


class Lost(LogError):  # noqa: N818  what happened
    """Kafka has given up records that were never read here."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to begin in partitions of which the log holds nothing."""

    since_ms: int | None
    """At the first record that is not older, in milliseconds since 1970 UTC; None: at the oldest there is."""
    accept_loss: bool = False
    """Whether to go on with the oldest there is where what comes next was given up."""


class KafkaSource:
    """See `speed.sources.Source`. Where it is is kept in the log, in one transaction with what was read; never in Kafka."""

    def __init__(
        self,
        log: SqliteLog,
        brokers: str,
        topics: Sequence[str],
        beginning: Beginning,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Go on after what the log holds of these topics; `options` are librdkafka's.

        Raises:
            Lost: Kafka no longer holds what comes next.
            LogError: there is no such topic.
            KafkaUnreachable: no broker answers.
        """
        self._brokers = brokers
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "log_level": 0,
                "group.id": "wikibraid-ingest",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": _LARGEST_RECORD,
                "queued.max.messages.kbytes": _FETCHED_AHEAD_KIB,
                "reconnect.backoff.max.ms": 1_000,
                **dict(options or {}),
            }
        )
        try:
            self._next = {place: self._begin(log, place, beginning) for place in self._places(topics)}
            self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let go of the connections at the end."""
        try:
            yield
        finally:
            self._consumer.close()

    def take(self, most: int, seconds: float) -> Sequence[Arrived]:
        """See `Source`.

        Raises:
            Lost: Kafka gave up what comes next while this was away.
            KafkaUnreachable: Kafka tells of an error that doesn't pass.
        """
        records = self._consumer.consume(most, timeout=seconds)
        found = []
        for record in records:
            error = record.error()
            if error is not None:
                self._raise(error, record)
                continue
            place = record.topic() or "", record.partition() or 0
            offset = record.offset() or 0
            self._next[place] = offset + 1
            value = record.value()
            if value is not None:
                found.append(Arrived(_name(self._brokers, place), offset, value))
        return found

    def note(self, log: SqliteLog) -> None:
        """See `Source`."""
        for place, offset in self._next.items():
            log.advance_source(_name(self._brokers, place), offset)

    def _places(self, topics: Sequence[str]) -> list[Place]:
        known = self._consumer.list_topics(timeout=_REQUEST_SECONDS).topics
        there = [topic for topic in topics if topic in known and known[topic].error is None]
        if not there:
            message = f"Kafka at {self._brokers} has none of the topics {', '.join(topics)}; check streams.yaml and --brokers"
            raise LogError(message)
        return [(topic, partition) for topic in there for partition in sorted(known[topic].partitions)]

    def _begin(self, log: SqliteLog, place: Place, beginning: Beginning) -> int:
        known = log.source_position(_name(self._brokers, place))
        low, high = self._bounds(place)
        if not known:
            if beginning.since_ms is None:
                return low
            asked = TopicPartition(*place, beginning.since_ms)
            (found,) = self._consumer.offsets_for_times([asked], timeout=_REQUEST_SECONDS)
            offset: int = found.offset
            return offset if offset >= 0 else high
        if not low <= known <= high:
            if beginning.accept_loss:
                return low
            raise _lost(place, known, low, high)
        return known

    def _bounds(self, place: Place) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_REQUEST_SECONDS)
        return max(low, 0), max(high, 0)

    def _raise(self, error: KafkaError, record: Record) -> None:
        """What an error of a record means; those that pass are librdkafka's own affair."""
        place = record.topic() or "", record.partition() or 0
        if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001  so it is named
            low, high = self._bounds(place)
            raise _lost(place, self._next.get(place, 0), low, high)
        if error.fatal() or not error.retriable():
            raise self._unreachable(error.str())

    def _unreachable(self, why: str) -> KafkaUnreachable:
        return KafkaUnreachable(
            f"Kafka at {self._brokers} doesn't answer ({why}); check that it runs and can be reached from here"
        )


def _name(brokers: str, place: Place) -> str:
    return f"kafka {brokers} {place[0]}/{place[1]}"


def _lost(place: Place, wanted: int, low: int, high: int) -> Lost:
    topic, partition = place
    return Lost(
        f"{topic}, partition {partition}: offset {wanted} comes next, and Kafka holds {low} to {high}: what lies between is lost. "
        "Take new tables or dumps (`wikibraid ingest tables`), which tell of it, then go on with --accept-loss"
    )
