"""What Prometheus is told: of requests, and whatever else was registered."""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder, gzip_accepted
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/prometheus"
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}


def routes(collected: CollectorRegistry) -> APIRouter:
    """The one route, of what is collected; scrapers ask for it with or without the slash."""
    router = APIRouter(prefix=PREFIX)

    # No `async`: the collector reads the store and the log, and every other request would wait for them.
    @router.api_route("", methods=["GET", "HEAD"], include_in_schema=False)
    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def scraped(request: Request) -> Response:
        return _exposed(collected, request)

    return router


class Measured:
    """Counts requests, and how long they take."""

    def __init__(self, app: ASGIApp, collected: CollectorRegistry) -> None:
        self._app = app
        self._requests = Counter(
            "http_requests", "Requests, by status", ["code", "method"], registry=collected
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Until the answer is sent",
            registry=collected,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and note its status and the time until it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._seconds.time():
            try:
                await self._app(scope, receive, sent)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._requests.labels(status, method).inc()


def _exposed(collected: CollectorRegistry, request: Request) -> Response:
    """The metrics in the format and encoding that the request wants, only those of `name[]` where it names some."""
    encoded, content_type = choose_encoder(",".join(request.headers.getlist("accept")))
    names = request.query_params.getlist("name[]")
    body = encoded(collected.restricted_registry(names) if names else collected)
    headers = {"Content-Type": content_type}
    if gzip_accepted(",".join(request.headers.getlist("accept-encoding"))):
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers)
