"""Values in paths that hold a slash, as the title AC/DC: who asks writes it as `%2F`, and it is one segment, as the standard says."""

from __future__ import annotations

from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send


class Segments:
    """Has routes chosen by the segments of the path as it was sent; servers decode it first, so that a slash within one looks as any other."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with slashes (and percent signs) within a segment encoded."""
        raw: bytes | None = scope.get("raw_path")
        if scope["type"] == "http" and raw:
            sent = raw.partition(b"?")[0].decode("ascii", "replace")
            scope = {**scope, "path": "/".join(map(_encoded, sent.split("/")))}
        await self._app(scope, receive, send)


class SegmentRoute(APIRoute):
    """A route whose parameters may hold slashes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `APIRoute`; the parameters are what was meant."""
        match, inner = super().matches(scope)
        if "path_params" in inner:
            told = inner["path_params"].items()
            inner["path_params"] = {
                name: unquote(value) if isinstance(value, str) else value for name, value in told
            }
        return match, inner


def _encoded(segment: str) -> str:
    return unquote(segment).replace("%", "%25").replace("/", "%2F")
