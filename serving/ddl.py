"""Cassandra's table for a dataset, made from its specification."""

from __future__ import annotations

from datetime import date, datetime

from shared_logic.language import Column, Dataset

TYPES: dict[type, str] = {
    int: "bigint",
    str: "text",
    bool: "boolean",
    date: "date",
    datetime: "timestamp",
    tuple: "frozen<list<text>>",
}


def create_table(dataset: Dataset, keyspace: str = "wikibraid") -> str:
    """The CREATE TABLE statement of the merged table; every name is quoted, so that none is a reserved word."""
    schema = dataset.schema
    columns = "".join(
        f"    {_name(column.name)} {TYPES[column.type]},{_note(column)}\n" for column in schema.columns
    )
    partition = ", ".join(map(_name, schema.partition))
    clustering = "".join(f", {_name(name)}" for name in schema.clustering)
    comment = (dataset.doc or schema.doc).split("\n", 1)[0].replace("'", "''")
    return (
        f"CREATE TABLE IF NOT EXISTS {_name(keyspace)}.{_name(dataset.name)} (\n{columns}"
        f"    PRIMARY KEY (({partition}){clustering})\n) WITH comment = '{comment}';\n"
    )


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _note(column: Column) -> str:
    """The column's line in the data dictionary, as a comment up to the end of the line."""
    about = column.about
    private = f"private, never served outside: {about.private}" if about.private else ""
    unit = f"in {about.unit}" if about.unit else ""
    text = "; ".join(filter(None, (about.text, unit, private)))
    return f" -- {' '.join(text.split())}" if text else ""
