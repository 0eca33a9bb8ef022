"""A merged table as a table of Cassandra, for clients that know nothing but CQL.

What is written is dated by the number of its writer and of its write, never by a clock: each process that opens a sink is numbered by
one conditional write, so that of two the older one's writes lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from serving.cassandra_session import Cql
from serving.ddl import TYPES, add_column, create_table, quoted
from shared_logic.sinks import Change, OutputTable, SinkError
from shared_logic.tables import Key

_STEP_BITS = 40
"""Of a date: so many writes a process may do."""
_DELIVERED = """CREATE TABLE IF NOT EXISTS {}.delivered (table_name text PRIMARY KEY, writer bigint, mark text)
    WITH comment = 'how far each table is: generation and offsets of the log; by conditional writes only'"""
_KINDS = {"partition_key": "partition", "clustering": "clustering", "regular": "value"}


class CassandraSink:
    """See `shared_logic.sinks.Sink`. The keyspace exists."""

    most = 5_000

    def __init__(self, cql: Cql, table: OutputTable) -> None:
        """Over a connection; nothing is asked yet."""
        self._cql, self._table = cql, table
        self._keyspace = cql.address.keyspace
        self._writer = self._step = 0
        name = f"{quoted(self._keyspace)}.{quoted(table.name)}"
        columns = ", ".join(map(quoted, table.names))
        places = ", ".join("?" * len(table.names))
        where = " AND ".join(f"{quoted(column)}=?" for column in table.key_names)
        self._put = f"INSERT INTO {name} ({columns}) VALUES ({places}) USING TIMESTAMP ?"  # noqa: S608  names are quoted
        self._delete = f"DELETE FROM {name} USING TIMESTAMP ? WHERE {where}"  # noqa: S608  names are quoted
        self._select = f"SELECT {', '.join(map(quoted, table.key_names))} FROM {name}"  # noqa: S608  names are quoted

    def prepare(self) -> None:
        """See `Sink`."""
        self._cql.define(_DELIVERED.format(quoted(self._keyspace)))
        known = self._known()
        if not known:
            self._cql.define(create_table(self._table, self._keyspace))
        for column in self._table.columns:
            kind = column.role if column.role in {"partition", "clustering"} else "value"
            found = known.get(column.name)
            wanted = (kind, TYPES[column.type])
            if not known or found == wanted:
                continue
            if found is not None or kind != "value":
                was = f"{found[0]} {found[1]}" if found else "not there"
                message = (
                    f"{self._keyspace}.{self._table.name}: the column {column.name} is {was}, and {' '.join(wanted)} is wanted, "
                    "which Cassandra can't change; drop the table, or name another keyspace in sinks.yaml"
                )
                raise SinkError(message)
            self._cql.define(add_column(self._table, column, self._keyspace))
        foreign = {name for name, (kind, _) in known.items() if kind != "value"} - set(self._table.key_names)
        if foreign:
            message = (
                f"{self._keyspace}.{self._table.name}: its key has the columns {', '.join(sorted(foreign))} as well; drop the "
                "table, or name another keyspace in sinks.yaml"
            )
            raise SinkError(message)
        self._take()

    def keys(self) -> Iterator[Key]:
        """See `Sink`."""
        kinds = {column.name: column.type for column in self._table.columns}
        for row in self._cql.scan(self._select):
            yield tuple(
                _FROM_CQL.get(kinds[name], _as_it_is)(value)
                for name, value in zip(self._table.key_names, row, strict=True)
            )

    def write(self, changes: Sequence[Change]) -> None:
        """See `Sink`."""
        self._step += 1
        at = (self._writer << _STEP_BITS) + self._step
        partition = len(self._table.partition)
        puts = (
            (change.key[:partition], (*self._table.record(change.row).values(), at))
            for change in changes
            if change.row is not None
        )
        self._cql.write(self._put, puts)
        deletes = ((change.key[:partition], (at, *change.key)) for change in changes if change.row is None)
        self._cql.write(self._delete, deletes)

    def finish(self, mark: str) -> None:
        """See `Sink`.

        Raises:
            SinkError: another process writes this table by now.
        """
        update = f"UPDATE {quoted(self._keyspace)}.delivered SET mark=? WHERE table_name=? IF writer=?"  # noqa: S608  names are quoted
        found = self._cql.conditional(update, mark, self._table.name, self._writer)
        if found is not None:
            message = f"{self._keyspace}.{self._table.name} is written by another process by now; run one `wikibraid sinks` at a time"
            raise SinkError(message)

    def _known(self) -> dict[str, tuple[str, str]]:
        """Columns of the table as it is: what they are for, and their types."""
        select = (
            "SELECT column_name, kind, type FROM system_schema.columns WHERE keyspace_name=? AND table_name=?"
        )
        rows = self._cql.rows(select, self._keyspace, self._table.name)
        return {name: (_KINDS.get(kind, kind), type_) for name, kind, type_ in rows}

    def _take(self) -> None:
        """Be the table's writer from now on."""
        table, update = f"{quoted(self._keyspace)}.delivered", "SET writer=? WHERE table_name=? IF writer=?"
        while True:
            row = self._cql.first(f"SELECT writer FROM {table} WHERE table_name=?", self._table.name)  # noqa: S608  a quoted name
            writer = None if row is None else row[0]
            following = (writer or 0) + 1
            if self._cql.conditional(f"UPDATE {table} {update}", following, self._table.name, writer) is None:
                self._writer, self._step = following, 0
                return


def _as_it_is(value: Any) -> Any:
    return value


_FROM_CQL: Mapping[type, Callable[[Any], Any]] = {
    date: lambda value: value.date(),
    datetime: lambda value: value.replace(tzinfo=UTC),
}
"""Values as the driver gives them, where they aren't Python's own."""
