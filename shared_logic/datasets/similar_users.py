"""Similar users: who edits the same pages at the same time as whom, and at which hours.

The facts that CheckUsers weigh when they judge whether two accounts are one person, for every account. Editors are ids, so that a
rename changes nothing; a hidden author is nobody, and the window closes over the gap. All of it tells what persons did: no
column is public. Who is a bot, by name or group, or hidden, and ranks are matters of the moment of reading (see
`shared_logic.similarity`): a rename and a right change one row, and no page.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated

import msgspec

from shared_logic.language import Clustering, Fold, Partition, Settings, Sum, Table, about, dataset
from shared_logic.pairs import Meetings, Pairs, Turn
from shared_logic.things import Revision, UserKind

_PRIVATE = "tells what one person did"
_DEFAULT_NAMESPACES = (0, 1, 118)
"""Articles, their talk, and drafts: as Wikimedia's similar-users."""


class SimilarUsersSettings(Settings, frozen=True, kw_only=True):
    """Whose edits are compared, and how near they must be."""

    window: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Of a page's revisions: so many before, and one less after."""
    namespaces: tuple[int, ...] = _DEFAULT_NAMESPACES
    """Of pages; none: all."""
    anonymous: bool = False
    """Whether addresses are compared too."""
    temporary: bool = True
    """Whether temporary accounts are compared too."""


_SETTINGS = SimilarUsersSettings()


class Coedit(Table, frozen=True, kw_only=True):
    """On how many pages an editor met a neighbour."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    neighbour: Annotated[
        Clustering[str], about("the other one, likewise", private=_PRIVATE, hidden_with="editor")
    ]
    pages: Annotated[Sum[int], about("pages on which they met", at_least=0, private=_PRIVATE)]


@dataset
def coedits(
    revision: Revision, so_far: Pairs, *, settings: SimilarUsersSettings = _SETTINGS
) -> Iterator[Coedit]:
    """Pairs of editors, by the pages on which both edited within the window."""
    if counts(revision, settings):
        for editor, neighbour in so_far.met(_editor(revision), settings.window):
            yield Coedit(wiki=revision.wiki, editor=editor, neighbour=neighbour, pages=1)


class CoeditPage(Table, frozen=True, kw_only=True):
    """How an editor met a neighbour on one page."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    neighbour: Annotated[
        Clustering[str], about("the other one, likewise", private=_PRIVATE, hidden_with="editor")
    ]
    page_id: Annotated[Clustering[int], about("the page", at_least=1, private=_PRIVATE)]
    follows: Annotated[
        int, about("edits with one of the neighbour in the window before", at_least=0, private=_PRIVATE)
    ]
    soonest: Annotated[
        int | None,
        about("least time from one of the neighbour", unit="seconds", at_least=0, private=_PRIVATE),
    ]
    came_first: Annotated[bool, about("whether the editor was there before the neighbour", private=_PRIVATE)]


@dataset
def coedit_pages(
    revision: Revision, so_far: Meetings, *, settings: SimilarUsersSettings = _SETTINGS
) -> Iterator[CoeditPage]:
    """The evidence behind `coedits`: on which pages, in which order, how soon after."""
    if counts(revision, settings):
        for met in so_far.met(Turn(_editor(revision), revision.at), settings.window):
            yield CoeditPage(
                wiki=revision.wiki,
                editor=met.editor,
                neighbour=met.neighbour,
                page_id=revision.page_id,
                follows=met.follows,
                soonest=None if met.soonest is None else met.soonest // 1_000,
                came_first=met.came_first,
            )


_ON_DAY = about("edits that count, on that day of the week, UTC", at_least=0, private=_PRIVATE)
_IN_HOUR = about("edits that count, in that hour of the day, UTC", at_least=0, private=_PRIVATE)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOURS = tuple(f"hour_{hour}" for hour in range(24))
_NEVER = dict.fromkeys((*DAYS, *HOURS), 0)


class UserActivity(Table, frozen=True, kw_only=True):
    """How much an editor edited, and when in the week and in the day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    edits: Annotated[Sum[int], about("edits that count", at_least=0, private=_PRIVATE)]
    pages: Annotated[Sum[int], about("pages with such an edit", at_least=0, private=_PRIVATE)]
    monday: Annotated[Sum[int], _ON_DAY]
    tuesday: Annotated[Sum[int], _ON_DAY]
    wednesday: Annotated[Sum[int], _ON_DAY]
    thursday: Annotated[Sum[int], _ON_DAY]
    friday: Annotated[Sum[int], _ON_DAY]
    saturday: Annotated[Sum[int], _ON_DAY]
    sunday: Annotated[Sum[int], _ON_DAY]
    hour_0: Annotated[Sum[int], _IN_HOUR]
    hour_1: Annotated[Sum[int], _IN_HOUR]
    hour_2: Annotated[Sum[int], _IN_HOUR]
    hour_3: Annotated[Sum[int], _IN_HOUR]
    hour_4: Annotated[Sum[int], _IN_HOUR]
    hour_5: Annotated[Sum[int], _IN_HOUR]
    hour_6: Annotated[Sum[int], _IN_HOUR]
    hour_7: Annotated[Sum[int], _IN_HOUR]
    hour_8: Annotated[Sum[int], _IN_HOUR]
    hour_9: Annotated[Sum[int], _IN_HOUR]
    hour_10: Annotated[Sum[int], _IN_HOUR]
    hour_11: Annotated[Sum[int], _IN_HOUR]
    hour_12: Annotated[Sum[int], _IN_HOUR]
    hour_13: Annotated[Sum[int], _IN_HOUR]
    hour_14: Annotated[Sum[int], _IN_HOUR]
    hour_15: Annotated[Sum[int], _IN_HOUR]
    hour_16: Annotated[Sum[int], _IN_HOUR]
    hour_17: Annotated[Sum[int], _IN_HOUR]
    hour_18: Annotated[Sum[int], _IN_HOUR]
    hour_19: Annotated[Sum[int], _IN_HOUR]
    hour_20: Annotated[Sum[int], _IN_HOUR]
    hour_21: Annotated[Sum[int], _IN_HOUR]
    hour_22: Annotated[Sum[int], _IN_HOUR]
    hour_23: Annotated[Sum[int], _IN_HOUR]


class _Editors(Fold):
    """Who edited a page so far."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()


@dataset
def user_activity(
    revision: Revision, editors: _Editors, *, settings: SimilarUsersSettings = _SETTINGS
) -> Iterator[UserActivity]:
    """Edits, edited pages, days and hours of every editor."""
    if counts(revision, settings):
        editor, at = _editor(revision), revision.timestamp
        is_first = editor not in editors.seen
        editors.seen.add(editor)
        edited = {DAYS[at.weekday()]: 1, HOURS[at.hour]: 1}
        yield UserActivity(wiki=revision.wiki, editor=editor, edits=1, pages=is_first, **(_NEVER | edited))


class UserHour(Table, frozen=True, kw_only=True):
    """How much an editor edited in one hour of the week."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    weekday: Annotated[
        Clustering[int],
        about("UTC, 1 is Monday, 7 is Sunday", at_least=1, at_most=7, private=_PRIVATE),
    ]
    hour: Annotated[Clustering[int], about("UTC", at_least=0, at_most=23, private=_PRIVATE)]
    edits: Annotated[Sum[int], about("edits that count", at_least=0, private=_PRIVATE)]


@dataset
def user_hours(revision: Revision, *, settings: SimilarUsersSettings = _SETTINGS) -> Iterator[UserHour]:
    """Edits of every editor by weekday and hour."""
    if counts(revision, settings):
        at = revision.timestamp
        yield UserHour(
            wiki=revision.wiki, editor=_editor(revision), weekday=at.isoweekday(), hour=at.hour, edits=1
        )


class UserDay(Table, frozen=True, kw_only=True):
    """How much an editor edited on one day."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    day: Annotated[Clustering[date], about("UTC day", private=_PRIVATE)]
    edits: Annotated[Sum[int], about("edits that count", at_least=0, private=_PRIVATE)]


@dataset
def user_days(revision: Revision, *, settings: SimilarUsersSettings = _SETTINGS) -> Iterator[UserDay]:
    """Edits of every editor by day: which days of `user_edits` hold any."""
    if counts(revision, settings):
        yield UserDay(wiki=revision.wiki, editor=_editor(revision), day=revision.day, edits=1)


class UserEdit(Table, frozen=True, kw_only=True):
    """One edit of an editor."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[
        Partition[str], about("`#` and the user id, or the address", private=_PRIVATE, hidden_with="editor")
    ]
    day: Annotated[Clustering[date], about("UTC day", private=_PRIVATE)]
    at: Annotated[Clustering[datetime], about("own time of the revision", unit="UTC", private=_PRIVATE)]
    rev_id: Annotated[Clustering[int], about("id of the revision", at_least=1, private=_PRIVATE)]
    page_id: Annotated[Clustering[int], about("the page", at_least=1, private=_PRIVATE)]
    size: Annotated[
        int | None, about("of the text that was saved", unit="bytes", at_least=0, private=_PRIVATE)
    ]


@dataset
def user_edits(revision: Revision, *, settings: SimilarUsersSettings = _SETTINGS) -> Iterator[UserEdit]:
    """Every edit that counts, by editor and time: first and last edits, and timelines."""
    if counts(revision, settings):
        yield UserEdit(
            wiki=revision.wiki,
            editor=_editor(revision),
            day=revision.day,
            at=revision.timestamp,
            rev_id=revision.rev_id,
            page_id=revision.page_id,
            size=revision.size,
        )


def counts(revision: Revision, settings: SimilarUsersSettings) -> bool:
    """Whether a revision is compared: one that readers can reach, on such a page, of such an editor."""
    if revision.is_deleted or revision.user is None:
        return False
    if settings.namespaces and revision.namespace not in settings.namespaces:
        return False
    match revision.user.kind:
        case UserKind.ANONYMOUS:
            return settings.anonymous
        case UserKind.TEMPORARY:
            return settings.temporary
        case _:
            return True


def _editor(revision: Revision) -> str:
    return revision.user.key if revision.user else ""
