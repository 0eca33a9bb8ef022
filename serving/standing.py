"""How far what is read is from all that is known by now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shared_logic.definition import Dataset
from shared_logic.protocols import Cut
from shared_logic.tables import Key
from shared_logic.things import Page, Revision, StrayRevision

Ends = Callable[[], Cut]
"""Tells where the log ends now."""
Waiting = Callable[[], Mapping[str, int]]
"""Tells by wiki how many history merges and restores were not looked up yet (see `shared_logic.relocations`)."""
_OF_PAGES = {Page, Revision, StrayRevision}


class Standing(NamedTuple):
    """What rows include."""

    complete: bool | None
    """Whether that is all that is known; None: not known here."""
    lag: int | None
    """Messages of the log that are not included yet; None: not known here."""
    waiting: int
    """History merges and restores of the wikis that were asked for, which nobody has looked up yet."""


def standing(
    dataset: Dataset, prefix: Key, through: Cut, ends: Ends | None, waiting: Waiting | None
) -> Standing:
    """What rows include whose key starts with `prefix`, and that were read after everything before `through` was in them."""
    # Before the ends: what was looked up meanwhile is in the log, behind `through`.
    told = waiting() if waiting is not None else {}
    count = told.get(str(prefix[0]), 0) if prefix else sum(told.values())
    if count and not _tells_of_pages(dataset):
        count = 0
    if ends is None:
        return Standing(None, None, count)
    lag = lag_of(ends(), through)
    return Standing(lag == 0 and count == 0, lag, count)


def _tells_of_pages(dataset: Dataset) -> bool:
    """Whether rows depend on which revisions are on which page."""
    return any(not _OF_PAGES.isdisjoint(one.reads) for one in dataset.chain)


def lag_of(ends: Cut, through: Cut) -> int:
    """How many messages of the log lie behind those offsets."""
    return sum([max(0, end - at) for end, at in zip(ends, through, strict=True)])
