"""The command that makes a home, with its log and store where they are to lie."""

from __future__ import annotations

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
from serving.sqlite_file import StoreError
from shared_logic.partitions import PARTITIONS
from speed.kafka_log import Kept, create_topic, identity_of
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
    is_new = _configure(place, log, store)
    with place.writing_log("init"), place.writing_store("init"):
        with SqliteLog(place.path / "log.db", partitions) as notes:
            identity = notes.identity
            if notes.partitions != partitions:
                message = f"{place.path} has a log of {notes.partitions} partitions already, which can't be changed; give a new --home"
                raise Failure(message)
        topic, address = place.topic(), place.address()
        if topic is not None:
            kept = Kept(replicas, retention_days * DAY_MS or -1)
            create_topic(topic, partitions, kept, kafka_options())
            identity = identity_of(topic, kafka_options())
        if address is not None:
            with connected(address, cassandra_security()) as cql:
                create_store(cql, replicas, buckets)
                try:
                    bind_to_log(cql, identity)
                except StoreError:
                    if is_new:
                        # Nothing may read or write there through this home.
                        place.configuration_file.unlink()
                    raise
        with place.intake(), place.store():
            pass
    print_outcome(
        {"home": str(place.path), "log": log, "store": store, "partitions": partitions},
        f"{place.path}: log {log}, store {store}, {partitions} partitions",
        json=json,
    )


def _configure(place: Home, log: str, store: str) -> bool:
    """Write where things lie into the home's configuration; False: it says so already.

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
            f"{place.path} has its log in {known.log} and its store in {known.store} already; what lies there would be lost "
            "from sight: give a new --home"
        )
        raise Failure(message)
    place.configured(type(known)(log=log, store=store))
    text = yaml.safe_dump({"log": log, "store": store}, sort_keys=False)
    place.configuration_file.write_text(text, encoding="utf-8")
    return True
