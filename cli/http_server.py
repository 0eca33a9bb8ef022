"""The server of merged tables: where its answers come from, and how it listens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from cli.configuration import cassandra_security, kafka_options
from cli.failures import Failure
from cli.home import Home
from cli.output import err
from serving.cassandra_session import connected
from serving.cassandra_store import CassandraStore
from serving.http.access import Access, bearers
from serving.http.application import application
from serving.http.operations import Kept
from serving.http.source import Source
from serving.sqlite_store import SqliteStore
from shared_logic.language import registry
from shared_logic.protocols import Cut, Store
from speed.kafka_log import KafkaLog
from speed.sqlite_log import SqliteLog

ROWS_SHOWN = 100


def answer(place: Home, host: str, port: int, wiki: str) -> None:
    """Answer until stopped; `wiki` is meant where a request names none.

    Raises:
        Failure: the port is taken, or access.yaml can't be read.
    """
    access = logging.FileHandler(place.path / "access.log")
    access.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("wikibraid.access")
    logger.addHandler(access)
    logger.setLevel(logging.INFO)
    with ExitStack() as resources:
        source = opened(place, resources)
        try:
            known = bearers(place.path / "access.yaml")
        except msgspec.DecodeError as error:
            message = f"{place.path / 'access.yaml'}: {error}; `wikibraid access admit` writes it"
            raise Failure(message) from error
        made = application(source, tuple(registry.values()), Access(known), kept(place), wiki)
        # The server's own log of requests would hold the names that are asked for.
        configuration = uvicorn.Config(made, host=host, port=port, log_level="warning", access_log=False)
        try:
            socket = configuration.bind_socket()
        except SystemExit as error:
            message = f"port {port} of {host} can't be had; give another --port"
            raise Failure(message) from error
        err.print(f"http://{host}:{port}/docs · /operations/page · /similarusers/page", markup=False)
        uvicorn.Server(configuration).run([socket])


def opened(place: Home, resources: ExitStack) -> Source:
    """Where answers come from; what must be closed is entered into `resources`."""
    address, topic = place.address(), place.topic()
    if address is None:
        path = place.path / "store.db"
        SqliteStore(path).close()  # made where it is missing, so that it can be read

        def store() -> Store:
            return SqliteStore(path, readonly=True)

    else:
        cql = resources.enter_context(connected(address, cassandra_security()))

        def store() -> Store:
            return CassandraStore(cql, registry.values())

    if topic is None:

        def ends() -> Cut:
            with SqliteLog(place.path / "log.db") as log:
                return log.ends()

    else:
        ends = resources.enter_context(KafkaLog(topic, kafka_options())).ends
    return Source(store, ends)


def kept(place: Home) -> Kept:
    """What is kept beside the store, for operators."""

    def audits() -> list[dict[str, Any]]:
        rows = _table(place.path / "delta" / "audits")
        with place.store() as store:
            newest = {
                dataset: made.run for dataset in registry if (made := store.published(dataset)) is not None
            }
        return [row for row in rows if newest.get(row["dataset"], row["run"]) == row["run"]]

    def dead_letters() -> list[Mapping[str, Any]]:
        with place.notes() as notes:
            return [
                {
                    "id": letter.id,
                    "source": letter.source.split(" ")[0],
                    "line": letter.position,
                    "reason": letter.code,
                    "replayed": letter.replayed,
                }
                for letter in notes.dead_letters()[-ROWS_SHOWN:]
            ]

    def failing(dataset: str) -> list[dict[str, Any]]:
        rows = _table(place.path / "delta" / "quarantine")
        return [row for row in rows if row.get("dataset") == dataset][:ROWS_SHOWN]

    return Kept(audits, failing, dead_letters)


def _table(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = DeltaTable(path).to_pyarrow_table().to_pylist()
    except TableNotFoundError:
        return []
    return rows
