"""The way into Kafka: what ingest noted durably in the outbox, an embedded log, is relayed in its order (transactional outbox).

So one commit of SQLite holds an event, where its source stands and what was noted of it, and Kafka gets each message once: a
relay that was killed goes on after the position that the newest record of a partition bears.
"""

from __future__ import annotations

from shared_logic.protocols import LogError
from speed.kafka_log import KafkaLog
from speed.sqlite_log import SqliteLog

MESSAGES_AT_ONCE = 10_000


def relay(outbox: SqliteLog, log: KafkaLog) -> int:
    """Append what the log doesn't hold yet; returns how many messages. They are dropped from the outbox afterwards.

    Raises:
        LogError: the two don't belong together.
        KafkaUnreachable: no broker answers; nothing is lost, the next relay goes on.
    """
    if outbox.partitions != log.partitions:
        message = (
            f"the topic {log.topic.name} has {log.partitions} partitions, but this home was made for {outbox.partitions}: keys "
            "would change their partition; make a new topic with as many, or a new home"
        )
        raise LogError(message)
    count = 0
    starts, ends = outbox.starts(), outbox.ends()
    for partition in range(log.partitions):
        last = log.last_position(partition) if ends[partition] or log.ends()[partition] else None
        # Nobody else writes to the topic, so that positions are offsets, also where all records were given up.
        position = log.ends()[partition] if last is None else last + 1
        if not starts[partition] <= position <= ends[partition]:
            message = (
                f"partition {partition} of the topic {log.topic.name} goes on at {position}, but the outbox holds "
                f"{starts[partition]} to {ends[partition]}: they are of different homes; give the topic that belongs to this home"
            )
            raise LogError(message)
        while messages := outbox.read(partition, position, MESSAGES_AT_ONCE):
            log.append(partition, messages)
            position = messages[-1].offset + 1
            count += len(messages)
            outbox.forget(partition, position)
    return count
