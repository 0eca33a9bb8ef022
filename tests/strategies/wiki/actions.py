"""What every action does: it takes a second, saves revisions, writes rows of the log, and posts events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shared_logic.clock import Rank
from tests.strategies.wiki.event_bus import EventBus, Request
from tests.strategies.wiki.log_params import Params
from tests.strategies.wiki.seconds import Claim, Claims
from tests.strategies.wiki.state import (
    Age,
    Archived,
    Gap,
    LogRow,
    Page,
    Revision,
    Untold,
    User,
    WikiState,
)
from tests.strategies.wiki.text import Title

RESTRICTED_LOGS = frozenset({"suppress"})
"""Logs that few may read: no event tells of their rows, and no dump has them."""


class Actions(WikiState):
    """The parts of which actions are made."""

    def __init__(self, name: str, age: Age, users: Iterable[User], start: int) -> None:
        """An empty wiki on which nothing happened yet."""
        super().__init__(name, age, users, start)
        self.bus = EventBus(self)
        self.claims = Claims()
        self.changed_at: dict[tuple[str, int], int] = {}
        """The second of the newest change of a revision's visibility or tags."""

    @property
    def events(self) -> list[bytes]:
        """What was posted, in order."""
        return self.bus.events

    def request(self, clock: int, *claims: Claim) -> Request:
        """The request of an action, at the clock or a second later where that second could not tell the order."""
        self.now = self.claims.second(max(clock, self.now), claims)
        request = Request(self.now, f"00000000-0000-4000-9000-{self.number('request'):012d}")
        for claim in claims:
            self.claims.note(request.second, claim)
        return request

    def claim(self, page: Page, rank: Rank) -> Claim:
        """What the page is, as said by an action of that rank."""
        return Claim(page.page_id, rank, self.is_redirect(page), page.title)

    def new_page(self, title: Title, second: int) -> Page:
        """A page without revisions."""
        page = Page(self.number("page"), title, 0, touched=second)
        self.pages[page.page_id] = page
        return page

    def save(
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
        is_counted: bool = True,
    ) -> Revision:
        """A new revision, which becomes the latest; with the very content of another, if `same` is given.

        `at` is its own second, if it is older than the request. Imported revisions and the marks of imports and protections
        are not counted among their author's edits.
        """
        rev_id = self.number("rev")
        content_id, origin = (same.content_id, same.origin) if same else (self.number("content"), rev_id)
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
        self.comment_id(comment)
        self.revisions[rev_id] = revision
        page.latest, page.touched = rev_id, request.second
        user.edits += is_counted
        return revision

    def save_null(
        self,
        request: Request,
        page: Page,
        user: User,
        comment: str,
        *,
        minor: bool = True,
        is_counted: bool = False,
    ) -> Revision:
        """A revision with its parent's very content, which marks what was done in the page's history."""
        before = self.latest(page)
        page.is_new = False
        return self.save(
            request,
            page,
            user,
            before.text,
            before.rev_id,
            comment,
            minor=minor,
            same=before,
            is_counted=is_counted,
        )

    def set_tags(self, request: Request, page: Page, rev_id: int, tags: Sequence[str], user: User) -> None:
        """The tags that a live revision has from now on."""
        before, chosen = self.revisions[rev_id], tuple(sorted(set(tags)))
        if before.tags == chosen:
            return
        for name in chosen:
            self.tag_ids.setdefault(name, len(self.tag_ids) + 1)
        self.changed_at["tags", rev_id] = request.second
        self.revisions[rev_id] = replace(before, tags=chosen)
        self.bus.tags_change(request, page, before.tags, self.revisions[rev_id], user)

    def delete_page(self, request: Request, user: User, page: Page, comment: str) -> None:
        """All revisions of a page go to the archive and keep its id."""
        latest, history = self.latest(page), self.history(page.page_id)
        self.bus.page_event(
            request,
            "page/delete",
            "page-delete",
            page,
            user,
            rev_id=latest.rev_id,
            rev_count=len(history),
            comment=comment,
        )
        self.bus.page_change(request, "delete", page, latest, user, comment=comment, count=len(history))
        for revision in history:
            del self.revisions[revision.rev_id]
            self.archive[revision.rev_id] = Archived(self.number("ar"), page.title, revision)
        del self.pages[page.page_id]

    def log_row(
        self,
        request: Request,
        user: User,
        kind: str,
        action: str,
        title: Title,
        page_id: int,
        comment: str,
        params: Params,
    ) -> LogRow:
        """A new row of the log, that no event tells yet."""
        row = LogRow(
            log_id=self.number("log"),
            second=request.second,
            kind=kind,
            action=action,
            user=user,
            title=title,
            # Rows have told page ids since 2009.
            page_id=page_id if self.age > Age.OF_2008 else 0,
            comment=comment,
            params=params.stored(self.age),
        )
        self.comment_id(comment)
        self.log.append(row)
        return row

    def log_and_tell(
        self,
        request: Request,
        user: User,
        kind: str,
        action: str,
        title: Title,
        page_id: int,
        comment: str,
        params: Params,
    ) -> LogRow:
        """A new row of the log, and its event, unless few may read that log."""
        row = self.log_row(request, user, kind, action, title, page_id, comment, params)
        if kind not in RESTRICTED_LOGS:
            self.bus.log_event(request, row, params)
        return row

    def note_untold(self, why: Untold, rev_ids: Iterable[int]) -> None:
        """No event tells this of these revisions."""
        self.untold.append(Gap(why, self.now, frozenset(rev_ids)))
