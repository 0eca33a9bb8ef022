"""Days and months in the paths of metrics."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

from serving.http.problems import Problem

ALL_DAYS = "all-days"
MOST_DAYS = 367
"""Of a series of one page or one editor."""


class Granularity(StrEnum):
    """Length of the periods."""

    DAILY = "daily"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Span:
    """The periods that are asked for: first days of days or of whole months."""

    first: date
    last: date

    def holds(self, begins: date) -> bool:
        """Whether the period that begins so is one of them."""
        return self.first <= begins <= self.last


def span_of(start: str, end: str, granularity: Granularity) -> Span:
    """The days of a range, or its whole months.

    Raises:
        Problem: a date that is none, an end before the start, or no whole month.
    """
    first, last = day_of(start, "start"), day_of(end, "end")
    if last < first:
        raise Problem(HTTPStatus.BAD_REQUEST, f"end {end} is before start {start}")
    if granularity is Granularity.DAILY:
        return Span(first, last)
    months = [month for month in _months(first, last) if first <= month and _last_day(month) <= last]
    if not months:
        message = f"{start} to {end} holds no whole month"
        raise Problem(HTTPStatus.BAD_REQUEST, message)
    return Span(months[0], months[-1])


def short(span: Span) -> Span:
    """The span, if it is one that series of one page or one editor are given for.

    Raises:
        Problem: it is longer.
    """
    if (span.last - span.first).days > MOST_DAYS:
        message = f"series of one page or editor are of {MOST_DAYS} days at most"
        raise Problem(HTTPStatus.BAD_REQUEST, message)
    return span


def named_period(year: str, month: str, day: str) -> tuple[Granularity, date]:
    """The month, or the day of it, that a path names (`all-days`: the month), with its first day.

    Raises:
        Problem: there is no such day.
    """
    if day == ALL_DAYS:
        return Granularity.MONTHLY, day_of(f"{year}{month}01", "date")
    return Granularity.DAILY, day_of(f"{year}{month}{day}", "date")


def day_of(text: str, name: str) -> date:
    """The day of YYYYMMDD or YYYYMMDDHH; `name` is that of the parameter.

    Raises:
        Problem: it is none.
    """
    try:
        # The hour must be one, and says nothing more: periods are days and months.
        return datetime.strptime(text.ljust(10, "0"), "%Y%m%d%H").replace(tzinfo=UTC).date()
    except ValueError as error:
        message = f"{name} {text} is no date; write YYYYMMDD or YYYYMMDDHH"
        raise Problem(HTTPStatus.BAD_REQUEST, message) from error


def _months(first: date, last: date) -> Iterable[date]:
    month = first.replace(day=1)
    while month <= last:
        yield month
        try:
            month = (_last_day(month)) + timedelta(days=1)
        except OverflowError:
            return


def _last_day(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])
