"""When an event happened, read without the rest of it."""

from __future__ import annotations

import msgspec

from shared_logic.clock import from_iso


class _Meta(msgspec.Struct):
    dt: str


class _Dated(msgspec.Struct):
    meta: _Meta


_decoder = msgspec.json.Decoder(_Dated)


def happened(raw: bytes) -> int | None:
    """The event's `meta.dt` in milliseconds since 1970 UTC; None: it has none that can be read.

    >>> happened(b'{"meta": {"dt": "1970-01-01T00:00:01Z"}}'), happened(b"{}")
    (1000, None)
    """
    try:
        return from_iso(_decoder.decode(raw).meta.dt)
    except (msgspec.DecodeError, ValueError):
        return None
