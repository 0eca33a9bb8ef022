"""How MediaWiki writes instants, titles, checksums and serialised values."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

Title = tuple[int, str]
"""Namespace number, bare title with underscores."""

NAMESPACES = {
    0: "",
    1: "Talk",
    2: "User",
    3: "User talk",
    4: "Project",
    5: "Project talk",
    6: "File",
    7: "File talk",
    8: "MediaWiki",
    9: "MediaWiki talk",
    10: "Template",
    11: "Template talk",
    12: "Help",
    13: "Help talk",
    14: "Category",
    15: "Category talk",
    828: "Module",
    829: "Module talk",
}
SPECIAL = -1
"""Namespace of pages that are made by code; only log rows name them."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def sha1_base36(text: str) -> str:
    """MediaWiki's sha1 of a text: base 36, 31 characters."""
    number, digits = int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits.zfill(31)


def iso(second: int) -> str:
    """As events and dumps write an instant."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digits14(second: int) -> str:
    """As tables write an instant."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S")


def readable(second: int) -> str:
    """As messages write an instant.

    >>> readable(1_615_642_315)
    '13:31, 13 March 2021 (UTC)'
    """
    at = datetime.fromtimestamp(second, UTC)
    return f"{at:%H:%M}, {at.day} {at:%B %Y} (UTC)"


def prefixed(title: Title) -> str:
    """The title with its namespace, as a database key."""
    namespace, name = title
    prefix = "Special" if namespace == SPECIAL else NAMESPACES[namespace].replace(" ", "_")
    return f"{prefix}:{name}" if prefix else name


def shown(title: Title) -> str:
    """The title with its namespace, as people read it."""
    return prefixed(title).replace("_", " ")


def title_of(text: str) -> Title:
    """The title that a text names: what stands before its first colon is a namespace only if there is one of that name.

    >>> title_of("User talk:Zoë B"), title_of("Mission: Impossible")
    ((3, 'Zoë_B'), (0, 'Mission:_Impossible'))
    """
    name = text.replace(" ", "_")
    prefix, colon, rest = name.partition(":")
    if colon:
        for namespace, known in NAMESPACES.items():
            if known and known.replace(" ", "_") == prefix:
                return namespace, rest
    return 0, name


def is_redirect(text: str) -> bool:
    """Whether a page with this text is a redirect."""
    return text[:9].upper() == "#REDIRECT"


def php(value: object) -> str:
    """PHP's serialisation, in which log_params are kept.

    Raises:
        TypeError: a value of a kind that log_params never hold.
    """
    if value is None:
        return "N;"
    if isinstance(value, bool):
        return f"b:{int(value)};"
    if isinstance(value, int):
        return f"i:{value};"
    if isinstance(value, str):
        return f's:{len(value.encode())}:"{value}";'
    if isinstance(value, dict):
        inner = "".join(f"{php(key)}{php(item)}" for key, item in value.items())
        return f"a:{len(value)}:{{{inner}}}"
    if isinstance(value, list | tuple):
        return php(dict(enumerate(value)))
    raise TypeError(value)
