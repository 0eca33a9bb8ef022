"""What puts whole histories elsewhere: imports and history merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared_logic.clock import Rank
from tests.strategies.wiki import log_params
from tests.strategies.wiki.actions import Actions
from tests.strategies.wiki.cast import DAY
from tests.strategies.wiki.event_bus import Request
from tests.strategies.wiki.state import Age, Page, Revision, Untold, User
from tests.strategies.wiki.text import Title, shown


class HistoryActions(Actions):
    """Each returns whether it could be done; what can't be done changes nothing."""

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
        request = self.request(clock)
        page = self.new_page(title, request.second)
        author = author or self.imported_user("imported>Zoë")
        oldest = request.second - max(age, len(texts) * DAY)
        made: list[Revision] = []
        for number, text in enumerate(texts):
            parent = made[-1].rev_id if chained and made else 0
            at = oldest + number * DAY
            made.append(
                self.save(request, page, author, text, parent, "from elsewhere", at=at, is_counted=False)
            )
        self.finish_import(request, user, page, made, null_top=null_top)
        return True

    def import_into(
        self,
        clock: int,
        user: User,
        page_id: int,
        texts: Sequence[str],
        *,
        author: User | None = None,
        age: int = 1000 * DAY,
    ) -> bool:
        """Old revisions for a page that is there, each on top of what was before it, and a new one by the importer."""
        page = self.pages.get(page_id)
        if page is None or not texts:
            return False
        latest = self.latest(page)
        # The newest of what comes is a new revision, as an edit's is.
        request = self.request(clock, self.claim(page, Rank.EDIT))
        author = author or self.imported_user("imported>Zoë")
        oldest = request.second - max(age, len(texts) * DAY)
        made: list[Revision] = []
        for number, text in enumerate(texts):
            at = oldest + number * DAY
            before = [one for one in self.history(page_id) if one.timestamp <= at]
            parent = before[-1].rev_id if before else 0
            made.append(
                self.save(request, page, author, text, parent, "from elsewhere", at=at, is_counted=False)
            )
        page.latest = max([latest, *made], key=lambda one: one.order).rev_id
        self.finish_import(request, user, page, made, null_top=True)
        return True

    def merge(self, clock: int, user: User, source_id: int, target_id: int, upto: int) -> bool:
        """Revisions of one page up to an instant go to another, whose first must be younger.

        Of a page that all of them leave a redirect remains. Only rows of the log tell, so events cannot follow.
        """
        source, target = self.pages.get(source_id), self.pages.get(target_id)
        if source is None or target is None or source_id == target_id:
            return False
        history = self.history(source_id)
        taken = [revision for revision in history if revision.timestamp <= upto]
        if not taken or upto > self.history(target_id)[0].timestamp:
            return False
        claims = [self.claim(page, Rank.RESTORE) for page in (source, target)]
        # A second later than all else, so that tables of that second have seen it.
        request = self.request(max(clock, self.now + 1), *claims)
        was_latest = self.latest(source)
        for revision in taken:
            self.revisions[revision.rev_id] = replace(revision, page_id=target_id)
        # Neither page's latest is looked at again, even where the newest of what came is of the second of the first there.
        self.note_untold(Untold.MERGE, (revision.rev_id for revision in taken))
        if len(taken) == len(history):
            self._redirect_to(request, user, source, target, was_latest)
        self._log_merge(request, user, source, target, upto)
        return True

    def finish_import(
        self, request: Request, user: User, page: Page, made: list[Revision], *, null_top: bool
    ) -> None:
        """The importer's mark on top of what was imported (`null_top`), and then the log and the events of all of it."""
        count = len(made)
        before = self.latest(page)
        if null_top:
            made.append(self.save_null(request, page, user, f"{count} revisions imported"))
        page.is_new = len(self.history(page.page_id)) == 1
        self.claims.note(request.second, self.claim(page, Rank.RESTORE))
        for revision in made:
            self.bus.revision_create(request, page, revision)
        params = log_params.imported(count, made[-1].rev_id)
        self.log_and_tell(request, user, "import", "upload", page.title, page.page_id, "import", params)
        top = made[-1]
        kind = "edit" if top.parent_id else "create"
        parent = before if null_top else made[-2] if count > 1 else None
        prior = {"revision": self.bus.told(request, parent)} if top.parent_id and parent else None
        self.bus.page_change(request, kind, page, top, user, dt=top.timestamp, prior=prior)

    # --- parts ------------------------------------------------------------------------------------------------

    def _redirect_to(
        self, request: Request, user: User, source: Page, target: Page, was_latest: Revision
    ) -> None:
        text = f"#REDIRECT [[{shown(target.title)}]]"
        words = f"Merged [[:{shown(source.title)}]] into [[:{shown(target.title)}]]: history merge"
        # Since 2025 the redirect keeps its parent, which is on the other page now.
        parent = was_latest.rev_id if self.age >= Age.OF_2026 else 0
        revision = self.save(request, source, user, text, parent, words)
        self.claims.note(request.second, self.claim(source, Rank.RESTORE))
        self.bus.revision_create(request, source, revision)
        if self.age >= Age.OF_2026:
            self.bus.page_change(request, "edit", source, revision, user)

    def _log_merge(self, request: Request, user: User, source: Page, target: Page, upto: int) -> None:
        comment = "history merge"
        modern = self.age >= Age.OF_2026
        params = (log_params.merged_with_revision if modern else log_params.merged)(target.title, upto)
        page_id = source.page_id
        self.log_and_tell(request, user, "merge", "merge", source.title, page_id, comment, params)
        if modern:
            into = log_params.merged_into(source.title, upto)
            page_id = target.page_id
            self.log_and_tell(request, user, "merge", "merge-into", target.title, page_id, comment, into)
