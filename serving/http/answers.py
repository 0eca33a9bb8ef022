"""JSON answers that say how fresh they are, with a strong ETag over what they say."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Request, Response

from serving.reader import Stream

PUBLIC = "public, max-age=5"
PRIVATE = "no-store"


def fresh(request: Request, body: object, read: Stream) -> Response:
    """The body, with the generation it is of and how far that is; 304 where the client has it already."""
    encoded = msgspec.json.encode(body)
    through = ",".join(map(str, read.through))
    headers = {
        "ETag": f'"{sha256(encoded).hexdigest()[:24]}"',
        "Cache-Control": PUBLIC,
        "Access-Control-Allow-Origin": "*",
        "Wikibraid-Generation": str(read.generation),
        "Wikibraid-Through": through,
        **_completeness(read),
    }
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if headers["ETag"] in asked or "*" in asked:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return Response(encoded, HTTPStatus.OK, headers, "application/json")


def private(body: Mapping[str, Any]) -> Response:
    """The body, for nobody else and not to be kept."""
    return Response(msgspec.json.encode(body), HTTPStatus.OK, {"Cache-Control": PRIVATE}, "application/json")


def _completeness(read: Stream) -> dict[str, str]:
    if read.lag is None:
        return {}
    return {"Wikibraid-Complete": str(read.complete).lower(), "Wikibraid-Lag": str(read.lag)}
