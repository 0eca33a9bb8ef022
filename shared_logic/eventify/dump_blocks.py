"""Pages of a dump as MediaWiki's exporter writes them, several times faster than an XML parser hands over their elements.

The file is taken a block at a time, each of whole revisions. What looks exactly as the exporter writes it is matched as text; all
else goes to the parser of `shared_logic.eventify.dump`, which has read the head and sees nothing of what was matched: odd
elements, other entities, comments, bad values, damage. So the states are those that `DumpReader` makes of the file, though a page
with an odd revision may come in more of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from xml.parsers import expat

from shared_logic.clock import DAY_MS, EARLIEST, LATEST, SECOND_MS
from shared_logic.eventify.dump import FIRST_WITH_PARENT, REVISIONS_PER_STATE, StateHandler
from shared_logic.eventify.dump_elements import DumpError, SiteInfo, Source
from shared_logic.eventify.problems import Report
from shared_logic.eventify.rows import beginning_stamp
from shared_logic.states.page_state import (
    COMMENT_HIDDEN,
    SUPPRESSED,
    TEXT_HIDDEN,
    USER_HIDDEN,
    Author,
    PageState,
    Presence,
    RevisionState,
    Suppression,
    Visibility,
)

BLOCK_BYTES = 1 << 20
LONGEST_REVISION = 1 << 26
"""A block that holds no end of a revision in so many bytes is left to the parser, which keeps less of it."""
AUTHORS_KNOWN = 10_000
EPOCH_DAY = 719_163
"""The ordinal of 1970-01-01."""

PAGE, PAGE_END, REVISION_END = b"<page>", b"</page>", b"</revision>"
BETWEEN_PAGES, IN_PAGE = ["mediawiki"], ["mediawiki", "page"]
"""The elements that are open, from the outermost."""

_DECLARATION = re.compile(rb'<\?xml version="1\.0"(?: encoding="(?i:utf-8)")? ?\?>')
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n")
"""What no text of XML holds, and the carriage return, which a parser rewrites."""
_OTHER_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|#039);)")
_HEADER = re.compile(
    r"\s*<page>\s*<title>([^<\s][^<]*)</title>\s*<ns>(-?[0-9]{1,9})</ns>\s*<id>([1-9][0-9]{0,17})</id>\s*"
    r'(<redirect title="[^"<]*" ?/>\s*)?(?:<restrictions>[^<]*</restrictions>\s*)?(?=<revision>|</page>)'
)
_PAGE_END = re.compile(r"\s*</page>", re.ASCII)
_REVISION = re.compile(
    r"\s*<revision>\s*<id>([1-9]\d{0,17})</id>\s*"
    r"(?:<parentid>(\d{1,18})</parentid>\s*)?"
    r"<timestamp>(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)Z</timestamp>\s*"
    r"<contributor(?:>\s*(?:<username>([^<]*)</username>\s*<id>(\d{1,18})</id>|<ip>([^<]*)</ip>)\s*</contributor>"
    r'|( deleted="deleted") ?/>)\s*'
    r"(<minor ?/>\s*)?"
    r'(?:<comment(?:>([^<]*)</comment>|( deleted="deleted") ?/>)\s*)?'
    r"(?:<origin>\d+</origin>\s*)?"
    r"(?:<model>[^<]*</model>\s*)?(?:<format>[^<]*</format>\s*)?"
    r'<text(?: id="[^"<]*" bytes="(\d{1,9})"| bytes="(\d{1,9})"(?: sha1="[^"<]*")?(?: location="[^"<]*")?(?: id="[^"<]*")?)'
    r'( deleted="deleted")?(?: xml:space="preserve")?(?: ?/>|>[^<]*</text>)\s*'
    r"<sha1>([0-9a-z]+)</sha1>\s*"
    r"(?:<model>[^<]*</model>\s*)?(?:<format>[^<]*</format>\s*)?"
    r"</revision>",
    re.ASCII,
)


class BlockReader:
    """The pages of a dump, with the head as `site`, as `DumpReader` gives them. Can be iterated once.

    Args:
        stream: The decompressed XML.
        beginning: The instant at which the copy began, milliseconds: the clock of what the dump tells without one.
        problems: Told of each page and revision that can't be read; the rest goes on.
    """

    def __init__(self, stream: Source, beginning: int, problems: Report) -> None:
        self._stream = stream
        self._handler = StateHandler(beginning, problems)
        self._buffer = b""
        self._ended = False
        self._is_odd = False
        """Whether all that comes is for the parser."""
        self._header: bytes | None = None
        """Of the page that goes on in the next block, as it is written; None: the next block begins between pages."""
        self._is_parsing = False
        """Whether the parser is inside that page."""
        self._revisions = _Revisions(beginning)

    @property
    def site(self) -> SiteInfo:
        """The head of the dump, read as far as needed.

        Raises:
            DumpError: the file is damaged before its head ends.
        """
        if not self._handler.head_is_read:
            self._read_head()
        return self._handler.site

    def __iter__(self) -> Iterator[tuple[int, PageState]]:
        """Page ids and states: a state per page with all its revisions, or several for some pages.

        Raises:
            DumpError: the file is damaged; what came before was yielded.
        """
        try:
            if not self._handler.head_is_read:
                self._read_head()
            while block := self._next_block():
                self._read_block(block)
                yield from self._handler.take()
            self._enter_page()
            self._feed(self._buffer)
            self._feed(b"", is_end=True)
        except DumpError:
            yield from self._handler.take()
            raise
        yield from self._handler.take()

    # --- blocks ---------------------------------------------------------------------------------------------------

    def _read_head(self) -> None:
        """Let the parser read what stands before the first page."""
        while PAGE not in self._buffer and not self._ended and len(self._buffer) < LONGEST_REVISION:
            self._read_more()
        place = self._buffer.find(PAGE)
        head = self._buffer if place < 0 else self._buffer[:place]
        self._buffer = self._buffer[len(head) :]
        # What a comment or another encoding makes of the rest only the parser knows.
        self._is_odd = b"<!" in head or head.count(b"<?") != bool(_DECLARATION.match(head))
        self._feed(head)
        # A head that ends inside a tag, or with another element open than the root, is for the parser to go on with.
        is_understood = self._handler.parser.CurrentByteIndex == len(head)
        self._is_odd |= not is_understood or self._handler.path != BETWEEN_PAGES
        self._handler.head_is_read = True
        self._revisions.unknown_parent = 0 if self._handler.at_least(FIRST_WITH_PARENT) else None

    def _next_block(self) -> bytes:
        """The bytes up to the last end of a page or revision that was read; none when there is no further one."""
        while True:
            end = max(
                len(self._buffer) if self._is_odd else 0,
                *(at + len(tag) for tag in (PAGE_END, REVISION_END) if (at := self._buffer.rfind(tag)) >= 0),
                0,
            )
            if end or self._ended:
                block, self._buffer = self._buffer[:end], self._buffer[end:]
                return block
            if len(self._buffer) > LONGEST_REVISION:
                self._leave_to_parser()
            else:
                self._read_more()

    def _read_more(self) -> None:
        pieces, size = [self._buffer], 0
        while size < BLOCK_BYTES:
            piece = self._stream.read(BLOCK_BYTES)
            if not piece:
                self._ended = True
                break
            pieces.append(piece)
            size += len(piece)
        self._buffer = b"".join(pieces)

    def _read_block(self, block: bytes) -> None:
        if b"<!" in block or b"<?" in block:
            # A comment or a section of plain characters may hold what looks like a tag.
            self._leave_to_parser()
        if self._is_odd:
            self._feed(block)
            return
        text = _plain_text(block)
        if text is None:
            self._parse(block)
            return
        start = 0
        if self._is_parsing:
            end = text.find(PAGE_END.decode())
            start = len(text) if end < 0 else end + len(PAGE_END)
            self._parse(text[:start].encode())
        self._match(text, start)

    def _leave_to_parser(self) -> None:
        """From here on."""
        self._enter_page()
        self._is_odd = True

    # --- what is matched ------------------------------------------------------------------------------------------

    def _match(self, text: str, at: int) -> None:
        handler, read = self._handler, self._revisions.read
        unseen = at
        while at < len(text) and not self._is_odd:
            if self._header is None and (header := _HEADER.match(text, at)) is not None:
                self._open(header)
                at = header.end()
            closed = None
            if self._header is not None:
                while (found := _REVISION.match(text, at)) is not None and read(found, handler.revisions):
                    at = found.end()
                    if len(handler.revisions) >= REVISIONS_PER_STATE:
                        handler.hand_over(handler.page_id or 0)
                closed = _PAGE_END.match(text, at)
            if closed is not None:
                handler.finish_page()
                self._header = None
                at = closed.end()
            elif at < len(text):
                handler.lines_unseen += text.count("\n", unseen, at)
                end = text.find(PAGE_END.decode(), at)
                unseen = len(text) if end < 0 else end + len(PAGE_END)
                self._parse(text[at:unseen].encode())
                at = unseen
        if self._is_odd:
            self._feed(text[at:].encode())
        else:
            handler.lines_unseen += text.count("\n", unseen)

    def _open(self, header: re.Match[str]) -> None:
        """Let the parser's notes of the page be what it would have noted."""
        handler = self._handler
        title, namespace, page_id, redirect = header.groups()
        handler.page = {"title": _unescaped(title).strip(), "ns": namespace, "id": page_id}
        handler.page_id, handler.is_redirect, handler.revisions = int(page_id), redirect is not None, {}
        self._header = header[0].encode()
        self._revisions.presence = Presence(*self._revisions.at, int(page_id), is_live=True)

    # --- what is parsed -------------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        """Let the parser read what ends with a page or a revision; if that is none of the outermost, all else as well."""
        self._enter_page()
        self._feed(data)
        self._is_parsing = not data.endswith(PAGE_END)
        self._header = b"" if self._is_parsing else None
        self._is_odd |= self._handler.path != (IN_PAGE if self._is_parsing else BETWEEN_PAGES)

    def _enter_page(self) -> None:
        """Tell the parser of the page that was begun without it."""
        if self._header is not None and not self._is_parsing:
            if self._handler.revisions:
                self._handler.hand_over(self._handler.page_id or 0)
            self._handler.lines_unseen -= self._header.count(b"\n")
            self._feed(self._header)
            self._is_parsing = True

    def _feed(self, data: bytes, *, is_end: bool = False) -> None:
        try:
            self._handler.parser.Parse(data, is_end)
        except expat.ExpatError as error:
            raise self._handler.damage(error) from error


class _Revisions:
    """Makes states of revisions that were matched."""

    def __init__(self, beginning: int) -> None:
        self.at = beginning_stamp(beginning)
        self.unknown_parent: int | None = None
        """What a revision without a parent says of it."""
        self.presence = Presence(*self.at, 0, is_live=True)
        self.visible = Visibility(*self.at, 0)
        self.authors: dict[tuple[str, str | None], Author | None] = {}
        self.days: dict[str, int] = {}

    def read(self, found: re.Match[str], into: dict[int, RevisionState]) -> bool:
        """Add the revision; False: its time is one that no revision has."""
        (
            rev_id,
            parent,
            day,
            hours,
            minutes,
            seconds,
            name,
            user_id,
            address,
            no_user,
            minor,
            comment,
            no_comment,
            size_after_id,
            size,
            no_text,
            sha1,
        ) = found.groups()
        midnight = self.days.get(day)
        if midnight is None:
            midnight = self.days[day] = _midnight(day)
        if not EARLIEST <= midnight < LATEST:
            return False
        hidden = (
            (TEXT_HIDDEN if no_text else 0)
            | (COMMENT_HIDDEN if no_comment else 0)
            | (USER_HIDDEN if no_user else 0)
        )
        if no_comment:
            comment = None
        elif comment is None:
            # An empty comment is left out of a dump.
            comment = ""
        elif "&" in comment:
            comment = _unescaped(comment)
        into[int(rev_id)] = RevisionState(
            timestamp=midnight + (int(hours) * 3_600 + int(minutes) * 60 + int(seconds)) * SECOND_MS,
            parent_id=self.unknown_parent if parent is None else int(parent),
            size=int(size or size_after_id),
            sha1=sha1,
            minor=minor is not None,
            comment=comment,
            author=None if no_user else self.author(user_id or "0", name or address),
            presence=self.presence,
            visibility=Visibility(*self.at, hidden) if hidden else self.visible,
            suppressed=Suppression(*self.at, bool(hidden & SUPPRESSED)) if hidden else None,
        )
        return True

    def author(self, user_id: str, name: str | None) -> Author | None:
        known = self.authors.get((user_id, name), _NOBODY)
        if known is not _NOBODY:
            return known
        told = _unescaped(name or "").strip()
        author = Author(*self.at, int(user_id), told) if told else None
        if len(self.authors) >= AUTHORS_KNOWN:
            self.authors.clear()
        self.authors[user_id, name] = author
        return author


_NOBODY = Author(0, 0, 0, 0, "")
"""Tells an author that was not met from one without a name."""


def _plain_text(block: bytes) -> str | None:
    """The block as text; None: a parser would refuse or rewrite some of it, or knows entities that are not known here."""
    if len(block.translate(None, _CONTROLS)) != len(block) or b"]]>" in block:
        return None
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return None
    if not text.isascii() and ("\ufffe" in text or "\uffff" in text):
        return None
    return None if _OTHER_ENTITY.search(text) else text


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#039;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def _midnight(day: str) -> int:
    """Milliseconds since 1970 at which the day begins, before `EARLIEST` if there is no such day."""
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return EARLIEST - DAY_MS
    return (found.toordinal() - EPOCH_DAY) * DAY_MS
