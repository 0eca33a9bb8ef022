"""One form of title everywhere: a namespace number and a bare database key (blanks are underscores, no prefix)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address

MAIN = 0
USER = 2
CANONICAL_NAMESPACES = {
    name: number
    for number, name in enumerate(
        (
            "Talk",
            "User",
            "User_talk",
            "Project",
            "Project_talk",
            "File",
            "File_talk",
            "MediaWiki",
            "MediaWiki_talk",
            "Template",
            "Template_talk",
            "Help",
            "Help_talk",
            "Category",
            "Category_talk",
        ),
        1,
    )
} | {"Media": -2, "Special": -1}
"""Names in English and numbers of the namespaces that every wiki has, but for the main one."""
_BAD_TITLE = re.compile(r"^Special:Badtitle/NS-?\d+:")


def database_key(title: str) -> str:
    """Blanks become underscores, as MediaWiki stores titles.

    >>> database_key(" Arthur Schopenhauer ")
    'Arthur_Schopenhauer'
    """
    return title.strip().replace(" ", "_")


def user_name(text: str) -> str:
    """A user name as MediaWiki stores it: blanks instead of underscores, the first letter large.

    >>> user_name("_arthur__Schopenhauer ")
    'Arthur Schopenhauer'
    """
    name = " ".join(text.replace("_", " ").split())
    return name[:1].upper() + name[1:]


def unregistered_name(text: str) -> str | None:
    """The name under which edits of no account are known: an address as MediaWiki stores it, an imported name as it is; else None.

    >>> unregistered_name("192.0.2.1"), unregistered_name("2001:db8::8"), unregistered_name("en>alice_b")
    ('192.0.2.1', '2001:DB8:0:0:0:0:0:8', 'en>alice b')
    >>> unregistered_name("#7"), unregistered_name("Alice")
    (None, None)
    """
    name = " ".join(text.replace("_", " ").split())
    if ">" in name:
        return name
    try:
        address = ip_address(name)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address)
    return ":".join(f"{int(part, 16):X}" for part in address.exploded.split(":"))


def bare_title(namespace: int, prefixed: str) -> str:
    """The title less its namespace prefix, given the namespace it is known to be in.

    Only the main namespace has no prefix, so a colon there belongs to the title. A namespace that the wiki no longer has is
    written `Special:Badtitle/NS500:Name`.

    >>> (
    ...     bare_title(10, "Template:Navbox"),
    ...     bare_title(0, "Mission:_Impossible"),
    ...     bare_title(500, "Special:Badtitle/NS500:A:b"),
    ... )
    ('Navbox', 'Mission:_Impossible', 'A:b')
    """
    key = database_key(prefixed)
    if namespace == MAIN:
        return key
    bad = _BAD_TITLE.match(key)
    if bad:
        return key[bad.end() :]
    _, colon, rest = key.partition(":")
    return rest if colon else key


def split_title(prefixed: str, namespaces: Mapping[str, int]) -> tuple[int, str]:
    """Namespace and bare title of a prefixed title whose namespace is not told; an unknown prefix is part of the title.

    >>> split_title("Talk:A", {"Talk": 1}), split_title("Mission: Impossible", {"Talk": 1})
    ((1, 'A'), (0, 'Mission:_Impossible'))
    """
    key = database_key(prefixed)
    prefix, colon, rest = key.partition(":")
    known = {database_key(name).casefold(): number for name, number in namespaces.items() if name}
    number = known.get(prefix.strip("_").casefold())
    if colon and number is not None:
        return number, rest.lstrip("_")
    return MAIN, key
