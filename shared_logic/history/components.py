"""Connected components of names: what has to be looked at together, and what need not.

A log row that renames joins two names; all names that are joined, directly or through others, are one component, and each can
be rebuilt by itself. Union by size with path halving (Tarjan and van Leeuwen, "Worst-case analysis of set union
algorithms", 1984), so the time is all but linear.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar


class Ordered(Hashable, Protocol):
    """What can be a name: hashable, and less than or greater than any other."""

    def __lt__(self, other: Any, /) -> bool:
        """Whether it comes first."""


Key = TypeVar("Key", bound=Ordered)


def components(edges: Iterable[tuple[Key, Key]], keys: Iterable[Key] = ()) -> dict[Key, Key]:
    """The component of every key, called by the smallest key in it.

    Args:
        edges: pairs of keys that belong together; both ends of one may be the same key.
        keys: keys that may have no edge.

    >>> components([("B", "A"), ("C", "B")], ["D"]) == {"A": "A", "B": "A", "C": "A", "D": "D"}
    True
    """
    parent: dict[Key, Key] = {}
    size: dict[Key, int] = {}

    def root(key: Key) -> Key:
        if key not in parent:
            parent[key], size[key] = key, 1
        while (above := parent[key]) != key:
            parent[key] = key = parent[above]
        return key

    for one, other in edges:
        large, small = root(one), root(other)
        if large == small:
            continue
        if size[large] < size[small]:
            large, small = small, large
        parent[small] = large
        size[large] += size[small]
    for key in keys:
        root(key)
    smallest: dict[Key, Key] = {}
    for key in parent:
        top = root(key)
        if top not in smallest or key < smallest[top]:
            smallest[top] = key
    return {key: smallest[root(key)] for key in parent}
