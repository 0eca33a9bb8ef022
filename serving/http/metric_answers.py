"""Series and lists of metrics, read from merged tables and told in the bodies of Wikimedia's Analytics Query Service."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from serving.http.answers import fresh
from serving.http.metric_terms import RANKED, ActivityLevel, EditorType, Metric, PageType, Ranking
from serving.http.periods import Granularity, Span, short
from serving.http.problems import Problem
from serving.http.sites import Sites
from serving.http.source import Source
from shared_logic.registry import registry
from shared_logic.tables import Key

RANKS = 100
"""Places of a list."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which edits of a project, or of several, are counted."""

    project: str
    editor_type: EditorType
    page_type: PageType
    granularity: Granularity
    activity_level: ActivityLevel | None = None
    """None: the metric knows no levels."""


class MetricAnswers:
    """Answers from one source; each is a `Problem` (404) where there is no data."""

    def __init__(self, source: Source) -> None:
        """Read from there."""
        self._source, self._sites = source, Sites(source)

    def of_slice(self, request: Request, dataset: str, metric: Metric, asked: Slice, span: Span) -> Response:
        """A series of all edits of a slice."""
        labels = _labels(asked.project, editor_type=asked.editor_type, page_type=asked.page_type)
        if asked.activity_level is not None:
            labels["activity-level"] = str(asked.activity_level)
        labels["granularity"] = str(asked.granularity)
        which = (
            asked.granularity,
            _stored(asked.editor_type),
            _stored(asked.page_type),
            _stored(asked.activity_level or ActivityLevel.ALL),
        )
        prefixes = [(wiki, *which) for wiki in self._sites.wikis(asked.project)]
        return self._series(request, dataset, prefixes, metric, labels, span)

    def of_page(
        self,
        request: Request,
        metric: Metric,
        project: str,
        page_title: str,
        editor_type: EditorType,
        granularity: Granularity,
        span: Span,
    ) -> Response:
        """A series of one page."""
        wiki, asked = self._sites.wiki(project), short(span)
        page_id = self._sites.page(wiki, page_title)
        if page_id is None:
            raise _no_data()
        labels = _labels(project, page_title=page_title, editor_type=editor_type, granularity=granularity)
        prefix = (wiki, page_id, granularity, _stored(editor_type))
        return self._series(request, "page_periods", [prefix], metric, labels, asked)

    def of_editor(
        self,
        request: Request,
        metric: Metric,
        project: str,
        user_text: str,
        page_type: PageType,
        granularity: Granularity,
        span: Span,
    ) -> Response:
        """A series of one editor."""
        wiki = self._sites.wiki(project)
        labels = _labels(project, user_text=user_text, page_type=page_type, granularity=granularity)
        prefix = (wiki, self._sites.editor(wiki, user_text), granularity, _stored(page_type))
        return self._series(request, "editor_periods", [prefix], metric, labels, short(span))

    def of_accounts(
        self, request: Request, metric: Metric, project: str, granularity: Granularity, span: Span
    ) -> Response:
        """A series of the accounts of a project, or of several."""
        labels = _labels(project, granularity=granularity)
        prefixes = [(wiki, granularity) for wiki in self._sites.wikis(project)]
        return self._series(request, "account_metrics", prefixes, metric, labels, span)

    def top_editors(self, request: Request, by: Ranking, asked: Slice, begins: date) -> Response:
        """Who did most in the period that begins then."""
        # Each editor is of one type; the edits of pages of all types are added up already.
        kinds = _each(EditorType) if asked.editor_type is EditorType.ALL else [_stored(asked.editor_type)]
        slices = [(kind, _stored(asked.page_type)) for kind in kinds]
        return self._top(request, "period_editors", by, asked, begins, slices, self._sites.named_editor)

    def top_pages(self, request: Request, by: Ranking, asked: Slice, begins: date) -> Response:
        """Where most was done in the period that begins then."""
        # Each page is of one type; the edits of editors of all types are added up already.
        kinds = _each(PageType) if asked.page_type is PageType.ALL else [_stored(asked.page_type)]
        slices = [(_stored(asked.editor_type), kind) for kind in kinds]
        return self._top(request, "period_pages", by, asked, begins, slices, self._sites.named_page)

    def _series(
        self,
        request: Request,
        dataset: str,
        prefixes: Sequence[Key],
        metric: Metric,
        labels: dict[str, str],
        span: Span,
    ) -> Response:
        """The totals of all rows whose key begins as one of these."""
        read, table = self._source.reader, registry[dataset]
        # What is said of one wiki says how fresh that wiki is.
        found = read.stream(table, prefixes[0]) if len(prefixes) == 1 else read.stream_of(table, prefixes)
        totals: dict[date, int] = {}
        for row in found.rows:
            if span.holds(row["begins"]):
                totals[row["begins"]] = totals.get(row["begins"], 0) + row[metric.column]
        if not totals:
            raise _no_data()
        results = [
            {"timestamp": _stamp(begins), metric.name: total} for begins, total in sorted(totals.items())
        ]
        return fresh(request, {"items": [{**labels, "results": results}]}, found)

    def _top(
        self,
        request: Request,
        dataset: str,
        by: Ranking,
        asked: Slice,
        begins: date,
        slices: Sequence[tuple[str, str]],
        named: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> Response:
        wiki, metric = self._sites.wiki(asked.project), RANKED[by]
        prefixes = [(wiki, asked.granularity, begins, *kinds) for kinds in slices]
        found = self._source.reader.stream_of(registry[dataset], prefixes)
        rows = heapq.nlargest(RANKS, found.rows, key=lambda row: row[metric.column])
        if not rows:
            raise _no_data()
        listed = [
            {**named(wiki, row), metric.name: row[metric.column], "rank": rank}
            for rank, row in enumerate(rows, 1)
        ]
        labels = _labels(
            asked.project,
            editor_type=asked.editor_type,
            page_type=asked.page_type,
            granularity=asked.granularity,
        )
        results = [{"timestamp": _stamp(begins), "top": listed}]
        return fresh(request, {"items": [{**labels, "results": results}]}, found)


def _stored(kind: EditorType | PageType | ActivityLevel) -> str:
    """As tables have it."""
    return "all" if kind.name == "ALL" else str(kind)


def _each(kinds: type[EditorType | PageType]) -> list[str]:
    return [str(kind) for kind in kinds if kind.name != "ALL"]


def _no_data() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "The dates are valid, but there is no data for them")


def _labels(project: str, **given: str) -> dict[str, str]:
    return {
        "project": project,
        **{name.replace("_", "-"): str(value) for name, value in given.items()},
    }


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"
