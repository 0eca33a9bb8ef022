"""The investigators' routes: `/similarusers` in the reference's shape, a whole case in one call, and a page for it.

They stand behind the gate for `similareditors`. Every query is written down, before it is answered, with who asked, when, about whom
(by id or address, else by the digest of the name, so that one that is suppressed later stands nowhere) and the reason given; what can't be written down is not answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BeforeValidator

from serving.http.answers import private
from serving.http.problems import RESPONSES, Problem
from serving.http.query_log import Query as Logged
from serving.http.query_log import QueryLog
from serving.http.similar_users_models import CaseModel, EditorModel, NeighboursModel
from serving.http.source import Source
from serving.moment import Moment
from serving.reader import NotPublished, Stream
from serving.similar_users import (
    TABLES,
    Editor,
    NotComparable,
    SimilarUsers,
    written_as,
    written_as_asked,
)
from serving.similar_users import similar as similarity

PREFIX = "/similarusers"
MOST_NEIGHBOURS = 250
USUAL_NEIGHBOURS = 50
LEAST_ACCOUNTS, MOST_ACCOUNTS = 2, 20
PAGE = Path(__file__).parent / "pages" / "investigation.html"

Name = Annotated[str, Query(min_length=1, max_length=255, description="Name of the account, or the address.")]
Wiki = Annotated[str, Query(max_length=64, description="Database name of the wiki.")]
Reason = Annotated[str, Query(max_length=500, description="Why this is asked; it is written down.")]
Neighbours = Annotated[int, Query(ge=1, le=MOST_NEIGHBOURS, description="How many neighbours, at most.")]
Flag = Annotated[bool, BeforeValidator(lambda given: True if given == "" else given)]
"""Also true where it is only named, as in `?followup`."""
Names = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=255)]],
    Query(min_length=LEAST_ACCOUNTS, max_length=MOST_ACCOUNTS, description="Names of different accounts."),
]
Until = Annotated[
    date | None,
    Query(description="The last day of the timeline, UTC; `timeline_from` of an account leads on."),
]


def routes(source: Source, log: QueryLog, usual_wiki: str) -> APIRouter:
    """The routes; `usual_wiki` is meant where a request names none, which it must if that is empty."""
    router = APIRouter(prefix=PREFIX, tags=["similar users"], responses=RESPONSES)

    @router.get(
        "",
        summary="Who edits like this account",
        description="`pages_shared`, and what is made of it, counts in one direction: pages on which the account met the neighbour, in the "
        "window around its own edits. Who comes a whole window later meets whom it follows, and not the other way round. A case takes both.",
        response_model=NeighboursModel,
    )
    def similar(
        request: Request,
        usertext: Name,
        k: Neighbours = USUAL_NEIGHBOURS,
        followup: Annotated[  # noqa: FBT002  a parameter of the query
            Flag, Query(description="Whether the pages are named, in which order.")
        ] = False,
        wiki: Wiki = usual_wiki,
        reason: Reason = "",
    ) -> Response:
        asked = _Asked(request, wiki, [usertext], reason)
        with _moment(source, log, asked) as moment:
            read, users = least_fresh(moment), SimilarUsers(moment)
            (editor,) = _editors(users, log, asked)
            described = users.described(wiki, editor)
            results = []
            for other, pages in users.neighbours(wiki, editor, k):
                results.append(similarity(editor, other, pages))
                if followup:
                    results[-1]["follow-up"] = users.follow_up(wiki, editor, other)
        told = {name: described[name] for name in EditorModel.model_fields}
        return private({**told, "results": results}, read)

    @router.get(
        "/case",
        summary="Several accounts at once: each, every pair, and a timeline",
        description="`pages_shared` of a pair counts in both directions: pages on which either met the other. So it may be more than in "
        "the list of neighbours of either.",
        response_model=CaseModel,
    )
    def case(
        request: Request,
        usertext: Names,
        wiki: Wiki = usual_wiki,
        until: Until = None,
        reason: Reason = "",
    ) -> Response:
        asked = _Asked(request, wiki, usertext, reason)
        with _moment(source, log, asked) as moment:
            read, users = least_fresh(moment), SimilarUsers(moment)
            editors = _editors(users, log, asked)
            if len(editors) < LEAST_ACCOUNTS:
                raise Problem(HTTPStatus.BAD_REQUEST, "query.usertext: all are one account; name another one")
            told = users.case(wiki, editors, until)
        return private(told, read)

    @router.get("/page", summary="A page to look at a case", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE, media_type="text/html", headers=PAGE_HEADERS)

    return router


PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def least_fresh(moment: Moment) -> Stream:
    """How fresh the table is of which most is missing."""
    return max((moment.freshness(name) for name in TABLES), key=lambda one: (one.lag or 0, one.waiting))


class _Asked(NamedTuple):
    """What a request is about."""

    request: Request
    wiki: str
    names: list[str]
    reason: str


@contextmanager
def _moment(source: Source, log: QueryLog, asked: _Asked) -> Iterator[Moment]:
    """The tables as they are now.

    Raises:
        Problem: they are not published, which is written down as well, or were given up meanwhile.
    """
    kind = "database-refresh"
    try:
        try:
            moment = source.moment(TABLES)
        except NotPublished:
            _write(log, asked, [written_as_asked(kind, name) for name in asked.names])
            raise
        with moment:
            yield moment
    except NotPublished as error:
        more = {"error-type": kind}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), **more) from error


def _editors(users: SimilarUsers, log: QueryLog, asked: _Asked) -> list[Editor]:
    """Those of the names that are asked for, each once; that they were is written down first.

    Raises:
        Problem: nothing is told of one of them, or it can't be written down.
    """
    if not asked.wiki:
        raise Problem(HTTPStatus.BAD_REQUEST, "query.wiki: name the wiki")
    found: dict[str, Editor] = {}
    refused: Problem | None = None
    whom: list[str] = []
    for place, name in enumerate(asked.names, 1):
        try:
            editor = users.editor(asked.wiki, name)
        except NotComparable as error:
            whom.append(error.whom)
            # Which of them, by place: no answer repeats a name.
            more: dict[str, Any] = {"error-type": error.kind, "which": place}
            refused = refused or Problem(HTTPStatus.NOT_FOUND, str(error), **more)
        else:
            whom.append(written_as(editor.key))
            found.setdefault(editor.key, editor)
    _write(log, asked, whom)
    if refused is not None:
        raise refused
    return list(found.values())


def _write(log: QueryLog, asked: _Asked, whom: Sequence[str]) -> None:
    """Write down who asked about whom.

    Raises:
        Problem: it can't be.
    """
    bearer = asked.request.scope["state"]["bearer"]
    query = Logged(
        at=datetime.now(tz=UTC), who=bearer, wiki=asked.wiki, whom=tuple(whom), reason=asked.reason
    )
    try:
        log.write(query)
    except OSError as error:
        message = "the query can't be written down, and so is not answered; tell the operator"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, message) from error
