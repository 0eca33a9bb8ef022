"""The application: every route, and what stands before them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.responses import FileResponse
from prometheus_client import CollectorRegistry

from serving.http import health, history, metrics, operations, prometheus, similar_users, tables
from serving.http.access import OPERATOR, SIMILAR_EDITORS, Access, Gate
from serving.http.heads import Heads
from serving.http.openapi import document
from serving.http.operations import Records
from serving.http.problems import handle
from serving.http.query_log import QueryLog
from serving.http.segments import Segments
from serving.http.similar_users import PAGE_HEADERS
from serving.http.source import Source
from serving.http.state_metrics import StateCollector
from shared_logic.definition import Dataset

_SECONDS_BETWEEN_SWITCHES = 0.0005
"""Of threads: Python lets one that computes an answer keep the interpreter ten times as long, while others wait that have only bytes to pass on."""
_ROUTES_PAGE = Path(__file__).parent / "pages" / "routes.html"


def _now() -> datetime:
    return datetime.now(tz=UTC)


def application(
    source: Source,
    datasets: Sequence[Dataset],
    access: Access,
    kept: Records,
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
        redirect_slashes=False,  # a redirection repeats the query, with the name in it, to the host that the client names
        lifespan=lambda _: _answering(source.at_once),
    )
    handle(app)
    app.include_router(tables.routes(source, datasets))
    app.include_router(metrics.routes(source))
    app.include_router(history.routes(source, present))
    app.include_router(similar_users.routes(source, queries, usual_wiki))
    app.include_router(operations.routes(source, datasets, kept))
    app.include_router(health.routes(source, datasets))
    collected = CollectorRegistry()
    collected.register(StateCollector(source, datasets, kept))
    app.include_router(prometheus.routes(collected))

    @app.get("/docs", include_in_schema=False)
    def shown() -> FileResponse:
        return FileResponse(_ROUTES_PAGE, media_type="text/html", headers=PAGE_HEADERS)

    roles = {
        similar_users.PREFIX: SIMILAR_EDITORS,
        operations.PREFIX: OPERATOR,
        history.USERS: OPERATOR,
        prometheus.PREFIX: OPERATOR,
    }
    app.add_middleware(Gate, roles=roles, access=access)
    document(app, tuple(roles))
    # What comes last here comes first to a request.
    app.add_middleware(Segments)
    app.add_middleware(Heads)
    app.add_middleware(prometheus.Measured, collected=collected)
    return app


@asynccontextmanager
async def _answering(at_once: int) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = at_once
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SECONDS_BETWEEN_SWITCHES)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
