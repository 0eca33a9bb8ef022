"""Accounts that a dump tells of only as authors of revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared_logic.entities import Entity, State, user
from shared_logic.states.page_state import PageState
from shared_logic.states.user_state import named


def with_authors(states: Iterable[tuple[Entity, State]]) -> Iterator[tuple[Entity, State]]:
    """The states, and after the first revision of every author the account with the name that it bears there."""
    seen: set[tuple[str, int, str]] = set()
    for entity, state in states:
        yield entity, state
        if not isinstance(state, PageState):
            continue
        for revision in state.revisions.values():
            if revision.author is None:
                continue
            user_id, name = revision.author.user_id, revision.author.name
            account = entity.wiki, user_id, name
            if user_id and account not in seen:
                seen.add(account)
                yield user(entity.wiki, user_id), named(name, revision.author.stamp)
