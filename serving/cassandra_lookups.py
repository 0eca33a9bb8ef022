"""What a statement that looks up keys in buckets is asked with: many keys at once, and few keys in many buckets together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_KEYS_AT_ONCE = 100
_LOOKED_UP_AT_ONCE = 400
"""Keys times buckets of one statement at most."""


def by_bucket(
    fixed: tuple[object, ...], placed: Iterable[tuple[int, object]]
) -> Iterator[tuple[object, ...]]:
    """The values of statements that end in a bucket and keys of it, for keys with their buckets."""
    groups: dict[int, list[object]] = {}
    for bucket, key in placed:
        groups.setdefault(bucket, []).append(key)
    for bucket, keys in groups.items():
        for place in range(0, len(keys), _KEYS_AT_ONCE):
            yield *fixed, bucket, keys[place : place + _KEYS_AT_ONCE]


def together(asked: Iterable[tuple[Any, ...]]) -> Iterator[tuple[list[int], list[bytes]]]:
    """The same buckets and keys, several buckets at a time: each is looked through for the keys of all, which is cheaper than a statement."""
    buckets: list[int] = []
    keys: list[bytes] = []
    for bucket, its in asked:
        if buckets and (len(buckets) + 1) * (len(keys) + len(its)) > _LOOKED_UP_AT_ONCE:
            yield buckets, keys
            buckets, keys = [], []
        buckets.append(bucket)
        keys += its
    if buckets:
        yield buckets, keys
