"""Cassandra's table for a dataset, made from its specification."""

from __future__ import annotations

from datetime import date, datetime

from shared_logic.language import Dataset

TYPES: dict[type, str] = {
    int: "bigint",
    str: "text",
    bool: "boolean",
    date: "date",
    datetime: "timestamp",
    tuple: "frozen<list<text>>",
}


def create_table(dataset: Dataset, keyspace: str = "wikibraid") -> str:
    """The CREATE TABLE statement of the merged table, every name quoted."""
    schema = dataset.schema
    columns = "".join(f'    "{column.name}" {TYPES[column.type]},\n' for column in schema.columns)
    partition = ", ".join(f'"{name}"' for name in schema.partition)
    clustering = "".join(f', "{name}"' for name in schema.clustering)
    comment = schema.doc.split("\n")[0].replace("'", "''")
    return (
        f'CREATE TABLE IF NOT EXISTS "{keyspace}"."{dataset.name}" (\n{columns}'
        f"    PRIMARY KEY (({partition}){clustering})\n) WITH comment = '{comment}';\n"
    )
