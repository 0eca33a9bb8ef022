"""Which revisions of a page a change concerns: those alone need to be described again, before and after.

What an author sees of a revision depends on the page's namespace and deletions, on its parent, and on whether a revision with a
lower id is newer. So a new revision concerns itself only when its id is greater than all ids and parents that the page knows;
a revision that is told again concerns itself only when the others see the same of it. All else concerns the whole page.
"""

from __future__ import annotations

from typing import NamedTuple

from shared_logic.states.page_state import PageState, RevisionState, belongs, shown_sha1


class Concerned(NamedTuple):
    """Ids of revisions of which an author may see something else."""

    again: list[int]
    """Those that were in the history before."""
    new: list[int]


class Outline:
    """What of a page's history tells whom a change concerns."""

    __slots__ = ("_newest_at", "_newest_id", "_newest_parent", "_page_id", "imported")

    def __init__(self, page_id: int, state: PageState) -> None:
        """Go through the whole history once."""
        self._page_id = page_id
        self._newest_id = self._newest_at = self._newest_parent = 0
        self.imported: set[int] = set()
        """Ids of the revisions in the history that are older than one with a lower id."""
        for rev_id, revision in sorted(state.revisions.items()):
            if belongs(page_id, state, revision):
                self._append(rev_id, revision)

    def concerned(self, before: PageState, news: PageState) -> Concerned | None:
        """All revisions of which an author may see something else than before; None: it may be any.

        `news` is what `page_state.news` gives for the state before. What it tells is in this outline afterwards, but for None.
        """
        if _shown_by_all(before) != _shown_by_all(news):
            return None
        found = Concerned([], [])
        for rev_id, revision in sorted(news.revisions.items()):
            known = before.revisions.get(rev_id)
            was = known is not None and belongs(self._page_id, before, known)
            if not belongs(self._page_id, before, revision):
                if was:
                    return None
            elif known is not None and was:
                if _seen_by_others(known) != _seen_by_others(revision):
                    return None
                self._newest_parent = max(self._newest_parent, revision.parent_id or 0)
                found.again.append(rev_id)
            elif rev_id > self._newest_id and rev_id > self._newest_parent:
                self._append(rev_id, revision)
                found.new.append(rev_id)
            else:
                return None
        return found

    def _append(self, rev_id: int, revision: RevisionState) -> None:
        """Note a revision with a greater id than any other of the history."""
        at = revision.timestamp or 0
        if at < self._newest_at:
            self.imported.add(rev_id)
        else:
            self._newest_at = at
        self._newest_id = rev_id
        self._newest_parent = max(self._newest_parent, revision.parent_id or 0)


def _shown_by_all(state: PageState) -> tuple[object, ...]:
    """What of the page itself every revision shows."""
    return state.title.namespace if state.title else None, state.cleared, state.surveyed


def _seen_by_others(revision: RevisionState) -> tuple[object, ...]:
    """What of a revision its children and those with a greater id show."""
    return revision.timestamp, revision.size, shown_sha1(revision)
