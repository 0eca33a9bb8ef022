"""Errors of the metrics' routes, with the members that the Analytics Query Service has in them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from serving.http.problems import Problem, faults
from serving.http.segments import SegmentRoute

_KINDS = {HTTPStatus.BAD_REQUEST: "invalid_request", HTTPStatus.NOT_FOUND: "not_found"}


class MetricRoute(SegmentRoute):
    """A route each of whose problems says of what type it is, and which request it is about."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        usual = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await usual(request)
            except RequestValidationError as error:
                raise _told(request, HTTPStatus.BAD_REQUEST, faults(error)) from error
            except Problem as problem:
                raise _told(request, problem.status, problem.detail) from problem

        return handler


def _told(request: Request, status: int, detail: str) -> Problem:
    kind = _KINDS.get(HTTPStatus(status), "about:blank")
    return Problem(status, detail, kind, method=request.method.lower(), uri=request.url.path)
