"""Cassandra's tables: those of the store, and the merged table of a dataset, made from its specification."""

from __future__ import annotations

from datetime import date, datetime

from shared_logic.sinks import OutputTable
from shared_logic.tables import Column

TYPES: dict[type, str] = {
    int: "bigint",
    str: "text",
    bool: "boolean",
    date: "date",
    datetime: "timestamp",
    tuple: "frozen<list<text>>",
}

FORMAT = 3
"""Of the store's tables."""
_STORE_TABLES = (
    """{}.settings (name text PRIMARY KEY, value bigint)
    WITH comment = 'how the store is laid out, which never changes, and how often tails were given up'""",
    """{}.layouts (dataset text PRIMARY KEY, head text)
    WITH comment = 'types of the first columns of a key, by which its bucket is chosen; never changed'""",
    """{}.generations (dataset text, sequence bigint STATIC, published bigint STATIC, number bigint, made blob,
    PRIMARY KEY ((dataset), number))
    WITH comment = 'generations, which of them is read, and how many steps the dataset has seen; by conditional writes only'""",
    """{}.batch_rows (dataset text, bucket int, key blob, generation bigint, row blob,
    PRIMARY KEY ((dataset, bucket), key, generation)) WITH CLUSTERING ORDER BY (key ASC, generation DESC)
    AND comment = 'versions of batch rows; an empty row is a tombstone; written at the sequence of the load'""",
    """{}.bases (base text PRIMARY KEY, sequence bigint, loaded boolean)
    WITH comment = 'loads of entity states, null when they were given up; by conditional writes only'""",
    """{}.entity_states (base text, bucket int, key text, state blob, PRIMARY KEY ((base, bucket), key))
    WITH comment = 'entity states; written at the sequence of the load'""",
    """{}.tails (partition int, bucket int, key text, position bigint, state blob,
    PRIMARY KEY ((partition, bucket), key, position))
    WITH comment = 'what events said of entities; written at their offsets, later where some were given up before'""",
    """{}.progress (dataset text, generation bigint, partition int, epoch bigint, owner uuid, batch_end bigint,
    position bigint, PRIMARY KEY ((dataset, generation), partition))
    WITH comment = 'how far the speed layer is, and who owns a partition; by conditional writes only'""",
    """{}.speed_rows (dataset text, generation bigint, bucket int, key blob, row blob,
    PRIMARY KEY ((dataset, generation, bucket), key))
    WITH comment = 'speed rows; an empty row is a tombstone; written at the offsets of the lane'""",
    """{}.accumulators (dataset text, generation bigint, bucket int, key blob, partition int, sums blob, version bigint,
    PRIMARY KEY ((dataset, generation, bucket), key, partition))
    WITH comment = 'sums of a partition since the cut; written at the offset through which they are included'""",
    """{}.passed (dataset text, generation bigint, bucket int, key blob, sums blob,
    PRIMARY KEY ((dataset, generation, bucket), key))
    WITH comment = 'totals that derived datasets know; written at the offsets of the lane'""",
    """{}.changed (dataset text, generation bigint, partition int, span bigint, batch_end bigint, digest blob, keys blob,
    PRIMARY KEY ((dataset, generation, partition, span), batch_end, digest))
    WITH comment = 'which rows each batch of events changed, many keys by their digest; written at its end'""",
    """{}.redactions (wiki text, bucket int, rev_id bigint, bits int, clock bigint,
    PRIMARY KEY ((wiki, bucket), rev_id, bits, clock))
    WITH comment = 'what is hidden of revisions; only ever added to'""",
)


def create_keyspace(keyspace: str, replicas: int) -> str:
    """The CREATE KEYSPACE statement, with that many copies of a row in every data centre."""
    replication = f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    return f"CREATE KEYSPACE IF NOT EXISTS {quoted(keyspace)} WITH replication = {replication}"


def store_tables(keyspace: str) -> list[str]:
    """The CREATE TABLE statements of the store's tables; keys and rows in them are bytes of `shared_logic.keys`."""
    return [f"CREATE TABLE IF NOT EXISTS {table.format(quoted(keyspace))}" for table in _STORE_TABLES]


def create_table(table: OutputTable, keyspace: str = "wikibraid") -> str:
    """The CREATE TABLE statement of a merged table; every name is quoted, so that none is a reserved word."""
    columns = "".join(
        f"    {quoted(column.name)} {TYPES[column.type]},{_note(column)}\n" for column in table.columns
    )
    partition = ", ".join(map(quoted, table.partition))
    clustering = "".join(f", {quoted(name)}" for name in table.clustering)
    comment = table.doc.split("\n", 1)[0].replace("'", "''")
    return (
        f"CREATE TABLE IF NOT EXISTS {quoted(keyspace)}.{quoted(table.name)} (\n{columns}"
        f"    PRIMARY KEY (({partition}){clustering})\n) WITH comment = '{comment}';\n"
    )


def add_column(table: OutputTable, column: Column, keyspace: str) -> str:
    """The ALTER TABLE statement that adds a column to a merged table."""
    return (
        f"ALTER TABLE {quoted(keyspace)}.{quoted(table.name)} ADD {quoted(column.name)} {TYPES[column.type]}"
    )


def quoted(name: str) -> str:
    """The name as CQL takes it whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def _note(column: Column) -> str:
    """The column's line in the data dictionary, as a comment up to the end of the line."""
    about = column.about
    private = f"private, never served outside: {about.private}" if about.private else ""
    unit = f"in {about.unit}" if about.unit else ""
    text = "; ".join(filter(None, (about.text, unit, private)))
    return f" -- {' '.join(text.split())}" if text else ""
