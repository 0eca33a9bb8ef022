"""Errors as application/problem+json (RFC 9457); "there is no such row" (404) and "cannot know" (503) are never confused."""

from __future__ import annotations

import sqlite3
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from serving.duckdb_session import MemoryLimitError
from serving.reader import NotPublished
from serving.sqlite_file import StoreError
from shared_logic.protocols import LogError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class Problem(Exception):  # noqa: N818  what it is
    """Ends a request with this status and detail."""

    def __init__(self, status: int, detail: str, kind: str = "about:blank", **more: Any) -> None:
        """`kind` is the problem's type; `more` are further members."""
        super().__init__(detail)
        self.status, self.detail, self.kind, self.more = status, detail, kind, more


class ProblemModel(BaseModel):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: str


def described(what: str) -> dict[str, Any]:
    """A problem as a response of the OpenAPI document."""
    return {"description": what, "content": {MEDIA_TYPE: {"schema": ProblemModel.model_json_schema()}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    400: described("the request can't be understood"),
    404: described("there is no such row, or no such table"),
    503: described("it can't be known now; try again"),
}
"""Of routes that read tables."""


def answer(problem: Problem) -> Response:
    """The problem as a response."""
    body = {
        "type": problem.kind,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    headers = {"Cache-Control": "no-store"}
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return Response(msgspec.json.encode(body), problem.status, headers, MEDIA_TYPE)


def faults(error: RequestValidationError) -> str:
    """What is wrong with a request, parameter by parameter."""
    # What a check of ours raises comes with the type of the error before it.
    told = ((fault["loc"], fault["msg"].removeprefix("Value error, ")) for fault in error.errors())
    return "; ".join(f"{'.'.join(map(str, place))}: {what}" for place, what in told)


def handle(app: FastAPI) -> None:
    """Let every error of the application be a problem."""

    @app.exception_handler(Problem)
    def told(_: Request, error: Problem) -> Response:
        return answer(error)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Response:
        response = answer(Problem(error.status_code, str(error.detail)))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> Response:
        return answer(Problem(HTTPStatus.BAD_REQUEST, faults(error)))

    for kind in (NotPublished, StoreError, LogError, MemoryLimitError, sqlite3.OperationalError):

        @app.exception_handler(kind)
        def unknown(_: Request, error: Exception) -> Response:
            return answer(Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)))
