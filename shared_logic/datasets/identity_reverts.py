"""Identity reverts: revisions whose text is one that the page had before."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Annotated

from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.things import Page, Revision


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


@dataset
def identity_reverts(page: Page) -> Iterator[IdentityRevert]:
    """Reverts by equal sha1, archived revisions included, without a window or a limit.

    The rule is that of Wikimedia's mediawiki_history: a member of a series of equal texts whose parent is the member before it
    changes nothing and is left out; the first kept is the base, the others revert to it. A revision strictly between is
    reverted by the earliest revert to another base that is still to come.
    """
    pending: list[tuple[int, int, int]] = []
    reverts_of = _reverts_of_bases(page.history)
    for revision in page.history:
        is_revert = bool(pending) and pending[0][1] == revision.rev_id
        by: tuple[int, int, int] | None = None
        if is_revert:
            base = pending.pop(0)[2]
            by = next((other for other in pending if other[2] != base), None)
        elif pending:
            by = pending[0]
        for revert in reverts_of.get(revision.rev_id, ()):
            insort(pending, (revert.at, revert.rev_id, revision.rev_id))
        if is_revert or by:
            yield IdentityRevert(
                wiki=page.wiki,
                page_id=page.page_id,
                rev_id=revision.rev_id,
                is_revert=is_revert,
                is_reverted=by is not None,
                reverting_rev_id=by[1] if by else None,
                seconds_to_revert=(by[0] - revision.at) // 1000 if by else None,
            )


def _reverts_of_bases(history: tuple[Revision, ...]) -> dict[int, list[Revision]]:
    """Base's rev_id to the revisions that revert to it, in own order."""
    base_of: dict[str, int] = {}
    member_before: dict[str, int] = {}
    reverts: dict[int, list[Revision]] = {}
    for revision in history:
        if revision.sha1 is None:
            continue
        before = member_before.get(revision.sha1)
        member_before[revision.sha1] = revision.rev_id
        if before is not None and revision.parent_id == before:
            continue
        base = base_of.setdefault(revision.sha1, revision.rev_id)
        if base != revision.rev_id:
            reverts.setdefault(base, []).append(revision)
    return reverts
