"""Rows of MediaWiki's tables as text, and numbers and times read from them."""

from __future__ import annotations

from collections.abc import Mapping

from shared_logic.clock import EARLIEST, LATEST, Rank, Stamp, from_mediawiki, stamp

Row = Mapping[str, str | None]
"""A row of a table: column to text, None for NULL."""
WIKI_COLUMN = "wiki_db"
"""The column that tells the wiki of a row in tables of several wikis; MediaWiki's own tables have none."""
NUMBERS = range(-(2**63), 2**63)
"""What tables and states can hold."""
NAMESPACES = range(-(2**31), 2**31)
SIZES = range(2**32)
"""Bytes of a text, as MediaWiki's tables can hold them; sums of more could be held nowhere."""
MOST_QUOTED = 40
"""Characters of what is no number that are told."""


class UnreadRow(dict[str, str | None]):
    """Stands where a file of rows holds something that is none: it has no columns, and says why."""

    def __init__(self, place: str, code: str, detail: str) -> None:
        """Found at that place, as `page.tsv, line 3`; `code` and `detail` as in a `Problem`."""
        super().__init__()
        self.place = place
        self.code = code
        self.detail = detail


class BadRowError(Exception):
    """Why one row, or one element of a dump, can't be used; becomes a `Problem` where the row is known."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        """Of `field`, the column or element at fault; empty: the whole row."""
        super().__init__(detail)
        self.field = field
        self.code = code
        self.detail = detail


def check_timestamp(field: str, timestamp: str) -> None:
    """Refuse a time in that column or element that no revision has: not 14 digits of the calendar, before 1990 or after 2099.

    Raises:
        BadRowError: it is one.
    """
    try:
        ms = from_mediawiki(timestamp)
    except ValueError as error:
        raise BadRowError(field, "bad_timestamp", str(error)) from error
    if not EARLIEST <= ms < LATEST:
        raise BadRowError(field, "bad_timestamp", f"{timestamp} is before 1990 or after 2099")


def number(row: Row, column: str, within: range = NUMBERS) -> int:
    """The number in a column.

    Raises:
        BadRowError: there is none, or none of those within.
    """
    found = nullable_number(row, column, within)
    if found is None:
        raise BadRowError(column, "not_a_number", f"{column} is NULL")
    return found


def positive(row: Row, column: str) -> int:
    """The number in a column, above 0.

    Raises:
        BadRowError: there is none, or it is not.
    """
    found = number(row, column)
    if found <= 0:
        raise BadRowError(column, "not_positive", f"{column} is {found}")
    return found


def nullable_number(row: Row, column: str, within: range = NUMBERS) -> int | None:
    """The number in a column; None for NULL and for a column that the table doesn't have.

    Raises:
        BadRowError: it is no number, or none of those within.
    """
    text = row.get(column)
    return None if text is None else parse_number(column, text, within)


def readable_number(row: Row, column: str, within: range = NUMBERS) -> int | None:
    """As `nullable_number`, but None also for a text that is no number, or none of those within."""
    try:
        return nullable_number(row, column, within)
    except BadRowError:
        return None


def parse_number(field: str, text: str, within: range = NUMBERS) -> int:
    """The whole number that a text is; `field` is named in the error.

    Raises:
        BadRowError: it is none, or none of those within.
    """
    try:
        # Python takes 1_000 and digits of other scripts for numbers, MediaWiki writes neither.
        found = int(text) if text.isascii() and "_" not in text else None
    except ValueError:
        found = None
    if found is None:
        raise BadRowError(field, "not_a_number", f"{field} is {text[:MOST_QUOTED]!r}")
    if found not in within:
        detail = f"{field} is {text[:MOST_QUOTED]}, not from {within.start} to {within.stop - 1}"
        raise BadRowError(field, "out_of_range", detail)
    return found


def parse_number_or_none(text: str, within: range = NUMBERS) -> int | None:
    """As `parse_number`, but None for a text that is no number, or none of those within."""
    try:
        return parse_number("", text, within)
    except BadRowError:
        return None


def beginning_stamp(beginning: int) -> Stamp:
    """The stamp of what tables hold without a clock: from the beginning of the copy on; events of the same second win."""
    return stamp(beginning, 0, Rank.EDIT)
