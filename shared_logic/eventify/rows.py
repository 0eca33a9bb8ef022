"""Rows of MediaWiki's tables as text, and numbers and times read from them."""

from __future__ import annotations

from collections.abc import Mapping

from shared_logic.clock import EARLIEST, LATEST, Rank, Stamp, from_mediawiki, stamp

Row = Mapping[str, str | None]
"""A row of a table: column to text, None for NULL."""


class BadRowError(Exception):
    """Why one row, or one element of a dump, can't be used; becomes a `Problem` where the row is known."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def check_timestamp(timestamp: str) -> None:
    """Refuse a time that no revision has: not 14 digits of the calendar, before 1990 or after 2099.

    Raises:
        BadRowError: it is one.
    """
    try:
        ms = from_mediawiki(timestamp)
    except ValueError as error:
        raise BadRowError("bad_timestamp", str(error)) from error
    if not EARLIEST <= ms < LATEST:
        raise BadRowError("bad_timestamp", f"{timestamp} is before 1990 or after 2099")


def number_or_none(row: Row, column: str) -> int | None:
    """The number in a column, None for NULL and for a column that the table doesn't have."""
    text = row.get(column)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise BadRowError("not_a_number", f"{column} is {text!r}") from error


def number_if_any(row: Row, column: str) -> int | None:
    """As `number_or_none`, and None for what is no number."""
    try:
        return number_or_none(row, column)
    except BadRowError:
        return None


def number(row: Row, column: str) -> int:
    """The number in a column.

    Raises:
        BadRowError: there is none.
    """
    found = number_or_none(row, column)
    if found is None:
        raise BadRowError("not_a_number", f"{column} is NULL")
    return found


def positive(row: Row, column: str) -> int:
    """The number in a column, above 0.

    Raises:
        BadRowError: there is none, or it is not.
    """
    found = number(row, column)
    if found <= 0:
        raise BadRowError("not_positive", f"{column} is {found}")
    return found


def beginning_stamp(beginning: int) -> Stamp:
    """The stamp of what tables hold without a clock: from the beginning of the copy on; events of the same second win."""
    return stamp(beginning, 0, Rank.EDIT)
