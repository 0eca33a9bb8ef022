"""A process that makes one generation after the other and flips to each; every row of a generation says which one it is of.

`python -m tests.faults.flipper HOME`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import shared_logic.datasets  # noqa: F401  registers them
from cli.home import Home
from shared_logic.generations import next_number
from shared_logic.keys import encode_key, encode_values
from shared_logic.protocols import Store
from shared_logic.registry import registry
from tests.generations import generation

ROWS = 1_000
WIKI = "flipwiki"
DATASET = registry["page_current"]
CUT = (0,)


def rows(number: int) -> Iterator[tuple[bytes, bytes]]:
    """A whole table whose every row has that number of revisions."""
    values = dict.fromkeys(DATASET.schema.value_names) | {
        "title": "T",
        "namespace": 0,
        "is_deleted": False,
        "revisions": number,
        "latest_hidden": (),
    }
    encoded = encode_values(tuple(values[name] for name in DATASET.schema.value_names))
    return ((encode_key((WIKI, page)), encoded) for page in range(1, ROWS + 1))


def flip(store: Store) -> int:
    """Make the next generation the published one; its number."""
    number = next_number(store, DATASET.name)
    store.add_generation(
        generation(DATASET.name, number, cut=CUT, run=str(number), columns=DATASET.schema.signature)
    )
    store.load(DATASET.name, number, rows(number))
    store.publish(DATASET.name, number)
    return number


if __name__ == "__main__":
    with Home(Path(sys.argv[1])).store() as opened:
        while True:
            flip(opened)
