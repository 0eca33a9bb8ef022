"""The project's own sample of a real wiki, for tests."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "sample"
WIKI = "gtbwiki"
SNAPSHOT, FINAL = FOLDER / "snapshot", FOLDER / "final"


@cache
def events() -> tuple[bytes, ...]:
    """All events of the story, in order of arrival."""
    return tuple(gzip.decompress((FOLDER / "events.ndjson.gz").read_bytes()).splitlines())
