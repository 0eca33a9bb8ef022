"""Which entities an event goes to: those that it tells of, and those to whom it is news by what came before.

A restore to another page id is news to the page that was left (see `shared_logic.restores`). An account seen under a name on
a day on which it was not seen so is news to the user: of thousands of edits the user gets one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from shared_logic.entities import Entity, user
from shared_logic.events.read import Read
from shared_logic.events.streams import Named
from shared_logic.restores import Marks, Restores

NAMES_KEPT = 200_000
"""Accounts whose last name and day are remembered; of a forgotten one an edit more reaches the user, which changes nothing."""


class Router:
    """The memory that routing needs; `encoded` and the constructor carry what must outlive a restart."""

    def __init__(self, encoded: bytes | None = None, marks: Marks | None = None) -> None:
        """Start empty, or from what `encoded` gave."""
        self._restores = Restores(encoded, marks)
        self._seen: OrderedDict[tuple[str, int], Named] = OrderedDict()

    def encoded(self) -> bytes:
        """What must not be forgotten, as bytes."""
        return self._restores.encoded()

    def routed(self, found: Read, raw: bytes) -> Iterator[tuple[Entity, bytes]]:
        """Every entity that gets a message now, with the event of that message: this one, or an earlier one."""
        told = found.entities
        for entity in told:
            yield entity, raw
        yield from self._restores.also(found, raw)
        named = found.named
        if named is not None and told:
            account = user(told[0].wiki, named.user_id)
            if account not in told and self._is_news(account, named):
                yield account, raw

    def _is_news(self, account: Entity, named: Named) -> bool:
        key = account.wiki, account.id
        known = self._seen.pop(key, None)
        self._seen[key] = named
        if len(self._seen) > NAMES_KEPT:
            self._seen.popitem(last=False)
        return known != named
