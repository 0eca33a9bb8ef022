"""Typed, frozen records of the events that are read; one class per schema, required fields without a default.

Only fields that something uses are named. Others are kept in the event's bytes, which every log stores unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from shared_logic.history.php import MOST_NESTED
from shared_logic.states.page_state import RevisionState

GREATEST_ID = 2**53 - 1
"""As the schemas have it."""
Id = Annotated[int, msgspec.Meta(ge=1, le=GREATEST_ID)]
Count = Annotated[int, msgspec.Meta(ge=0, le=GREATEST_ID)]
Namespace = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Wiki = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern="^[^/]+$")]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all records."""


class Meta(Record, frozen=True, kw_only=True):
    """What EventGate knows of an event."""

    stream: str
    dt: Instant
    id: str = ""
    domain: str = ""
    request_id: str = ""


class Event(Record, frozen=True, kw_only=True):
    """Base of all events: the two fields by which any is recognised."""

    schema: str = msgspec.field(name="$schema")
    meta: Meta

    @property
    def change(self) -> str:
        """Which of the kinds of change that its stream carries it tells of; empty: its stream carries one."""
        return ""


E = TypeVar("E", bound=Event)


@cache
def decoder(record: type[E]) -> msgspec.json.Decoder[E]:
    """What reads the JSON text of an event as that record."""
    return msgspec.json.Decoder(record)


class UserEntity(Record, frozen=True, kw_only=True):
    """A user in page_change and user_change; no id: an address or an imported name."""

    user_text: str | None = None
    user_id: Count | None = None
    groups: tuple[str, ...] = ()
    is_temp: bool | None = None
    registration_dt: Instant | None = None
    user_central_id: Count | None = None
    """None or 0: none is told."""


class PageEntity(Record, frozen=True, kw_only=True):
    """A page in page_change."""

    page_id: Id
    page_title: str
    namespace_id: Namespace
    is_redirect: bool | None = None


class RevisionEntity(Record, frozen=True, kw_only=True):
    """A revision in page_change."""

    rev_id: Id
    rev_dt: Instant
    rev_parent_id: Count | None = None
    rev_sha1: str | None = None
    rev_size: Count | None = None
    is_minor_edit: bool | None = None
    comment: str | None = None
    editor: UserEntity | None = None
    is_content_visible: bool | None = None
    is_comment_visible: bool | None = None
    is_editor_visible: bool | None = None


class PriorPage(Record, frozen=True, kw_only=True):
    """What of the page was otherwise before."""

    page_id: Id | None = None
    page_title: str | None = None
    namespace_id: Namespace | None = None


class PriorState(Record, frozen=True, kw_only=True):
    """The part of the state that an event changed, as it was before."""

    page: PriorPage | None = None
    page_id: Id | None = None


class PageChange(Event, frozen=True, kw_only=True):
    """mediawiki/page/change 1.x."""

    wiki_id: Wiki
    dt: Instant
    page_change_kind: str
    page: PageEntity
    revision: RevisionEntity
    performer: UserEntity | None = None
    created_redirect_page: PageEntity | None = None
    """The redirect that a move left under the old title."""
    prior_state: PriorState | None = None

    @property
    def change(self) -> str:
        """Edit, move, delete and so on."""
        return self.page_change_kind


class OldUser(Record, frozen=True, kw_only=True):
    """A user in the streams that are older than page_change."""

    user_text: str | None = None
    user_id: Count | None = None
    registration_dt: Instant | None = msgspec.field(default=None, name="user_registration_dt")


class OldPageEvent(Event, frozen=True, kw_only=True):
    """Fields that the older page and revision streams share."""

    database: Wiki
    page_id: Id
    page_title: str
    page_namespace: Namespace
    page_is_redirect: bool | None = None


class RevisionCreate(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/revision/create 1.x and 2.x; the streams revision-create and page-create."""

    rev_id: Id
    rev_timestamp: Instant
    rev_parent_id: Count | None = None
    rev_sha1: str | None = None
    rev_len: Count | None = None
    rev_minor_edit: bool | None = None
    comment: str | None = None
    performer: OldUser | None = None


class PageDelete(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/page/delete 1.x; the streams page-delete and page-suppress."""


class PageUndelete(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/page/undelete 1.x."""

    prior_state: PriorState | None = None


class PageMove(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/page/move 1.x."""


class Visible(Record, frozen=True, kw_only=True):
    """What of a revision may be seen."""

    text: bool
    user: bool
    comment: bool


class VisibilityChange(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/revision/visibility-change 1.x."""

    rev_id: Id
    rev_timestamp: Instant
    visibility: Visible


class TagsChange(OldPageEvent, frozen=True, kw_only=True):
    """mediawiki/revision/tags-change 1.x."""

    rev_id: Id
    rev_timestamp: Instant
    tags: tuple[str, ...] = ()


class BlocksChange(Event, frozen=True, kw_only=True):
    """mediawiki/user/blocks-change 1.x."""

    database: Wiki
    user_text: str
    user_id: Count | None = None
    blocks: dict[str, Any]
    prior_state: dict[str, Any] | None = None
    """None: no block was in place before."""


class UserChange(Event, frozen=True, kw_only=True):
    """mediawiki/user change 1.x (development/mediawiki_user_change)."""

    wiki_id: Wiki
    dt: Instant
    user_change_kind: str
    user: UserEntity
    performer: UserEntity | None = None
    """Of a creation by oneself or the system the account itself."""
    is_autocreate: bool | None = None
    """Only of a creation."""

    @property
    def change(self) -> str:
        """Creation, rename and so on."""
        return self.user_change_kind


class RecentChange(Event, frozen=True, kw_only=True):
    """mediawiki/recentchange 1.x; only those of type log are read: rows of the log, with their log_id."""

    wiki: Wiki
    type: str
    log_id: Count | None = None
    log_type: str | None = None
    log_action: str | None = None
    title: str | None = None
    namespace: Namespace | None = None
    timestamp: Count | None = None
    log_params: Any = None
    user: str | None = None
    comment: str | None = None

    @property
    def change(self) -> str:
        """The type of the row of the log."""
        return self.log_type or ""

    def __post_init__(self) -> None:
        """Refuse what no serialisation of it could be read back.

        Raises:
            ValueError: lists within lists without end.
        """
        level = [self.log_params]
        for _ in range(MOST_NESTED + 1):
            level = [inner for value in level for inner in _entries(value)]
            if not level:
                return
        message = f"nested more than {MOST_NESTED} levels deep - at `$.log_params`"
        raise ValueError(message)


class RevisionsRelocated(Event, frozen=True, kw_only=True):
    """wikibraid/revisions/relocated 1.x: our own, of what `shared_logic.relocations` has found out."""

    wiki_id: Wiki
    from_page_id: Id
    to_page_id: Id
    log_id: Count | None = None
    """Of the log row that told it, where one did."""
    revisions: dict[int, RevisionState]
    """By id all that the page of before knew of them, and that they are on the other now."""


def _entries(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()
