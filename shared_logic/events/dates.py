"""When an event happened and of which stream it is, read without the rest of it."""

from __future__ import annotations

import msgspec

from shared_logic.clock import from_iso


class _Meta(msgspec.Struct):
    dt: str
    stream: str = ""


class _Dated(msgspec.Struct):
    meta: _Meta


_decoder = msgspec.json.Decoder(_Dated)


def happened(raw: bytes) -> int | None:
    """The event's `meta.dt` in milliseconds since 1970 UTC; None: it has none that can be read.

    >>> happened(b'{"meta": {"dt": "1970-01-01T00:00:01Z"}}'), happened(b"{}")
    (1000, None)
    """
    found = stream_and_time(raw)
    return None if found is None else found[1]


def stream_and_time(raw: bytes) -> tuple[str, int] | None:
    """The event's `meta.stream` (empty, if it has none) and `meta.dt`, as `happened`; None: there is no time that can be read."""
    try:
        meta = _decoder.decode(raw).meta
        return meta.stream, from_iso(meta.dt)
    except (msgspec.DecodeError, ValueError):
        return None
