"""A connection to Cassandra: statements are prepared once, sent many at a time, and sent again where that is harmless."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from ssl import SSLContext
from types import MethodType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakMethod

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    OperationTimedOut,
    ProtocolVersion,
    Timeout,
    Unavailable,
    UnresolvableContactPoints,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.io.libevreactor import LibevConnection
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage
from cassandra.query import BatchStatement, BatchType, tuple_factory

from serving.sqlite_file import StoreError
from shared_logic.addresses import shown

PORT = 9042
PATIENCE_SECONDS = 60.0
"""How long a statement is sent again while Cassandra doesn't answer; a node is up again after some 10 seconds."""
REQUEST_SECONDS = 20.0
IN_FLIGHT = 64
"""Statements that are under way at a time, where each is waited for in turn."""
WRITES_IN_FLIGHT = 256
"""The same where all are waited for at the end."""
BATCH_BYTES = 30 * 1024
"""Of one batch at most: Cassandra refuses more than 50 KiB."""
BATCH_ROWS = 200
ROWS_OF_A_PAGE = 1_000
_SECONDS_BETWEEN_CONNECTS = 1.0
_BYTES_OF_A_ROW = 64
"""Beside its values, about."""
_PASSING = (
    ConnectionException,
    IsBootstrappingErrorMessage,
    NoHostAvailable,
    OperationTimedOut,
    OverloadedErrorMessage,
    Timeout,
    Unavailable,
)
_T = TypeVar("_T")


class Unreachable(StoreError):  # noqa: N818  what it is
    """Cassandra doesn't answer: not "no row", but "cannot know"."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store lies."""

    hosts: tuple[str, ...]
    port: int
    keyspace: str

    @classmethod
    def of(cls, text: str) -> Self:
        """The address `cassandra://HOST[,HOST…][:PORT]/KEYSPACE`.

        Raises:
            ValueError: it isn't one.
        """
        try:
            parts = urlsplit(text)
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        hosts = tuple(filter(None, (parts.hostname or "").split(",")))
        keyspace = parts.path.removeprefix("/")
        if (
            parts.scheme != "cassandra"
            or parts.username is not None
            or parts.query
            or not hosts
            or not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace)
        ):
            message = (
                f"{shown(text)!r} is no address of a store in Cassandra; write cassandra://HOST:PORT/KEYSPACE, several hosts with "
                "commas between them, the keyspace in lower-case letters, digits and _, no password"
            )
            raise ValueError(message)
        return cls(hosts, port, keyspace)


@dataclass(frozen=True, slots=True)
class Security:
    """How a node is to be convinced, and how it has to convince."""

    login: tuple[str, str] | None = None
    """User and password."""
    tls: SSLContext | None = None
    """None: nothing is encrypted."""


@contextmanager
def connected(
    address: Address, security: Security | None = None, patience: float = PATIENCE_SECONDS
) -> Iterator[Cql]:
    """A connection; reads and writes ask a quorum of the data centre that is nearest.

    `patience` is how long, in seconds, connecting and a statement are tried again.

    Raises:
        Unreachable: nothing answers there, or not with the certificate that is demanded.
        StoreError: the user or the password is refused.
    """
    known = security or Security()
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=min(REQUEST_SECONDS, patience),
        row_factory=tuple_factory,
    )
    options: dict[str, Any] = {
        "port": address.port,
        "auth_provider": PlainTextAuthProvider(*known.login) if known.login else None,
        "ssl_context": known.tls,
        # The driver's choice depends on what else is imported, and asyncore is gone from Python 3.12 on.
        "connection_class": _Connection,
        "execution_profiles": {EXEC_PROFILE_DEFAULT: profile},
        "protocol_version": ProtocolVersion.V5,
        "reconnection_policy": ConstantReconnectionPolicy(1.0, max_attempts=None),
    }
    end = time.monotonic() + patience
    while True:
        cluster = Cluster(list(address.hosts), **options)
        try:
            session = cluster.connect()
            break
        except (*_PASSING, UnresolvableContactPoints) as error:
            cluster.shutdown()  # one that once found nothing can't be used again
            refused = [found for found in getattr(error, "errors", {}).values() if _is_refusal(found)]
            if refused:
                message = (
                    f"Cassandra at {','.join(address.hosts)}, port {address.port} refuses the login ({refused[0]}); check the user and "
                    "the password"
                )
                raise StoreError(message) from error
            if time.monotonic() + _SECONDS_BETWEEN_CONNECTS > end:
                raise _unreachable(address, error) from error
        time.sleep(_SECONDS_BETWEEN_CONNECTS)
    try:
        yield Cql(session, address, patience)
    finally:
        cluster.shutdown()


class Cql:
    """Statements to one keyspace; all that are sent here may be sent twice, so they are where Cassandra didn't answer."""

    def __init__(self, session: Any, address: Address, patience: float) -> None:
        """Over the driver's session."""
        self.address = address
        self._session, self._patience = session, patience
        self._prepared: dict[str, Any] = {}

    def define(self, statement: str) -> None:
        """Change the schema; the nodes agree on it afterwards."""
        self._retried(lambda: self._session.execute(statement, timeout=self._patience))

    def use_keyspace(self) -> None:
        """From now on names of tables are of the address' keyspace, which exists."""
        self._session.set_keyspace(self.address.keyspace)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that it finds: for few."""
        return list(self.scan(statement, *values))

    def first(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """The first row that it finds."""
        return next(self.scan(statement, *values), None)

    def scan(self, statement: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows that it finds, page by page; the first page is asked for at once."""
        bound = self.bound(statement, values)
        return self._pages(bound, self._session.execute_async(bound))

    def several(self, statement: str, asked: Iterable[Sequence[object]]) -> Iterator[tuple[Any, ...]]:
        """The rows that it finds for each of the values in turn, as many as can be being asked for at once, before the first is wanted."""
        left = iter(asked)
        window = deque(self.scan(statement, *values) for values in islice(left, IN_FLIGHT))

        def rows() -> Iterator[tuple[Any, ...]]:
            while window:
                yield from window.popleft()
                window.extend(self.scan(statement, *values) for values in islice(left, 1))

        return rows()

    def write(self, statement: str, rows: Iterable[tuple[Hashable, Sequence[object]]]) -> None:
        """Send it for each of the values. All are durable afterwards.

        What comes before the values names their partition: rows of one partition are sent together.
        """
        self.send(self.batches(statement, rows))

    def send(self, statements: Iterable[Any]) -> None:
        """Send statements of the driver, many at a time. All are durable afterwards."""
        window = Window(self)
        window.send(statements)
        window.finish()

    def begin(self, statement: Any) -> Sent:
        """Send a statement of the driver."""
        return Sent(statement, self._session.execute_async(statement))

    def finish(self, sent: Sent) -> None:
        """Wait until it is durable."""
        self._finish(sent.statement, sent.future)

    def batches(self, statement: str, rows: Iterable[tuple[Hashable, Sequence[object]]]) -> Iterator[Any]:
        """It for each of the values, as statements of the driver; rows of one partition, which comes before the values, are together."""
        groups: dict[Hashable, tuple[list[Any], int]] = {}
        for group, values in rows:
            size = _BYTES_OF_A_ROW + sum(len(value) for value in values if isinstance(value, bytes | str))
            together, bytes_ = groups.get(group, ([], 0))
            if together and (bytes_ + size > BATCH_BYTES or len(together) == BATCH_ROWS):
                yield _together(together)
                together, bytes_ = [], 0
            together.append(self.bound(statement, values))
            groups[group] = together, bytes_ + size
        for together, _ in groups.values():
            yield _together(together)

    def bound(self, statement: str, values: Sequence[object]) -> Any:
        """The driver's statement."""
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._retried(lambda: self._session.prepare(statement))
            prepared.fetch_size = ROWS_OF_A_PAGE
            self._prepared[statement] = prepared
        return prepared.bind(values)

    def begin_conditional(self, statement: str, *values: object) -> Callable[[], Mapping[str, Any] | None]:
        """Send a conditional write; what is returned waits for its end and tells None, or the row that didn't meet the condition.

        Where Cassandra didn't tell the end it is sent again, so that the row may be what the first try has made of it.
        """
        bound = self.bound(statement, values)
        future = self._session.execute_async(bound)

        def finished() -> Mapping[str, Any] | None:
            result = self._finish(bound, future)
            row = result.current_rows[0]
            return None if row[0] else dict(zip(result.column_names, row, strict=True))

        return finished

    def conditional(self, statement: str, *values: object) -> Mapping[str, Any] | None:
        """Send a conditional write and wait for its end: see `begin_conditional`."""
        return self.begin_conditional(statement, *values)()

    def _pages(self, bound: Any, future: Any) -> Iterator[tuple[Any, ...]]:
        state: bytes | None = None
        while True:
            result = self._finish(bound, future, state)
            state = result.paging_state
            if state is not None:  # the next page is on its way while this one is read
                future = self._session.execute_async(bound, paging_state=state)
            yield from result.current_rows
            if state is None:
                return

    def _finish(self, statement: Any, future: Any, state: bytes | None = None) -> Any:
        """The result, of another try where this one failed in passing."""
        try:
            return future.result()
        except _PASSING:
            return self._retried(lambda: self._session.execute(statement, paging_state=state))

    def _retried(self, send: Callable[[], _T]) -> _T:
        end, pause = time.monotonic() + self._patience, 0.05
        while True:
            try:
                return send()
            except _PASSING as error:
                if time.monotonic() + pause > end:
                    raise _unreachable(self.address, error) from error
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


class Sent(NamedTuple):
    """A statement of the driver that is under way."""

    statement: Any
    future: Any
    """The driver's, of its result."""


class Window:
    """Statements that are under way, many at a time."""

    def __init__(self, cql: Cql) -> None:
        """Over a connection."""
        self._cql = cql
        self._under_way: deque[Sent] = deque()

    def send(self, statements: Iterable[Any]) -> None:
        """Send statements of the driver, waiting only where too many are under way.

        Raises:
            Whatever Cassandra answers to one of them, or of an earlier call; nothing is under way then.
        """
        try:
            for statement in statements:
                if len(self._under_way) == WRITES_IN_FLIGHT:
                    self._cql.finish(self._under_way.popleft())
                self._under_way.append(self._cql.begin(statement))
        except BaseException:
            self.abandon()
            raise

    def finish(self) -> None:
        """Wait for all. They are durable afterwards.

        Raises:
            Whatever Cassandra answers to one of them; nothing is under way then.
        """
        try:
            while self._under_way:
                self._cql.finish(self._under_way.popleft())
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Wait for all, whatever comes of them; none is sent again, which would take each its time where Cassandra is away."""
        while self._under_way:
            with suppress(Exception):
                self._under_way.popleft().future.result()


class _Connection(LibevConnection):  # type: ignore[misc]  # the driver is not typed
    """One whose clocks hold no statement: a statement holds its clock, and both would stay until the cycle collector finds them."""

    @classmethod
    def create_timer(cls, timeout: float, callback: Callable[[], object]) -> Any:
        """See the driver: call back after so many seconds, where whoever is to be called is still there."""
        return super().create_timer(timeout, _weakly(callback))


def _weakly(callback: Callable[[], object]) -> Callable[[], object]:
    if not isinstance(callback, MethodType):
        return callback
    of_whom = WeakMethod(callback)

    def call() -> None:
        if (method := of_whom()) is not None:
            method()

    return call


def _together(statements: list[Any]) -> Any:
    if len(statements) == 1:
        return statements[0]
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.add_all(statements, [()] * len(statements))
    return batch


def _is_refusal(error: object) -> bool:
    return isinstance(error, AuthenticationFailed) or "credentials" in str(error).lower()


def _unreachable(address: Address, error: BaseException) -> Unreachable:
    where = f"{','.join(address.hosts)}, port {address.port}"
    return Unreachable(
        f"Cassandra at {where} doesn't answer ({error}); check that it runs and can be reached from here"
    )
