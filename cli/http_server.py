"""The server of merged tables: where its answers come from, and how it listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from cli.access import followed
from cli.configuration import cassandra_security, kafka_options
from cli.drift import known as known_drifts
from cli.failures import Failure
from cli.home import Home
from cli.output import err, tell
from cli.reading import instant_of
from serving.cassandra_catalogue import Catalogue, ServedStore, looking_ahead
from serving.cassandra_session import connected
from serving.http.access import Access
from serving.http.application import application
from serving.http.operations import Records
from serving.http.query_log import QueryLog
from serving.http.source import AT_ONCE_CASSANDRA, AT_ONCE_EMBEDDED, Source
from serving.sqlite_store import SqliteStore
from shared_logic.events.dates import happened
from shared_logic.protocols import Cut, LogError, Message, Store
from shared_logic.registry import registry
from speed.kafka_log import KafkaLog

ROWS_SHOWN = 100
CASSANDRA_SECONDS, KAFKA_SECONDS = 2.0, 5.0
"""How long they may not answer before whoever asks is told so (503): they wait for an answer, and others for their turn."""


def answer(place: Home, host: str, port: int, wiki: str) -> None:
    """Answer until stopped; `wiki` is meant where a request names none.

    Raises:
        Failure: the port is taken, or access.yaml can't be used.
    """
    with ExitStack() as resources:
        source = opened(place, resources)
        known = followed(place.access, tell)
        datasets = tuple(registry.values())
        made = application(
            source,
            datasets,
            Access(known),
            kept(place),
            QueryLog(place.queries),
            wiki,
            lambda: instant_of(place, None),
        )
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

        at_once = AT_ONCE_EMBEDDED

        def store() -> Store:
            return SqliteStore(path, readonly=True)

    else:
        cql = resources.enter_context(connected(address, cassandra_security(), CASSANDRA_SECONDS))
        at_once = AT_ONCE_CASSANDRA
        catalogue = Catalogue(cql, registry.values())

        def served() -> ServedStore:
            return ServedStore(cql, registry.values(), catalogue)

        store = served
        resources.enter_context(looking_ahead(served))

    if topic is None:

        def ends() -> Cut:
            with place.log() as log:
                return log.ends()

        def read(partition: int, offset: int) -> Sequence[Message]:
            with place.log() as log:
                return log.read(partition, offset, 1)

    else:
        ends = resources.enter_context(KafkaLog(topic, kafka_options(), KAFKA_SECONDS)).ends
        # One of its own, so that answers need not wait until a message is fetched.
        beside = resources.enter_context(KafkaLog(topic, kafka_options(), KAFKA_SECONDS))

        def read(partition: int, offset: int) -> Sequence[Message]:
            return beside.read(partition, offset, 1)

    def happened_at(partition: int, offset: int) -> int | None:
        try:
            messages = read(partition, offset)
        except LogError:
            return None
        return happened(messages[0].value) if messages else None

    return Source(store, ends, happened_at, place.waiting, at_once)


def kept(place: Home) -> Records:
    """What is kept beside the store, for operators."""

    def audits() -> list[dict[str, Any]]:
        rows = _table(place.path / "delta" / "audits")
        newest: dict[str, tuple[str, str]] = {}
        for row in rows:
            told = str(row.get("at") or ""), row["run"]
            newest[row["dataset"]] = max(told, newest.get(row["dataset"], ("", "")))
        return [row for row in rows if newest[row["dataset"]] == (str(row.get("at") or ""), row["run"])]

    def dead_letters() -> list[Mapping[str, Any]]:
        return [
            {
                "id": letter.id,
                "source": letter.source.split(" ")[0],
                "line": letter.position,
                "reason": letter.code,
                "replayed": letter.replayed,
            }
            for letter in place.newest_dead_letters(ROWS_SHOWN)
        ]

    def failing(dataset: str) -> list[dict[str, Any]]:
        runs = {row["run"] for row in audits() if row["dataset"] == dataset}
        rows = _table(place.path / "delta" / "quarantine")
        return [row for row in rows if row["dataset"] == dataset and row["run"] in runs][:ROWS_SHOWN]

    def drifts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = msgspec.to_builtins(known_drifts(place.parity))
        return found

    return Records(audits, failing, dead_letters, drifts, place.waiting_dead_letters)


def _table(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = DeltaTable(path).to_pyarrow_table().to_pylist()
    except TableNotFoundError:
        return []
    return rows
