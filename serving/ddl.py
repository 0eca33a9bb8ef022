"""Cassandra's tables: those of the store, and the merged table of a dataset, made from its specification."""

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

FORMAT = 1
"""Of the store's tables."""
_STORE_TABLES = (
    """{}.settings (name text PRIMARY KEY, value bigint)
    WITH comment = 'how the store is laid out; never changed'""",
    """{}.layouts (dataset text PRIMARY KEY, head text)
    WITH comment = 'types of the first columns of a key, by which its bucket is chosen; never changed'""",
    """{}.generations (dataset text, sequence bigint STATIC, published bigint STATIC, number bigint, made blob,
    PRIMARY KEY ((dataset), number))
    WITH comment = 'generations, which of them is read, and how many steps the dataset has seen; by conditional writes only'""",
    """{}.batch_rows (dataset text, bucket int, key blob, generation bigint, row blob,
    PRIMARY KEY ((dataset, bucket), key, generation)) WITH CLUSTERING ORDER BY (key ASC, generation DESC)
    AND comment = 'versions of batch rows; an empty row is a tombstone; written at the sequence of the load'""",
    """{}.bases (base text PRIMARY KEY, sequence bigint, loaded boolean)
    WITH comment = 'loads of entity states; by conditional writes only'""",
    """{}.entity_states (base text, bucket int, key text, state blob, PRIMARY KEY ((base, bucket), key))
    WITH comment = 'entity states; written at the sequence of the load'""",
    """{}.tails (partition int, bucket int, key text, position bigint, state blob,
    PRIMARY KEY ((partition, bucket), key, position))
    WITH comment = 'what events said of entities; written at their offsets'""",
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
    """{}.redactions (wiki text, bucket int, rev_id bigint, bits int, clock bigint,
    PRIMARY KEY ((wiki, bucket), rev_id, bits, clock))
    WITH comment = 'what is hidden of revisions; only ever added to'""",
)


def create_keyspace(keyspace: str, replicas: int) -> str:
    """The CREATE KEYSPACE statement, with that many copies of a row in every data centre."""
    replication = f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    return f"CREATE KEYSPACE IF NOT EXISTS {_name(keyspace)} WITH replication = {replication}"


def store_tables(keyspace: str) -> list[str]:
    """The CREATE TABLE statements of the store's tables; keys and rows in them are bytes of `shared_logic.keys`."""
    return [f"CREATE TABLE IF NOT EXISTS {table.format(_name(keyspace))}" for table in _STORE_TABLES]


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
