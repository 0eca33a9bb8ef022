"""What the EventBus extension posts: the events of Wikimedia's schemas, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared_logic.states.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN
from tests.strategies.wiki.log_params import Params
from tests.strategies.wiki.state import NEVER, Age, LogRow, Page, Revision, User, WikiState
from tests.strategies.wiki.text import Title, iso, prefixed, shown

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What the events of one action share."""

    second: int
    id: str


@dataclass(frozen=True)
class BlockTold:
    """A block as events tell it."""

    expiry: int
    pages: Sequence[int] | None = None
    """Page ids of a partial block; None: of the whole site."""
    hides_name: bool = False


class EventBus:
    """Posts the events of one wiki, in the shapes of its age."""

    def __init__(self, wiki: WikiState) -> None:
        """Nothing is posted yet."""
        self.events: list[bytes] = []
        self._wiki = wiki
        self._is_modern = wiki.age >= Age.OF_2026

    # --- pages and revisions ----------------------------------------------------------------------------------

    def revision_create(
        self, request: Request, page: Page, revision: Revision, stream: str = "revision-create"
    ) -> None:
        """A revision that is new here, or a copy of an old one; page-create is of the same form."""
        slot = {
            "rev_slot_content_model": "wikitext",
            "rev_slot_sha1": revision.sha1,
            "rev_slot_size": revision.size,
            "rev_slot_origin_rev_id": revision.origin,
        }
        version = "2.0.0" if self._is_modern else "1.1.0"
        event: Json = {
            **self._head(request, f"mediawiki/revision/create/{version}", f"mediawiki.{stream}", page.title),
            "database": self._wiki.name,
            "page_id": page.page_id,
            "page_title": prefixed(page.title),
            "page_namespace": page.title[0],
            "page_is_redirect": self._wiki.is_redirect(page),
            **self._attributes(revision),
            "rev_slots": {"main": slot},
        }
        if self._is_modern:
            event["dt"] = iso(revision.timestamp)
        if not revision.hidden & USER_HIDDEN:
            event["performer"] = self._old_user(request, revision.user)
        if not revision.hidden & COMMENT_HIDDEN:
            event["comment"] = revision.comment
        self._post(event)

    def page_change(
        self,
        request: Request,
        kind: str,
        page: Page,
        revision: Revision,
        user: User,
        *,
        dt: int | None = None,
        prior: Json | None = None,
        comment: str | None = None,
        count: int | None = None,
        made: Page | None = None,
    ) -> None:
        """Any change of a page; `count` revisions were deleted, `made` is the redirect that a move left."""
        changelog = {"create": "insert", "undelete": "insert", "delete": "delete"}.get(kind, "update")
        schema, stream = (
            ("mediawiki/page/change/1.11.0", "mediawiki.page_change.v1")
            if self._is_modern
            else ("mediawiki/page/change/1.0.0", "mediawiki.page_change")
        )
        entity = self._page_entity(page)
        if count is not None:
            entity["revision_count"] = count
        event: Json = {
            **self._head(request, schema, stream, page.title),
            "wiki_id": self._wiki.name,
            "dt": iso(request.second if dt is None else dt),
            "changelog_kind": changelog,
            "page_change_kind": kind,
            "page": entity,
            "performer": self._user_entity(request, user),
            "revision": self.told(request, revision),
        }
        if made is not None:
            event["created_redirect_page"] = self._page_entity(made)
        if prior is not None:
            event["prior_state"] = prior
        if comment is not None:
            event["comment"] = comment
        self._post(event)

    def page_event(
        self, request: Request, schema: str, stream: str, page: Page, user: User, **fields: Any
    ) -> None:
        """An event of the older page streams."""
        self._post(
            {
                **self._head(request, f"mediawiki/{schema}/1.0.0", f"mediawiki.{stream}", page.title),
                "database": self._wiki.name,
                "page_id": page.page_id,
                "page_title": prefixed(page.title),
                "page_namespace": page.title[0],
                "page_is_redirect": self._wiki.is_redirect(page),
                "performer": self._old_user(request, user),
                **fields,
            }
        )

    def visibility_change(
        self, request: Request, page: Page, before: Revision, after: Revision, user: User
    ) -> None:
        """What of a revision is hidden now."""
        self.page_event(
            request,
            "revision/visibility-change",
            "revision-visibility-change",
            page,
            user,
            **self._attributes(after),
            visibility=visible(after.hidden),
            prior_state={"visibility": visible(before.hidden)},
        )

    def tags_change(
        self, request: Request, page: Page, before: Sequence[str], after: Revision, user: User
    ) -> None:
        """All tags of a revision, and which it had before."""
        self.page_event(
            request,
            "revision/tags-change",
            "revision-tags-change",
            page,
            user,
            **self._attributes(after),
            tags=list(after.tags),
            prior_state={"tags": list(before)},
        )

    def told(self, request: Request, revision: Revision) -> Json:
        """A revision as page_change tells it."""
        seen = visible(revision.hidden)
        told: Json = {
            "rev_id": revision.rev_id,
            "rev_dt": iso(revision.timestamp),
            "is_minor_edit": revision.minor,
            "rev_sha1": revision.sha1,
            "rev_size": revision.size,
            "is_content_visible": seen["text"],
            "is_comment_visible": seen["comment"],
            "is_editor_visible": seen["user"],
            "content_slots": {
                "main": {
                    "slot_role": "main",
                    "content_model": "wikitext",
                    "content_format": "text/x-wiki",
                    "content_sha1": revision.sha1,
                    "content_size": revision.size,
                    "origin_rev_id": revision.origin,
                }
            },
        }
        if revision.parent_id or self._is_modern:
            told["rev_parent_id"] = revision.parent_id
        if seen["comment"]:
            told["comment"] = revision.comment
        if seen["user"]:
            told["editor"] = self._user_entity(request, revision.user)
        return told

    # --- users and the log ------------------------------------------------------------------------------------

    def blocks_change(
        self,
        request: Request,
        user: User,
        admin: User,
        comment: str,
        now: BlockTold,
        before: BlockTold | None,
    ) -> None:
        """A user is blocked, or blocked otherwise than before; the end of a block is not told."""
        event: Json = {
            **self._head(
                request, "mediawiki/user/blocks-change/1.1.0", "mediawiki.user-blocks-change", user.title
            ),
            "database": self._wiki.name,
            "user_text": user.name,
            "user_groups": user.all_groups(request.second),
            "blocks": _blocks(now),
            "comment": comment,
            "performer": self._old_user(request, admin),
        }
        if user.user_id is not None:
            event["user_id"] = user.user_id
        if before is not None:
            event["prior_state"] = {"blocks": _blocks(before)}
        self._post(event)

    def user_change(
        self, request: Request, kind: str, user: User, performer: User, comment: str, **fields: Any
    ) -> None:
        """An account is made, renamed or in other groups: told since 2026, of named accounts."""
        if not self._is_modern or user.user_id is None or user.is_temp:
            return
        entity = self._user_entity(request, user)
        if user.registered is not None:
            entity["first_registration_dt"] = iso(user.registered)
        self._post(
            {
                **self._head(
                    request,
                    "development/mediawiki_user_change/1.3.0",
                    "mediawiki.user_change.dev0",
                    user.title,
                ),
                "changelog_kind": "insert" if kind == "create" else "update",
                "wiki_id": self._wiki.name,
                "user_change_kind": kind,
                "dt": iso(request.second),
                "user": entity,
                "performer": self._user_entity(request, performer),
                "comment": comment,
                **fields,
            }
        )

    def log_event(self, request: Request, row: LogRow, params: Params) -> None:
        """A row of the log, as the feed of recent changes tells it."""
        version = "1.0.1" if self._is_modern else "1.0.0"
        self._post(
            {
                **self._head(
                    request, f"mediawiki/recentchange/{version}", "mediawiki.recentchange", row.title
                ),
                "id": self._wiki.number("rc"),
                "type": "log",
                "wiki": self._wiki.name,
                "namespace": row.title[0],
                "title": shown(row.title),
                "comment": row.comment,
                "parsedcomment": row.comment,
                "timestamp": request.second,
                "user": row.user.name,
                "bot": "bot" in row.user.groups,
                "log_id": row.log_id,
                "log_type": row.kind,
                "log_action": row.action,
                "log_params": params.told,
                "log_action_comment": f"{row.kind}/{row.action}: {row.comment}",
                "server_name": self._wiki.domain,
                "server_script_path": "/",
                "server_url": f"https://{self._wiki.domain}",
            }
        )

    # --- parts ------------------------------------------------------------------------------------------------

    def _post(self, event: Json) -> None:
        if self._wiki.age > Age.OF_2008:
            self.events.append(json.dumps(event, ensure_ascii=False).encode())

    def _head(self, request: Request, schema: str, stream: str, title: Title) -> Json:
        return {
            "$schema": f"/{schema}",
            "meta": {
                "stream": stream,
                "dt": iso(request.second),
                "id": f"00000000-0000-4000-8000-{len(self.events) + 1:012d}",
                "request_id": request.id,
                "domain": self._wiki.domain,
                "uri": f"https://{self._wiki.domain}/wiki/{quote(prefixed(title))}",
            },
        }

    def _attributes(self, revision: Revision) -> Json:
        told: Json = {
            "rev_id": revision.rev_id,
            "rev_timestamp": iso(revision.timestamp),
            "rev_sha1": revision.sha1,
            "rev_len": revision.size,
            "rev_minor_edit": revision.minor,
            "rev_content_model": "wikitext",
            "rev_content_format": "text/x-wiki",
        }
        if revision.parent_id:
            told["rev_parent_id"] = revision.parent_id
        return told

    def _page_entity(self, page: Page) -> Json:
        entity: Json = {
            "page_id": page.page_id,
            "page_title": prefixed(page.title),
            "namespace_id": page.title[0],
            "is_redirect": self._wiki.is_redirect(page),
        }
        if self._is_modern:
            entity["namespace_is_content"] = page.title[0] == 0
        return entity

    def _user_entity(self, request: Request, user: User) -> Json:
        entity: Json = {
            "user_text": user.name,
            "groups": user.all_groups(request.second),
            "is_bot": "bot" in user.groups,
            "is_system": False,
            "is_temp": user.is_temp,
        }
        if self._is_modern:
            entity["wiki_id"] = self._wiki.name
        else:
            entity["is_registered"] = user.user_id is not None
        if user.user_id is not None:
            entity |= {"user_id": user.user_id, "edit_count": user.edits}
            if user.registered is not None:
                entity["registration_dt"] = iso(user.registered)
        return entity

    def _old_user(self, request: Request, user: User) -> Json:
        told: Json = {
            "user_text": user.name,
            "user_groups": user.all_groups(request.second),
            "user_is_bot": "bot" in user.groups,
        }
        if user.user_id is not None:
            told |= {"user_id": user.user_id, "user_edit_count": user.edits}
            if user.registered is not None:
                told["user_registration_dt"] = iso(user.registered)
        return told


def visible(hidden: int) -> dict[str, bool]:
    """What may be seen, of the bits of rev_deleted."""
    bits = {"text": TEXT_HIDDEN, "user": USER_HIDDEN, "comment": COMMENT_HIDDEN}
    return {part: not hidden & bit for part, bit in bits.items()}


def _blocks(told: BlockTold) -> Json:
    blocks: Json = {
        "name": told.hides_name,
        "email": False,
        "user_talk": False,
        "account_create": True,
        "sitewide": told.pages is None,
        "restrictions": [{"type": "page", "value": page_id} for page_id in told.pages or ()],
    }
    if told.expiry != NEVER:
        blocks["expiry_dt"] = iso(told.expiry)
    return blocks
