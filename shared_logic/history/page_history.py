"""The records at both ends of the rebuild of pages: what is known at present, and every state that a page was in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from shared_logic.history.log_row import Actor
from shared_logic.history.page_events import PageEventType, PageKey


class InferredFrom(StrEnum):
    """Why a state is known that no event of its own began."""

    LIVE = "original-live-state"
    """The present page; nothing touched its first state."""
    DELETED = "original-deleted-state"
    """The same of a page that is in the archive."""
    UNCLOSED = "unclosed"
    """No event of the component says anything."""
    EVENT_BEFORE_CREATION = "event-before-page-creation"
    MOVE_CONFLICT = "move-conflict"
    """Another page had to go by this title before it moved, so this one can't have been there."""
    DELETE_CONFLICT = "delete-conflict"
    """The same of a page that was deleted."""
    DELETE = "delete"
    """A page was deleted, so it was there before."""


class LinkQuality(StrEnum):
    """How sure it is that the state is this page's."""

    BY_ID = "by_id"
    """The log row tells the page id."""
    BY_TITLE = "by_title"
    AMBIGUOUS = "ambiguous"
    """By title, and several deleted pages bore it."""
    INFERRED = "inferred"
    """No log row began the state; see `inferred_from`."""


class PageSeed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a page at present: a row of the page table, or what the archive tells of a deleted page."""

    wiki: str
    page_id: int
    namespace: int
    title: str
    """Bare title: as it is, or was at the deletion."""
    first_edit: int | None
    """Time of its first revision, live or archived; milliseconds since 1970 UTC. None: it has none."""
    creator: Actor | None
    """Author of that revision; None: hidden or unknown."""
    is_redirect: bool | None
    """None: a deleted page, whose text nobody reads."""
    is_deleted: bool
    creation: int | None = None
    """When the page was made, if that is known otherwise than by its log; MediaWiki's tables don't tell."""

    @property
    def key(self) -> PageKey:
        """What the page is called."""
        return self.wiki, self.namespace, self.title


class PageHistoryState(msgspec.Struct, frozen=True, kw_only=True):
    """A page from one instant to another: upstream's mediawiki_page_history, under its names, and what is better known.

    Instants are milliseconds since 1970 UTC. The columns from `valid_from` on are not upstream's. They differ from upstream's
    `start_timestamp`, `end_timestamp` and `page_creation_timestamp` in that

    * a page is not there before the log row of its creation, where upstream leaves a `create` state that reaches back to the
      first edit, which may be a merged or restored one, or to the moment at which another page had the title, and may even
      end before it starts;
    * a page whose title was given up by another page begins with its first edit, not at the moment that the title was free;
    * a deleted page is deleted until it is restored, where upstream ends the deletion when another page takes the title.
    """

    wiki_db: str
    page_id: int | None
    page_artificial_id: str | None
    """Stands for the page id where none is known."""
    page_creation_timestamp: int | None
    page_first_edit_timestamp: int | None
    page_title_historical: str
    page_title: str
    """At present, or at the deletion."""
    page_namespace_historical: int
    page_namespace_is_content_historical: bool
    page_namespace: int
    page_namespace_is_content: bool
    page_is_redirect: bool | None
    """At present; None for deleted pages."""
    page_is_deleted: bool
    """Whether the page is known from the archive or from its deletion; not whether it was deleted in this state."""
    start_timestamp: int | None
    end_timestamp: int | None
    """The first instant at which it is not so any more; None: it is so at present."""
    caused_by_event_type: PageEventType
    caused_by_user_id: int | None
    caused_by_user_central_id: int | None
    caused_by_user_text: str | None
    caused_by_anonymous_user: bool | None
    caused_by_temporary_user: bool | None
    caused_by_permanent_user: bool | None
    inferred_from: InferredFrom | None
    source_log_id: int | None
    source_log_comment: str | None
    source_log_params: Mapping[str, str] | None
    page_first_state: bool
    """Whether it is the first in order of `start_timestamp`."""
    valid_from: int | None
    """When it began to be so; None: unknown. The states of a page follow one another without gap or overlap."""
    valid_to: int | None
    """When it ceased; None: it is so at present. The same as `valid_from`: it never was."""
    page_valid_from: int | None
    """When the page was made, as far as is known: `valid_from` of its first state that ever was."""
    link_quality: LinkQuality

    @property
    def key(self) -> PageKey:
        """What the page was called."""
        return self.wiki_db, self.page_namespace_historical, self.page_title_historical
