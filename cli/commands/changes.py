"""The command that tells what has changed in a merged table, or in those that a view is made of."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
import typer

from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, dataset_named, known_home
from cli.output import counted
from serving.changes import Mark, UnknownMark
from serving.changes import changes as changes_since
from serving.reader import NotPublished
from serving.view_changes import Marks, view_changes
from shared_logic.definition import Dataset
from shared_logic.protocols import Store
from shared_logic.sinks import Change
from shared_logic.views import views


def changes(
    name: Annotated[str, typer.Argument(help="The dataset or view.")],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MARK", help="What the last line of an earlier answer said; without it all rows are told."
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print what has changed, one JSON text a line: {"put": row} or {"delete": key}, and {"mark": …} at the end.

    Of a view it is what has changed in the tables that it is made of, with "table" in each line. A row may be told though it is
    as it was. Keep the mark once all lines were taken, and give it as --since next time.
    """
    place = known_home(home)
    file, encode = sys.stdout.buffer, msgspec.json.Encoder().encode
    with place.store() as store:
        try:
            told, mark = _of_view(store, name, since) if name in views else _of_table(store, name, since)
        except (NotPublished, UnknownMark) as error:
            raise Failure(str(error.args[0]), CANNOT_KNOW) from error
        except ValueError as error:
            message = f"--since: {error}"
            raise Failure(message) from error
        for line in counted(told, "rows"):
            file.write(encode(line) + b"\n")
        file.write(encode({"mark": mark}) + b"\n")
        file.flush()


def _of_table(store: Store, name: str, since: str | None) -> tuple[Iterator[dict[str, Any]], str]:
    dataset = dataset_named(name)
    feed = changes_since(store, dataset, None if since is None else Mark.of(since))
    return (_line(dataset, change) for change in feed.changes), str(feed.mark)


def _of_view(store: Store, name: str, since: str | None) -> tuple[Iterable[dict[str, Any]], str]:
    feed = view_changes(store, views[name], None if since is None else Marks.of(since))
    lines = ({"table": dataset.name, **_line(dataset, change)} for dataset, change in feed.changes)
    return lines, str(feed.marks)


def _line(dataset: Dataset, change: Change) -> dict[str, Any]:
    if change.row is None:
        return {"delete": dict(zip(dataset.schema.key_names, change.key, strict=True))}
    return {"put": change.row}
