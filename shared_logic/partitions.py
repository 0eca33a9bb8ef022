"""Which partition of the canonical log a key belongs to. Fixed and documented: CRC-32 of the key's UTF-8 text, modulo.

Users and log rows of one wiki are all in the partition of the wiki: what links them is then one owner's work.
"""

from __future__ import annotations

from zlib import crc32

PARTITIONS = 4
"""Partitions of the canonical log of a new home."""


def partition(key: str, partitions: int) -> int:
    """The partition of an entity's key.

    >>> partition("testwiki/7", 4), partition("testwiki/user/7", 4) == partition("testwiki/log/8", 4)
    (2, True)
    """
    wiki, _, rest = key.partition("/")
    return crc32((wiki if "/" in rest else key).encode()) % partitions
