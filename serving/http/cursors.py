"""Where the next page of an answer begins, as a text that whoever asks gives back."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from serving.http.problems import Problem

T = TypeVar("T")
MOST_CHARACTERS = 4_096


def encoded(place: object) -> str:
    """The place as a text for a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def decoded(text: str, kind: type[T], of: str) -> T:
    """The place that `encoded` wrote; `of` is what it is a place of, in words.

    Raises:
        Problem: 400, the text is none.
    """
    try:
        packed = base64.b64decode(
            text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
        found: Any = msgspec.msgpack.decode(packed)
        return msgspec.convert(found, kind)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        message = f"query.cursor: not the `next` of a page of {of}"
        raise Problem(HTTPStatus.BAD_REQUEST, message) from error
