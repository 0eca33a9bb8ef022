"""The application: every route, and what stands before them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder, gzip_accepted
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http import history, metrics, operations, similar_users, tables
from serving.http.access import OPERATOR, SIMILAR_EDITORS, Access, Gate
from serving.http.heads import Heads
from serving.http.openapi import document
from serving.http.operations import Kept
from serving.http.problems import Problem, answer, handle
from serving.http.query_log import QueryLog
from serving.http.segments import Segments
from serving.http.similar_users import PAGE_HEADERS
from serving.http.source import Source
from serving.http.state_metrics import StateCollector
from shared_logic.definition import Dataset

_ROUTES_PAGE = Path(__file__).parent / "pages" / "routes.html"


def _now() -> datetime:
    return datetime.now(tz=UTC)


def application(
    source: Source,
    datasets: Sequence[Dataset],
    access: Access,
    kept: Kept,
    queries: QueryLog,
    usual_wiki: str = "",
    present: Callable[[], datetime] = _now,
) -> FastAPI:
    """Routes over the tables of these datasets; `access` says who may see what is private, `queries` is what they ask written to.

    `present` is what answers that depend on the day take for the present, where a request names no instant.
    """
    app = FastAPI(
        title="Wikibraid",
        version=version("wikibraid"),
        description="Merged tables: what was recomputed from all of history, with what has happened since.",
        docs_url=None,  # FastAPI's own page runs scripts of another host, with all that a browser here is let in to
        redoc_url=None,
    )
    handle(app)
    app.include_router(tables.routes(source, datasets))
    app.include_router(metrics.routes(source))
    app.include_router(history.routes(source, present))
    app.include_router(similar_users.routes(source, queries, usual_wiki))
    app.include_router(operations.routes(source, datasets, kept))

    @app.get("/docs", include_in_schema=False)
    def shown() -> FileResponse:
        return FileResponse(_ROUTES_PAGE, media_type="text/html", headers=PAGE_HEADERS)

    # `async`: it needs no thread, of which all may wait for a log or a store that is away.
    @app.get("/health/live", include_in_schema=False)
    async def live() -> PlainTextResponse:
        return PlainTextResponse("live\n")

    @app.get("/health/ready", include_in_schema=False)
    def ready() -> Response:
        if any(source.store.published(dataset.name) is not None for dataset in datasets):
            return PlainTextResponse("ready\n")
        return answer(Problem(503, "nothing is published yet"))

    collected = CollectorRegistry()
    collected.register(StateCollector(source, datasets, kept))

    # No `async`: the collector reads the store and the log, and every other request would wait for them.
    @app.api_route("/prometheus/", methods=["GET", "HEAD"], include_in_schema=False)
    def scraped(request: Request) -> Response:
        return _exposed(collected, request)

    roles = {
        similar_users.PREFIX: SIMILAR_EDITORS,
        operations.PREFIX: OPERATOR,
        history.USERS: OPERATOR,
        "/prometheus": OPERATOR,
    }
    app.add_middleware(Gate, roles=roles, access=access)
    document(app, tuple(roles))
    # What comes last here comes first to a request.
    app.add_middleware(Segments)
    app.add_middleware(Heads)
    app.add_middleware(_Measured, collected=collected)
    return app


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


class _Measured:
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


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
