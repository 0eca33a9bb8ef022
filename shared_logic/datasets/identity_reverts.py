"""Identity reverts: revisions whose text is one that the page had before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.reverts import Place, Reverts
from shared_logic.things import Revision


class IdentityRevert(Table, frozen=True, kw_only=True):
    """One row per revision that is a revert or was reverted."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page on its wiki", at_least=1)]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    is_revert: Annotated[bool, about("its text is that of an earlier revision, with others between")]
    is_reverted: Annotated[bool, about("a later revision went back to a text from before it")]
    reverting_rev_id: Annotated[int | None, about("the first revision that reverted it")]
    seconds_to_revert: Annotated[int | None, about("time until then", unit="seconds", at_least=0)]

    expectations = ("is_revert OR is_reverted", "is_reverted = (reverting_rev_id IS NOT NULL)")


class _SoFar(Reverts):
    """The reverts of a page, and which of them nothing has reverted."""

    def __init__(self) -> None:
        super().__init__()
        self.reverts: set[Place] = set()


@dataset
def identity_reverts(revision: Revision, so_far: _SoFar) -> Iterator[IdentityRevert]:
    """Reverts by equal sha1, archived revisions included, without a window or a limit.

    The rule is that of Wikimedia's mediawiki_history: see `shared_logic.reverts`.
    """
    reverted = so_far.reverted_by(revision)
    if reverted is None:
        return
    yield IdentityRevert(
        wiki=revision.wiki,
        page_id=revision.page_id,
        rev_id=revision.rev_id,
        is_revert=True,
        is_reverted=False,
        reverting_rev_id=None,
        seconds_to_revert=None,
    )
    for place in reverted:
        at, rev_id = place
        yield IdentityRevert(
            wiki=revision.wiki,
            page_id=revision.page_id,
            rev_id=rev_id,
            is_revert=place in so_far.reverts,
            is_reverted=True,
            reverting_rev_id=revision.rev_id,
            seconds_to_revert=(revision.at - at) // 1000,
        )
    so_far.reverts.difference_update(reverted)
    so_far.reverts.add((revision.at, revision.rev_id))
