"""An XML dump with texts as events of pages' content, such as Wikimedia's stream mediawiki.page_content_change has them.

Of each page the newest revision is told, with its text: what the stream would have said last when the dump was made. So datasets of pages' content
(see `shared_logic.events.declared`) begin with every page, not only with those that are edited from now on.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared_logic.clock import from_mediawiki, instant
from shared_logic.eventify.dump import PageHandler, PagesReader
from shared_logic.eventify.dump_elements import Source
from shared_logic.eventify.dump_revision import Slot
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.tables import RevisionRow
from shared_logic.states.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN

SCHEMA = "mediawiki/page/change"
VERSION = "1.2.0"
STREAM = "mediawiki.page_content_change.v1"
"""As Wikimedia calls it."""


class ContentReader(PagesReader[bytes]):
    """The events of a dump's pages, as JSON texts in the order of the dump.

    Args:
        stream: The decompressed XML.
        wiki: Database name; empty: the dump's own.
        name: That of the stream.
        problems: Told of each page and revision that can't be read or has no text; the rest goes on.
    """

    def __init__(self, stream: Source, wiki: str, name: str, problems: Report) -> None:
        super().__init__(_ContentHandler(wiki, name, problems), stream)


class _ContentHandler(PageHandler[bytes]):
    """Makes an event of each page."""

    def __init__(self, wiki: str, stream: str, problems: Report) -> None:
        super().__init__(problems)
        self.wiki, self.stream = wiki, stream
        self.newest: tuple[RevisionRow, list[Slot]] | None = None

    def begin_page(self) -> None:
        self.newest = None

    def finish_revision(self) -> None:
        row = self.row()
        if row is not None and (self.newest is None or _order(row) > _order(self.newest[0])):
            self.newest = row, self.revision.slots

    def finish_page(self) -> None:
        page_id = self.known_page()
        if page_id is None or self.newest is None:
            return
        row, slots = self.newest
        namespace, title = self.namespace_and_title()
        if title is None:
            self.say_no_title(page_id)
            return
        if not row.deleted & TEXT_HIDDEN and any(slot.data is None for slot in slots):
            detail = "its text is not in the dump; give one with texts, not a stub"
            self.problems(Problem("revision", str(row.rev_id), "text", "no_text", detail))
            return
        page = {
            "page_id": page_id,
            "page_title": self.page["title"].replace(" ", "_"),
            "namespace_id": namespace,
            "is_redirect": self.is_redirect,
        }
        at = instant(from_mediawiki(row.timestamp))
        event = {
            "$schema": f"/{SCHEMA}/{VERSION}",
            "meta": {"stream": self.stream, "dt": at},
            "wiki_id": self.wiki or self.dbname,
            "dt": at,
            "changelog_kind": "update" if row.parent_id else "insert",
            "page_change_kind": "edit" if row.parent_id else "create",
            "page": page,
            "revision": _revision(row, slots),
        }
        self.ready.append(_encoder.encode(event))


def _order(row: RevisionRow) -> tuple[str, int]:
    return row.timestamp, row.rev_id


def _revision(row: RevisionRow, slots: list[Slot]) -> dict[str, Any]:
    """The revision as an event has it, without what is hidden or not known."""
    shows_text = not row.deleted & TEXT_HIDDEN
    editor = None if row.user_text is None else {"user_text": row.user_text, "user_id": row.user_id or None}
    told = {
        "rev_id": row.rev_id,
        "rev_dt": instant(from_mediawiki(row.timestamp)),
        "rev_parent_id": row.parent_id or None,
        "rev_size": row.size,
        "rev_sha1": row.sha1 if shows_text else None,
        "is_minor_edit": row.minor,
        "comment": row.comment,
        "editor": editor and _known(editor),
        "is_content_visible": shows_text,
        "is_comment_visible": not row.deleted & COMMENT_HIDDEN,
        "is_editor_visible": not row.deleted & USER_HIDDEN,
        "content_slots": {slot.role: _slot(slot) for slot in slots} if shows_text else None,
    }
    return _known(told)


def _slot(slot: Slot) -> dict[str, Any]:
    told = {
        "slot_role": slot.role,
        "content_model": slot.model or None,
        "content_format": slot.format or None,
        "content_size": slot.size,
        "content_sha1": slot.digest(),
        "content_body": None if slot.data is None else slot.data.decode(),
    }
    return _known(told)


def _known(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


_encoder = msgspec.json.Encoder()
