"""Metrics under the paths, enums and bodies of Wikimedia's Analytics Query Service (edits side).

Without the faults of that service: months are two digits or refused, the last day of a daily range is included, and no data
(404) is never an answer for a store that can't be asked (503). What our tables don't tell is refused with 400 and said: bots by
group, activity levels beside an editor type or page type, per-page and per-editor series and top lists.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from serving.http.answers import fresh
from serving.http.problems import RESPONSES, Problem
from serving.http.source import Source
from serving.reader import Stream
from shared_logic.language import Key, registry
from shared_logic.things import UserKind

SECONDS_SITES_ARE_KEPT = 60.0


class EditorType(StrEnum):
    """Kinds of editors."""

    ALL = "all-editor-types"
    ANONYMOUS = "anonymous"
    GROUP_BOT = "group-bot"
    NAME_BOT = "name-bot"
    USER = "user"


class PageType(StrEnum):
    """Kinds of pages."""

    ALL = "all-page-types"
    CONTENT = "content"
    NON_CONTENT = "non-content"


class ActivityLevel(StrEnum):
    """Classes of editors or pages by their edits."""

    ALL = "all-activity-levels"
    LOW = "1..4-edits"
    MEDIUM = "5..24-edits"
    HIGH = "25..99-edits"
    HIGHEST = "100..-edits"


class Granularity(StrEnum):
    """Length of the periods."""

    DAILY = "daily"
    MONTHLY = "monthly"


class Measure(StrEnum):
    """How differences of bytes are added up."""

    NET = "net"
    ABSOLUTE = "absolute"


_EDITORS = {
    EditorType.ALL: "all",
    EditorType.ANONYMOUS: UserKind.ANONYMOUS,
    EditorType.NAME_BOT: UserKind.BOT,
    EditorType.USER: UserKind.ACCOUNT,
}
_PAGES = {PageType.ALL: "all", PageType.CONTENT: "content", PageType.NON_CONTENT: "non-content"}
_ACTIVITIES = {
    ActivityLevel.LOW: "1 to 4",
    ActivityLevel.MEDIUM: "5 to 24",
    ActivityLevel.HIGH: "25 to 99",
    ActivityLevel.HIGHEST: "100 or more",
}

Project = Annotated[
    str, Path(max_length=255, description="Domain such as en.wikipedia.org, or the wiki's database name.")
]
Day = Annotated[
    str, Path(pattern=r"^\d{8}(\d{2})?$", description="YYYYMMDD or YYYYMMDDHH, UTC; both ends are included.")
]


def routes(source: Source) -> APIRouter:  # noqa: C901  a route each
    """The metrics' routes."""
    router = APIRouter(prefix="/metrics", tags=["metrics"], responses=RESPONSES)
    sites = _Sites(source)

    def series(
        request: Request,
        dataset: str,
        prefix: Key,
        measures: dict[str, str],
        labels: dict[str, str],
        span: _Span,
    ) -> Response:
        found = source.reader.stream(registry[dataset], prefix)
        results = list(_results(found, measures, span))
        if not results:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "The dates are valid, but there is no data for them",
                "not_found",
                method="get",
                uri=request.url.path,
            )
        return fresh(request, {"items": [{**labels, "results": results}]}, found)

    @router.get("/edits/aggregate/{project}/{editor_type}/{page_type}/{granularity}/{start}/{end}")
    def edits(
        request: Request,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        labels = _labels(project, editor_type=editor_type, page_type=page_type, granularity=granularity)
        prefix = (sites.wiki(project), granularity, _editors(editor_type), _PAGES[page_type])
        return series(
            request, "edit_metrics", prefix, {"edits": "edits"}, labels, _span(start, end, granularity)
        )

    @router.get(
        "/bytes-difference/{measure}/aggregate/{project}/{editor_type}/{page_type}/{granularity}/{start}/{end}"
    )
    def bytes_difference(
        request: Request,
        measure: Measure,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        labels = _labels(project, editor_type=editor_type, page_type=page_type, granularity=granularity)
        prefix = (sites.wiki(project), granularity, _editors(editor_type), _PAGES[page_type])
        measures = (
            {"net_bytes_diff": "net_bytes"}
            if measure is Measure.NET
            else {"abs_bytes_diff": "absolute_bytes"}
        )
        return series(request, "edit_metrics", prefix, measures, labels, _span(start, end, granularity))

    @router.get(
        "/editors/aggregate/{project}/{editor_type}/{page_type}/{activity_level}/{granularity}/{start}/{end}"
    )
    def editors(
        request: Request,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        activity_level: ActivityLevel,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        labels = _labels(
            project,
            editor_type=editor_type,
            page_type=page_type,
            activity_level=activity_level,
            granularity=granularity,
        )
        span = _span(start, end, granularity)
        if activity_level is ActivityLevel.ALL:
            prefix: Key = (sites.wiki(project), granularity, _editors(editor_type), _PAGES[page_type])
            return series(request, "edit_metrics", prefix, {"editors": "editors"}, labels, span)
        if (editor_type, page_type, granularity) != (EditorType.ALL, PageType.ALL, Granularity.MONTHLY):
            message = f"editors of activity level {activity_level} are kept by month, for {EditorType.ALL} and {PageType.ALL}"
            raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request")
        found = source.reader.stream(registry["active_editors"], (sites.wiki(project),))
        wanted = _ACTIVITIES[activity_level]
        results = [
            {"timestamp": _stamp(row["month"]), "editors": row["editors"]}
            for row in found.rows
            if row["activity"] == wanted and span.holds(row["month"])
        ]
        if not results:
            raise Problem(
                HTTPStatus.NOT_FOUND, "The dates are valid, but there is no data for them", "not_found"
            )
        return fresh(request, {"items": [{**labels, "results": results}]}, found)

    @router.get("/edited-pages/new/{project}/{editor_type}/{page_type}/{granularity}/{start}/{end}")
    def new_pages(
        request: Request,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        labels = _labels(project, editor_type=editor_type, page_type=page_type, granularity=granularity)
        prefix = (sites.wiki(project), granularity, _editors(editor_type), _PAGES[page_type])
        return series(
            request,
            "page_metrics",
            prefix,
            {"new_pages": "new_pages"},
            labels,
            _span(start, end, granularity),
        )

    @router.get(
        "/edited-pages/aggregate/{project}/{editor_type}/{page_type}/{activity_level}/{granularity}/{start}/{end}"
    )
    def edited_pages(
        request: Request,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        activity_level: ActivityLevel,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        if activity_level is not ActivityLevel.ALL:
            message = f"edited pages are not kept by activity level; ask for {ActivityLevel.ALL}"
            raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request")
        labels = _labels(
            project,
            editor_type=editor_type,
            page_type=page_type,
            activity_level=activity_level,
            granularity=granularity,
        )
        prefix = (sites.wiki(project), granularity, _editors(editor_type), _PAGES[page_type])
        measures = {"edited_pages": "edited_pages"}
        return series(request, "page_metrics", prefix, measures, labels, _span(start, end, granularity))

    @router.get("/registered-users/new/{project}/{granularity}/{start}/{end}")
    def registered_users(
        request: Request, project: Project, granularity: Granularity, start: Day, end: Day
    ) -> Response:
        labels = _labels(project, granularity=granularity)
        prefix = (sites.wiki(project), granularity)
        measures = {"new_registered_users": "new_registered_users"}
        return series(request, "account_metrics", prefix, measures, labels, _span(start, end, granularity))

    return router


class _Span:
    """The periods that are asked for: first days of days or of whole months."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.last = first, last

    def holds(self, begins: date) -> bool:
        return self.first <= begins <= self.last


class _Sites:
    """Which wiki a project is."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._wikis: dict[str, str] = {}
        self._asked_at = float("-inf")

    def wiki(self, project: str) -> str:
        """The database name; of a project that nothing tells of, what was given."""
        wanted = project.strip().lower()
        with self._lock:
            if time.monotonic() - self._asked_at > SECONDS_SITES_ARE_KEPT:
                rows = self._source.reader.stream(registry["site_namespaces"]).rows
                self._wikis = {_project(row["hostname"]): row["wiki"] for row in rows if row["hostname"]}
                self._asked_at = time.monotonic()
            return self._wikis.get(_project(wanted), wanted)


def _project(hostname: str) -> str:
    return hostname.removeprefix("www.").removesuffix(".org")


def _labels(project: str, **given: str) -> dict[str, str]:
    return {
        "project": _project(project.strip().lower()),
        **{name.replace("_", "-"): str(value) for name, value in given.items()},
    }


def _editors(kind: EditorType) -> str:
    if kind is EditorType.GROUP_BOT:
        message = f"bots by group are not counted apart; ask for {EditorType.NAME_BOT}"
        raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request")
    return str(_EDITORS[kind])


def _results(found: Stream, measures: dict[str, str], span: _Span) -> Iterator[dict[str, Any]]:
    for row in found.rows:
        if span.holds(row["begins"]):
            yield {
                "timestamp": _stamp(row["begins"]),
                **{name: row[column] for name, column in measures.items()},
            }


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


def _span(start: str, end: str, granularity: Granularity) -> _Span:
    """The days of a range, or its whole months.

    Raises:
        Problem: a date that is none, an end before the start, or no whole month.
    """
    first, last = _day(start, "start"), _day(end, "end")
    if last < first:
        raise Problem(HTTPStatus.BAD_REQUEST, f"end {end} is before start {start}", "invalid_request")
    if granularity is Granularity.DAILY:
        return _Span(first, last)
    months = [month for month in _months(first, last) if first <= month and _last_day(month) <= last]
    if not months:
        message = f"{start} to {end} holds no whole month"
        raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request")
    return _Span(months[0], months[-1])


def _day(text: str, name: str) -> date:
    try:
        # The hour must be one, and says nothing more: periods are days and months.
        return datetime.strptime(text.ljust(10, "0"), "%Y%m%d%H").replace(tzinfo=UTC).date()
    except ValueError as error:
        message = f"{name} {text} is no date; write YYYYMMDD or YYYYMMDDHH"
        raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request") from error


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
