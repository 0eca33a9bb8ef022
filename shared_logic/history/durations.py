"""Durations of blocks, as administrators wrote them and MediaWiki kept them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from shared_logic.clock import instant, milliseconds

_ENDLESS = frozenset({"indefinite", "infinite", "never", "infinity", ""})
_UNITS = {
    "second": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "fortnight": timedelta(weeks=2),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
"""As upstream counts: a month has 30 days, a year 365."""
_PART = re.compile(r"(\d+)\s*([a-z]+?)s?(?=[\s,\d]|and\b|$)")
_FILLER = re.compile(r"\s*(?:,|\band\b)?\s*")
_DATES = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%d %b %Y %H:%M:%S GMT",
    "%d %b %Y",
)
LAST_HOUR, LAST_MINUTE = 23, 59
_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})")


def expiry(duration: str, at: int) -> int | None:
    """When a block made at `at` ends, in milliseconds since 1970 UTC; None: never.

    Raises:
        ValueError: the text is no duration and no date.

    >>> expiry("1 day", 0), expiry("infinite", 0), expiry("Thu, 01 Jan 1970 00:00:01 GMT", 0)
    (86400000, None, 1000)
    """
    text = duration.strip()
    if text.lower() in _ENDLESS:
        return None
    try:
        length = _length(text.lower())
        if length is not None:
            return milliseconds(instant(at) + length)
        return milliseconds(_date(text, at))
    except OverflowError as error:
        raise ValueError(f"{duration!r} ends after the year 9999") from error


def _length(text: str) -> timedelta | None:
    total, place = timedelta(), 0
    while place < len(text):
        found = _PART.match(text, place)
        unit = _UNITS.get(found[2]) if found else None
        if found is None or unit is None:
            return None
        total += int(found[1]) * unit
        filler = _FILLER.match(text, found.end())
        place = filler.end() if filler else found.end()
    return total


def _date(text: str, at: int) -> datetime:
    for form in _DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None or int(found[1]) > LAST_HOUR or int(found[2]) > LAST_MINUTE:
        raise ValueError(f"{text!r} is neither a duration, as 3 days, nor a date")
    return instant(at).replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
