"""What a daemon tells over HTTP: whether it lives, whether it is ready, and its metrics for Prometheus."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

SECONDS_TO_HANG = 120
"""Without a look around after which a daemon is taken to hang: more than stores and logs may stay away."""
SECONDS_STILL = 900
"""After which what is to be done and does not go on is taken to hang, though the daemon looks around: many times a batch's time."""


class Watched(Protocol):
    """A daemon that tells how it is."""

    @property
    def seen_at(self) -> float:
        """When it last looked around, on the monotonic clock: long ago means that it hangs."""

    @property
    def going_on_at(self) -> float:
        """Until when all that was to be done went on, on the monotonic clock."""

    @property
    def caught_up(self) -> bool:
        """Whether all that it keeps was once current."""

    @property
    def collected(self) -> CollectorRegistry:
        """Its metrics."""


def application(daemon: Watched) -> FastAPI:
    """`/health/live`, `/health/ready` and `/metrics` of a daemon."""
    app = FastAPI(title="wikibraid daemon", openapi_url=None)

    @app.get("/health/live")
    def live() -> PlainTextResponse:
        silent = time.monotonic() - daemon.seen_at
        if silent > SECONDS_TO_HANG:
            return PlainTextResponse(f"nothing was done for {silent:.0f} s\n", 503)
        still = daemon.seen_at - daemon.going_on_at
        if still > SECONDS_STILL:
            return PlainTextResponse(f"a partition has stood still for {still:.0f} s\n", 503)
        return PlainTextResponse("live\n")

    @app.get("/health/ready")
    def ready() -> PlainTextResponse:
        if not daemon.caught_up:
            return PlainTextResponse("not yet caught up\n", 503)
        return PlainTextResponse("ready\n")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(daemon.collected), media_type=CONTENT_TYPE_LATEST)

    return app


@contextmanager
def served(daemon: Watched, host: str, port: int) -> Iterator[None]:
    """Answer over HTTP while inside.

    Raises:
        OSError: the port is taken.
    """
    # Not by uvicorn, which ends the process where the port is taken.
    listener = socket.create_server((host, port))
    server = uvicorn.Server(uvicorn.Config(application(daemon), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=lambda: server.run([listener]), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
