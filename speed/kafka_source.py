"""Source streams in Kafka, such as Wikimedia's `eqiad.mediawiki.page_change.v1`: all partitions of some topics, read side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from shared_logic.addresses import shown
from shared_logic.protocols import LogError, Tell
from speed.ingest import Arrived, Scope
from speed.kafka_errors import Complaints, without_groups
from speed.kafka_log import KafkaUnreachable
from speed.sqlite_log import SqliteLog

SECONDS_BETWEEN_LOOKS = 60.0
"""After which the topics are listed again."""
_REQUEST_SECONDS = 30.0
_LARGEST_RECORD = 64 * 1024 * 1024
_FETCHED_AHEAD_KIB = 65_536
Place = tuple[str, int]
"""Topic and partition."""
_ALL_READ = "all topics are read"


class Lost(LogError):  # noqa: N818  what happened
    """Kafka has given up records that were never read here."""


class TopicRefused(LogError):  # noqa: N818  what happened
    """Kafka won't let a topic be read; asking again would not help."""


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
        tell: Tell,
        options: Mapping[str, str] | None = None,
        scope: Scope | None = None,
    ) -> None:
        """Go on after what the log holds of these topics for what is wanted (`scope`, or all); `options` are librdkafka's.

        `tell` is told which of the topics are not read, whenever that changes.

        Raises:
            Lost: Kafka no longer holds what comes next.
            TopicRefused: Kafka won't let one of the topics be read.
            LogError: there is no such topic.
            KafkaUnreachable: no broker answers.
        """
        self._log, self._brokers, self._topics, self._beginning = log, brokers, topics, beginning
        self._tell, self._told = tell, _ALL_READ
        self._scope = scope or Scope()
        self._next: dict[Place, int] = {}
        self._partitions: dict[str, int] = {}
        self._looked_at = time.monotonic()
        self._complaints = Complaints()
        self._cluster = ""
        """Its id, which stays what it is when its brokers are called otherwise."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "log_level": 0,
                "error_cb": self._complaints,
                "group.id": "wikibraid-ingest",  # demanded, though nothing is committed to it
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": _LARGEST_RECORD,
                "queued.max.messages.kbytes": _FETCHED_AHEAD_KIB,
                "reconnect.backoff.max.ms": 1_000,
                **dict(options or {}),
            }
        )
        try:
            unread = self._look()
        except KafkaException as error:
            why = self._complaints.beside(error.args[0].str(), self._consumer)
            raise self._unreachable(why) from error
        if not self._next:
            message = (
                f"Kafka at {shown(brokers)} has none of the topics {unread}; check streams.yaml and --brokers"
            )
            raise LogError(message)
        self._say_unread(unread)

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
            TopicRefused: Kafka won't let one of the topics be read any more.
            KafkaUnreachable: Kafka tells of an error that doesn't pass.
        """
        if time.monotonic() - self._looked_at >= SECONDS_BETWEEN_LOOKS:
            self._look_again()
        records = without_groups(self._consumer.consume(most, timeout=seconds))
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
                found.append(Arrived(_name(self._cluster, place), offset, value))
        return found

    def note(self, log: SqliteLog) -> None:
        """See `Source`."""
        for place, offset in self._next.items():
            log.advance_source(self._scope.named(_name(self._cluster, place)), offset)

    def _look_again(self) -> None:
        try:
            unread = self._look()
        except KafkaException as error:
            # Brokers that are away for a while end nothing: those that are read go on when they are back.
            self._say(f"the topics can't be listed ({error.args[0].str()})")
        else:
            self._say_unread(unread)
        self._looked_at = time.monotonic()

    def _look(self) -> str:
        """Begin with what is there by now and is not read yet; what is not read then, and why."""
        listed = self._consumer.list_topics(timeout=_REQUEST_SECONDS)
        self._cluster = self._cluster or listed.cluster_id or self._brokers
        new, unread = dict[Place, int](), dict[str, str]()
        for topic in self._topics:
            # A list of all topics leaves out those that may not be seen; asked for by name, Kafka says why.
            found = (
                listed.topics.get(topic) or self._consumer.list_topics(topic, _REQUEST_SECONDS).topics[topic]
            )
            if found.error is not None:
                self._raise_refused(found.error, topic)
                unread[topic] = found.error.str()
                continue
            at_first = self._partitions.setdefault(topic, len(found.partitions))
            for partition in sorted(found.partitions):
                place, error = (topic, partition), found.partitions[partition].error
                if place in self._next:
                    continue
                if error is not None:
                    unread[f"{topic}, partition {partition}"] = error.str()
                    continue
                try:
                    new[place] = self._begin(place, added=partition >= at_first)
                except KafkaException as exception:
                    if not self._next:
                        raise
                    unread[f"{topic}, partition {partition}"] = exception.args[0].str()
        if new:
            self._next |= new
            # librdkafka forgets what it fetched ahead, and fetches it again: these offsets are of what was taken.
            self._consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])
        return ", ".join(f"{name} ({why})" for name, why in unread.items())

    def _say_unread(self, unread: str) -> None:
        self._say(f"not read: {unread}" if unread else _ALL_READ)

    def _say(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._tell(f"Kafka at {shown(self._brokers)}: {line}")

    def _begin(self, place: Place, *, added: bool) -> int:
        """Where to begin; a partition that was added to a topic that is read is new as a whole, whatever its records' times."""
        beginning = replace(self._beginning, since_ms=None) if added else self._beginning
        source = _name(self._cluster, place)
        positions = self._log.source_positions(source)
        known = max((positions[name] for name in self._scope.covered(source, positions)), default=None)
        low, high = self._bounds(place)
        if known is None:
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
        self._raise_refused(error, place[0])
        if error.fatal() or not error.retriable():
            raise self._unreachable(error.str())

    def _raise_refused(self, error: KafkaError, topic: str) -> None:
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            message = (
                f"Kafka at {shown(self._brokers)} doesn't let topic {topic} be read ({error.str()}, which it also says of a topic that is not there); "
                "allow READ and DESCRIBE on it, or name in streams.yaml only what may be read: the stream's `topics`, if it is but one of these"
            )
            raise TopicRefused(message)

    def _unreachable(self, why: str) -> KafkaUnreachable:
        return KafkaUnreachable(
            f"Kafka at {shown(self._brokers)} doesn't answer ({why}); check that it runs and can be reached from here"
        )


def _name(cluster: str, place: Place) -> str:
    return f"kafka {cluster} {place[0]}/{place[1]}"


def _lost(place: Place, wanted: int, low: int, high: int) -> Lost:
    topic, partition = place
    return Lost(
        f"{topic}, partition {partition}: offset {wanted} comes next, and Kafka holds {low} to {high}: what lies between is lost. "
        "Take new tables or dumps (`wikibraid ingest tables`), which tell of it, then go on with --accept-loss"
    )
