"""A merged table as a Delta table, whose files are Parquet, for whoever reads a lake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Field
from deltalake.exceptions import TableNotFoundError

from batch.arrow_types import ARROW_TYPES
from shared_logic.sinks import Change, OutputTable, SinkError
from shared_logic.tables import Column, Key

_WRITES_BETWEEN_COMPACTIONS = 50
_KEPT = timedelta(days=7)
"""How long files that the table no longer has are kept for whoever still reads them."""
_GONE = "wikibraid_gone"
"""The column that says which rows are to be deleted; it is in no table."""


class DeltaSink:
    """See `shared_logic.sinks.Sink`. Each write is one version of the table."""

    most = 500_000

    def __init__(self, folder: Path, table: OutputTable) -> None:
        """In this folder; nothing is looked at yet."""
        self._folder, self._table = folder, table
        self._schema = pa.schema([_field(column, table) for column in table.columns])
        self._delta: DeltaTable | None = None

    def prepare(self) -> None:
        """See `Sink`."""
        try:
            delta = DeltaTable(str(self._folder))
        except TableNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            description = self._table.doc.split("\n", 1)[0]
            delta = DeltaTable.create(str(self._folder), self._schema, description=description)
        known = {field.name: field.type for field in pa.schema(delta.schema().to_arrow())}
        new = [field for field in self._schema if field.name not in known]
        for field in self._schema:
            if field.name in known and known[field.name] != field.type:
                message = (
                    f"{self._folder}: the column {field.name} is {known[field.name]}, and {field.type} is wanted, which can't be "
                    "changed; move the table away, or name another folder in sinks.yaml"
                )
                raise SinkError(message)
        if any(field.name in self._table.key_names for field in new):
            message = f"{self._folder}: the table's key has new columns; move it away, or name another folder in sinks.yaml"
            raise SinkError(message)
        if new:
            delta.alter.add_columns([Field.from_arrow(field) for field in new])
        self._delta = DeltaTable(str(self._folder))

    def keys(self) -> Iterator[Key]:
        """See `Sink`."""
        names = list(self._table.key_names)
        for batch in self._opened().to_pyarrow_dataset().to_batches(columns=names):
            columns = (batch[name].to_pylist() for name in names)
            yield from zip(*columns, strict=True)

    def write(self, changes: Sequence[Change]) -> None:
        """See `Sink`."""
        if not changes:
            return
        delta = self._opened()
        keys = self._table.key_names
        wanted = " AND ".join(f"target.`{name}` = source.`{name}`" for name in keys)
        columns = {f"`{name}`": f"source.`{name}`" for name in self._table.names}
        rows = [
            dict.fromkeys(self._table.names) | self._table.key_record(change.key) | {_GONE: True}
            if change.row is None
            else {**self._table.record(change.row), _GONE: False}
            for change in changes
        ]
        schema = pa.schema(
            [*(field.with_nullable(nullable=True) for field in self._schema), pa.field(_GONE, pa.bool_())]
        )
        (
            delta.merge(
                pa.Table.from_pylist(rows, schema=schema),
                wanted,
                source_alias="source",
                target_alias="target",
            )
            .when_matched_delete(f"source.{_GONE}")
            .when_matched_update(columns)
            .when_not_matched_insert(columns, f"NOT source.{_GONE}")
            .execute()
        )
        if delta.version() % _WRITES_BETWEEN_COMPACTIONS == 0:
            delta.optimize.compact()
            delta.vacuum(retention_hours=int(_KEPT.total_seconds() // 3_600), dry_run=False)

    def finish(self, mark: str) -> None:
        """See `Sink`: readers of the table see its versions."""

    def _opened(self) -> DeltaTable:
        if self._delta is None:
            message = f"{self._folder} was not prepared"
            raise AssertionError(message)
        return self._delta


def _field(column: Column, table: OutputTable) -> pa.Field:
    nullable = column.name not in table.key_names
    return pa.field(column.name, ARROW_TYPES[column.type], nullable=nullable)
