"""What people do with pages: create, edit, move, protect, delete, restore."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared_logic.clock import Rank
from shared_logic.states.page_state import TEXT_HIDDEN
from tests.strategies.wiki import log_params
from tests.strategies.wiki.actions import Actions
from tests.strategies.wiki.event_bus import Json, Request
from tests.strategies.wiki.seconds import Claim
from tests.strategies.wiki.state import NEVER, Age, Archived, Page, Protection, Revision, Untold, User
from tests.strategies.wiki.text import Title, is_redirect, prefixed, shown


class PageActions(Actions):
    """Each returns whether it could be done; what can't be done changes nothing."""

    def create(
        self,
        clock: int,
        user: User,
        title: Title,
        text: str,
        *,
        comment: str = "new",
        minor: bool = False,
        tags: Sequence[str] = (),
    ) -> bool:
        """A new page."""
        if self.page_at(title):
            return False
        request = self.request(clock)
        page = self.new_page(title, request.second)
        revision = self.save(request, page, user, text, 0, comment, minor=minor and _may_be_minor(user))
        if self.age > Age.OF_2008:
            # Creations have been logged since 2018, and never told as recent changes of the log.
            params = log_params.created(revision.rev_id)
            self.log_row(request, user, "create", "create", title, page.page_id, comment, params)
        self.claims.note(request.second, self.claim(page, Rank.EDIT))
        self.bus.revision_create(request, page, revision)
        self.set_tags(request, page, revision.rev_id, tags, user)
        self.bus.revision_create(request, page, revision, stream="page-create")
        self.bus.page_change(request, "create", page, revision, user)
        return True

    def edit(
        self,
        clock: int,
        user: User,
        page_id: int,
        text: str,
        *,
        comment: str = "edit",
        minor: bool = False,
        tags: Sequence[str] = (),
    ) -> bool:
        """A new revision; with the text that is there already, a null edit."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        before = self.latest(page)
        if before.text == text:
            return self.null_edit(clock, user, page_id)
        request = self.request(clock, Claim(page_id, Rank.EDIT, is_redirect(text), page.title))
        minor = minor and _may_be_minor(user)
        revision = self.save(request, page, user, text, before.rev_id, comment, minor=minor)
        page.is_new = False
        self.bus.revision_create(request, page, revision)
        self.set_tags(request, page, revision.rev_id, tags, user)
        prior = {"revision": self.bus.told(request, before)}
        self.bus.page_change(request, "edit", page, revision, user, prior=prior)
        return True

    def null_edit(self, clock: int, user: User, page_id: int) -> bool:
        """Saving what is there already: no row, but a page_change that repeats the newest revision with its old dt."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        request = self.request(clock)
        latest = self.latest(page)
        self.bus.page_change(request, "edit", page, latest, user, dt=latest.timestamp)
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
        """A new title; a redirect with one revision that is in the way is deleted first, wherever it leads to."""
        page = self.pages.get(page_id)
        if page is None or page.title == title:
            return False
        there = self.page_at(title)
        if there and (not self.is_redirect(there) or len(self.history(there.page_id)) > 1):
            return False
        claims = [Claim(page_id, Rank.MOVE, self.is_redirect(page), title)]
        if there:
            claims.append(self.claim(there, Rank.DELETE))
        request = self.request(clock, *claims)
        leads_here = there is not None and f"[[{shown(page.title)}]]" in self.latest(there).text
        make_way = f'Deleted to make way for move from "[[{shown(page.title)}]]"'
        overwritten = None
        if there:
            self.delete_page(request, user, there, make_way)
            action = "delete"
            if self.age > Age.OF_2008:
                action = "delete_redir" if leads_here else "delete_redir2"
            overwritten = self.log_row(
                request, user, "delete", action, title, there.page_id, make_way, log_params.nothing()
            )
        self._move(request, user, page, title, redirect=redirect, comment=comment, over=there is not None)
        if overwritten:
            self.bus.log_event(request, overwritten, log_params.nothing())
        return True

    def swap(self, clock: int, user: User, page_id: int, other_id: int) -> bool:
        """Two pages change titles, in three moves by way of a third title that leave no redirects."""
        page, other = self.pages.get(page_id), self.pages.get(other_id)
        if page is None or other is None or page_id == other_id:
            return False
        one, two = page.title, other.title
        between = (one[0], f"Swap_{self.number('swap')}")
        self.move(clock, user, page_id, between, redirect=False, comment="swap")
        self.move(self.now, user, other_id, one, redirect=False, comment="swap")
        self.move(self.now, user, page_id, two, redirect=False, comment="swap")
        return True

    def protect(
        self, clock: int, user: User, page_id: int, protections: Sequence[Protection], *, comment: str = "war"
    ) -> bool:
        """Only some may edit or move the page from now on."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        before = self.protections(page, max(clock, self.now))
        if before == tuple(protections):
            return False
        request = self.request(clock, self.claim(page, Rank.EDIT))
        action = "unprotect" if not protections else "modify" if before else "protect"
        words = f'{action.capitalize()}ed "[[{shown(page.title)}]]": {comment}'
        revision = self.save_null(request, page, user, words)
        page.protections = tuple(protections)
        self.bus.revision_create(request, page, revision)
        params = (
            log_params.protected(protections, revision.rev_id)
            if protections
            else log_params.created(revision.rev_id)
        )
        self.log_and_tell(request, user, "protect", action, page.title, page_id, comment, params)
        return True

    def delete(self, clock: int, user: User, page_id: int, *, comment: str = "AfD") -> bool:
        """All revisions of a page go to the archive and keep its id."""
        page = self.pages.get(page_id)
        if page is None:
            return False
        request = self.request(clock, self.claim(page, Rank.DELETE))
        self.delete_page(request, user, page, comment)
        nothing = log_params.nothing()
        self.log_and_tell(request, user, "delete", "delete", page.title, page_id, comment, nothing)
        return True

    def undelete(
        self,
        clock: int,
        user: User,
        page_id: int,
        chosen: Collection[int] | None = None,
        *,
        comment: str = "DRV",
    ) -> bool:
        """What was archived under the title that a page id had last comes back, of other page ids, too.

        `chosen` are rev_ids, None is all; MediaWiki chooses by second, so that others of the same second come as well. They
        come to the live page of the title; else the page is made anew, under the page id of the newest of them or, when that
        is in use (a part was restored before, and moved away), under a new one. What would become the latest revision must
        not have its text hidden.
        """
        mine = self.archived(page_id)
        if not mine:
            return False
        return self.undelete_title(clock, user, mine[-1].title, chosen, comment=comment)

    def undelete_title(
        self,
        clock: int,
        user: User,
        title: Title,
        chosen: Collection[int] | None = None,
        *,
        comment: str = "DRV",
    ) -> bool:
        """What was archived under a title comes back; see `undelete`."""
        rows = self._chosen(title, chosen)
        page = self.page_at(title)
        if not rows or not self._may_be_latest(rows[-1].revision, page):
            return False
        told_id = rows[-1].revision.page_id
        target = page.page_id if page else self.number("page") if told_id in self.pages else told_id
        restored = [row.revision for row in rows]
        newest = max(restored + ([self.latest(page)] if page else []), key=lambda one: one.order)
        # A copy is told from a new revision by being older than its message.
        wanted = max(clock, 1 + restored[-1].timestamp)
        request = self.request(wanted, Claim(target, Rank.RESTORE, is_redirect(newest.text), title))
        if page is None:
            page = Page(target, title, newest.rev_id, is_new=len(rows) == 1, touched=request.second)
            self.pages[target] = page
        page.latest = newest.rev_id
        for revision in restored:
            del self.archive[revision.rev_id]
            self.revisions[revision.rev_id] = replace(revision, page_id=target)
        self._note_restored(restored, told_id, target)
        self._tell_restored(request, user, page, restored, told_id, comment)
        params = log_params.restored(len(rows))
        self.log_and_tell(request, user, "delete", "restore", title, target, comment, params)
        return True

    def protections(self, page: Page, second: int) -> tuple[Protection, ...]:
        """The protections of a page that have not ended by then."""
        return tuple(one for one in page.protections if one.expiry == NEVER or one.expiry > second)

    # --- parts ------------------------------------------------------------------------------------------------

    def _move(
        self,
        request: Request,
        user: User,
        page: Page,
        title: Title,
        *,
        redirect: bool,
        comment: str,
        over: bool,
    ) -> None:
        old, before = page.title, self.latest(page)
        page.title = title
        words = f"{user.name} moved page [[{shown(old)}]] to [[{shown(title)}]]: {comment}"
        revision = self.save_null(request, page, user, words, is_counted=True)
        self.bus.revision_create(request, page, revision)
        left = self._leave_redirect(request, user, old, title, words) if redirect else None
        params = log_params.moved(title, revision.rev_id, redirect=redirect)
        action = "move_redir" if over else "move"
        self.log_and_tell(request, user, "move", action, old, page.page_id, comment, params)
        if self.protections(page, request.second):
            why = f"[[{shown(old)}]] moved to [[{shown(title)}]]: {comment}"
            old_title = log_params.protection_moved(old)
            self.log_and_tell(request, user, "protect", "move_prot", title, page.page_id, why, old_title)
        told: Json = {}
        if left:
            told["new_redirect_page"] = {
                "page_id": left.page_id,
                "page_title": prefixed(old),
                "page_namespace": old[0],
                "rev_id": left.latest,
            }
        was = {"page_title": prefixed(old), "page_namespace": old[0], "rev_id": before.rev_id}
        self.bus.page_event(
            request,
            "page/move",
            "page-move",
            page,
            user,
            rev_id=revision.rev_id,
            comment=comment,
            prior_state=was,
            **told,
        )
        prior_page: Json = {"page_title": prefixed(old)}
        if old[0] != title[0]:
            prior_page["namespace_id"] = old[0]
        prior = {"page": prior_page, "revision": self.bus.told(request, before)}
        self.bus.page_change(request, "move", page, revision, user, comment=comment, prior=prior, made=left)
        if left:
            self.bus.revision_create(request, left, self.latest(left), stream="page-create")
            self.bus.page_change(request, "create", left, self.latest(left), user)

    def _leave_redirect(self, request: Request, user: User, old: Title, title: Title, words: str) -> Page:
        left = self.new_page(old, request.second)
        revision = self.save(request, left, user, f"#REDIRECT [[{shown(title)}]]", 0, words)
        self.claims.note(request.second, self.claim(left, Rank.EDIT))
        self.bus.revision_create(request, left, revision)
        return left

    def _chosen(self, title: Title, chosen: Collection[int] | None) -> list[Archived]:
        rows = self.archived_under(title)
        if chosen is None:
            return rows
        seconds = {row.revision.timestamp for row in rows if row.revision.rev_id in chosen}
        return [row for row in rows if row.revision.timestamp in seconds]

    def _may_be_latest(self, revision: Revision, page: Page | None) -> bool:
        becomes_latest = page is None or revision.order > self.latest(page).order
        return not becomes_latest or not revision.hidden & TEXT_HIDDEN

    def _note_restored(self, restored: Sequence[Revision], told_id: int, target: int) -> None:
        moved = [revision for revision in restored if revision.page_id != target]
        self.note_untold(Untold.MARKS, (one.rev_id for one in moved if one.hidden or one.tags))
        self.note_untold(Untold.DEPARTURE, (one.rev_id for one in moved if one.page_id != told_id))

    def _tell_restored(
        self,
        request: Request,
        user: User,
        page: Page,
        restored: Sequence[Revision],
        told_id: int,
        comment: str,
    ) -> None:
        for revision in restored:
            self.bus.revision_create(request, page, self.revisions[revision.rev_id])
        moved = told_id != page.page_id
        old: Json = {"prior_state": {"page_id": told_id}} if moved else {}
        self.bus.page_event(
            request,
            "page/undelete",
            "page-undelete",
            page,
            user,
            rev_id=page.latest,
            comment=comment,
            **old,
        )
        prior = {"page": {"page_id": told_id}} if moved else None
        self.bus.page_change(request, "undelete", page, self.latest(page), user, comment=comment, prior=prior)


def _may_be_minor(user: User) -> bool:
    """Only who has an account may call an edit minor; what else is said is not heard."""
    return user.user_id is not None
