"""The command that makes a home, with its log and store where they are to lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import yaml

from cli.configuration import EMBEDDED, cassandra_security, kafka_options
from cli.failures import Failure
from cli.home import Home
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, home_at
from cli.output import print_outcome
from serving.cassandra_keyspace import BUCKETS, bind_to_log, create_store
from serving.cassandra_session import connected
from shared_logic.addresses import shown
from shared_logic.partitions import PARTITIONS
from speed.kafka_log import KafkaLog, Retention, Topic, create_topic
from speed.sqlite_log import SqliteLog

DAY_MS = 86_400_000


def init(
    log: Annotated[str, typer.Option(help="embedded, or kafka://HOST:PORT/TOPIC.")] = EMBEDDED,
    store: Annotated[str, typer.Option(help="embedded, or cassandra://HOST:PORT/KEYSPACE.")] = EMBEDDED,
    partitions: Annotated[
        int, typer.Option(min=1, help="Of the log; never changed afterwards.")
    ] = PARTITIONS,
    replicas: Annotated[int, typer.Option(min=1, help="Copies that Kafka and Cassandra keep.")] = 1,
    buckets: Annotated[
        int,
        typer.Option(
            min=1,
            max=65_536,
            help="Partitions of Cassandra per table; never changed afterwards. Of the largest table none should get above 100 MB.",
        ),
    ] = BUCKETS,
    retention_days: Annotated[
        int, typer.Option(min=0, help="For how long Kafka keeps the log; 0: for ever.")
    ] = 0,
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Make a home whose log and store lie in its folder, in Kafka, or in Cassandra; can be run again."""
    place = home_at(home)
    with place.writing_log("init"), place.writing_store("init"), _nothing_made_by_a_failure(place):
        is_new = _configure(place, log, store)
        topic, address = place.topic(), place.address()
        # What servers are asked comes first: nothing is bound to one that does not answer, or holds what is another's.
        identity = None
        if topic is not None:
            identity = _made(topic, partitions, Retention(replicas, retention_days * DAY_MS or -1))
        if address is not None:
            with connected(address, cassandra_security()) as cql:
                create_store(cql, replicas, buckets)
                bind_to_log(cql, identity or _noted(place, partitions))
        _noted(place, partitions)
        with place.intake(), place.store():
            pass
        if is_new:
            text = yaml.safe_dump({"log": log, "store": store}, sort_keys=False)
            place.configuration_file.write_text(text, encoding="utf-8")
    print_outcome(
        {"home": str(place.path), "log": log, "store": store, "partitions": partitions},
        f"{place.path}: log {log}, store {store}, {partitions} partitions",
        json=json,
    )


def _configure(place: Home, log: str, store: str) -> bool:
    """Take from now on that things lie there; False: the home's configuration says so already.

    Raises:
        Failure: it says otherwise, and something may lie there.
    """
    known = place.configuration
    if (known.log, known.store) == (log, store):
        return False
    begun = place.configuration_file.exists() or any(
        (place.path / name).exists() for name in ("log.db", "store.db")
    )
    if begun:
        message = (
            f"{place.path} has its log in {shown(known.log)} and its store in {shown(known.store)} already; what lies there would be lost "
            "from sight: give a new --home"
        )
        raise Failure(message)
    place.configured(type(known)(log=log, store=store))
    return True


@contextmanager
def _nothing_made_by_a_failure(place: Home) -> Iterator[None]:
    """Databases that are not there yet are not there after a failure either; else the home could have no other log or store."""
    known = _databases(place)
    try:
        yield
    except BaseException:
        for path in _databases(place) - known:
            path.unlink()
        raise


def _databases(place: Home) -> set[Path]:
    """Their files, those of what is not written through yet among them."""
    return {*place.path.glob("log.db*"), *place.path.glob("store.db*")}


def _made(topic: Topic, partitions: int, retention: Retention) -> str:
    """Make the topic where it is missing; returns its identity.

    Raises:
        KafkaUnreachable: no broker answers.
        Failure: it is there with another number of partitions.
    """
    create_topic(topic, partitions, retention, kafka_options())
    with KafkaLog(topic, kafka_options()) as log:
        if log.partitions != partitions:
            message = f"the topic {topic.name} has {log.partitions} partitions already; give --partitions {log.partitions}, or another topic"
            raise Failure(message)
        return log.identity


def _noted(place: Home, partitions: int) -> str:
    """Make what is beside the log, or all of an embedded one, where it is missing; returns its identity.

    Raises:
        Failure: it is there with another number of partitions.
    """
    with SqliteLog(place.path / "log.db", partitions) as notes:
        if notes.partitions != partitions:
            message = f"{place.path} has a log of {notes.partitions} partitions already, which can't be changed; give a new --home"
            raise Failure(message)
        return notes.identity
