"""What a fold is: a function of one revision after the other, in own order, and of what it has kept of those before.

    class Longest(Fold):
        size = 0

    def records(revision: Revision, so_far: Longest) -> Iterator[SomeTable]: ...

It is given every revision of a page's history, archived ones too. Of rows with one key the last stands, and sums are added up, so
that it can say more of an earlier revision by giving its row again. An edit costs the same however long the page is: whoever follows
the log goes on from what was kept (`shared_logic.incremental_fold`), and a batch begins at the first revision.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from itertools import chain, islice
from typing import Any, Self

from shared_logic.things import PageFacts

_LOOKED_AT = 100
_CONTAINERS = (dict, list, set, deque, bytearray)


class Fold:
    """What is kept of the revisions so far: extend it, and set what there is in the beginning.

    Its attributes are numbers, texts and others that never change; dicts, lists, sets and deques of such; or other folds.
    """

    _page: PageFacts | None = None
    _has_asked = False

    @property
    def page(self) -> PageFacts:
        """What the page is now, after all revisions; not known yet in `__init__`."""
        if self._page is None:
            message = f"{type(self).__name__}: the page is not known in __init__; ask for it where a revision is read"
            raise AttributeError(message)
        self._has_asked = True
        return self._page

    @property
    def has_asked(self) -> bool:
        """Whether the page was asked for: what was kept, and the rows, may depend on it."""
        return self._has_asked or any(fold.has_asked for fold in self._inner())

    def put_on(self, page: PageFacts) -> None:
        """Take the page as it is now."""
        self._page = page
        for fold in self._inner():
            fold.put_on(page)

    def _inner(self) -> list[Fold]:
        return [value for value in vars(self).values() if isinstance(value, Fold)]

    def copied(self) -> Self:
        """One that goes on by itself.

        Raises:
            TypeError: as `check`.
        """
        self.check()
        made = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Fold):
                setattr(made, name, value.copied())
            elif isinstance(value, _CONTAINERS):
                setattr(made, name, value.copy())
        return made

    def check(self) -> None:
        """Refuse what a copy would share.

        Raises:
            TypeError: an attribute holds what can change in a container or a tuple.
        """
        for name, value in vars(self).items():
            if isinstance(value, Fold):
                value.check()
            elif any(isinstance(one, (*_CONTAINERS, Fold)) for one in _held(value)):
                message = (
                    f"{type(self).__name__}.{name} holds what can change; keep tuples in it, and put a new one in the place "
                    "of the old"
                )
                raise TypeError(message)


def shared_by_all(fold: type[Fold]) -> str:
    """The name of an attribute of the class that all pages would change; empty: there is none."""
    told = chain.from_iterable(vars(kind).items() for kind in fold.__mro__ if kind is not object)
    shared = (name for name, value in told if isinstance(value, _CONTAINERS) and not name.startswith("__"))
    return next(shared, "")


def _held(value: Any) -> Iterator[Any]:
    """What is in a container, and in the tuples in it; in a tuple. Of many entries the first, which are as the others."""
    if isinstance(value, (*_CONTAINERS, tuple, frozenset)):
        first = islice(value, _LOOKED_AT)
        for entry in chain(first, islice(value.values(), _LOOKED_AT)) if isinstance(value, dict) else first:
            yield entry
            if isinstance(entry, tuple):
                yield from entry
