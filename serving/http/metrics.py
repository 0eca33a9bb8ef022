"""Metrics under the paths, enums and bodies of Wikimedia's Analytics Query Service (edits side).

Without the faults of that service: months are two digits or refused, the last day of a daily range is included, a title that two
pages bore in turn is two pages, and no data (404) is never an answer for a store that can't be asked (503).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from serving.http.answers import fresh
from serving.http.periods import Granularity, Span, day_of, short, span_of
from serving.http.problems import RESPONSES, Problem
from serving.http.sites import Sites, project_of
from serving.http.source import Source
from shared_logic.registry import registry
from shared_logic.tables import Key

RANKS = 100
"""Places of a list."""


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
    sites = Sites(source)

    def series(
        request: Request,
        dataset: str,
        prefix: Key,
        measure: tuple[str, str],
        labels: dict[str, str],
        span: Span,
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
        span: Span,
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
        span: Span,
    ) -> Response:
        wiki = sites.wiki(project)
        page_id = sites.page(wiki, page_title)
        if page_id is None:
            raise _no_data(request)
        labels = _labels(project, page_title=page_title, editor_type=editor_type, granularity=granularity)
        prefix = (wiki, page_id, granularity, _EDITORS[editor_type])
        return series(request, "page_periods", prefix, measure, labels, short(span))

    def of_editor(
        request: Request,
        measure: tuple[str, str],
        project: str,
        user_text: str,
        page_type: PageType,
        granularity: Granularity,
        span: Span,
    ) -> Response:
        wiki = sites.wiki(project)
        labels = _labels(project, user_text=user_text, page_type=page_type, granularity=granularity)
        prefix = (wiki, sites.editor(wiki, user_text), granularity, _PAGES[page_type])
        return series(request, "editor_periods", prefix, measure, labels, short(span))

    def top(
        request: Request,
        dataset: str,
        by: Ranking,
        given: tuple[str, EditorType, PageType, str, str, str],
        named: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> Response:
        project, editor_type, page_type, year, month, day = given
        granularity = Granularity.MONTHLY if day == "all-days" else Granularity.DAILY
        begins = day_of(f"{year}{month}{'01' if day == 'all-days' else day}", "date")
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
        return aggregate(request, "edit_metrics", ("edits", "edits"), given, span_of(start, end, granularity))

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
        span = span_of(start, end, granularity)
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
        span = span_of(start, end, granularity)
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
        return aggregate(request, "edit_metrics", _COLUMNS[measure], given, span_of(start, end, granularity))

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
        span = span_of(start, end, granularity)
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
        span = span_of(start, end, granularity)
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
            request, "edit_metrics", ("editors", "editors"), given, span_of(start, end, granularity)
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
        return aggregate(request, "page_metrics", measure, given, span_of(start, end, granularity))

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
        return aggregate(request, "page_metrics", measure, given, span_of(start, end, granularity))

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
        return series(request, "account_metrics", prefix, measure, labels, span_of(start, end, granularity))

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


def _labels(project: str, **given: str) -> dict[str, str]:
    return {
        "project": project_of(project.strip().lower()),
        **{name.replace("_", "-"): str(value) for name, value in given.items()},
    }


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"
