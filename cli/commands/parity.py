"""The command that compares what is served with a recomputation of everything."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.batch_run import spark_session
from cli.drift import Drift, note
from cli.failures import CANNOT_KNOW, DIFFERS, Failure
from cli.options import DEFAULT_HOME, HomeOption, JsonOption, dataset_named, home_at
from cli.output import meter, out, print_json, print_records, text
from cli.reading import reader, replay
from cli.row_file import read_rows, write_rows
from cli.temporary import temporary
from serving.as_of import as_of
from serving.parity import compare
from serving.reader import Reader
from shared_logic.definition import Dataset
from shared_logic.protocols import Cut, Generation, Lane, Log, Store

if TYPE_CHECKING:
    from cli.recomputation import Recomputation

DIFFERENCES_SHOWN = 20


def parity(
    names: Annotated[list[str], typer.Argument(help="The datasets.")],
    home: HomeOption = DEFAULT_HOME,
    json: JsonOption = False,
) -> None:
    """Recompute from everything up to the speed layer's progress, and compare with the merged tables, row by row."""
    from cli.recomputation import Recomputation

    place = home_at(home)
    rows: list[dict[str, Any]] = []
    through: dict[str, Cut] = {}
    with (
        place.log() as log,
        place.store() as store,
        temporary(place.temporary) as folder,
        meter("recomputing"),
    ):
        read, again = reader(store, log), Recomputation(place, log, spark_session(place))
        for name in names:
            dataset = dataset_named(name)
            current = store.published(name)
            if current is None:
                message = f"{name} is not published; `wikibraid batch run {name}` makes the first generation"
                raise Failure(message, CANNOT_KNOW)
            through[name], count, found = _differences(
                store, log, read, dataset, current, again, folder / name
            )
            rows += found
            note(
                place.parity,
                Drift(
                    dataset=name,
                    generation=current.number,
                    through=through[name],
                    at=datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    rows=count,
                    columns=Counter(row["column"] for row in found),
                ),
            )
    if json:
        print_json({"through": through, "differences": rows})
    else:
        print_records(rows[:DIFFERENCES_SHOWN], "differences")
        for name, cut in through.items():
            count = sum(row["dataset"] == name for row in rows)
            out.print(f"{name}: {count} differing values, compared through {','.join(map(str, cut))}")
    if rows:
        message = f"{', '.join(sorted({row['dataset'] for row in rows}))}: merged and recomputed differ"
        raise Failure(message, DIFFERS)


def _differences(
    store: Store,
    log: Log,
    read: Reader,
    dataset: Dataset,
    made: Generation,
    again: Recomputation,
    merged: Path,
) -> tuple[Cut, int, list[dict[str, Any]]]:
    """The offsets through which merged and recomputed rows were compared, how many merged ones there are, and where they differ.

    A daemon may write meanwhile: rows of a moment are rebuilt as of offsets that all of them include, and lie in the file `merged`.
    """
    through = read.through(dataset, made.number)
    count = write_rows(merged, read.sorted_rows(dataset, made.number, redacted=False))
    lane = Lane(dataset.name, made.number)
    begun = any((store.batch_end(lane, place) or 0) > at for place, at in enumerate(through))
    if begun or read.through(dataset, made.number) != through:
        overlay, of = as_of(store, log, dataset, through, replay)
        count = write_rows(merged, Reader(overlay).sorted_rows(dataset, of.number, redacted=False))
    found = compare(dataset.schema, read_rows(merged), again.rows(dataset, through))
    return (
        through,
        count,
        [
            {
                "dataset": dataset.name,
                "key": text(d.key),
                "column": d.column,
                "merged": text(d.left),
                "recomputed": text(d.right),
            }
            for d in found
        ],
    )
