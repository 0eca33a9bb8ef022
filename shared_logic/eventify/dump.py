"""MediaWiki's XML dumps as page states: export schema 0.3 to 0.11, full or stub, and the dump of log entries.

Read as a stream, so that memory holds one part of the file and one page's revisions. Nothing but the five entities of XML is
expanded: a document type is refused, and with it every entity that a file could define.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar
from xml.parsers import expat

import msgspec

from shared_logic.clock import from_mediawiki
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.rows import NAMESPACES, NUMBERS, SIZES, BadRowError, check_timestamp, whole_number
from shared_logic.eventify.tables import (
    RevisionRow,
    base36_sha1,
    folded_sha1,
    page_state_of_row,
    revision_state,
)
from shared_logic.page_state import COMMENT_HIDDEN, TEXT_HIDDEN, USER_HIDDEN, PageState, RevisionState
from shared_logic.titles import bare_title, split_title

Item = TypeVar("Item")

CHUNK_BYTES = 1 << 18
BUFFER_CHARACTERS = 1 << 16
REVISIONS_PER_STATE = 5_000
"""A page with more revisions comes in several states, so that memory stays bounded."""

FIRST_WITH_REDIRECT = (0, 4)
FIRST_WITH_PARENT = (0, 7)
"""Before this schema a revision without a parent says nothing of it; since, that it has none."""

_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z")
_VERSION = re.compile(r"(?:export-)?(\d+)\.(\d+)/?$")


class Source(Protocol):
    """What bytes are read from: an open file, or the like."""

    def read(self, size: int, /) -> bytes:
        """Some of the bytes that come next, not always as many as asked for; none at the end."""


class DumpError(Exception):
    """The file is no dump, or is damaged from here on; what came before was yielded."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"{reason} (line {line}, column {column})")
        self.line = line
        self.column = column


class SiteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a dump."""

    dbname: str | None = None
    """Database name; schemas before 0.8 don't tell it."""
    sitename: str | None = None
    version: tuple[int, int] | None = None
    """The export schema; None where the file doesn't say."""
    namespaces: dict[str, int] = {}
    """Prefix to number; the main namespace has the prefix ""."""


class LogItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a dump of log entries. None is hidden or unknown."""

    log_id: int
    timestamp: int
    """Milliseconds since 1970 UTC."""
    type: str
    action: str | None
    title: str | None
    """With its prefix, as the dump writes it; its namespace is not told."""
    params: str | None
    """As stored: PHP-serialized, or lines of text in old entries."""
    user_id: int
    """0: none."""
    user_text: str | None
    comment: str | None


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


def read_logging(stream: Source, problems: Report | None = None) -> Iterator[LogItem]:
    """The entries of a dump of log entries (pages-logging.xml).

    Raises:
        DumpError: the file is damaged, or an entry can't be read and nobody asked to be told of problems.
    """
    for part in _LogHandler(problems).parts(stream):
        yield from part


# --- the walk through the elements --------------------------------------------------------------------------------


class _Handler(Generic[Item]):
    """Gathers texts and attributes of elements, by the names of element and parent; `ready` is what came of them."""

    def __init__(self) -> None:
        self.ready: list[Item] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = BUFFER_CHARACTERS
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.add_text
        self.path: list[str] = []
        self.text: list[str] = []
        self.sitename: str | None = None
        self.dbname: str | None = None
        self.version: tuple[int, int] | None = None
        self.namespaces: dict[str, int] = {}
        self.namespace_key: str | None = None
        self.head_is_read = False
        self.lines_unseen = 0
        """Lines of the file that the parser was not given."""

    def parts(self, stream: Source) -> Iterator[list[Item]]:
        """What each part of the stream finished; what came before damage is yielded before it is raised."""
        try:
            while chunk := stream.read(CHUNK_BYTES):
                self.parser.Parse(chunk, False)  # noqa: FBT003  its name for "not the end" is its position
                yield self.take()
            self.parser.Parse(b"", True)  # noqa: FBT003
        except expat.ExpatError as error:
            yield self.take()
            raise self.damage(error) from error
        except DumpError:
            yield self.take()
            raise
        yield self.take()

    def take(self) -> list[Item]:
        ready, self.ready = self.ready, []
        return ready

    def place(self) -> tuple[int, int]:
        return self.lines_unseen + self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber

    def damage(self, error: expat.ExpatError) -> DumpError:
        return DumpError(expat.ErrorString(error.code), self.lines_unseen + error.lineno, error.offset)

    @property
    def site(self) -> SiteInfo:
        return SiteInfo(
            dbname=self.dbname, sitename=self.sitename, version=self.version, namespaces=self.namespaces
        )

    def at_least(self, version: tuple[int, int]) -> bool:
        return self.version is not None and self.version >= version

    def add_text(self, text: str) -> None:
        self.text.append(text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path:
            self.root(name, attributes)
        elif name == "namespace":
            self.namespace_key = attributes.get("key")
        self.path.append(name)
        self.text.clear()
        self.opened(name, attributes)

    def end(self, name: str) -> None:
        self.path.pop()
        parent = self.path[-1] if self.path else ""
        text = "".join(self.text)
        self.text.clear()
        if parent == "siteinfo":
            if name == "dbname":
                self.dbname = text.strip() or None
            elif name == "sitename":
                self.sitename = text.strip() or None
        elif parent == "namespaces":
            number = _number(self.namespace_key or "", NAMESPACES)
            if number is not None:
                self.namespaces[text.strip()] = number
        elif name == "siteinfo":
            self.head_is_read = True
        else:
            self.closed(parent, name, text)

    def root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "mediawiki":
            raise DumpError(f"the outermost element is {name}, not mediawiki: no dump", *self.place())
        found = _VERSION.search(attributes.get("version", "") or attributes.get("xmlns", ""))
        if found:
            self.version = (int(found[1]), int(found[2]))

    def doctype(self, name: str, *_: object) -> None:
        raise DumpError(f"a document type ({name}) is refused: dumps have none", *self.place())

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def closed(self, parent: str, name: str, text: str) -> None:
        raise NotImplementedError


class PageHandler(_Handler[Item]):
    """Follows the pages of a dump; what is made of each is its subclass'."""

    def __init__(self, problems: Report) -> None:
        """Know nothing of a page yet."""
        super().__init__()
        self.problems = problems
        self.page: dict[str, str] = {}
        self.page_id: int | None = None
        self.is_redirect = False
        self.revision = _Revision()

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins."""
        if name == "text":
            self.revision.slot = attributes
        elif name == "revision":
            self.revision = _Revision()
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
                    self.page_id = _number(text)
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
            number = _number(namespace, NAMESPACES)
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


class _LogHandler(_Handler[LogItem]):
    """Makes entries of a log."""

    def __init__(self, problems: Report | None) -> None:
        super().__init__()
        self.problems = problems
        self.fields: dict[str, str] = {}
        self.contributor: dict[str, str] = {}
        self.hidden: set[str] = set()

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == "logitem":
            self.head_is_read = True
            self.fields, self.contributor, self.hidden = {}, {}, set()
        elif "deleted" in attributes:
            self.hidden.add(name)

    def closed(self, parent: str, name: str, text: str) -> None:
        if parent == "logitem":
            self.fields[name] = text
        elif parent == "contributor":
            self.contributor[name] = text.strip()
        elif name == "logitem":
            try:
                self.ready.append(self.item())
            except BadRowError as error:
                line, column = self.place()
                if self.problems is None:
                    raise DumpError(f"log entry: {error.detail}", line, column) from error
                key = self.fields.get("id", "").strip() or f"line {line}"
                self.problems(Problem("logging", key, error.field, error.code, error.detail))

    def item(self) -> LogItem:
        fields = self.fields
        timestamp = _mediawiki_timestamp(fields.get("timestamp", ""))
        check_timestamp("timestamp", timestamp)
        user_id, user_text = _author(self.contributor)
        return LogItem(
            log_id=_id(fields),
            timestamp=from_mediawiki(timestamp),
            type=fields.get("type", "").strip(),
            # What is hidden has neither: an empty element named `text` or `action` stands there instead.
            action=fields.get("action", "").strip() or None,
            title=fields.get("logtitle", "").strip() or None,
            params=fields.get("params"),
            user_id=user_id,
            user_text=user_text,
            # An empty comment is left out of a dump.
            comment=None if "comment" in self.hidden else fields.get("comment", ""),
        )


class _Revision:
    """What was read of the revision at hand."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.contributor: dict[str, str] = {}
        self.deleted = 0
        self.slot: dict[str, str] = {}
        self.role = ""
        self.slots: list[Slot] = []
        self.kind: dict[str, str] = {}
        """Model and format of the slot at hand, which stand before its text."""

    def take(self, parent: str, name: str, text: str) -> None:
        if parent == "contributor":
            self.contributor[name] = text.strip()
        elif name == "text":
            self.add_slot(self.role if parent == "content" else "main", text)
        elif name == "role":
            self.role = text.strip()
        elif name in {"model", "format"}:
            self.kind[name] = text.strip()
        elif parent == "revision":
            self.fields[name] = text

    def add_slot(self, role: str, text: str) -> None:
        slot = self.slot
        if "deleted" in slot:
            self.deleted |= TEXT_HIDDEN
        # A stub names where the text is kept, in place of the text.
        is_empty = slot.get("bytes") == "0" and "deleted" not in slot
        is_there = bool(text) or is_empty or not _NO_TEXT.intersection(slot)
        data = text.encode() if is_there else None
        self.slots.append(
            Slot(
                role=role,
                told=slot.get("bytes", ""),
                sha1=slot.get("sha1") or None,
                data=data,
                model=self.kind.get("model", ""),
                format=self.kind.get("format", ""),
            )
        )

    def row(self, page_id: int, *, parent_is_told: bool) -> RevisionRow:
        fields = self.fields
        rev_id = _id(fields)
        timestamp = _mediawiki_timestamp(fields.get("timestamp", ""))
        check_timestamp("timestamp", timestamp)
        parent = fields.get("parentid", "").strip()
        user_id, user_text = (0, None) if self.deleted & USER_HIDDEN else _author(self.contributor)
        sizes = [slot.size for slot in self.slots if slot.size is not None]
        return RevisionRow(
            rev_id=rev_id,
            page_id=page_id,
            timestamp=timestamp,
            parent_id=whole_number("parentid", parent) if parent else 0 if parent_is_told else None,
            size=sum(sizes) if sizes and len(sizes) == len(self.slots) else None,
            sha1=fields.get("sha1", "").strip() or self.sha1(),
            minor="minor" in fields,
            deleted=self.deleted,
            user_id=user_id,
            user_text=user_text,
            # An empty comment is left out of a dump.
            comment=None if self.deleted & COMMENT_HIDDEN else fields.get("comment", ""),
        )

    def sha1(self) -> str | None:
        known = [(slot.role, digest) for slot in self.slots if (digest := slot.digest())]
        return folded_sha1(known) if len(known) == len(self.slots) else None


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a revision; None is what the dump doesn't tell."""

    role: str
    model: str
    format: str
    """As the dump writes both; empty: it doesn't."""
    told: str
    """Its size in bytes, as it is written."""
    sha1: str | None
    data: bytes | None

    @property
    def size(self) -> int | None:
        """In bytes."""
        # Of a hidden text some dumps say -1.
        if self.told.isdigit():
            return whole_number("bytes", self.told, SIZES)
        return None if self.data is None else len(self.data)

    def digest(self) -> str | None:
        """Its SHA-1, in base 36."""
        # A text that was changed on its way into the dump has another SHA-1 than the stored one.
        if self.sha1 is None and self.data is not None and self.size == len(self.data):
            return base36_sha1(self.data)
        return self.sha1


_NO_TEXT = frozenset({"deleted", "id", "location", "sha1"})
"""Attributes of a text with which an empty one says nothing of the text."""
_IN_REVISION = frozenset({"revision", "contributor", "content"})
_HIDING = {"contributor": USER_HIDDEN, "comment": COMMENT_HIDDEN}


def _author(contributor: dict[str, str]) -> tuple[int, str | None]:
    name = contributor.get("username") or contributor.get("ip") or None
    return whole_number("contributor", contributor.get("id") or "0"), name


def _id(fields: dict[str, str]) -> int:
    text = fields.get("id", "").strip()
    number = _number(text)
    if number is None or number <= 0:
        raise BadRowError("id", "no_id", f"the id is {text!r}" if text else "it has no id")
    return number


def _number(text: str, within: range = NUMBERS) -> int | None:
    try:
        return whole_number("", text, within)
    except BadRowError:
        return None


def _mediawiki_timestamp(text: str) -> str:
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        raise BadRowError("timestamp", "bad_timestamp", f"{text.strip()!r} is no timestamp of a dump")
    return "".join(found.groups())
