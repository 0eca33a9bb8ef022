"""Which partition of a canonical log a key belongs to. Fixed and documented: CRC-32 of the key's UTF-8 text, modulo."""

from __future__ import annotations

from zlib import crc32

from shared_logic.events.streams import LIFECYCLE, Route

PARTITIONS = 4
"""Partitions of every canonical log of a new home."""


def key_text(route: Route) -> str:
    """The key in the log: `wiki/id`, in the lifecycle log the wiki alone.

    >>> key_text(Route("page", "testwiki", 7)), key_text(Route("lifecycle", "testwiki", 0))
    ('testwiki/7', 'testwiki')
    """
    return route.wiki if route.log == LIFECYCLE else f"{route.wiki}/{route.id}"


def entity(key: str) -> tuple[str, int]:
    """Wiki and id of a key of the page or user log.

    >>> entity("testwiki/7")
    ('testwiki', 7)
    """
    wiki, _, number = key.rpartition("/")
    return wiki, int(number)


def partition(key: str, partitions: int) -> int:
    """The partition of a key.

    >>> partition("testwiki/7", 4)
    3
    """
    return crc32(key.encode()) % partitions
