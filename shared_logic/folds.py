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
from copy import copy
from itertools import chain
from typing import Self

from shared_logic.things import PageFacts

_CONTAINERS = (dict, list, set, deque)


class Fold:
    """What is kept of the revisions so far: extend it, and set what there is in the beginning.

    Its attributes are numbers, texts and others that never change; dicts, lists, sets and deques of such; or other folds.
    """

    def __init__(self, page: PageFacts) -> None:
        """Nothing was read yet of this page, which is told as it is after all revisions."""
        self.page = page

    def copied(self) -> Self:
        """One that goes on by itself."""
        made = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Fold):
                setattr(made, name, value.copied())
            elif isinstance(value, _CONTAINERS):
                setattr(made, name, value.copy())
        return made

    def check(self) -> None:
        """Refuse what `copied` would share.

        Raises:
            TypeError: an attribute holds containers in a container.
        """
        for name, value in vars(self).items():
            if isinstance(value, Fold):
                value.check()
            elif isinstance(value, _CONTAINERS):
                held = chain(value, value.values()) if isinstance(value, dict) else value
                if any(isinstance(one, (*_CONTAINERS, Fold)) for one in held):
                    message = (
                        f"{type(self).__name__}.{name} holds what can change; keep tuples in it, and put a new one in the place "
                        "of the old"
                    )
                    raise TypeError(message)
