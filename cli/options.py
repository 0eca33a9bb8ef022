"""Options that commands share."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

import shared_logic.datasets  # noqa: F401  registers the datasets
from cli.failures import Failure
from cli.home import Home
from shared_logic.clock import from_iso, instant, milliseconds
from shared_logic.definition import Dataset
from shared_logic.keys import encode_part
from shared_logic.protocols import Cut, Log
from shared_logic.registry import registry
from shared_logic.views import views

LAST_PORT = 65_535
HomeOption = Annotated[
    Path,
    typer.Option(
        "--home", envvar="WIKIBRAID_HOME", help="Folder of the log, the store and the Delta tables."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
HostOption = Annotated[str, typer.Option(help="Where /health and /metrics are answered.")]
PortOption = Annotated[
    int, typer.Option(min=0, max=LAST_PORT, help="Where /health and /metrics are answered.")
]
NameArgument = Annotated[str, typer.Argument(help="The dataset.")]
HOST = "127.0.0.1"
DEFAULT_HOME = Path("~/.wikibraid")


def home_at(path: Path) -> Home:
    """The home at that path."""
    return Home(path)


def known_home(path: Path) -> Home:
    """The home at that path, for who brings nothing in: where there is none, none is made.

    Raises:
        Failure: there is none.
    """
    if not is_home(path):
        message = (
            f"{path} is no home of wikibraid; name one with --home or WIKIBRAID_HOME, or make one: "
            "`wikibraid init`, or any `wikibraid ingest`"
        )
        raise Failure(message)
    return Home(path)


def is_home(path: Path) -> bool:
    """Whether that folder is a home, or is configured as one."""
    made_by = ("FORMAT", "wikibraid.yaml", "stack.yaml", "streams.yaml", "sinks.yaml")
    return any((path.expanduser() / name).exists() for name in made_by)


def dataset_named(name: str) -> Dataset:
    """The dataset of that name.

    Raises:
        Failure: there is none, or it is a view's.
    """
    if name in views:
        raise Failure(views[name].no_table("name"))
    if name not in registry:
        raise Failure(registry.unknown(name, views))
    return registry[name]


def datasets_named(names: list[str]) -> tuple[Dataset, ...]:
    """The named datasets and those that named views read (all, if none is named), with what they are made from.

    Raises:
        Failure: a name is neither a dataset's nor a view's.
    """
    wanted: list[str] = []
    for name in names:
        if name not in registry and name not in views:
            raise Failure(registry.unknown(name, views))
        wanted += (*views[name].datasets, *views[name].companions) if name in views else (name,)
    return registry.closure(wanted or list(registry))


def instant_named(text: str) -> int:
    """Milliseconds since 1970 UTC of an instant on the command line.

    Raises:
        Failure: it is none.
    """
    try:
        return from_iso(text)
    except ValueError as error:
        message = f"{text}: not an instant; write it as 2026-01-01T00:00:00Z"
        raise Failure(message) from error


def past_named(text: str) -> int:
    """Milliseconds since 1970 UTC of an instant on the command line that has been.

    Raises:
        Failure: it is none, or is still to come.
    """
    at = instant_named(text)
    if at > milliseconds(datetime.now(tz=UTC)):
        message = f"{text} is still to come; name an instant that has been"
        raise Failure(message)
    return at


def cut_named(text: str, option: str, log: Log) -> Cut:
    """The cut that an option gives: an offset of each of the log's partitions, commas between them.

    Raises:
        Failure: not one offset per partition, or beyond the end.
    """
    ends = log.ends()
    words = text.split(",")
    if len(words) != len(ends) or not all(word.strip().isdecimal() for word in words):
        message = f"{option} {text}: the log has {len(ends)} partitions, give that many offsets, as {','.join(map(str, ends))}"
        raise Failure(message)
    cut = tuple(map(int, words))
    if any(offset > end for offset, end in zip(cut, ends, strict=True)):
        message = f"{option} {text}: beyond the end of the log, which is {','.join(map(str, ends))}"
        raise Failure(message)
    return cut


def key_of(dataset: Dataset, words: list[str], *, whole: bool = False) -> tuple[Any, ...]:
    """The key, or its first columns, from the words of a command line.

    Raises:
        Failure: too many words, too few, or one of another type than its column.
    """
    names = dataset.schema.key_names
    least = len(names) if whole else 0
    if not least <= len(words) <= len(names):
        message = f"{dataset.name} is keyed by {' '.join(names)}; {len(words)} values were given"
        raise Failure(message)
    return tuple(_value(dataset, name, word) for name, word in zip(names, words, strict=False))


def _value(dataset: Dataset, name: str, word: str) -> object:
    kind = dataset.schema.column(name).type
    if kind is datetime:
        return instant(instant_named(word))
    try:
        value = int(word) if kind is int else date.fromisoformat(word) if kind is date else word
        encode_part(value)  # whether a key can hold it
        return value
    except ValueError as error:
        wanted = {date: "date, as 2026-01-31", int: "whole number", str: "text"}.get(kind, kind.__name__)
        message = f"{dataset.name}: {word!r} is no {wanted}, which the key column {name} is"
        raise Failure(message) from error
