"""The parameters of a log row as the table has them, from the names under which recentchange tells them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PLACES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "block": {"duration": "5::duration", "flags": "6::flags", "restrictions": "7::restrictions"},
        "merge": {"dest": "4::dest", "mergepoint": "5::mergepoint"},
        "move": {"target": "4::target", "noredir": "5::noredir"},
        "newusers": {"userid": "4::userid"},
        "renameuser": {"olduser": "4::olduser", "newuser": "5::newuser", "edits": "6::edits"},
        "rights": {"oldgroups": "4::oldgroups", "newgroups": "5::newgroups"},
    }
)
"""By log type: the name in the event and the key in log_params, which counts the message's placeholders."""


def as_stored(log_type: str, told: Any) -> str | None:
    """The parameters as MediaWiki stores them (PHP's serialisation), from an event's `log_params`; None: none told.

    >>> as_stored("renameuser", {"olduser": "Ä", "newuser": "B"})
    'a:2:{s:10:"4::olduser";s:2:"Ä";s:10:"5::newuser";s:1:"B";}'
    """
    if not isinstance(told, dict):
        return told if isinstance(told, str) and told else None
    places = PLACES.get(log_type, {})
    return _serialised({places.get(name, name): value for name, value in told.items()})


def _serialised(value: Any) -> str:
    """A JSON value in the form of PHP's `serialize`; lengths of strings are bytes."""
    match value:
        case None:
            return "N;"
        case bool():
            return f"b:{value:d};"
        case int():
            return f"i:{value};"
        case float():
            return f"d:{value!r};"
        case str():
            return f's:{len(value.encode(errors="surrogatepass"))}:"{value}";'
        case list():
            return _array(dict(enumerate(value)))
        case _:
            return _array(value)


def _array(entries: Mapping[Any, Any]) -> str:
    inner = "".join(f"{_serialised(key)}{_serialised(value)}" for key, value in entries.items())
    return f"a:{len(entries)}:{{{inner}}}"
