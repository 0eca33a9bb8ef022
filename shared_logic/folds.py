"""What a fold is: a function of one revision after the other, in own order, and of what it has kept of those before.

    class Longest(Fold):
        size = 0

    def records(revision: Revision, so_far: Longest) -> Iterator[SomeTable]: ...

It is given every revision of a page's history, archived ones too. Of rows with one key the last stands, and sums are added up, so
that it can say more of an earlier revision by giving its row again. An edit does not cost the page's length: whoever follows
the log goes on from what was kept (`shared_logic.incremental_fold`), and a batch begins at the first revision.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Self

from msgspec import Struct

from shared_logic.things import PageFacts

_CONTAINERS = (dict, list, set, deque, bytearray)
_PLAIN = frozenset({int, bool, float, str, bytes, NoneType})
_FIXED = (int, float, complex, str, bytes, date, time, timedelta, Decimal, Enum, type)
_NESTED = 3
"""Tuples in tuples that are looked into."""


class Fold:
    """What is kept of the revisions so far: extend it, and set what there is in the beginning.

    Its attributes are numbers, texts, tuples and others that never change, or dicts, lists, sets and deques of such, which are made
    in `__init__`.
    """

    _page: PageFacts | None = None
    has_asked = False
    """Whether the page was asked for: what was kept, and the rows, may depend on it."""
    tells_of_persons = False
    """Whether what it gives tells what persons did: a dataset of it is refused that would show it (see `shared_logic.registry`)."""

    @property
    def page(self) -> PageFacts:
        """What the page is now, after all revisions; not known yet in `__init__`."""
        if self._page is None:
            message = f"{type(self).__name__}: the page is not known in __init__; ask for it where a revision is read"
            raise AttributeError(message)
        self.has_asked = True
        return self._page

    def put_on(self, page: PageFacts) -> None:
        """Take the page as it is now."""
        self._page = page

    def copied(self) -> Self:
        """One that goes on by itself."""
        made = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, _CONTAINERS):
                setattr(made, name, value.copy())
        return made

    def check(self) -> None:
        """Refuse what a copy would share. Of the entries of a container the newest is looked at.

        Raises:
            TypeError: an attribute holds what can change, or may.
        """
        for name, value in vars(self).items():
            if type(value) not in _PLAIN and not _is_copied_whole(value):
                message = (
                    f"{type(self).__name__}.{name} holds what can change; keep numbers, texts and tuples in it, and put a new one in "
                    "the place of the old"
                )
                raise TypeError(message)


def shared_by_all(fold: type[Fold]) -> str:
    """The name of an attribute of the class that all pages, or all copies, would change; empty: there is none."""
    for kind in fold.__mro__[: fold.__mro__.index(Fold)]:
        if vars(kind).get("__slots__"):
            return "__slots__"
        for name, value in vars(kind).items():
            if isinstance(value, (*_CONTAINERS, Fold)) and not name.startswith("__"):
                return name
    return ""


def _is_copied_whole(value: Any) -> bool:
    """Whether a copy shares nothing that can change with what it was made of."""
    if not value and isinstance(value, _CONTAINERS):
        return True
    match value:
        case dict():
            newest = next(reversed(value))
            return _is_fixed(newest, _NESTED) and _is_fixed(value[newest], _NESTED)
        case list() | deque():
            return _is_fixed(value[-1], _NESTED)
        case set():
            return _is_fixed(next(iter(value)), _NESTED)
        case bytearray():
            return True
        case _:
            return _is_fixed(value, _NESTED)


def _is_fixed(value: Any, depth: int) -> bool:
    if type(value) in _PLAIN:
        return True
    if isinstance(value, tuple | frozenset):
        if depth:
            for one in value:
                if type(one) not in _PLAIN and not _is_fixed(one, depth - 1):
                    return False
        return True
    if isinstance(value, Struct):
        return value.__struct_config__.frozen
    return isinstance(value, _FIXED)
