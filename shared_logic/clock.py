"""Instants as whole milliseconds since 1970-01-01 UTC, and the order of what is asserted.

Integers compare and serialise fast and never carry a time zone; authors see `datetime` and `date` only.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
SECOND_MS = 1_000
MEDIAWIKI_TIMESTAMP_LENGTH = 14
EARLIEST, LATEST = 631_152_000_000, 4_102_444_800_000
"""The beginnings of 1990 and 2100, milliseconds: what is told of before or after is damage. Imports bear any date between."""
FUTURE_LIMIT_MS = DAY_MS
"""An own clock further ahead of the message that tells it is damage: it would outlast all that is ever said."""


class Rank(IntEnum):
    """The order of what MediaWiki does within one second, where no clock tells: edit, move, delete, restore."""

    EDIT = 0
    MOVE = 1
    DELETE = 2
    RESTORE = 3


class Stamp(NamedTuple):
    """The own order of an assertion: later stamps win, whatever came first.

    `clock` is the second (in milliseconds) from which the assertion is so: MediaWiki's own resolution, to which finer clocks
    are cut, so that streams with and without milliseconds compare. `tie` is 0 for what tables and dumps hold without a clock, of
    an edit its rev_id, of all else the instant of the message in milliseconds, which is greater: so of what is done to a page
    within one second its edits come first, in their own order, however late they are told. Never the arrival, never the position
    in a log. `rank` is a `Rank`, of a list of tags their number.
    """

    clock: int
    tie: int
    rank: int


class Register(
    msgspec.Struct, frozen=True, array_like=True, gc=False, order=True, forbid_unknown_fields=True
):
    """An assertion: the parts of its stamp, then those of its value. In this order they are compared, and stored as a list.

    It is no named tuple, since the garbage collector follows each of those as long as it lives: a long page takes more than twice
    the time to decode then.
    """

    clock: int
    """This and the next two as in `Stamp`."""
    tie: int
    rank: int

    @property
    def stamp(self) -> Stamp:
        """The own order of the assertion."""
        return Stamp(self.clock, self.tie, self.rank)

    def is_before(self, stamp: Stamp) -> bool:
        """Whether its stamp is older than that one."""
        # Asked of every revision of a page: three times as fast as to make a `Stamp` first.
        return (self.clock, self.tie, self.rank) < stamp


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970 of an aware instant.

    >>> milliseconds(datetime(2021, 1, 1, tzinfo=UTC))
    1609459200000
    """
    since = instant - EPOCH
    return since.days * DAY_MS + since.seconds * SECOND_MS + since.microseconds // 1000


def instant(ms: int) -> datetime:
    """The aware instant of a number of milliseconds.

    >>> instant(1609459200000).isoformat()
    '2021-01-01T00:00:00+00:00'
    """
    return EPOCH + timedelta(milliseconds=ms)


def instant_or_none(ms: int | None) -> datetime | None:
    """The same; nothing for nothing."""
    return None if ms is None else instant(ms)


def day(ms: int) -> date:
    """The UTC day in which the instant lies.

    >>> day(1609459199999)
    datetime.date(2020, 12, 31)
    """
    return date.fromordinal(719_163 + ms // DAY_MS)


def from_mediawiki(text: str) -> int:
    """Milliseconds of MediaWiki's 14 digits.

    Raises:
        ValueError: the text is not a calendar instant of 14 digits.

    >>> from_mediawiki("20210101000000")
    1609459200000
    """
    if len(text) != MEDIAWIKI_TIMESTAMP_LENGTH or not text.isascii() or not text.isdigit():
        message = f"{text!r} is not a timestamp of 14 digits (yyyymmddhhmmss)"
        raise ValueError(message)
    return milliseconds(
        datetime(
            int(text[:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[8:10]),
            int(text[10:12]),
            int(text[12:]),
            tzinfo=UTC,
        )
    )


def from_iso(text: str) -> int:
    """Milliseconds of an ISO 8601 instant; without a zone it is UTC.

    Raises:
        ValueError: the text is no instant.

    >>> from_iso("2021-01-01T00:00:00Z")
    1609459200000
    """
    parsed = datetime.fromisoformat(text)
    return milliseconds(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def stamp(clock: int, tie: int, rank: int) -> Stamp:
    """The stamp of an assertion that is so from `clock` on (milliseconds, cut to the second)."""
    return Stamp(clock - clock % SECOND_MS, tie, rank)
