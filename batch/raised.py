"""Functions that raised: what they were given has no rows, in both layers alike, and is told here.

It is kept before the view is, so that a run which goes on where another one was killed knows it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from batch.row_files import RowFiles

RAISED = "wikibraid_raised"
"""Among the datasets' rows, what their functions raised."""
RAISED_ARROW = pa.schema(
    [("dataset", pa.string()), ("place", pa.string()), ("error", pa.string()), ("times", pa.int64())]
)
KEPT = 100
"""Of a task, per dataset, told with place and error; of more only how many."""
_MOST_CHARACTERS = 500
_STORED = pa.schema([("run", pa.string()), *RAISED_ARROW])
_WRITING = Lock()


@dataclass(frozen=True, slots=True)
class Raised:
    """What the function of one dataset raised in a run."""

    times: int = 0
    examples: Sequence[tuple[str, str]] = ()
    """Place and error of the first ones."""


class RaisedRows:
    """An output (see `batch.row_files.Output`) of all that functions raise while a task is at work."""

    def __init__(self) -> None:
        """Nothing was raised yet."""
        self._rows: list[tuple[str, str, str, int]] = []
        self._times: Counter[str] = Counter()

    def __call__(self, dataset: str, place: str, error: str) -> None:
        """See `shared_logic.kernel.Failed`."""
        self._times[dataset] += 1
        if self._times[dataset] <= KEPT:
            self._rows.append((dataset, place, error[:_MOST_CHARACTERS], 1))

    def add(self, seen: object) -> bool:  # noqa: ARG002  what is raised of it came before
        """See `batch.row_files.Output`."""
        return False

    def take(self) -> Iterator[tuple[Any, ...]]:
        """See `batch.row_files.Output`."""
        more = ((name, "", "", times - KEPT) for name, times in self._times.items() if times > KEPT)
        yield from (*self._rows, *more)


def keep_raised(rows: RowFiles, run: str, path: Path) -> None:
    """Add what was raised while these rows were made to the Delta table there, in place of what the same run told before."""
    told = pa.Table.from_pylist([{"run": run, **row} for row in rows.rows(RAISED)], _STORED)
    with _WRITING:
        is_there = DeltaTable.is_deltatable(str(path))
        if not is_there and not told.num_rows:
            return
        if not is_there:
            path.mkdir(parents=True, exist_ok=True)
            write_deltalake(str(path), told)
            return
        names = ", ".join(f"'{name}'" for name in rows.files)
        write_deltalake(
            str(path), told, mode="overwrite", predicate=f"run = '{run}' AND dataset IN ({names})"
        )


def raised_in(run: str, dataset: str, path: Path) -> Raised:
    """What is kept of a dataset's function in a run."""
    if not DeltaTable.is_deltatable(str(path)):
        return Raised()
    wanted = [("run", "=", run), ("dataset", "=", dataset)]
    found = DeltaTable(str(path)).to_pyarrow_table(filters=wanted).sort_by("place").to_pylist()
    examples = [(row["place"], row["error"]) for row in found if row["error"]]
    return Raised(sum(row["times"] for row in found), examples[:KEPT])
