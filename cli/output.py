"""What commands print: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

T = TypeVar("T")
SILENT_SECONDS = 1.0
_COUNTED_AT_ONCE = 1_000
LEAST_COLUMN = 6
"""Characters that a column needs to be read, its borders included."""
_WIDTH_IN_FILES = 1_000
"""Of a table that goes to a file or a program: nothing of it has to be folded."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)


def tell(line: str) -> None:
    """A line for whoever operates this, on standard error; what is in brackets is no markup."""
    err.print(line, markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One JSON text on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")


def print_outcome(outcome: Mapping[str, Any], sentence: str, *, json: bool) -> None:
    """What a command has done: an object for programs, else a sentence that says the same."""
    if json:
        print_json(outcome)
    else:
        out.print(sentence, markup=False)


def print_records(records: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Records as a table; those of more columns than the screen can hold one below the other.

    What is in brackets is theirs, as in `[[Main Page]]`, and none of Rich's markup.
    """
    if not records:
        out.print(f"{title + ': ' if title else ''}no rows", style="dim", markup=False)
        return
    if LEAST_COLUMN * len(records[0]) > out.width:
        for record in records:
            whole = RichTable(title=Text(title) if title else None, title_justify="left", show_header=False)
            for name, value in record.items():
                whole.add_row(Text(name), Text(text(value)))
            _print_whole(whole)
        return
    table = RichTable(title=Text(title) if title else None, title_justify="left", header_style="bold")
    for name, value in records[0].items():
        is_number = isinstance(value, int) and not isinstance(value, bool)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for record in records:
        table.add_row(*(Text(text(value)) for value in record.values()))
    _print_whole(table)


def _print_whole(table: RichTable) -> None:
    """Every value to its last character, as identifiers are copied from here."""
    console = out if out.is_terminal else Console(highlight=False, width=_WIDTH_IN_FILES)
    console.print(table, soft_wrap=False)


def text(value: object) -> str:
    """A value as people read it; null is a dash, empty text is empty."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


class Meter:
    """A running count with its rate."""

    def __init__(self, progress: Progress, what: str, total: int | None) -> None:
        """Show `what`."""
        self._progress = progress
        self._task = progress.add_task(what, total=total, rate="")

    def at(self, done: int) -> None:
        """So much is done."""
        task = self._progress.tasks[self._task]
        rate = f"{done / task.elapsed:,.0f}/s" if task.elapsed else ""
        self._progress.update(self._task, completed=done, rate=rate)

    def say(self, what: str) -> None:
        """What is being done now; in a file, such as Airflow's log of a task, a line with the seconds since the beginning."""
        self._progress.update(self._task, description=what)
        if not err.is_terminal:
            err.print(f"{self._progress.tasks[self._task].elapsed or 0:8.1f} s  {what}", markup=False)


@contextmanager
def meter(what: str, total: int | None = None) -> Iterator[Meter]:
    """Progress with rate and, where the total is known, the time that remains; on standard error, gone when done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield Meter(progress, what, total)


def counted(things: Iterable[T], what: str) -> Iterator[T]:
    """The same things, as they are asked for; what takes over a second shows their count and rate."""
    begun = time.monotonic()
    with ExitStack() as stack:
        shown: Meter | None = None
        for number, thing in enumerate(things):
            if number % _COUNTED_AT_ONCE == 0:
                if shown is None and time.monotonic() - begun > SILENT_SECONDS:
                    shown = stack.enter_context(meter(what))
                if shown is not None:
                    shown.at(number)
            yield thing
