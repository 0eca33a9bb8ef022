"""Where the history of a page, a user or a month is found, so that a read of one need not look at the whole wiki.

`revision_facts`, `page_lives` and `user_lives` are kept by page and by account. What of them is of one author, of one day, or by one
causer is told here by keys only; the rows are read from those tables, and what is hidden there is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated

from shared_logic.datasets.page_history import PageTitle, page_states
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.datasets.user_current import UserName
from shared_logic.datasets.user_history import user_states
from shared_logic.hidden_names import name_digest
from shared_logic.language import Clustering, Fold, Linked, Partition, Sum, Table, about, dataset
from shared_logic.things import Revision, StrayRevision

_PRIVATE = "tells what one person did"


class UserRevision(Table, frozen=True, kw_only=True):
    """One revision of one author, live or archived."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    user_id: Annotated[Partition[int], about("id of the author's account", at_least=1, private=_PRIVATE)]
    month: Annotated[Partition[date], about("first day of the month, UTC")]
    event_timestamp: Annotated[Clustering[datetime], about("own time", unit="UTC")]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    page_id: Annotated[Clustering[int], about("its page; 0: nobody tells it", at_least=0)]
    is_deleted: Annotated[bool, about("in the archive")]


@dataset
def user_revisions(told: Revision | StrayRevision, _: Fold) -> Iterator[UserRevision]:
    """The revisions of every account, by month."""
    revision = _revision(told)
    if revision.user is not None and revision.user.user_id:
        yield UserRevision(
            wiki=revision.wiki,
            user_id=revision.user.user_id,
            month=revision.month,
            event_timestamp=revision.timestamp,
            rev_id=revision.rev_id,
            page_id=revision.page_id,
            is_deleted=revision.is_deleted,
        )


class UserRevisionMonth(Table, frozen=True, kw_only=True):
    """How many revisions an account made in a month: the running number of any is those of earlier months and its place."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    user_id: Annotated[Partition[int], about("id of the account", at_least=1, private=_PRIVATE)]
    month: Annotated[Clustering[date], about("first day of the month, UTC")]
    revisions: Annotated[Sum[int], about("revisions, archived ones too", at_least=0)]


@dataset
def user_revision_months(told: Revision | StrayRevision, _: Fold) -> Iterator[UserRevisionMonth]:
    """Numbers of revisions of every account, by month."""
    revision = _revision(told)
    if revision.user is not None and revision.user.user_id:
        yield UserRevisionMonth(
            wiki=revision.wiki, user_id=revision.user.user_id, month=revision.month, revisions=1
        )


class DayRevision(Table, frozen=True, kw_only=True):
    """One revision of one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    day: Annotated[Partition[date], about("UTC day of the revision")]
    event_timestamp: Annotated[Clustering[datetime], about("own time", unit="UTC")]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1)]
    page_id: Annotated[Clustering[int], about("its page; 0: nobody tells it", at_least=0)]
    is_deleted: Annotated[bool, about("in the archive")]


@dataset
def day_revisions(told: Revision | StrayRevision, _: Fold) -> Iterator[DayRevision]:
    """The revisions of every day."""
    revision = _revision(told)
    yield DayRevision(
        wiki=revision.wiki,
        day=revision.day,
        event_timestamp=revision.timestamp,
        rev_id=revision.rev_id,
        page_id=revision.page_id,
        is_deleted=revision.is_deleted,
    )


class RevisionPlace(Table, frozen=True, kw_only=True):
    """Where a revision is; more than one page only while a restore to another page was told of one of them."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    rev_id: Annotated[Partition[int], about("id of the revision", at_least=1)]
    page_id: Annotated[Clustering[int], about("its page; 0: nobody tells it", at_least=0)]
    text_bytes: Annotated[int | None, about("length", unit="bytes", at_least=0)]


@dataset
def revision_places(told: Revision | StrayRevision, _: Fold) -> Iterator[RevisionPlace]:
    """Page and length of every revision."""
    revision = _revision(told)
    yield RevisionPlace(
        wiki=revision.wiki, rev_id=revision.rev_id, page_id=revision.page_id, text_bytes=revision.size
    )


class PageLifeKey(Table, frozen=True, kw_only=True):
    """A state of a page, by the day on which it began or by who began it."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    found_by: Annotated[
        Partition[str],
        about(
            "`day` and an ISO date, `user` and an id, or `name` and the digest of a name", private=_PRIVATE
        ),
    ]
    page: Annotated[Clustering[str], about("as in page_lives")]
    ordinal: Annotated[Clustering[int], about("as in page_lives", at_least=0)]
    start_timestamp: Annotated[datetime | None, about("when it began", unit="UTC")]


@dataset
def page_life_keys(said: Linked[PageTitle], site: SiteNamespaces | None) -> Iterator[PageLifeKey]:
    """States of pages by day and by causer."""
    for state in page_states(said, site):
        for found_by in _found_by(state.start_timestamp, state.caused_by_user_id, state.caused_by_user_text):
            yield PageLifeKey(
                wiki=state.wiki,
                found_by=found_by,
                page=state.page,
                ordinal=state.ordinal,
                start_timestamp=state.start_timestamp,
            )


class UserLifeKey(Table, frozen=True, kw_only=True):
    """A state of an account, by the day on which it began (but for the first edit) or by who began it."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    found_by: Annotated[
        Partition[str],
        about(
            "`day` and an ISO date, `user` and an id, or `name` and the digest of a name", private=_PRIVATE
        ),
    ]
    user_id: Annotated[Clustering[int], about("as in user_lives", at_least=1)]
    ordinal: Annotated[Clustering[int], about("as in user_lives", at_least=0)]
    start_timestamp: Annotated[datetime | None, about("when it began", unit="UTC")]


@dataset
def user_life_keys(said: Linked[UserName]) -> Iterator[UserLifeKey]:
    """States of accounts by day and by causer."""
    for state in user_states(said):
        for found_by in _found_by(state.start_timestamp, state.caused_by_user_id, state.caused_by_user_text):
            yield UserLifeKey(
                wiki=state.wiki,
                found_by=found_by,
                user_id=state.user_id,
                ordinal=state.ordinal,
                start_timestamp=state.start_timestamp,
            )


def on_day(day: date) -> str:
    """What stands in `found_by` for a day."""
    return f"day {day.isoformat()}"


def by_user(user_id: int) -> str:
    """What stands in `found_by` for a causer whose id is told."""
    return f"user {user_id}"


def by_name(name: str) -> str:
    """What stands in `found_by` for a causer of whom only the name is told; not the name, which may be hidden one day."""
    return f"name {name_digest(name)}"


def _found_by(began: datetime | None, user_id: int | None, name: str | None) -> Iterator[str]:
    if began is not None:
        yield on_day(began.date())
    if user_id is not None:
        yield by_user(user_id)
    elif name is not None:
        yield by_name(name)


def _revision(told: Revision | StrayRevision) -> Revision:
    return told if isinstance(told, Revision) else told.revision
