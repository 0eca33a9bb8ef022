"""The table in which entity states lie, in bootstraps and between steps of Spark."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema([("wiki", pa.string()), ("kind", pa.string()), ("id", pa.int64()), ("state", pa.binary())])
COLUMNS = tuple(SCHEMA.names)
