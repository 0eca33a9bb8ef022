"""What hides and marks: visibility of revisions and log rows, tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared_logic.clock import Rank
from shared_logic.states.page_state import SUPPRESSED
from tests.strategies.wiki import log_params
from tests.strategies.wiki.actions import Actions
from tests.strategies.wiki.event_bus import visible
from tests.strategies.wiki.state import Untold, User
from tests.strategies.wiki.text import SPECIAL, Title, iso

_NAMES = {"text": "is_content_visible", "user": "is_editor_visible", "comment": "is_comment_visible"}


class VisibilityActions(Actions):
    """Each returns whether it could be done; what can't be done changes nothing."""

    def hide(self, clock: int, admin: User, rev_id: int, hidden: int, *, comment: str = "RD2") -> bool:
        """What of a live revision is hidden from now on: bits of rev_deleted, 0 shows it again.

        With the bit of suppression, before or after, the row is of a log that few may read. MediaWiki refuses to hide the
        text of a page's latest revision; here that can be done, since it says more of readers of the events.
        """
        before = self.revisions.get(rev_id)
        if before is None or before.hidden == hidden:
            return False
        page = self.pages[before.page_id]
        clock = max(clock, self.changed_at.get(("visibility", rev_id), 0) + 1)
        request = self.request(clock, self.claim(page, Rank.EDIT))
        self.changed_at["visibility", rev_id] = request.second
        after = replace(before, hidden=hidden)
        self.revisions[rev_id] = after
        kind = "delete"
        if (before.hidden | hidden) & SUPPRESSED:
            kind = "suppress"
            self.note_untold(Untold.SUPPRESSED, (rev_id,))
        params = log_params.hidden("revision", [rev_id], before.hidden, hidden)
        self.log_and_tell(request, admin, kind, "revision", page.title, page.page_id, comment, params)
        self.bus.visibility_change(request, page, before, after, admin)
        if page.latest == rev_id:
            was, now = visible(before.hidden), visible(hidden)
            changed = {name: was[part] for part, name in _NAMES.items() if was[part] != now[part]}
            prior = {"revision": {"rev_id": rev_id, "rev_dt": iso(before.timestamp), **changed}}
            self.bus.page_change(
                request, "visibility_change", page, after, admin, comment=comment, prior=prior
            )
        return True

    def hide_archived(
        self, clock: int, admin: User, rev_id: int, hidden: int, title: Title, *, comment: str = "RD2"
    ) -> bool:
        """What of a revision in the archive is hidden from now on; the log names the page from which it was asked for."""
        row = self.archive.get(rev_id)
        if row is None or row.revision.hidden == hidden:
            return False
        before = row.revision.hidden
        request = self.request(clock)
        self.archive[rev_id] = replace(row, revision=replace(row.revision, hidden=hidden))
        kind = "suppress" if (before | hidden) & SUPPRESSED else "delete"
        self.note_untold(Untold.HIDDEN_IN_ARCHIVE, (rev_id,))
        page = self.page_at(title)
        page_id = page.page_id if page else 0
        params = log_params.hidden("revision", [rev_id], before, hidden)
        self.log_and_tell(request, admin, kind, "revision", title, page_id, comment, params)
        return True

    def hide_log_row(
        self, clock: int, admin: User, log_id: int, hidden: int, *, comment: str = "RD2"
    ) -> bool:
        """What of a row of the log is hidden from now on: bits of log_deleted, 0 shows it again."""
        row = next((row for row in self.log if row.log_id == log_id), None)
        # Rows about hiding can't be hidden themselves.
        if (
            row is None
            or row.hidden == hidden
            or row.action in {"revision", "event"}
            or row.kind == "suppress"
        ):
            return False
        request = self.request(clock)
        kind = "suppress" if (row.hidden | hidden) & SUPPRESSED else "delete"
        params = log_params.hidden("logging", [log_id], row.hidden, hidden)
        row.hidden = hidden
        title = (SPECIAL, f"Log/{row.kind}")
        self.log_and_tell(request, admin, kind, "event", title, 0, comment, params)
        return True

    def tag(self, clock: int, admin: User, rev_id: int, tags: Sequence[str]) -> bool:
        """The tags that a live revision has from now on."""
        revision = self.revisions.get(rev_id)
        if revision is None or revision.tags == tuple(sorted(set(tags))):
            return False
        request = self.request(max(clock, self.changed_at.get(("tags", rev_id), 0) + 1))
        self.set_tags(request, self.pages[revision.page_id], rev_id, tags, admin)
        return True
