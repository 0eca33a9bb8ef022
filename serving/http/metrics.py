"""Metrics under the paths, enums and bodies of Wikimedia's Analytics Query Service (edits side).

Without the faults of that service: months are two digits or refused, the last day of a daily range is included, a title that two
pages bore in turn is two pages, and no data (404) is never an answer for a store that can't be asked (503).
"""

from __future__ import annotations

import calendar
import heapq
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from serving.http.answers import fresh
from serving.http.problems import RESPONSES, Problem
from serving.http.source import Source
from shared_logic.datasets.page_history import namespaces_of
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.history.page_events import Namespaces
from shared_logic.language import Key, registry
from shared_logic.titles import MAIN, database_key

SECONDS_SITES_ARE_KEPT = 60.0
RANKS = 100
"""Places of a list."""
MOST_DAYS = 367
"""Of a series of one page or one editor."""


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


class Ranking(StrEnum):
    """By what lists are ranked."""

    EDITS = "top-by-edits"
    NET = "top-by-net-bytes-difference"
    ABSOLUTE = "top-by-absolute-bytes-difference"


class Measure(StrEnum):
    """How differences of bytes are added up."""

    NET = "net"
    ABSOLUTE = "absolute"


_EDITORS = {kind: "all" if kind is EditorType.ALL else str(kind) for kind in EditorType}
_PAGES = {kind: "all" if kind is PageType.ALL else str(kind) for kind in PageType}
_LEVELS = {level: "all" if level is ActivityLevel.ALL else str(level) for level in ActivityLevel}
_COLUMNS = {
    Measure.NET: ("net_bytes_diff", "net_bytes"),
    Measure.ABSOLUTE: ("abs_bytes_diff", "absolute_bytes"),
}
_RANKED = {
    Ranking.EDITS: ("edits", "edits"),
    Ranking.NET: ("net_bytes_diff", "net_bytes"),
    Ranking.ABSOLUTE: ("abs_bytes_diff", "absolute_bytes"),
}

Project = Annotated[
    str, Path(max_length=255, description="Domain such as en.wikipedia.org, or the wiki's database name.")
]
Day = Annotated[
    str, Path(pattern=r"^\d{8}(\d{2})?$", description="YYYYMMDD or YYYYMMDDHH, UTC; both ends are included.")
]
Title = Annotated[str, Path(max_length=300, description="With its namespace, in English or as on the wiki.")]
Name = Annotated[str, Path(max_length=255, description="Of the account now; or an address.")]
Year = Annotated[str, Path(pattern=r"^\d{4}$")]
Month = Annotated[str, Path(pattern=r"^(0[1-9]|1[0-2])$", description="Two digits.")]
DayOfMonth = Annotated[str, Path(pattern=r"^(\d{2}|all-days)$", description="Two digits, or all-days.")]


def routes(source: Source) -> APIRouter:  # noqa: C901, PLR0915  a route each
    """The metrics' routes."""
    router = APIRouter(prefix="/metrics", tags=["metrics"], responses=RESPONSES)
    sites = _Sites(source)

    def series(
        request: Request,
        dataset: str,
        prefix: Key,
        measure: tuple[str, str],
        labels: dict[str, str],
        span: _Span,
    ) -> Response:
        found = source.reader.stream(registry[dataset], prefix)
        totals: dict[date, int] = {}
        for row in found.rows:
            if span.holds(row["begins"]):
                totals[row["begins"]] = totals.get(row["begins"], 0) + row[measure[1]]
        if not totals:
            raise _no_data(request)
        results = [
            {"timestamp": _stamp(begins), measure[0]: total} for begins, total in sorted(totals.items())
        ]
        return fresh(request, {"items": [{**labels, "results": results}]}, found)

    def aggregate(
        request: Request,
        dataset: str,
        measure: tuple[str, str],
        given: tuple[str, EditorType, PageType, ActivityLevel | None, Granularity],
        span: _Span,
    ) -> Response:
        project, editor_type, page_type, level, granularity = given
        labels = _labels(project, editor_type=editor_type, page_type=page_type)
        if level is not None:
            labels["activity-level"] = str(level)
        labels["granularity"] = str(granularity)
        levels = _LEVELS[level or ActivityLevel.ALL]
        prefix = (sites.wiki(project), granularity, _EDITORS[editor_type], _PAGES[page_type], levels)
        return series(request, dataset, prefix, measure, labels, span)

    def of_page(
        request: Request,
        measure: tuple[str, str],
        project: str,
        page_title: str,
        editor_type: EditorType,
        granularity: Granularity,
        span: _Span,
    ) -> Response:
        wiki = sites.wiki(project)
        page_id = sites.page(wiki, page_title)
        if page_id is None:
            raise _no_data(request)
        labels = _labels(project, page_title=page_title, editor_type=editor_type, granularity=granularity)
        prefix = (wiki, page_id, granularity, _EDITORS[editor_type])
        return series(request, "page_periods", prefix, measure, labels, _short(span))

    def of_editor(
        request: Request,
        measure: tuple[str, str],
        project: str,
        user_text: str,
        page_type: PageType,
        granularity: Granularity,
        span: _Span,
    ) -> Response:
        wiki = sites.wiki(project)
        labels = _labels(project, user_text=user_text, page_type=page_type, granularity=granularity)
        prefix = (wiki, sites.editor(wiki, user_text), granularity, _PAGES[page_type])
        return series(request, "editor_periods", prefix, measure, labels, _short(span))

    def top(
        request: Request,
        dataset: str,
        by: Ranking,
        given: tuple[str, EditorType, PageType, str, str, str],
        named: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> Response:
        project, editor_type, page_type, year, month, day = given
        granularity = Granularity.MONTHLY if day == "all-days" else Granularity.DAILY
        begins = _day(f"{year}{month}{'01' if day == 'all-days' else day}", "date")
        wiki = sites.wiki(project)
        metric, column = _RANKED[by]
        found = source.reader.stream_of(
            registry[dataset],
            [
                (wiki, granularity, begins, kind, pages)
                for kind in _kinds(dataset, editor_type)
                for pages in _types(dataset, page_type)
            ],
        )
        rows = heapq.nlargest(RANKS, found.rows, key=lambda row: row[column])
        if not rows:
            raise _no_data(request)
        listed = [{**named(wiki, row), metric: row[column], "rank": rank} for rank, row in enumerate(rows, 1)]
        labels = _labels(project, editor_type=editor_type, page_type=page_type, granularity=granularity)
        results = [{"timestamp": _stamp(begins), "top": listed}]
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
        given = (project, editor_type, page_type, None, granularity)
        return aggregate(request, "edit_metrics", ("edits", "edits"), given, _span(start, end, granularity))

    @router.get("/edits/per-page/{project}/{page_title}/{editor_type}/{granularity}/{start}/{end}")
    def edits_per_page(
        request: Request,
        project: Project,
        page_title: Title,
        editor_type: EditorType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = _span(start, end, granularity)
        return of_page(request, ("edits", "edits"), project, page_title, editor_type, granularity, span)

    @router.get("/edits/per-editor/{project}/{user_text}/{page_type}/{granularity}/{start}/{end}")
    def edits_per_editor(
        request: Request,
        project: Project,
        user_text: Name,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = _span(start, end, granularity)
        return of_editor(request, ("edits", "edits"), project, user_text, page_type, granularity, span)

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
        given = (project, editor_type, page_type, None, granularity)
        return aggregate(request, "edit_metrics", _COLUMNS[measure], given, _span(start, end, granularity))

    @router.get(
        "/bytes-difference/{measure}/per-page/{project}/{page_title}/{editor_type}/{granularity}/{start}/{end}"
    )
    def bytes_difference_per_page(
        request: Request,
        measure: Measure,
        project: Project,
        page_title: Title,
        editor_type: EditorType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = _span(start, end, granularity)
        return of_page(request, _COLUMNS[measure], project, page_title, editor_type, granularity, span)

    @router.get(
        "/bytes-difference/{measure}/per-editor/{project}/{user_text}/{page_type}/{granularity}/{start}/{end}"
    )
    def bytes_difference_per_editor(
        request: Request,
        measure: Measure,
        project: Project,
        user_text: Name,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = _span(start, end, granularity)
        return of_editor(request, _COLUMNS[measure], project, user_text, page_type, granularity, span)

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
        given = (project, editor_type, page_type, activity_level, granularity)
        return aggregate(
            request, "edit_metrics", ("editors", "editors"), given, _span(start, end, granularity)
        )

    @router.get("/editors/{by}/{project}/{editor_type}/{page_type}/{year}/{month}/{day}")
    def top_editors(
        request: Request,
        by: Ranking,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        year: Year,
        month: Month,
        day: DayOfMonth,
    ) -> Response:
        given = (project, editor_type, page_type, year, month, day)
        return top(request, "period_editors", by, given, sites.named_editor)

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
        given = (project, editor_type, page_type, None, granularity)
        measure = ("new_pages", "new_pages")
        return aggregate(request, "page_metrics", measure, given, _span(start, end, granularity))

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
        given = (project, editor_type, page_type, activity_level, granularity)
        measure = ("edited_pages", "edited_pages")
        return aggregate(request, "page_metrics", measure, given, _span(start, end, granularity))

    @router.get("/edited-pages/{by}/{project}/{editor_type}/{page_type}/{year}/{month}/{day}")
    def top_pages(
        request: Request,
        by: Ranking,
        project: Project,
        editor_type: EditorType,
        page_type: PageType,
        year: Year,
        month: Month,
        day: DayOfMonth,
    ) -> Response:
        given = (project, editor_type, page_type, year, month, day)
        return top(request, "period_pages", by, given, sites.named_page)

    @router.get("/registered-users/new/{project}/{granularity}/{start}/{end}")
    def registered_users(
        request: Request, project: Project, granularity: Granularity, start: Day, end: Day
    ) -> Response:
        labels = _labels(project, granularity=granularity)
        measure = ("new_registered_users", "new_registered_users")
        prefix = (sites.wiki(project), granularity)
        return series(request, "account_metrics", prefix, measure, labels, _span(start, end, granularity))

    return router


def _no_data(request: Request) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        "The dates are valid, but there is no data for them",
        "not_found",
        method="get",
        uri=request.url.path,
    )


def _kinds(dataset: str, editor_type: EditorType) -> list[str]:
    """Of editors each is of one type; of pages the edits of all types are added up already."""
    if editor_type is EditorType.ALL and dataset == "period_editors":
        return [kind for kind in _EDITORS.values() if kind != "all"]
    return [_EDITORS[editor_type]]


def _types(dataset: str, page_type: PageType) -> list[str]:
    """Of pages each is of one type; of editors the edits of pages of all types are added up already."""
    if page_type is PageType.ALL and dataset == "period_pages":
        return [kind for kind in _PAGES.values() if kind != "all"]
    return [_PAGES[page_type]]


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

    def page(self, wiki: str, title: str) -> int | None:
        """The page that bears a title now; None: none does."""
        whole = database_key(title)
        prefix, colon, rest = whole.partition(":")
        number = self._namespaces(wiki).number(prefix) if colon else None
        namespace, bare = (MAIN, whole) if number is None else (number, rest)
        for row in self._source.reader.stream(registry["page_titles"], (wiki, bare, "page")).rows:
            if (row["namespace"], row["full_title"], row["is_deleted"]) == (namespace, bare, False):
                return int(row["id"])
        return None

    def editor(self, wiki: str, name: str) -> str:
        """The key of who bears a name now: of an account its id, of an address itself."""
        known = self._source.reader.get(registry["user_by_name"], (wiki, name.replace("_", " "))).rows
        return str(known[0]["editor"]) if known else name

    def named_editor(self, wiki: str, row: dict[str, Any]) -> dict[str, Any]:
        """An editor as lists show it: by its name now, addresses not."""
        known = self._source.reader.get(registry["user_current"], (wiki, row["editor"])).rows
        return {"user_text": known[0]["name"] if known else None}

    def named_page(self, wiki: str, row: dict[str, Any]) -> dict[str, Any]:
        """A page as lists show it: by its title now, with the English name of its namespace."""
        known = self._source.reader.get(registry["page_current"], (wiki, row["page_id"])).rows
        if not known or known[0]["title"] is None:
            return {"page_title": None}
        names = {number: name for name, number in self._namespaces(wiki).canonical.items()}
        prefix = names.get(known[0]["namespace"])
        return {"page_title": f"{prefix}:{known[0]['title']}" if prefix else known[0]["title"]}

    def _namespaces(self, wiki: str) -> Namespaces:
        known = self._source.reader.get(registry["site_namespaces"], (wiki,)).rows
        return namespaces_of(SiteNamespaces(**known[0]) if known else None)


def _project(hostname: str) -> str:
    return hostname.removeprefix("www.").removesuffix(".org")


def _labels(project: str, **given: str) -> dict[str, str]:
    return {
        "project": _project(project.strip().lower()),
        **{name.replace("_", "-"): str(value) for name, value in given.items()},
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


def _short(span: _Span) -> _Span:
    """The span, if it is one that series of one page or one editor are given for.

    Raises:
        Problem: it is longer.
    """
    if (span.last - span.first).days > MOST_DAYS:
        message = f"series of one page or editor are of {MOST_DAYS} days at most"
        raise Problem(HTTPStatus.BAD_REQUEST, message, "invalid_request")
    return span


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
