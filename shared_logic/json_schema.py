"""The JSON Schema of a table's rows, as they are written where JSON is wanted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from shared_logic.sinks import OutputTable
from shared_logic.tables import Column

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: dict[type, dict[str, Any]] = {
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    tuple: {"type": "array", "items": {"type": "string"}},
}


def row_schema(table: OutputTable) -> dict[str, Any]:
    """That of a row: all its columns, no others."""
    return {
        "$schema": DIALECT,
        "title": table.name,
        "description": table.doc.split("\n", 1)[0],
        **_record(table.columns),
    }


def key_schema(table: OutputTable) -> dict[str, Any]:
    """That of a row's key."""
    columns = tuple(column for column in table.columns if column.name in table.key_names)
    return {"$schema": DIALECT, "title": f"{table.name}, key", **_record(columns)}


def _record(columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {column.name: _property(column) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    about, kind = column.about, _TYPES[column.type]
    found: dict[str, Any] = {"description": about.text} if about.text else {}
    if column.can_be_null:
        return found | {"anyOf": [kind, {"type": "null"}]}
    return found | kind
