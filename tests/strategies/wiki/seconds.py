"""In which second an action happens, so that the order inside one second tells what came after what."""

from __future__ import annotations

from dataclasses import dataclass

from shared_logic.clock import Rank
from tests.strategies.wiki.text import Title


@dataclass(frozen=True)
class Claim:
    """What an action says of a page, to find what the order inside one second could not tell apart."""

    page_id: int
    rank: Rank
    redirect: bool
    title: Title


class Claims:
    """The newest claim of each page."""

    def __init__(self) -> None:
        """No claims."""
        self._newest: dict[int, tuple[int, Claim]] = {}

    def second(self, wanted: int, claims: tuple[Claim, ...]) -> int:
        """The second wanted, or the next, where one of the claims would come before what was claimed already."""
        for claim in claims:
            known = self._newest.get(claim.page_id)
            if known is None or known[0] != wanted:
                continue
            last = known[1]
            flips = (last.redirect, last.title) != (claim.redirect, claim.title)
            if claim.rank < last.rank or (claim.rank == last.rank and flips):
                return wanted + 1
        return wanted

    def note(self, second: int, claim: Claim) -> None:
        """From that second on it is so."""
        self._newest[claim.page_id] = (second, claim)
