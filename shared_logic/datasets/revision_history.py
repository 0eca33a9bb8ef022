"""What the revisions of a page are, whatever page and author are called: the part of MediaWiki History that a page alone tells.

Names, titles and what else of page and author may be of another time are not copied here: they are joined by id and time, so that
a rename is one row (see `shared_logic.views`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple

from shared_logic.clock import instant_or_none
from shared_logic.language import Clustering, Partition, Table, about, dataset
from shared_logic.reverts import Place, Reverts
from shared_logic.states.page_state import COMMENT_HIDDEN, SUPPRESSED, TEXT_HIDDEN, USER_HIDDEN
from shared_logic.things import Revision, StrayRevision


class RevisionFacts(Table, frozen=True, kw_only=True):
    """One row per revision, live or archived."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    page_id: Annotated[Partition[int], about("id of the page that it is on, or in whose archive", at_least=1)]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    event_timestamp: Annotated[datetime, about("own time", unit="UTC")]
    event_comment: Annotated[
        str | None, about("summary; null for archived revisions, as upstream has it", hidden_with="comment")
    ]
    user_id: Annotated[int | None, about("author's id; null: no account, or hidden", hidden_with="user")]
    user_text: Annotated[
        str | None, about("author's name as it was told last; null: hidden", hidden_with="user")
    ]
    page_title_at_deletion: Annotated[
        str | None, about("of an archived revision its page's last title, of now if it lives")
    ]
    page_namespace_at_deletion: Annotated[
        int | None, about("of an archived revision its page's last namespace, likewise")
    ]
    page_revision_count: Annotated[int, about("number among the page's revisions, from 1", at_least=1)]
    page_seconds_since_previous_revision: Annotated[
        int | None, about("since the one before on the page", unit="s")
    ]
    revision_parent_id: Annotated[int | None, about("0: none; null: not told")]
    revision_minor_edit: Annotated[bool | None, about("marked as minor")]
    revision_deleted_parts: Annotated[tuple[str, ...], about("what is hidden: text, comment, user")]
    revision_deleted_parts_are_suppressed: Annotated[
        bool, about("from administrators as well; no event tells it")
    ]
    revision_text_bytes: Annotated[int | None, about("length", unit="bytes", at_least=0)]
    revision_text_sha1: Annotated[
        str | None, about("SHA-1 in base 36; null where hidden", hidden_with="text")
    ]
    revision_is_deleted: Annotated[bool, about("in the archive, by the deletion of its page")]
    page_last_archived_at: Annotated[
        datetime | None,
        about("of an archived revision the time of the newest archived one of its page", unit="UTC"),
    ]
    revision_is_identity_reverted: Annotated[
        bool, about("a later revision went back to a text from before it")
    ]
    revision_first_identity_reverting_revision_id: Annotated[int | None, about("the first that did")]
    revision_seconds_to_identity_revert: Annotated[int | None, about("time until then", unit="s")]
    revision_is_identity_revert: Annotated[
        bool, about("its text is that of an earlier one, with others between")
    ]
    revision_tags: Annotated[tuple[str, ...] | None, about("names of its tags, sorted; null: none")]

    growth = (
        "revision_is_deleted",
        "revision_is_identity_reverted",
        "revision_is_identity_revert",
        "revision_text_bytes IS NOT NULL",
        "user_id IS NOT NULL",
    )
    expectations = (
        "revision_is_identity_reverted = (revision_first_identity_reverting_revision_id IS NOT NULL)",
    )


class _Numbered(NamedTuple):
    """A revision that nothing has reverted, with what it was given when it came."""

    revision: Revision
    number: int
    since_previous: int | None
    """Seconds."""
    is_revert: bool


class _SoFar(Reverts):
    """Of a page: its reverts, how many revisions it had, and those that nothing has reverted."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.newest_at: int | None = None
        self.standing: dict[Place, _Numbered] = {}


@dataset
def revision_facts(revision: Revision, so_far: _SoFar) -> Iterator[RevisionFacts]:
    """Facts of every revision, with reverts and running numbers over the page's whole history."""
    before = so_far.newest_at
    so_far.count, so_far.newest_at = so_far.count + 1, revision.at
    reverted = so_far.reverted_by(revision)
    since_previous = None if before is None else (revision.at - before) // 1000
    numbered = _Numbered(revision, so_far.count, since_previous, reverted is not None)
    yield _facts(numbered, so_far, None)
    so_far.standing[revision.at, revision.rev_id] = numbered
    for place in reverted or ():
        yield _facts(so_far.standing.pop(place), so_far, revision)


def _facts(numbered: _Numbered, so_far: _SoFar, reverted_by: Revision | None) -> RevisionFacts:
    revision = numbered.revision
    page = so_far.page if revision.is_deleted else None
    return RevisionFacts(
        wiki=revision.wiki,
        page_id=revision.page_id,
        rev_id=revision.rev_id,
        event_timestamp=revision.timestamp,
        event_comment=None if revision.is_deleted else revision.comment,
        user_id=(revision.user.user_id or None) if revision.user else None,
        user_text=revision.user.name if revision.user else None,
        page_title_at_deletion=page.title if page else None,
        page_namespace_at_deletion=page.namespace if page else None,
        page_revision_count=numbered.number,
        page_seconds_since_previous_revision=numbered.since_previous,
        revision_parent_id=revision.parent_id,
        revision_minor_edit=revision.minor,
        revision_deleted_parts=tuple(name for bit, name in PARTS if revision.hidden & bit),
        revision_deleted_parts_are_suppressed=bool(revision.hidden & SUPPRESSED),
        revision_text_bytes=revision.size,
        revision_text_sha1=revision.sha1,
        revision_is_deleted=revision.is_deleted,
        page_last_archived_at=instant_or_none(page.last_archived_at) if page else None,
        revision_is_identity_reverted=reverted_by is not None,
        revision_first_identity_reverting_revision_id=reverted_by.rev_id if reverted_by else None,
        revision_seconds_to_identity_revert=(reverted_by.at - revision.at) // 1000 if reverted_by else None,
        revision_is_identity_revert=numbered.is_revert,
        revision_tags=revision.tags or None,
    )


class StrayFacts(Table, frozen=True, kw_only=True):
    """One row per archived revision of which nobody tells the page id."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    event_timestamp: Annotated[datetime, about("own time", unit="UTC")]
    user_id: Annotated[int | None, about("author's id; null: no account, or hidden", hidden_with="user")]
    user_text: Annotated[str | None, about("author's name; null: hidden", hidden_with="user")]
    page_title_at_deletion: Annotated[str, about("title of its page")]
    page_namespace_at_deletion: Annotated[int, about("namespace of its page")]
    revision_parent_id: Annotated[int | None, about("0: none; null: not told")]
    revision_minor_edit: Annotated[bool | None, about("marked as minor")]
    revision_deleted_parts: Annotated[tuple[str, ...], about("what is hidden: text, comment, user")]
    revision_deleted_parts_are_suppressed: Annotated[bool, about("from administrators as well")]
    revision_text_bytes: Annotated[int | None, about("length", unit="bytes", at_least=0)]
    revision_text_sha1: Annotated[
        str | None, about("SHA-1 in base 36; null where hidden", hidden_with="text")
    ]
    revision_tags: Annotated[tuple[str, ...] | None, about("names of its tags, sorted; null: none")]


@dataset
def stray_facts(stray: StrayRevision) -> Iterator[StrayFacts]:
    """Facts of archived revisions that belong to no page id: MediaWiki did not keep it in old archives."""
    revision = stray.revision
    yield StrayFacts(
        wiki=revision.wiki,
        rev_id=revision.rev_id,
        event_timestamp=revision.timestamp,
        user_id=(revision.user.user_id or None) if revision.user else None,
        user_text=revision.user.name if revision.user else None,
        page_title_at_deletion=stray.title,
        page_namespace_at_deletion=revision.namespace or 0,
        revision_parent_id=revision.parent_id,
        revision_minor_edit=revision.minor,
        revision_deleted_parts=tuple(name for bit, name in PARTS if revision.hidden & bit),
        revision_deleted_parts_are_suppressed=bool(revision.hidden & SUPPRESSED),
        revision_text_bytes=revision.size,
        revision_text_sha1=revision.sha1,
        revision_tags=revision.tags or None,
    )


PARTS = ((TEXT_HIDDEN, "text"), (COMMENT_HIDDEN, "comment"), (USER_HIDDEN, "user"))
"""In order of their bits, as upstream lists them."""
