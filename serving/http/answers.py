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
_EXPOSED = (
    "ETag, Wikibraid-Generation, Wikibraid-Through, Wikibraid-Complete, Wikibraid-Lag, Wikibraid-Waiting"
)
"""What scripts of other sites may see of an answer, beside its body."""


def fresh(request: Request, body: object, read: Stream) -> Response:
    """The body, with the generation it is of and how far that is; 304 where the client has it already."""
    encoded = msgspec.json.encode(body)
    headers = {
        "ETag": f'"{sha256(encoded).hexdigest()[:24]}"',
        "Cache-Control": PUBLIC,
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": _EXPOSED,
        **_freshness(read),
    }
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if headers["ETag"] in asked or "*" in asked:
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return Response(encoded, HTTPStatus.OK, headers, "application/json")


def private(body: Mapping[str, Any], read: Stream | None = None) -> Response:
    """The body, for nobody else and not to be kept; with how far it is, if it is of tables."""
    headers = {"Cache-Control": PRIVATE} | ({} if read is None else _freshness(read))
    return Response(msgspec.json.encode(body), HTTPStatus.OK, headers, "application/json")


def _freshness(read: Stream) -> dict[str, str]:
    through = ",".join(map(str, read.through))
    headers = {"Wikibraid-Generation": str(read.generation), "Wikibraid-Through": through}
    if read.lag is not None:
        headers |= {"Wikibraid-Complete": str(read.complete).lower(), "Wikibraid-Lag": str(read.lag)}
    if read.waiting:
        headers |= {"Wikibraid-Waiting": str(read.waiting)}
    return headers
