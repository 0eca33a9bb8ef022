"""MediaWiki History of one page, of some days, and of one account, in upstream's columns.

What one account did is for operators; historical names and central ids are in no answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from serving.analysis import Analysis
from serving.history_parts import TABLES, OfDays, OfPage, OfUser, Part, TooLarge, days_of, gathered
from serving.http.answers import fresh
from serving.http.problems import RESPONSES, Problem, described
from serving.http.source import Source
from serving.reader import Stream

PREFIX = "/history"
USERS = f"{PREFIX}/users"
"""What only operators may see."""
MOST_ROWS, USUAL_ROWS = 1_000, 100
MOST_REVISIONS = 10_000
"""Of a part: an answer is made of all of them, however few rows of it are asked for."""
_RESPONSES = {**RESPONSES, 413: described(f"the part has more than {MOST_REVISIONS:,} revisions")}
_PRIVATE = "event_user_central_id, user_central_id, event_user_text_historical, user_text_historical"
_ORDER = "event_timestamp NULLS FIRST, event_entity, revision_id, page_id, user_id, event_log_id, event_type"

Wiki = Annotated[str, Path(max_length=255, description="Database name of the wiki.")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows at most.")]
Offset = Annotated[
    int, Query(ge=0, le=2**31, description="Rows that are left out; `next` of the answer before.")
]
Now = Annotated[
    datetime | None, Query(description="What is taken for the present: a block ends without any event.")
]


def routes(source: Source) -> APIRouter:
    """The routes of parts of the history."""
    router = APIRouter(prefix=PREFIX, tags=["history"], responses=_RESPONSES)

    def answer(request: Request, part: Part, limit: int, offset: int, now: datetime | None) -> Response:
        if now is not None and now.tzinfo is None:
            raise Problem(400, "now has no time zone; write Z after it")
        try:
            found = gathered(source.moment(TABLES), part, MOST_REVISIONS)
        except TooLarge as error:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error}; {_instead(part)}") from error
        condition = part.condition_on("mediawiki_history")
        with Analysis(found.stream, None, now or datetime.now(tz=UTC)) as db:
            found.give(db)
            db.prepare(["mediawiki_history"])
            db.lock()
            rows = db.execute(
                f"SELECT * EXCLUDE ({_PRIVATE}) FROM mediawiki_history WHERE {condition} "  # noqa: S608
                f"ORDER BY {_ORDER} LIMIT {limit + 1} OFFSET {offset}"
            ).to_arrow_table()
        items: list[dict[str, Any]] = rows.slice(0, limit).to_pylist()
        if not items:
            raise Problem(404, "the history has no such rows")
        following = offset + limit if rows.num_rows > limit else None
        return fresh(request, {"items": items, "next": following}, _least_fresh(found.streams))

    @router.get("/pages/{wiki}/{page}", summary="What happened to a page")
    def of_page(
        request: Request,
        wiki: Wiki,
        page: Annotated[
            str, Path(max_length=64, description="Page id; or artificial id, where none is known.")
        ],
        limit: Limit = USUAL_ROWS,
        offset: Offset = 0,
        now: Now = None,
    ) -> Response:
        return answer(request, _page(wiki, page), limit, offset, now)

    @router.get("/periods/{wiki}/{period}", summary="What happened in a month, or on a day")
    def of_period(
        request: Request,
        wiki: Wiki,
        period: Annotated[str, Path(max_length=10, description="As 2026-01 or 2026-01-05, UTC.")],
        limit: Limit = USUAL_ROWS,
        offset: Offset = 0,
        now: Now = None,
    ) -> Response:
        try:
            days = days_of(wiki, period)
        except ValueError as error:
            raise Problem(400, str(error)) from error
        return answer(request, days, limit, offset, now)

    @router.get("/users/{wiki}/{user_id}", summary="What an account did, and what was done to it")
    def of_user(
        request: Request,
        wiki: Wiki,
        user_id: Annotated[int, Path(ge=1, le=2**63 - 1, description="Its id on the wiki.")],
        limit: Limit = USUAL_ROWS,
        offset: Offset = 0,
        now: Now = None,
    ) -> Response:
        return answer(request, OfUser(wiki, user_id), limit, offset, now)

    return router


def _instead(part: Part) -> str:
    """What to do about a part that is too large."""
    if isinstance(part, OfDays) and part.first != part.last:
        return "ask for a day"
    return "`wikibraid query mediawiki_history` reads parts of any size"


def _page(wiki: str, page: str) -> OfPage:
    if not page.isprintable() or (page.isdecimal() and int(page) >= 2**63):
        raise Problem(400, f"{page!r} is no page id")
    return OfPage(wiki, page)


def _least_fresh(streams: dict[str, Stream]) -> Stream:
    return max(streams.values(), key=lambda stream: stream.lag or 0)
