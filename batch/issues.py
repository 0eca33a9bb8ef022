"""What could not be read of the history from before the log, as entities of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from shared_logic.entities import Entity, State, issue
from shared_logic.eventify.problems import Problem, Report
from shared_logic.states.issue_state import IssueState

HELD = 1_000
"""Issues that are kept before they are told among the states."""


def with_issues(
    wiki: str, counts: Counter[str], read: Callable[[Report], Iterator[tuple[Entity, State]]]
) -> Iterator[tuple[Entity, State]]:
    """What is read, with an issue for every row that was not; `counts` says how many of which kind."""
    waiting: list[Problem] = []
    for said in read(waiting.append):
        yield said
        if len(waiting) >= HELD:
            yield from _issues(wiki, waiting, counts)
    yield from _issues(wiki, waiting, counts)


def _issues(wiki: str, waiting: list[Problem], counts: Counter[str]) -> Iterator[tuple[Entity, State]]:
    for found in waiting:
        counts.update([f"{found.table}: {found.code}"])
        told = IssueState(told=(found.table, found.row, found.field, found.code, found.detail))
        yield issue(wiki, found.table, found.row, found.field, found.code), told
    waiting.clear()
