"""A service like EventStreams that replays events: it goes on from where it is told, and ends connections as the real one does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

from tests.servers import free_ports

TOPIC = "eqiad.mediawiki.any"


@dataclass
class EventService:
    """Events in order; an id names an offset, from which on (that one too, as by a timestamp) it goes on."""

    events: Sequence[bytes]
    cut_after: int = 0
    """So many events, after which a connection ends; 0: when all were sent."""
    failures: int = 0
    """How many connections are refused first, with 503."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Streams, Last-Event-ID and since of each connection."""

    def application(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v2/stream/{streams}", response_model=None)
        def stream(streams: str, request: Request, since: str = "") -> PlainTextResponse | StreamingResponse:
            last = request.headers.get("last-event-id", "")
            self.asked.append((streams, last, since))
            if "unknown" in streams:
                return PlainTextResponse("not found: unknown", 404)
            if self.failures:
                self.failures -= 1
                return PlainTextResponse("try later", 503)
            begin = int(json.loads(last)[0]["offset"]) if last else 0
            return StreamingResponse(self._sent(begin), media_type="text/event-stream")

        return app

    def _sent(self, begin: int) -> Iterator[bytes]:
        yield b":ok\n\n"
        end = min(len(self.events), begin + self.cut_after) if self.cut_after else len(self.events)
        for offset in range(begin, end):
            position = json.dumps([{"topic": TOPIC, "partition": 0, "offset": offset}])
            data = b"\ndata: ".join(self.events[offset].splitlines() or [b""])
            yield b"event: message\nid: " + position.encode() + b"\ndata: " + data + b"\n\n"

    @contextmanager
    def served(self) -> Iterator[str]:
        """Answer while inside; gives the address of the streams."""
        (port,) = free_ports(1)
        server = uvicorn.Server(
            uvicorn.Config(self.application(), host="127.0.0.1", port=port, log_level="warning")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.02)
        try:
            yield f"http://127.0.0.1:{port}/v2/stream"
        finally:
            server.should_exit = True
            thread.join(timeout=5)
