"""The command that tells what has changed in a merged table."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from cli.failures import CANNOT_KNOW, Failure
from cli.options import DEFAULT_HOME, HomeOption, dataset_named, home_at
from cli.output import counted
from serving.changes import Mark, MarkTooOld
from serving.changes import changes as changes_since
from serving.reader import NotPublished


def changes(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MARK", help="What the last line of an earlier answer said; without it all rows are told."
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print what has changed, one JSON text a line: {"put": row} or {"delete": key}, and {"mark": …} at the end.

    A row may be told though it is as it was. Keep the mark once all lines were taken, and give it as --since next time.
    """
    place = home_at(home)
    dataset = dataset_named(name)
    names = dataset.schema.key_names
    try:
        mark = None if since is None else Mark.of(since)
    except ValueError as error:
        message = f"--since: {error}"
        raise Failure(message) from error
    file, encode = sys.stdout.buffer, msgspec.json.Encoder().encode
    with place.store() as store:
        try:
            feed = changes_since(store, dataset, mark)
        except (NotPublished, MarkTooOld) as error:
            raise Failure(str(error.args[0]), CANNOT_KNOW) from error
        except ValueError as error:
            raise Failure(str(error)) from error
        for change in counted(feed.changes, "rows"):
            told = (
                {"delete": dict(zip(names, change.key, strict=True))}
                if change.row is None
                else {"put": change.row}
            )
            file.write(encode(told) + b"\n")
        file.write(encode({"mark": str(feed.mark)}) + b"\n")
        file.flush()
