"""The keyspace of a store in Cassandra: how it is made, and from which log it is kept."""

from __future__ import annotations

from hashlib import sha256

from serving.cassandra_session import Cql
from serving.ddl import FORMAT, create_keyspace, store_tables
from serving.sqlite_file import StoreError

BUCKETS = 64
"""Partitions of Cassandra per table of a dataset: choose so many that none gets larger than some 100 MB."""


def create_store(cql: Cql, replicas: int = 1, buckets: int = BUCKETS) -> None:
    """Make the keyspace and its tables, where they are missing.

    `replicas` are the copies of each row in every data centre, if the keyspace is new. `buckets` never change afterwards.
    """
    keyspace = cql.address.keyspace
    cql.define(create_keyspace(keyspace, replicas))
    cql.use_keyspace()
    for table in store_tables(keyspace):
        cql.define(table)
    for name, value in (("buckets", buckets), ("format", FORMAT)):
        cql.conditional("INSERT INTO settings (name, value) VALUES (?, ?) IF NOT EXISTS", name, value)


def bind_to_log(cql: Cql, log: str) -> None:
    """Note that the store is kept from the log of that identity.

    Raises:
        StoreError: it is kept from another one, of whose messages these offsets tell nothing.
    """
    mine = int.from_bytes(sha256(log.encode()).digest()[:8], "big", signed=True)
    cql.conditional("INSERT INTO settings (name, value) VALUES ('log', ?) IF NOT EXISTS", mine)
    noted = dict(cql.rows("SELECT name, value FROM settings"))
    if noted["log"] != mine:
        message = (
            f"the keyspace {cql.address.keyspace} is kept from another log, of another home; make a new home with another "
            "keyspace, or with that log"
        )
        raise StoreError(message)
