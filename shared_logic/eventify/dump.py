"""MediaWiki's XML dumps as page states: export schema 0.3 to 0.11, full or stub. Memory holds one page's revisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

import msgspec

from shared_logic.eventify.dump_elements import ElementHandler, Item, SiteInfo, Source
from shared_logic.eventify.dump_revision import DumpRevision
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.rows import NAMESPACES, BadRowError, parse_number_or_none
from shared_logic.eventify.tables import RevisionRow, page_state_of_row, revision_state
from shared_logic.states.page_state import COMMENT_HIDDEN, USER_HIDDEN, PageState, RevisionState
from shared_logic.titles import bare_title, split_title

REVISIONS_PER_STATE = 5_000
"""A page with more revisions comes in several states, so that memory stays bounded."""

FIRST_WITH_REDIRECT = (0, 4)
FIRST_WITH_PARENT = (0, 7)
"""Before this schema a revision without a parent says nothing of it; since, that it has none."""

_IN_REVISION = frozenset({"revision", "contributor", "content"})
_HIDING = {"contributor": USER_HIDDEN, "comment": COMMENT_HIDDEN}


class PagesReader(Generic[Item]):
    """What a handler makes of the pages of a dump, with the head as `site`. Can be iterated once."""

    def __init__(self, handler: PageHandler[Item], stream: Source) -> None:
        """`stream` is the decompressed XML."""
        self._handler = handler
        self._parts = handler.parts(stream)
        self._waiting: list[Item] = []

    @property
    def site(self) -> SiteInfo:
        """The head of the dump, read as far as needed.

        Raises:
            DumpError: the file is damaged before its head ends.
        """
        while not self._handler.head_is_read:
            part = next(self._parts, None)
            if part is None:
                break
            self._waiting += part
        return self._handler.site

    def __iter__(self) -> Iterator[Item]:
        """What was made of them, in the order of the dump.

        Raises:
            DumpError: the file is damaged; the pages before were yielded.
        """
        waiting, self._waiting = self._waiting, []
        yield from waiting
        for part in self._parts:
            yield from part


class DumpReader(PagesReader[tuple[int, PageState]]):
    """Page ids and states: a state per page with all its revisions, or several for pages with very many.

    Args:
        stream: The decompressed XML.
        beginning: The instant at which the copy began, milliseconds: the clock of what the dump tells without one.
        problems: Told of each page and revision that can't be read; the rest goes on.
    """

    def __init__(self, stream: Source, beginning: int, problems: Report) -> None:
        super().__init__(StateHandler(beginning, problems), stream)


class PageHandler(ElementHandler[Item]):
    """Follows the pages of a dump; what is made of each is its subclass'."""

    def __init__(self, problems: Report) -> None:
        """Know nothing of a page yet."""
        super().__init__()
        self.problems = problems
        self.page: dict[str, str] = {}
        self.page_id: int | None = None
        self.is_redirect = False
        self.revision = DumpRevision()

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins."""
        if name == "text":
            self.revision.slot = attributes
        elif name == "revision":
            self.revision = DumpRevision()
        elif name == "page":
            self.head_is_read = True
            self.page, self.page_id, self.is_redirect = {}, None, False
            self.begin_page()
        elif name == "redirect":
            self.is_redirect = True
        elif name in _HIDING and "deleted" in attributes:
            self.revision.deleted |= _HIDING[name]

    def closed(self, parent: str, name: str, text: str) -> None:
        """Take the text of an element."""
        if parent in _IN_REVISION:
            self.revision.take(parent, name, text)
        elif parent == "page":
            if name == "revision":
                self.finish_revision()
            else:
                self.page[name] = text.strip()
                if name == "id":
                    self.page_id = parse_number_or_none(text)
        elif name == "page":
            self.finish_page()

    def begin_page(self) -> None:
        """Forget the page before."""

    def finish_revision(self) -> None:
        """Take the revision that was read."""
        raise NotImplementedError

    def finish_page(self) -> None:
        """Take the page that was read."""
        raise NotImplementedError

    def row(self) -> RevisionRow | None:
        """The revision that was read, as a row; None where it can't be one, which is told."""
        if self.page_id is None:
            # The page is told as one problem at its end.
            return None
        revision = self.revision
        try:
            return revision.row(self.page_id, parent_is_told=self.at_least(FIRST_WITH_PARENT))
        except BadRowError as error:
            line, _ = self.place()
            key = revision.fields.get("id", "").strip() or f"line {line}"
            self.problems(Problem("revision", key, error.field, error.code, error.detail))
            return None

    def known_page(self) -> int | None:
        """The id of the page that was read; None where it has none, which is told."""
        if self.page_id is not None and self.page_id > 0:
            return self.page_id
        line, _ = self.place()
        title = self.page.get("title", "")
        detail = f"the page {title!r} that ends at line {line} has no id"
        self.problems(Problem("page", title or f"line {line}", "id", "no_id", detail))
        return None

    def say_no_title(self, page_id: int) -> None:
        """Tell that the page has no title."""
        detail = f"title {self.page.get('title')!r}, namespace {self.page.get('ns')!r}"
        self.problems(Problem("page", str(page_id), "title", "no_title", detail))

    def namespace_and_title(self) -> tuple[int, str | None]:
        """The number and the bare title; None: not told."""
        title, namespace = self.page.get("title"), self.page.get("ns")
        if not title:
            return 0, None
        if namespace is not None:
            number = parse_number_or_none(namespace, NAMESPACES)
            return (0, None) if number is None else (number, bare_title(number, title))
        # Without a list of namespaces a prefix can't be told from a part of the title.
        return split_title(title, self.namespaces) if self.namespaces else (0, None)


class StateHandler(PageHandler[tuple[int, PageState]]):
    """Makes states of pages."""

    def __init__(self, beginning: int, problems: Report) -> None:
        """What the dump tells without a clock counts from the beginning, milliseconds since 1970 UTC."""
        super().__init__(problems)
        self.beginning = beginning
        self.revisions: dict[int, RevisionState] = {}

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins."""
        super().opened(name, attributes)
        if name == "text" and "bytes" in attributes and "sha1" in attributes:
            # Nothing of the text itself is needed.
            self.parser.CharacterDataHandler = None

    def closed(self, parent: str, name: str, text: str) -> None:
        """Take the text of an element."""
        if name == "text":
            self.parser.CharacterDataHandler = self.add_text
        super().closed(parent, name, text)

    def begin_page(self) -> None:
        """Forget the page before."""
        self.revisions = {}

    def finish_revision(self) -> None:
        """Add the revision to the page, or tell why not."""
        row = self.row()
        if row is None or self.page_id is None:
            return
        self.revisions.update(revision_state(row, self.beginning).revisions)
        if len(self.revisions) >= REVISIONS_PER_STATE:
            self.hand_over(self.page_id)

    def finish_page(self) -> None:
        """Hand over the page, or tell why not."""
        page_id = self.known_page()
        if page_id is not None and self.hand_over(page_id).title is None:
            self.say_no_title(page_id)

    def hand_over(self, page_id: int) -> PageState:
        """Let what was read of the page since its last state be a state of its own."""
        state = self.state()
        self.ready.append((page_id, state))
        self.revisions = {}
        return state

    def state(self) -> PageState:
        """What the page and the revisions that were read since its last state say."""
        redirect = True if self.is_redirect else False if self.at_least(FIRST_WITH_REDIRECT) else None
        namespace, title = self.namespace_and_title()
        state = page_state_of_row(namespace, title or "", redirect, self.beginning)
        return msgspec.structs.replace(
            state,
            title=state.title if title else None,
            # A dump holds nothing of the archive, and often current revisions only: what it lacks may well be there.
            surveyed=None,
            revisions=self.revisions,
        )
