"""The investigators' routes: `/similarusers` in the reference's shape, a whole case in one call, and a page for it.

They stand behind the gate for `similareditors`. Every query is written down with who asked, when, about whom (by id, so that a
name that is suppressed later stands nowhere) and the reason given.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from serving.http.answers import private
from serving.http.problems import RESPONSES, Problem
from serving.http.source import Source
from serving.similar_users import TABLES, Editor, NotComparable, SimilarUsers
from serving.similar_users import similar as similarity

PREFIX = "/similarusers"
MOST_NEIGHBOURS = 250
USUAL_NEIGHBOURS = 50
MOST_ACCOUNTS = 20
PAGE = Path(__file__).parent / "pages" / "investigation.html"
_log = logging.getLogger("wikibraid.access")

Name = Annotated[str, Query(min_length=1, max_length=255, description="Name of the account, or the address.")]
Wiki = Annotated[str, Query(min_length=1, max_length=64, description="Database name of the wiki.")]
Reason = Annotated[str, Query(max_length=500, description="Why this is asked; it is written down.")]


def routes(source: Source, usual_wiki: str) -> APIRouter:
    """The routes; `usual_wiki` is meant where a request names none."""
    router = APIRouter(prefix=PREFIX, tags=["similar users"], responses=RESPONSES)

    @router.get("", summary="Who edits like this account")
    def similar(
        request: Request,
        usertext: Name,
        k: Annotated[
            int, Query(ge=1, le=MOST_NEIGHBOURS, description="How many neighbours.")
        ] = USUAL_NEIGHBOURS,
        followup: Annotated[  # noqa: FBT002  a parameter of the query
            bool, Query(description="Whether the pages are named, in which order.")
        ] = False,
        wiki: Wiki = usual_wiki,
        reason: Reason = "",
    ) -> Response:
        users = SimilarUsers(source.moment(TABLES))
        (editor,) = _editors(request, users, wiki, [usertext], reason)
        described = users.described(wiki, editor)
        results = []
        for other, pages in users.neighbours(wiki, editor, k):
            results.append(similarity(editor, other, pages))
            if followup:
                results[-1]["follow-up"] = users.follow_up(wiki, editor, other)
        kept = ("user_text", "num_edits_in_data", "first_edit_in_data", "last_edit_in_data")
        return private({**{name: described[name] for name in kept}, "results": results})

    @router.get("/case", summary="Several accounts at once: each, every pair, and a timeline")
    def case(
        request: Request,
        usertext: Annotated[
            list[Annotated[str, Query(min_length=1, max_length=255)]],
            Query(min_length=2, max_length=MOST_ACCOUNTS, description="Names of the accounts."),
        ],
        wiki: Wiki = usual_wiki,
        reason: Reason = "",
    ) -> Response:
        users = SimilarUsers(source.moment(TABLES))
        editors = _editors(request, users, wiki, list(dict.fromkeys(usertext)), reason)
        return private(users.case(wiki, editors))

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


def _editors(request: Request, users: SimilarUsers, wiki: str, names: list[str], reason: str) -> list[Editor]:
    """Those of these names; that they were asked for is written down first.

    Raises:
        Problem: nothing is told of one of them.
    """
    if not wiki:
        raise Problem(HTTPStatus.BAD_REQUEST, "query.wiki: name the wiki")
    found: list[Editor] = []
    refused: Problem | None = None
    whom: list[str] = []
    for place, name in enumerate(names, 1):
        try:
            editor = users.editor(wiki, name)
        except NotComparable as error:
            whom.append(error.kind)
            # Which of them, by place: no answer repeats a name.
            more: dict[str, Any] = {"error-type": error.kind, "which": place}
            refused = refused or Problem(HTTPStatus.NOT_FOUND, str(error), **more)
        else:
            whom.append(editor.key)
            found.append(editor)
    told: dict[str, Any] = {
        "at": datetime.now(tz=UTC),
        "who": request.scope["state"]["bearer"],
        "wiki": wiki,
        "whom": whom,
        "reason": reason,
    }
    _log.info("%s", msgspec.json.encode(told).decode())
    if refused is not None:
        raise refused
    return found
