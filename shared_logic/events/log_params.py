"""The parameters of a log row as the table has them, from the names under which recentchange tells them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared_logic.history.php import serialised

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
    return serialised({places.get(name, name): value for name, value in told.items()})
