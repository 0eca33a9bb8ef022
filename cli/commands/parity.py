"""The command that compares what is served with a recomputation of everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.batch_run import spark_session
from cli.drift import Drift, note
from cli.failures import CANNOT_KNOW, DIFFERS, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, dataset_named, known_home
from cli.output import meter, out, print_json, print_records, text
from cli.reading import reader, replay
from cli.row_file import read_rows, write_rows
from cli.temporary import temporary
from serving.as_of import as_of
from serving.parity import Rows, compare
from serving.reader import NotPublished, Reader, check_columns
from serving.unsettled import changed_since
from shared_logic.definition import Dataset
from shared_logic.fingerprint import fingerprint
from shared_logic.protocols import Cut, Log, Store

if TYPE_CHECKING:
    from cli.recomputation import Recomputation

DIFFERENCES_SHOWN = 20
SECONDS_FOR_A_BATCH = 30.0
STORED, REPLAYED = "stored", "replayed"


def parity(
    names: Annotated[list[str], typer.Argument(help="The datasets.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Recompute from everything up to the speed layer's progress, and compare with the merged tables, row by row.

    Beside a daemon, rows that change while they are read are left out, and counted.
    """
    from cli.recomputation import Recomputation

    place = known_home(home)
    rows: list[dict[str, Any]] = []
    with (
        place.log() as log,
        place.store() as store,
        temporary(place.temporary) as folder,
        meter("recomputing"),
    ):
        read = reader(place, store, log)
        served = [_served(store, log, read, dataset_named(name), folder) for name in dict.fromkeys(names)]
        wanted: dict[Cut, list[Dataset]] = {}
        for one in served:
            wanted.setdefault(one.through, []).append(one.dataset)
        with Recomputation(place, log, spark_session(place), wanted) as again:
            for one in served:
                found = _differences(one, again)
                rows += found
                note(place.parity, _drift(one, found))
    _print(served, rows, json)
    if rows:
        raise Failure(_differing(served, {row["dataset"] for row in rows}), DIFFERS)


def _differing(served: list[_Served], differing: set[str]) -> str:
    """That merged and recomputed rows of these datasets differ, and whether that is because their code is another one by now."""
    message = f"{', '.join(sorted(differing))}: merged and recomputed differ"
    changed = [one.dataset.name for one in served if one.has_changed and one.dataset.name in differing]
    if not changed:
        return message
    return (
        f"{message}; the code of {', '.join(changed)} is not that of the published generation, with which the rows were made: "
        f"`wikibraid batch run {' '.join(changed)}` makes generations with this code"
    )


def _drift(served: _Served, found: list[dict[str, Any]]) -> Drift:
    """What operators are told of the comparison."""
    return Drift(
        dataset=served.dataset.name,
        generation=served.generation,
        through=served.through,
        at=datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        rows=served.count,
        compared=served.compared,
        left_out=len(served.left_out) if served.compared == STORED else served.count,
        columns=Counter(row["column"] for row in found),
    )


def _print(served: list[_Served], rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(
            {
                "through": {one.dataset.name: one.through for one in served},
                "compared": {one.dataset.name: one.compared for one in served},
                "left_out": {one.dataset.name: len(one.left_out) for one in served},
                "differences": rows,
            }
        )
    else:
        print_records(rows[:DIFFERENCES_SHOWN], "differences")
        for one in served:
            count = sum(row["dataset"] == one.dataset.name for row in rows)
            out.print(
                f"{one.dataset.name}: {count} differing values, compared through {','.join(map(str, one.through))}"
            )
            out.print(f"  {one.what}")


@dataclass(frozen=True, slots=True)
class _Served:
    """The merged rows of a dataset as they were at one moment."""

    dataset: Dataset
    generation: int
    through: Cut
    """The offsets before which everything is included."""
    rows: Path
    count: int
    compared: str
    """`STORED` or `REPLAYED`."""
    left_out: frozenset[bytes]
    """Keys of stored rows that changed while they were read: they are not compared."""
    has_changed: bool
    """Whether the dataset's code is another one than that which made the generation."""

    @property
    def what(self) -> str:
        """What was compared, in words."""
        if self.compared == REPLAYED:
            return (
                "not the stored rows, but the log folded anew: a batch was begun and not finished; compare again "
                "when the daemons run, or after `wikibraid speed run`"
            )
        return f"stored rows, without {len(self.left_out)} that changed while they were read"


def _served(store: Store, log: Log, read: Reader, dataset: Dataset, folder: Path) -> _Served:
    """What is served, written to a file of the folder.

    A daemon may write meanwhile: then what it changed is left out. Where the batch that it began is not finished in time, the
    rows are the log's, folded anew up to the offsets that were included at the beginning.

    Raises:
        Failure: the dataset is not published, or with other columns, or can't be had as of these offsets.
    """
    made = store.published(dataset.name)
    if made is None:
        message = f"{dataset.name} is not published; `wikibraid batch run {dataset.name}` makes the first generation"
        raise Failure(message, CANNOT_KNOW)
    path = folder / dataset.name
    has_changed = fingerprint(dataset) != made.fingerprint
    try:
        check_columns(dataset, made)
        through = read.through(dataset, made.number)
        count = write_rows(path, read.sorted_rows(dataset, made.number, redacted=False))
        left_out = changed_since(store, made.lane, through, SECONDS_FOR_A_BATCH)
        if left_out is not None:
            return _Served(dataset, made.number, through, path, count, STORED, left_out, has_changed)
        overlay, of = as_of(store, log, dataset, through, replay)
        count = write_rows(path, Reader(overlay).sorted_rows(dataset, of.number, redacted=False))
    except NotPublished as error:
        raise Failure(str(error), CANNOT_KNOW) from error
    return _Served(dataset, made.number, through, path, count, REPLAYED, frozenset(), has_changed)


def _differences(served: _Served, again: Recomputation) -> list[dict[str, Any]]:
    """Where merged and recomputed rows differ."""
    dataset = served.dataset

    def settled(rows: Rows) -> Rows:
        return (row for row in rows if row[0] not in served.left_out)

    merged, recomputed = read_rows(served.rows), again.rows(dataset, served.through)
    return [
        {
            "dataset": dataset.name,
            "key": text(found.key),
            "column": found.column,
            "merged": text(found.left),
            "recomputed": text(found.right),
        }
        for found in compare(dataset.schema, settled(merged), settled(recomputed))
    ]
