"""MediaWiki History of one page, of some days, and of one account, in upstream's columns.

What one account did is for operators; historical names and central ids are in no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from msgspec.structs import astuple

from serving.history_parts import TABLES, Gathered, OfDays, OfPage, OfUser, Part, TooLarge, days_of, gathered
from serving.http.answers import fresh, private
from serving.http.cursors import MOST_CHARACTERS, decoded, encoded
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


_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a row stands: those of no known time first, then by time; whatever comes between two pages shifts neither."""

    event_timestamp: str | None
    event_entity: str
    revision_id: _Number | None
    page_id: _Number | None
    user_id: _Number | None
    event_log_id: _Number | None
    event_type: str
    page_artificial_id: str | None
    page_title_historical: str | None


_PLACE = f"row(event_timestamp IS NOT NULL, {', '.join(_Place.__struct_fields__)})"
_AFTER = f"{_PLACE} > row(?::BOOLEAN, ?, ?, ?::BIGINT, ?::BIGINT, ?::BIGINT, ?::BIGINT, ?, ?, ?)"

Wiki = Annotated[str, Path(max_length=255, description="Database name of the wiki.")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows at most.")]
Cursor = Annotated[str | None, Query(max_length=MOST_CHARACTERS, description="`next` of the page before.")]
Now = Annotated[
    datetime | None, Query(description="What is taken for the present: a block ends without any event.")
]


def routes(source: Source, present: Callable[[], datetime]) -> APIRouter:
    """The routes of parts of the history, at the present where no instant is named."""
    router = APIRouter(prefix=PREFIX, tags=["history"], responses=_RESPONSES)
    answer = partial(_answer, source, present)

    @router.get("/pages/{wiki}/{page}", summary="What happened to a page")
    def of_page(
        request: Request,
        wiki: Wiki,
        page: Annotated[
            str, Path(max_length=64, description="Page id; or artificial id, where none is known.")
        ],
        limit: Limit = USUAL_ROWS,
        cursor: Cursor = None,
        now: Now = None,
    ) -> Response:
        return answer(request, _page(wiki, page), limit, cursor, now)

    @router.get("/periods/{wiki}/{period}", summary="What happened in a month, or on a day")
    def of_period(
        request: Request,
        wiki: Wiki,
        period: Annotated[str, Path(max_length=10, description="As 2026-01 or 2026-01-05, UTC.")],
        limit: Limit = USUAL_ROWS,
        cursor: Cursor = None,
        now: Now = None,
    ) -> Response:
        try:
            days = days_of(wiki, period)
        except ValueError as error:
            raise Problem(400, str(error)) from error
        return answer(request, days, limit, cursor, now)

    @router.get("/users/{wiki}/{user_id}", summary="What an account did, and what was done to it")
    def of_user(
        request: Request,
        wiki: Wiki,
        user_id: Annotated[int, Path(ge=1, le=2**63 - 1, description="Its id on the wiki.")],
        limit: Limit = USUAL_ROWS,
        cursor: Cursor = None,
        now: Now = None,
    ) -> Response:
        return answer(request, OfUser(wiki, user_id), limit, cursor, now)

    return router


def _answer(
    source: Source,
    present: Callable[[], datetime],
    request: Request,
    part: Part,
    limit: int,
    cursor: str | None,
    now: datetime | None,
) -> Response:
    """Rows of a part of the history, from the cursor on.

    Raises:
        Problem: the cursor or the instant is none, the part is too large, or there are no such rows.
    """
    if now is not None and now.tzinfo is None:
        raise Problem(400, "now has no time zone; write Z after it")
    after = None if cursor is None else decoded(cursor, _Place, "the history")
    try:
        found = gathered(source.moment(TABLES), part, MOST_REVISIONS)
    except TooLarge as error:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{error}; {_instead(part)}") from error
    rows = _rows(found, part, after, limit + 1, now or present())
    items = rows[:limit]
    if not items and after is None:
        raise Problem(404, "the history has no such rows")
    following = encoded(_place(items[-1])) if len(rows) > limit else None
    body, told = {"items": items, "next": following}, _least_fresh(found.streams)
    return private(body, told) if isinstance(part, OfUser) else fresh(request, body, told)


def _rows(
    found: Gathered, part: Part, after: _Place | None, most: int, now: datetime
) -> list[dict[str, Any]]:
    """Up to `most` rows of the part, those after that place, in order."""
    condition = part.condition_on("mediawiki_history")
    later, values = ("", ()) if after is None else (f"AND {_AFTER}", _values(after))
    with found.in_database("mediawiki_history", None, now) as db:
        table = db.execute(
            f"SELECT * EXCLUDE ({_PRIVATE}) FROM mediawiki_history WHERE {condition} {later} "  # noqa: S608
            f"ORDER BY {_PLACE} LIMIT {most}",
            values,
        ).to_arrow_table()
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _place(row: Mapping[str, Any]) -> _Place:
    return _Place(*(row[name] for name in _Place.__struct_fields__))


def _values(place: _Place) -> tuple[object, ...]:
    return place.event_timestamp is not None, *astuple(place)


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
    return max(streams.values(), key=lambda stream: (stream.lag or 0, stream.waiting))
