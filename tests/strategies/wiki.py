"""A small wiki that acts as MediaWiki does: it posts events as EventBus does, and has the tables and the dump to match.

Every action takes a clock (whole seconds since 1970) that may repeat. Inside one second MediaWiki's order is edit, move,
delete, restore; an action that would go against it on the same page happens a second later, as do a second change of one
revision's visibility or tags, a flip of a redirect, and the restore of a revision that was saved in the same second.
An action that cannot be done (its page is gone, its title is taken) changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from shared_logic.clock import Rank
from shared_logic.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN

Table = list[dict[str, str | None]]
Json = dict[str, Any]
Title = tuple[int, str]
"""Namespace number, bare title with underscores."""

START = 1_704_146_400  # 2024-01-01T22:00:00Z
DAY = 86_400
NAMESPACES = {0: "", 1: "Talk", 2: "User", 3: "User talk", 10: "Template"}
TITLES: tuple[Title, ...] = (
    (0, "Kettle"),
    (0, "Tea_pot"),
    (1, "Kettle"),
    (10, "Navbox"),
    (0, "Mission:_Impossible"),
    (2, "Alice/Notes"),
)
TEXTS = ("alpha", "beta", "gämma ☃", "", "#REDIRECT [[Kettle]]", "alpha <b>&amp;</b>\nbeta")
TAGS = ("mw-reverted", "mw-undo", "visualeditor")
ADMIN = 0
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def sha1_base36(text: str) -> str:
    """MediaWiki's sha1 of a text: base 36, 31 characters."""
    number, digits = int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), 16), ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits.zfill(31)


def iso(second: int) -> str:
    """As events and dumps write an instant."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digits14(second: int) -> str:
    """As tables write an instant."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S")


def prefixed(title: Title) -> str:
    """The title with its namespace, as a database key."""
    namespace, name = title
    return f"{NAMESPACES[namespace].replace(' ', '_')}:{name}" if namespace else name


def shown(title: Title) -> str:
    """The title with its namespace, as people read it."""
    return prefixed(title).replace("_", " ")


def is_redirect(text: str) -> bool:
    """Whether a page with this text is a redirect."""
    return text.startswith("#REDIRECT")


def php(value: object) -> str:
    """PHP's serialisation, in which log_params are kept."""
    if value is None:
        return "N;"
    if isinstance(value, bool):
        return f"b:{int(value)};"
    if isinstance(value, int):
        return f"i:{value};"
    if isinstance(value, str):
        return f's:{len(value.encode())}:"{value}";'
    if isinstance(value, dict):
        inner = "".join(f"{php(key)}{php(item)}" for key, item in value.items())
        return f"a:{len(value)}:{{{inner}}}"
    if isinstance(value, list | tuple):
        return php(dict(enumerate(value)))
    raise TypeError(value)


@dataclass
class User:
    """A row of actor and, with an id, of user."""

    actor_id: int
    user_id: int | None
    name: str
    groups: set[str] = field(default_factory=set)
    edits: int = 0
    block_expiry: int | None = None
    """The second at which the newest block ends (0: never, None: no block)."""

    @property
    def is_temp(self) -> bool:
        return self.name.startswith("~")

    @property
    def all_groups(self) -> list[str]:
        if self.user_id is None:
            return ["*"]
        return [*sorted(self.groups), "*", "temp" if self.is_temp else "user"]


@dataclass(frozen=True)
class Revision:
    """One revision, live or archived."""

    rev_id: int
    page_id: int
    """Where it is live, or whose archive it is in."""
    timestamp: int
    parent_id: int
    text: str
    content_id: int
    origin: int
    user: User
    comment: str
    minor: bool
    hidden: int = 0
    tags: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, int]:
        return self.timestamp, self.rev_id

    @property
    def size(self) -> int:
        return len(self.text.encode())

    @property
    def sha1(self) -> str:
        return sha1_base36(self.text)


@dataclass
class Page:
    """A live page."""

    page_id: int
    title: Title
    latest: int
    is_new: bool = True
    touched: int = 0


@dataclass(frozen=True)
class Archived:
    """A revision in the archive, under the title that its page had."""

    ar_id: int
    title: Title
    revision: Revision


@dataclass(frozen=True)
class Claim:
    """What an action says of a page, to find what the order inside one second could not tell apart."""

    page_id: int
    rank: Rank
    redirect: bool
    title: Title


@dataclass(frozen=True)
class Request:
    """What the events of one action share."""

    second: int
    id: str


class Wiki:
    """One wiki: its actions, the events that they post, and its tables."""

    def __init__(self, name: str = "testwiki", *, modern: bool = False) -> None:
        """An empty wiki; `modern` is the event shapes of 2026 (page_change 1.11), else those of MediaWiki 1.39."""
        self.name, self.modern = name, modern
        self.domain = f"{name}.example.org"
        self.now = START
        self.events: list[bytes] = []
        self.pages: dict[int, Page] = {}
        self.revisions: dict[int, Revision] = {}
        """The live ones."""
        self.archive: dict[int, Archived] = {}
        """By rev_id."""
        self.moved_between_pages: set[int] = set()
        """Revisions that were restored to another page id while something was hidden or tagged: no event of the new page id
        tells that."""
        self.merged = False
        self.users = [
            User(1, 1, "Admin", {"bureaucrat", "sysop"}),
            User(2, 2, "Alice"),
            User(3, 3, "Bob the Builder"),
            User(4, 4, "CleanupBot", {"bot"}),
            User(5, 5, "~2026-1"),
            User(6, None, "192.0.2.1"),
            User(7, None, "2001:DB8:0:0:0:0:0:1"),
        ]
        self.imported_user = User(8, None, "imported>Zoë")
        self._log: Table = []
        self._content: Table = []
        self._slots: Table = []
        self._comments: dict[str, int] = {"": 1}
        self._tags: dict[str, int] = {}
        self._next = {"page": 1, "rev": 1, "ar": 1, "request": 1, "rc": 1}
        self._claims: dict[int, tuple[int, Claim]] = {}
        self._visibility_at: dict[int, int] = {}
        self._tags_at: dict[int, int] = {}

    # --- what there is ----------------------------------------------------------------------------------------

    def page_at(self, title: Title) -> Page | None:
        """The live page with that title."""
        return next((page for page in self.pages.values() if page.title == title), None)

    def history(self, page_id: int) -> list[Revision]:
        """The live revisions of a page, in own order."""
        found = [revision for revision in self.revisions.values() if revision.page_id == page_id]
        return sorted(found, key=lambda revision: revision.order)

    def archived(self, page_id: int) -> list[Archived]:
        """What is in the archive under a page id, in own order."""
        found = [row for row in self.archive.values() if row.revision.page_id == page_id]
        return sorted(found, key=lambda row: row.revision.order)

    def archived_pages(self) -> list[int]:
        """The page ids in the archive."""
        return sorted({row.revision.page_id for row in self.archive.values()})

    def latest(self, page: Page) -> Revision:
        """The current revision of a page."""
        return self.revisions[page.latest]

    def is_redirect(self, page: Page) -> bool:
        """Whether the page is a redirect now."""
        return is_redirect(self.latest(page).text)

    # --- actions ----------------------------------------------------------------------------------------------

    def create(self, clock: int, user: User, title: Title, text: str, *, comment: str = "new") -> bool:
        """A new page."""
        if self.page_at(title):
            return False
        request = self._request(clock)
        page = self._new_page(title, request.second)
        revision = self._save(request, page, user, text, 0, comment)
        log_id = self._log_row(
            request, user, "create", "create", title, page.page_id, "", {"associated_rev_id": revision.rev_id}
        )
        assert log_id
        self._claim(request, self._claims_of(page, Rank.EDIT))
        self._revision_create(request, page, revision)
        self._revision_create(request, page, revision, stream="page-create")
        self._page_change(request, "create", page, revision, user)
        return True

    def edit(
        self, clock: int, user: User, page_id: int, text: str, *, comment: str = "edit", minor: bool = False
    ) -> bool:
        """A new revision; with the text that is there already, a null edit."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        before = self.latest(page)
        if before.text == text:
            return self.null_edit(clock, user, page_id)
        claim = Claim(page_id, Rank.EDIT, is_redirect(text), page.title)
        request = self._request(clock, claim)
        revision = self._save(request, page, user, text, before.rev_id, comment, minor=minor)
        page.is_new = False
        self._revision_create(request, page, revision)
        self._page_change(request, "edit", page, revision, user, prior={"revision": self._told(before)})
        return True

    def null_edit(self, clock: int, user: User, page_id: int) -> bool:
        """Saving what is there already: no row, but a page_change that repeats the newest revision with its old dt."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        request = self._request(clock)
        latest = self.latest(page)
        self._page_change(request, "edit", page, latest, user, dt=latest.timestamp)
        return True

    def move(
        self,
        clock: int,
        user: User,
        page_id: int,
        title: Title,
        *,
        redirect: bool = True,
        comment: str = "WP:NC",
    ) -> bool:
        """A new title; a redirect with one revision that is in the way is deleted first."""
        page = self.pages.get(page_id)
        if page is None or page.title == title:
            return False
        there = self.page_at(title)
        if there and (not self.is_redirect(there) or len(self.history(there.page_id)) > 1):
            return False
        old, before = page.title, self.latest(page)
        claims = [Claim(page_id, Rank.MOVE, self.is_redirect(page), title)]
        if there:
            claims.append(self._claims_of(there, Rank.DELETE))
        request = self._request(clock, *claims)
        make_way = f'Deleted to make way for move from "[[{shown(old)}]]"'
        if there:
            gone, gone_id = there, there.page_id
            self._delete(request, user, gone, make_way)
            redir_log = self._log_row(request, user, "delete", "delete_redir", title, gone_id, make_way, {})
        page.title = title
        words = f"{user.name} moved page [[{shown(old)}]] to [[{shown(title)}]]: {comment}"
        revision = self._save(request, page, user, before.text, before.rev_id, words, minor=True, same=before)
        page.is_new = False
        self._revision_create(request, page, revision)
        left = left_revision = None
        if redirect:
            left = self._new_page(old, request.second)
            text = f"#REDIRECT [[{shown(title)}]]"
            left_revision = self._save(request, left, user, text, 0, words)
            self._claim(request, self._claims_of(left, Rank.EDIT))
            self._revision_create(request, left, left_revision)
        redirect_told: Json = {}
        redirect_made: Json = {}
        if left:
            redirect_told["new_redirect_page"] = {
                "page_id": left.page_id,
                "page_title": prefixed(old),
                "page_namespace": old[0],
                "rev_id": left.latest,
            }
            redirect_made["created_redirect_page"] = self._page_entity(left)
        action = "move_redir" if there else "move"
        noredir = "0" if redirect else "1"
        kept = {
            "4::target": shown(title),
            "5::noredir": noredir,
            "associated_rev_id": revision.rev_id,
        }
        log_id = self._log_row(request, user, "move", action, old, page_id, comment, kept)
        told = {"target": shown(title), "noredir": noredir}
        self._recent(request, user, log_id, "move", action, old, comment, told)
        self._old_style(
            request,
            "page/move",
            "page-move",
            page,
            user,
            rev_id=revision.rev_id,
            comment=comment,
            prior_state={
                "page_title": prefixed(old),
                "page_namespace": old[0],
                "rev_id": before.rev_id,
            },
            **redirect_told,
        )
        prior_page: Json = {"page_title": prefixed(old)}
        if old[0] != title[0]:
            prior_page["namespace_id"] = old[0]
        self._page_change(
            request,
            "move",
            page,
            revision,
            user,
            comment=comment,
            prior={"page": prior_page, "revision": self._told(before)},
            **redirect_made,
        )
        if there:
            self._recent(request, user, redir_log, "delete", "delete_redir", title, make_way, [])
        if left and left_revision:
            self._revision_create(request, left, left_revision, stream="page-create")
            self._page_change(request, "create", left, left_revision, user)
        return True

    def delete(self, clock: int, user: User, page_id: int, *, comment: str = "AfD") -> bool:
        """All revisions of a page go to the archive and keep its id."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        request = self._request(clock, self._claims_of(page, Rank.DELETE))
        self._delete(request, user, page, comment)
        log_id = self._log_row(request, user, "delete", "delete", page.title, page_id, comment, {})
        self._recent(request, user, log_id, "delete", "delete", page.title, comment, [])
        return True

    def undelete(
        self,
        clock: int,
        user: User,
        page_id: int,
        chosen: Sequence[int] | None = None,
        *,
        comment: str = "DRV",
    ) -> bool:
        """Archived revisions of a page id come back (`chosen` are their rev_ids, None is all of them).

        They come to the live page of their title; else the page is made anew under its old id, or under a new id when the old
        one is in use (a part was restored before, and moved away).
        """
        rows = [row for row in self.archived(page_id) if chosen is None or row.revision.rev_id in chosen]
        if not rows:
            return False
        title = rows[-1].title
        rows = [row for row in rows if row.title == title]
        page = self.page_at(title)
        target = page.page_id if page else None if page_id in self.pages else page_id
        newest = max(
            [row.revision for row in rows] + ([self.latest(page)] if page else []), key=lambda r: r.order
        )
        wanted = max(clock, 1 + max(row.revision.timestamp for row in rows))
        if target is None:
            target = self._number("page")
        claims = [Claim(target, Rank.RESTORE, is_redirect(newest.text), title)]
        request = self._request(wanted, *claims)
        if page is None:
            page = Page(target, title, newest.rev_id, touched=request.second)
            page.is_new = len(rows) == 1
            self.pages[target] = page
        page.latest = newest.rev_id
        for row in rows:
            revision = replace(row.revision, page_id=target)
            if target != page_id and (revision.hidden or revision.tags):
                self.moved_between_pages.add(revision.rev_id)
            del self.archive[revision.rev_id]
            self.revisions[revision.rev_id] = revision
        for row in rows:
            self._revision_create(request, page, self.revisions[row.revision.rev_id])
        moved: Json = {} if target == page_id else {"prior_state": {"page_id": page_id}}
        self._old_style(
            request,
            "page/undelete",
            "page-undelete",
            page,
            user,
            rev_id=page.latest,
            comment=comment,
            **moved,
        )
        self._page_change(
            request,
            "undelete",
            page,
            self.latest(page),
            user,
            comment=comment,
            prior={"page": {"page_id": page_id}} if moved else None,
        )
        count = {"revisions": len(rows), "files": 0}
        log_id = self._log_row(
            request, user, "delete", "restore", title, target, comment, {":assoc:count": count}
        )
        self._recent(request, user, log_id, "delete", "restore", title, comment, {"count": count})
        return True

    def rename_user(self, clock: int, admin: User, user: User, name: str) -> bool:
        """A new name: only a log row tells."""
        if user.user_id is None or any(other.name == name for other in self.users):
            return False
        request = self._request(clock)
        old, title = user.name, (2, user.name.replace(" ", "_"))
        user.name = name
        params = {"4::olduser": old, "5::newuser": name, "6::edits": user.edits}
        log_id = self._log_row(request, admin, "renameuser", "renameuser", title, 0, "on request", params)
        told = {"olduser": old, "newuser": name, "edits": user.edits}
        self._recent(request, admin, log_id, "renameuser", "renameuser", title, "on request", told)
        return True

    def block(self, clock: int, admin: User, user: User, *, seconds: int, comment: str = "vandalism") -> bool:
        """A block that ends after so many seconds, 0: never; an active one is changed."""
        request = self._request(clock)
        before = user.block_expiry
        active = before is not None and (before == 0 or before > request.second)
        action = "reblock" if active else "block"
        user.block_expiry = request.second + seconds if seconds else 0
        blocks = self._blocks(user.block_expiry)
        event: Json = {
            **self._head(request, "user/blocks-change", "1.1.0", "user-blocks-change", (2, user.name)),
            "database": self.name,
            "user_text": user.name,
            "user_groups": user.all_groups,
            "blocks": blocks,
            "comment": comment,
            "performer": self._old_user(admin),
        }
        if user.user_id is not None:
            event["user_id"] = user.user_id
        if active and before is not None:
            event["prior_state"] = {"blocks": self._blocks(before)}
        self._post(event)
        duration = iso(user.block_expiry) if user.block_expiry else "infinity"
        title = (2, user.name.replace(" ", "_"))
        params = {"5::duration": duration, "6::flags": "nocreate", "sitewide": True}
        log_id = self._log_row(request, admin, "block", action, title, 0, comment, params)
        told = {"duration": duration, "flags": "nocreate", "sitewide": True}
        self._recent(request, admin, log_id, "block", action, title, comment, told)
        return True

    def rights(self, clock: int, admin: User, user: User, group: str) -> bool:
        """The user joins a group, or leaves it."""
        if user.user_id is None or user.is_temp:
            return False
        request = self._request(clock)
        old = sorted(user.groups)
        user.groups ^= {group}
        new = sorted(user.groups)
        title = (2, user.name.replace(" ", "_"))
        metadata = {
            "oldmetadata": [{"expiry": None} for _ in old],
            "newmetadata": [{"expiry": None} for _ in new],
        }
        params = {"4::oldgroups": old, "5::newgroups": new, **metadata}
        log_id = self._log_row(request, admin, "rights", "rights", title, 0, "role change", params)
        told = {"oldgroups": old, "newgroups": new, **metadata}
        self._recent(request, admin, log_id, "rights", "rights", title, "role change", told)
        return True

    def hide(self, clock: int, admin: User, rev_id: int, hidden: int, *, comment: str = "RD2") -> bool:
        """What of a live revision is hidden from now on: bits of rev_deleted, 0 shows it again."""
        revision = self.revisions.get(rev_id)
        if revision is None or revision.hidden == hidden:
            return False
        page = self.pages[revision.page_id]
        clock = max(clock, self._visibility_at.get(rev_id, 0) + 1)
        request = self._request(clock, self._claims_of(page, Rank.EDIT))
        self._visibility_at[rev_id] = request.second
        after = replace(revision, hidden=hidden)
        self.revisions[rev_id] = after
        params = {
            "4::type": "revision",
            "5::ids": [rev_id],
            "6::ofield": revision.hidden,
            "7::nfield": hidden,
        }
        log_id = self._log_row(
            request, admin, "delete", "revision", page.title, page.page_id, comment, params
        )
        told = {"type": "revision", "ids": [rev_id], "ofield": revision.hidden, "nfield": hidden}
        self._recent(request, admin, log_id, "delete", "revision", page.title, comment, told)
        self._of_revision(
            request,
            "revision/visibility-change",
            "revision-visibility-change",
            page,
            after,
            admin,
            visibility=_visible(hidden),
            prior_state={"visibility": _visible(revision.hidden)},
        )
        if page.latest == rev_id:
            before, now = _visible(revision.hidden), _visible(hidden)
            names = {
                "text": "is_content_visible",
                "user": "is_editor_visible",
                "comment": "is_comment_visible",
            }
            changed = {name: before[part] for part, name in names.items() if before[part] != now[part]}
            prior = {"revision": {"rev_id": rev_id, "rev_dt": iso(revision.timestamp), **changed}}
            self._page_change(request, "visibility_change", page, after, admin, comment=comment, prior=prior)
        return True

    def tag(self, clock: int, admin: User, rev_id: int, tags: Sequence[str]) -> bool:
        """The tags that a live revision has from now on."""
        revision, chosen = self.revisions.get(rev_id), tuple(sorted(set(tags)))
        if revision is None or revision.tags == chosen:
            return False
        page = self.pages[revision.page_id]
        request = self._request(max(clock, self._tags_at.get(rev_id, 0) + 1))
        self._tags_at[rev_id] = request.second
        for name in chosen:
            self._tags.setdefault(name, len(self._tags) + 1)
        after = replace(revision, tags=chosen)
        self.revisions[rev_id] = after
        self._of_revision(
            request,
            "revision/tags-change",
            "revision-tags-change",
            page,
            after,
            admin,
            tags=list(chosen),
            prior_state={"tags": list(revision.tags)},
        )
        return True

    def import_page(
        self,
        clock: int,
        user: User,
        title: Title,
        texts: Sequence[str],
        *,
        author: User | None = None,
        age: int = 1000 * DAY,
        chained: bool = True,
        null_top: bool = True,
    ) -> bool:
        """A page from elsewhere: old revisions a day apart, and on top of them a new one by the importer, if `null_top`."""
        if self.page_at(title) or not texts:
            return False
        request = self._request(clock)
        page = self._new_page(title, request.second)
        author = author or self.imported_user
        parent, made, log_count = 0, [], len(texts)
        for number, text in enumerate(texts):
            at = request.second - max(age, len(texts) * DAY) + number * DAY
            revision = self._save(request, page, author, text, parent, "from elsewhere", at=at)
            made.append(revision)
            parent = revision.rev_id if chained else 0
        if null_top:
            words = f"{log_count} revisions imported"
            last = made[-1]
            made.append(self._save(request, page, user, last.text, last.rev_id, words, minor=True, same=last))
        page.is_new = len(made) == 1
        self._claim(request, self._claims_of(page, Rank.RESTORE))
        for revision in made:
            self._revision_create(request, page, revision)
        top = made[-1]
        params = {"4:number:count": log_count, "associated_rev_id": top.rev_id}
        log_id = self._log_row(request, user, "import", "upload", title, page.page_id, "import", params)
        self._recent(request, user, log_id, "import", "upload", title, "import", {"count": log_count})
        kind = "edit" if top.parent_id else "create"
        prior = {"revision": self._told(made[-2])} if top.parent_id else None
        self._page_change(request, kind, page, top, user, dt=top.timestamp, prior=prior)
        return True

    def merge(self, clock: int, user: User, source_id: int, target_id: int, upto: int) -> bool:
        """Revisions of one page up to an instant go to another: only a log row tells, so events cannot follow."""
        source, target = self.pages.get(source_id), self.pages.get(target_id)
        if source is None or target is None or source_id == target_id:
            return False
        history = self.history(source_id)
        taken = [revision for revision in history if revision.timestamp <= upto]
        if not taken or len(taken) == len(history):
            return False
        claims = [self._claims_of(page, Rank.RESTORE) for page in (source, target)]
        request = self._request(clock, *claims)
        for revision in taken:
            self.revisions[revision.rev_id] = replace(revision, page_id=target_id)
        target.latest = self.history(target_id)[-1].rev_id
        source.latest = self.history(source_id)[-1].rev_id
        self.merged = True
        params = {"4::dest": shown(target.title), "5::mergepoint": digits14(upto)}
        log_id = self._log_row(
            request, user, "merge", "merge", source.title, source_id, "history merge", params
        )
        told = {"dest": shown(target.title), "mergepoint": digits14(upto)}
        self._recent(request, user, log_id, "merge", "merge", source.title, "history merge", told)
        return True

    # --- tables and dump --------------------------------------------------------------------------------------

    def tables(self) -> dict[str, Table]:
        """The tables as MediaWiki 1.39 has them, values as text, None for NULL."""
        everything = sorted(
            [*self.revisions.values(), *(row.revision for row in self.archive.values())],
            key=lambda revision: revision.rev_id,
        )
        rows: dict[str, list[dict[str, object]]] = {
            "page": [self._page_row(page) for _, page in sorted(self.pages.items())],
            "revision": [self._revision_row(self.revisions[rev_id]) for rev_id in sorted(self.revisions)],
            "archive": [
                self._archive_row(row) for row in sorted(self.archive.values(), key=lambda row: row.ar_id)
            ],
            "actor": [
                {"actor_id": user.actor_id, "actor_user": user.user_id, "actor_name": user.name}
                for user in (*self.users, self.imported_user)
            ],
            "slot_roles": [{"role_id": 1, "role_name": "main"}],
            "change_tag": [
                {
                    "ct_id": number,
                    "ct_rc_id": None,
                    "ct_log_id": None,
                    "ct_rev_id": rev_id,
                    "ct_params": None,
                    "ct_tag_id": self._tags[name],
                }
                for number, (rev_id, name) in enumerate(
                    ((revision.rev_id, name) for revision in everything for name in revision.tags), start=1
                )
            ],
            "change_tag_def": [
                {
                    "ctd_id": number,
                    "ctd_name": name,
                    "ctd_user_defined": 0,
                    "ctd_count": sum(name in revision.tags for revision in everything),
                }
                for name, number in self._tags.items()
            ],
            "user": [self._user_row(user) for user in self.users if user.user_id is not None],
            "user_groups": [
                {"ug_user": user.user_id, "ug_group": group, "ug_expiry": None}
                for user in self.users
                if user.user_id is not None
                for group in sorted(user.groups)
            ],
        }
        told = {name: [_texts(row) for row in table] for name, table in rows.items()}
        # Asked last, since the rows above may have added comments.
        comments: list[dict[str, object]] = [
            {
                "comment_id": number,
                "comment_hash": int.from_bytes(
                    zlib.crc32(text.encode()).to_bytes(4, "big"), "big", signed=True
                ),
                "comment_text": text,
                "comment_data": None,
            }
            for text, number in self._comments.items()
        ]
        told["comment"] = [_texts(row) for row in comments]
        told["logging"] = [dict(row) for row in self._log]
        told["content"] = [dict(row) for row in self._content]
        told["slots"] = [dict(row) for row in self._slots]
        return told

    def dump(self) -> bytes:
        """The live pages with their whole history, as dumpBackup.php --full writes them (XML 0.11)."""
        spaces = "".join(
            f'<namespace key="{key}" case="first-letter">{escape(name)}</namespace>\n      '
            if name
            else f'<namespace key="{key}" case="first-letter" />\n      '
            for key, name in NAMESPACES.items()
        ).rstrip()
        pages = "".join(self._page_xml(page) for _, page in sorted(self.pages.items()))
        return (
            '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">\n'
            f"  <siteinfo>\n    <sitename>Test</sitename>\n    <dbname>{self.name}</dbname>\n"
            f"    <base>https://{self.domain}/wiki/Main_Page</base>\n"
            "    <generator>MediaWiki 1.39.17</generator>\n    <case>first-letter</case>\n"
            f"    <namespaces>\n      {spaces}\n    </namespaces>\n  </siteinfo>\n{pages}</mediawiki>\n"
        ).encode()

    def _page_xml(self, page: Page) -> str:
        text = self.latest(page).text
        redirect = ""
        if is_redirect(text):
            target = text.partition("[[")[2].partition("]]")[0]
            redirect = f"    <redirect title={quoteattr(target)} />\n"
        revisions = "".join(_revision_xml(revision) for revision in self.history(page.page_id))
        return (
            f"  <page>\n    <title>{escape(shown(page.title))}</title>\n    <ns>{page.title[0]}</ns>\n"
            f"    <id>{page.page_id}</id>\n{redirect}{revisions}  </page>\n"
        )

    def _page_row(self, page: Page) -> dict[str, object]:
        latest = self.latest(page)
        return {
            "page_id": page.page_id,
            "page_namespace": page.title[0],
            "page_title": page.title[1],
            "page_is_redirect": int(is_redirect(latest.text)),
            "page_is_new": int(page.is_new),
            "page_random": f"{page.page_id * 0.618 % 1:.12f}",
            "page_touched": digits14(page.touched),
            "page_links_updated": digits14(page.touched),
            "page_latest": page.latest,
            "page_len": latest.size,
            "page_content_model": "wikitext",
            "page_lang": None,
        }

    def _revision_row(self, revision: Revision) -> dict[str, object]:
        return {
            "rev_id": revision.rev_id,
            "rev_page": revision.page_id,
            "rev_comment_id": self._comment(revision.comment),
            "rev_actor": revision.user.actor_id,
            "rev_timestamp": digits14(revision.timestamp),
            "rev_minor_edit": int(revision.minor),
            "rev_deleted": revision.hidden,
            "rev_len": revision.size,
            "rev_parent_id": revision.parent_id,
            "rev_sha1": revision.sha1,
        }

    def _archive_row(self, row: Archived) -> dict[str, object]:
        revision = row.revision
        return {
            "ar_id": row.ar_id,
            "ar_namespace": row.title[0],
            "ar_title": row.title[1],
            "ar_comment_id": self._comment(revision.comment),
            "ar_actor": revision.user.actor_id,
            "ar_timestamp": digits14(revision.timestamp),
            "ar_minor_edit": int(revision.minor),
            "ar_rev_id": revision.rev_id,
            "ar_deleted": revision.hidden,
            "ar_len": revision.size,
            "ar_page_id": revision.page_id,
            "ar_parent_id": revision.parent_id,
            "ar_sha1": revision.sha1,
        }

    def _user_row(self, user: User) -> dict[str, object]:
        return {
            "user_id": user.user_id,
            "user_name": user.name,
            "user_real_name": "",
            "user_newpass_time": None,
            "user_touched": digits14(self.now),
            "user_email_authenticated": None,
            "user_email_token_expires": None,
            "user_registration": digits14(START - DAY),
            "user_editcount": user.edits,
            "user_password_expires": None,
        }

    # --- changes of the model ---------------------------------------------------------------------------------

    def _number(self, what: str) -> int:
        number = self._next[what]
        self._next[what] += 1
        return number

    def _comment(self, text: str) -> int:
        return self._comments.setdefault(text, len(self._comments) + 1)

    def _request(self, clock: int, *claims: Claim) -> Request:
        """The request of an action, at the clock or a second later where that second could not tell the order."""
        second = max(clock, self.now)
        for claim in claims:
            known = self._claims.get(claim.page_id)
            if known is None or known[0] != second:
                continue
            last = known[1]
            flips = (last.redirect, last.title) != (claim.redirect, claim.title)
            if claim.rank < last.rank or (claim.rank == last.rank and flips):
                second += 1
                break
        self.now = second
        request = Request(second, f"00000000-0000-4000-9000-{self._number('request'):012d}")
        for claim in claims:
            self._claim(request, claim)
        return request

    def _claim(self, request: Request, claim: Claim) -> None:
        self._claims[claim.page_id] = (request.second, claim)

    def _claims_of(self, page: Page, rank: Rank) -> Claim:
        return Claim(page.page_id, rank, self.is_redirect(page), page.title)

    def _new_page(self, title: Title, second: int) -> Page:
        page = Page(self._number("page"), title, 0, touched=second)
        self.pages[page.page_id] = page
        return page

    def _save(
        self,
        request: Request,
        page: Page,
        user: User,
        text: str,
        parent_id: int,
        comment: str,
        *,
        minor: bool = False,
        same: Revision | None = None,
        at: int | None = None,
    ) -> Revision:
        rev_id = self._number("rev")
        content_id, origin = (same.content_id, same.origin) if same else (len(self._content) + 1, rev_id)
        revision = Revision(
            rev_id=rev_id,
            page_id=page.page_id,
            timestamp=request.second if at is None else at,
            parent_id=parent_id,
            text=text,
            content_id=content_id,
            origin=origin,
            user=user,
            comment=comment,
            minor=minor,
        )
        self._comment(comment)
        if not same:
            self._content.append(
                _texts(
                    {
                        "content_id": content_id,
                        "content_size": revision.size,
                        "content_sha1": revision.sha1,
                        "content_model": 1,
                        "content_address": f"tt:{content_id}",
                    }
                )
            )
        self._slots.append(
            _texts(
                {
                    "slot_revision_id": rev_id,
                    "slot_role_id": 1,
                    "slot_content_id": content_id,
                    "slot_origin": origin,
                }
            )
        )
        self.revisions[rev_id] = revision
        page.latest, page.touched = rev_id, request.second
        user.edits += 1
        return revision

    def _delete(self, request: Request, user: User, page: Page, comment: str) -> None:
        latest, history = self.latest(page), self.history(page.page_id)
        self._old_style(
            request,
            "page/delete",
            "page-delete",
            page,
            user,
            rev_id=latest.rev_id,
            rev_count=len(history),
            comment=comment,
        )
        self._page_change(request, "delete", page, latest, user, comment=comment, count=len(history))
        for revision in history:
            del self.revisions[revision.rev_id]
            self.archive[revision.rev_id] = Archived(self._number("ar"), page.title, revision)
        del self.pages[page.page_id]

    def _log_row(
        self,
        request: Request,
        user: User,
        kind: str,
        action: str,
        title: Title,
        page_id: int,
        comment: str,
        params: object,
    ) -> int:
        log_id = len(self._log) + 1
        self._log.append(
            _texts(
                {
                    "log_id": log_id,
                    "log_type": kind,
                    "log_action": action,
                    "log_timestamp": digits14(request.second),
                    "log_actor": user.actor_id,
                    "log_namespace": title[0],
                    "log_title": title[1],
                    "log_page": page_id,
                    "log_comment_id": self._comment(comment),
                    "log_params": php(params),
                    "log_deleted": 0,
                }
            )
        )
        return log_id

    # --- events -----------------------------------------------------------------------------------------------

    def _post(self, event: Json) -> None:
        self.events.append(json.dumps(event, ensure_ascii=False).encode())

    def _head(self, request: Request, schema: str, version: str, stream: str, title: Title) -> Json:
        return {
            "$schema": f"/mediawiki/{schema}/{version}",
            "meta": {
                "stream": f"mediawiki.{stream}",
                "dt": iso(request.second),
                "id": f"00000000-0000-4000-8000-{len(self.events) + 1:012d}",
                "request_id": request.id,
                "domain": self.domain,
                "uri": f"https://{self.domain}/wiki/{quote(prefixed(title))}",
            },
        }

    def _old_style(
        self,
        request: Request,
        schema: str,
        stream: str,
        page: Page,
        user: User,
        *,
        version: str = "1.0.0",
        **fields: Any,
    ) -> None:
        self._post(
            {
                **self._head(request, schema, version, stream, page.title),
                "database": self.name,
                "page_id": page.page_id,
                "page_title": prefixed(page.title),
                "page_namespace": page.title[0],
                "page_is_redirect": self.is_redirect(page),
                "performer": self._old_user(user),
                **fields,
            }
        )

    def _of_revision(
        self,
        request: Request,
        schema: str,
        stream: str,
        page: Page,
        revision: Revision,
        user: User,
        **fields: Any,
    ) -> None:
        self._old_style(request, schema, stream, page, user, **self._attributes(revision), **fields)

    def _revision_create(
        self, request: Request, page: Page, revision: Revision, stream: str = "revision-create"
    ) -> None:
        slot = {
            "rev_slot_content_model": "wikitext",
            "rev_slot_sha1": revision.sha1,
            "rev_slot_size": revision.size,
            "rev_slot_origin_rev_id": revision.origin,
        }
        event: Json = {
            **self._head(request, "revision/create", "2.0.0" if self.modern else "1.1.0", stream, page.title),
            "database": self.name,
            "page_id": page.page_id,
            "page_title": prefixed(page.title),
            "page_namespace": page.title[0],
            "page_is_redirect": self.is_redirect(page),
            **self._attributes(revision),
            "rev_slots": {"main": slot},
        }
        if self.modern:
            event["dt"] = iso(revision.timestamp)
        if not revision.hidden & USER_HIDDEN:
            event["performer"] = self._old_user(revision.user)
        if not revision.hidden & COMMENT_HIDDEN:
            event["comment"] = revision.comment
        self._post(event)

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

    def _page_change(
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
        **fields: Any,
    ) -> None:
        changelog = {"create": "insert", "undelete": "insert", "delete": "delete"}.get(kind, "update")
        stream = "page_change.v1" if self.modern else "page_change"
        entity = self._page_entity(page)
        if count is not None:
            entity["revision_count"] = count
        event: Json = {
            **self._head(request, "page/change", "1.11.0" if self.modern else "1.0.0", stream, page.title),
            "wiki_id": self.name,
            "dt": iso(request.second if dt is None else dt),
            "changelog_kind": changelog,
            "page_change_kind": kind,
            "page": entity,
            "performer": self._user_entity(user),
            "revision": self._told(revision),
            **fields,
        }
        if prior is not None:
            event["prior_state"] = prior
        if comment is not None:
            event["comment"] = comment
        self._post(event)

    def _page_entity(self, page: Page) -> Json:
        entity: Json = {
            "page_id": page.page_id,
            "page_title": prefixed(page.title),
            "namespace_id": page.title[0],
            "is_redirect": self.is_redirect(page),
        }
        if self.modern:
            entity["namespace_is_content"] = page.title[0] == 0
        return entity

    def _told(self, revision: Revision) -> Json:
        visible = _visible(revision.hidden)
        told: Json = {
            "rev_id": revision.rev_id,
            "rev_dt": iso(revision.timestamp),
            "is_minor_edit": revision.minor,
            "rev_sha1": revision.sha1,
            "rev_size": revision.size,
            "is_content_visible": visible["text"],
            "is_comment_visible": visible["comment"],
            "is_editor_visible": visible["user"],
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
        if revision.parent_id or self.modern:
            told["rev_parent_id"] = revision.parent_id
        if visible["comment"]:
            told["comment"] = revision.comment
        if visible["user"]:
            told["editor"] = self._user_entity(revision.user)
        return told

    def _user_entity(self, user: User) -> Json:
        entity: Json = {
            "user_text": user.name,
            "groups": user.all_groups,
            "is_bot": "bot" in user.groups,
            "is_system": False,
            "is_temp": user.is_temp,
        }
        if self.modern:
            entity["wiki_id"] = self.name
        else:
            entity["is_registered"] = user.user_id is not None
        if user.user_id is not None:
            entity |= {
                "user_id": user.user_id,
                "edit_count": user.edits,
                "registration_dt": iso(START - DAY),
            }
        return entity

    def _old_user(self, user: User) -> Json:
        told: Json = {
            "user_text": user.name,
            "user_groups": user.all_groups,
            "user_is_bot": "bot" in user.groups,
        }
        if user.user_id is not None:
            told |= {
                "user_id": user.user_id,
                "user_edit_count": user.edits,
                "user_registration_dt": iso(START - DAY),
            }
        return told

    def _blocks(self, expiry: int) -> Json:
        blocks: Json = {
            "name": False,
            "email": False,
            "user_talk": False,
            "account_create": True,
            "sitewide": True,
            "restrictions": [],
        }
        if expiry:
            blocks["expiry_dt"] = iso(expiry)
        return blocks

    def _recent(
        self,
        request: Request,
        user: User,
        log_id: int,
        kind: str,
        action: str,
        title: Title,
        comment: str,
        params: object,
    ) -> None:
        version = "1.0.1" if self.modern else "1.0.0"
        self._post(
            {
                **self._head(request, "recentchange", version, "recentchange", title),
                "id": self._number("rc"),
                "type": "log",
                "wiki": self.name,
                "namespace": title[0],
                "title": shown(title),
                "comment": comment,
                "parsedcomment": comment,
                "timestamp": request.second,
                "user": user.name,
                "bot": "bot" in user.groups,
                "log_id": log_id,
                "log_type": kind,
                "log_action": action,
                "log_params": params,
                "log_action_comment": f"{kind}/{action}: {comment}",
                "server_name": self.domain,
                "server_script_path": "/",
                "server_url": f"https://{self.domain}",
            }
        )


def _visible(hidden: int) -> dict[str, bool]:
    bits = {"text": TEXT_HIDDEN, "user": USER_HIDDEN, "comment": COMMENT_HIDDEN}
    return {part: not hidden & bit for part, bit in bits.items()}


def _texts(row: dict[str, object]) -> dict[str, str | None]:
    return {name: None if value is None else str(value) for name, value in row.items()}


def _revision_xml(revision: Revision) -> str:
    user, hidden = revision.user, revision.hidden
    if hidden & USER_HIDDEN:
        contributor = '<contributor deleted="deleted" />'
    elif user.user_id is not None:
        contributor = (
            f"<contributor><username>{escape(user.name)}</username><id>{user.user_id}</id></contributor>"
        )
    elif ">" in user.name:
        contributor = f"<contributor><username>{escape(user.name)}</username><id>0</id></contributor>"
    else:
        contributor = f"<contributor><ip>{escape(user.name)}</ip></contributor>"
    comment = f"      <comment>{escape(revision.comment)}</comment>\n" if revision.comment else ""
    if hidden & COMMENT_HIDDEN:
        comment = '      <comment deleted="deleted" />\n'
    sizes = f'bytes="{revision.size}" sha1="{revision.sha1}"'
    if hidden & TEXT_HIDDEN:
        text, sha1 = f'<text {sizes} deleted="deleted" />', "<sha1/>"
    else:
        text = f'<text {sizes} xml:space="preserve">{escape(revision.text)}</text>'
        sha1 = f"<sha1>{revision.sha1}</sha1>"
    parent = f"      <parentid>{revision.parent_id}</parentid>\n" if revision.parent_id else ""
    minor = "      <minor/>\n" if revision.minor else ""
    return (
        f"    <revision>\n      <id>{revision.rev_id}</id>\n{parent}"
        f"      <timestamp>{iso(revision.timestamp)}</timestamp>\n      {contributor}\n{minor}{comment}"
        f"      <origin>{revision.origin}</origin>\n      <model>wikitext</model>\n"
        f"      <format>text/x-wiki</format>\n      {text}\n      {sha1}\n    </revision>\n"
    )
