"""The state of an issue: a row of the input that could not be used, and why."""

from __future__ import annotations

import msgspec

from shared_logic.states.page_state import newest


class IssueState(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False, tag="issue"):
    """One row of the input that was not used. An empty state is the identity of `join`."""

    told: tuple[str, str, str, str, str] | None = None
    """Table, key of the row, column at fault (empty: the whole row), code, detail."""


def join(one: IssueState, other: IssueState) -> IssueState:
    """What both say."""
    return IssueState(told=newest(one.told, other.told))
