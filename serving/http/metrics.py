"""Metrics under the paths, enums and bodies of Wikimedia's Analytics Query Service (edits side).

Without the faults of that service: months are two digits or refused, the last day of a daily range is included, a title that two
pages bore in turn is two pages, and no data (404) is never an answer for a store that can't be asked (503).
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from serving.http.metric_answers import MetricAnswers, Slice
from serving.http.metric_route import MetricRoute
from serving.http.metric_terms import (
    BYTES,
    EDITED_PAGES,
    EDITORS,
    EDITS,
    NEW_PAGES,
    NEW_USERS,
    ActivityLevel,
    Day,
    DayOfMonth,
    EditorType,
    Measure,
    Month,
    Name,
    PageType,
    Project,
    Projects,
    Ranking,
    Title,
    Year,
)
from serving.http.periods import Granularity, named_period, span_of
from serving.http.problems import RESPONSES
from serving.http.source import Source

_SPAN = "{granularity}/{start}/{end}"
_PERIOD = "{year}/{month}/{day}"


def routes(source: Source) -> APIRouter:
    """The metrics' routes."""
    router = APIRouter(prefix="/metrics", tags=["metrics"], responses=RESPONSES, route_class=MetricRoute)
    answers = MetricAnswers(source)
    _add_edits(router, answers)
    _add_bytes(router, answers)
    _add_editors(router, answers)
    _add_pages(router, answers)
    return router


def _add_edits(router: APIRouter, answers: MetricAnswers) -> None:
    @router.get(f"/edits/aggregate/{{project}}/{{editor_type}}/{{page_type}}/{_SPAN}")
    def edits(
        request: Request,
        project: Projects,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = span_of(start, end, granularity)
        asked = Slice(project, editor_type, page_type, granularity)
        return answers.of_slice(request, "edit_metrics", EDITS, asked, span)

    @router.get(f"/edits/per-page/{{project}}/{{page_title}}/{{editor_type}}/{_SPAN}")
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
        return answers.of_page(request, EDITS, project, page_title, editor_type, granularity, span)

    @router.get(f"/edits/per-editor/{{project}}/{{user_text}}/{{page_type}}/{_SPAN}")
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
        return answers.of_editor(request, EDITS, project, user_text, page_type, granularity, span)


def _add_bytes(router: APIRouter, answers: MetricAnswers) -> None:
    @router.get(f"/bytes-difference/{{measure}}/aggregate/{{project}}/{{editor_type}}/{{page_type}}/{_SPAN}")
    def bytes_difference(
        request: Request,
        measure: Measure,
        project: Projects,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = span_of(start, end, granularity)
        asked = Slice(project, editor_type, page_type, granularity)
        return answers.of_slice(request, "edit_metrics", BYTES[measure], asked, span)

    @router.get(f"/bytes-difference/{{measure}}/per-page/{{project}}/{{page_title}}/{{editor_type}}/{_SPAN}")
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
        return answers.of_page(request, BYTES[measure], project, page_title, editor_type, granularity, span)

    @router.get(f"/bytes-difference/{{measure}}/per-editor/{{project}}/{{user_text}}/{{page_type}}/{_SPAN}")
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
        return answers.of_editor(request, BYTES[measure], project, user_text, page_type, granularity, span)


def _add_editors(router: APIRouter, answers: MetricAnswers) -> None:
    @router.get(f"/editors/aggregate/{{project}}/{{editor_type}}/{{page_type}}/{{activity_level}}/{_SPAN}")
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
        span = span_of(start, end, granularity)
        asked = Slice(project, editor_type, page_type, granularity, activity_level)
        return answers.of_slice(request, "edit_metrics", EDITORS, asked, span)

    @router.get(f"/editors/{{by}}/{{project}}/{{editor_type}}/{{page_type}}/{_PERIOD}")
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
        granularity, begins = named_period(year, month, day)
        return answers.top_editors(request, by, Slice(project, editor_type, page_type, granularity), begins)

    @router.get(f"/registered-users/new/{{project}}/{_SPAN}")
    def registered_users(
        request: Request, project: Projects, granularity: Granularity, start: Day, end: Day
    ) -> Response:
        return answers.of_accounts(request, NEW_USERS, project, granularity, span_of(start, end, granularity))


def _add_pages(router: APIRouter, answers: MetricAnswers) -> None:
    @router.get(f"/edited-pages/new/{{project}}/{{editor_type}}/{{page_type}}/{_SPAN}")
    def new_pages(
        request: Request,
        project: Projects,
        editor_type: EditorType,
        page_type: PageType,
        granularity: Granularity,
        start: Day,
        end: Day,
    ) -> Response:
        span = span_of(start, end, granularity)
        asked = Slice(project, editor_type, page_type, granularity)
        return answers.of_slice(request, "page_metrics", NEW_PAGES, asked, span)

    @router.get(
        f"/edited-pages/aggregate/{{project}}/{{editor_type}}/{{page_type}}/{{activity_level}}/{_SPAN}"
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
        span = span_of(start, end, granularity)
        asked = Slice(project, editor_type, page_type, granularity, activity_level)
        return answers.of_slice(request, "page_metrics", EDITED_PAGES, asked, span)

    @router.get(f"/edited-pages/{{by}}/{{project}}/{{editor_type}}/{{page_type}}/{_PERIOD}")
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
        granularity, begins = named_period(year, month, day)
        return answers.top_pages(request, by, Slice(project, editor_type, page_type, granularity), begins)
