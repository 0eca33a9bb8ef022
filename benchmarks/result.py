"""One line of the benchmarks' table."""

from __future__ import annotations

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A figure beside its peer's, with what was aimed at."""

    what: str
    ours: str
    peer: str = ""
    ratio: str = ""
    aim: str
