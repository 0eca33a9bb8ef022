"""The walk through the elements of MediaWiki's XML: a stream of bytes, the head of the file, and what a subclass makes of the rest.

Read as a stream, so that memory holds one part of the file. Nothing but the five entities of XML is expanded: a document type is
refused, and with it every entity that a file could define.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar
from xml.parsers import expat

import msgspec

from shared_logic.eventify.rows import NAMESPACES, parse_number_or_none

Item = TypeVar("Item")

CHUNK_BYTES = 1 << 18
BUFFER_CHARACTERS = 1 << 16

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


class ElementHandler(Generic[Item]):
    """Gathers texts and attributes of elements, by the names of element and parent; `ready` is what came of them."""

    def __init__(self) -> None:
        """Know nothing of a file yet."""
        self.ready: list[Item] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = BUFFER_CHARACTERS
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
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
        """What is ready; it is the caller's from now on."""
        ready, self.ready = self.ready, []
        return ready

    def place(self) -> tuple[int, int]:
        """Line and column of the file at which the parser is."""
        return self.lines_unseen + self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber

    def damage(self, error: expat.ExpatError) -> DumpError:
        """Where in the file the parser gave up, and why."""
        return DumpError(expat.ErrorString(error.code), self.lines_unseen + error.lineno, error.offset)

    @property
    def site(self) -> SiteInfo:
        """The head, as far as it was read."""
        return SiteInfo(
            dbname=self.dbname, sitename=self.sitename, version=self.version, namespaces=self.namespaces
        )

    def at_least(self, version: tuple[int, int]) -> bool:
        """Whether the file says that it has this schema or a newer one."""
        return self.version is not None and self.version >= version

    def add_text(self, text: str) -> None:
        """Take a piece of the text of the element that is open."""
        self.text.append(text)

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Note that an element begins."""
        raise NotImplementedError

    def closed(self, parent: str, name: str, text: str) -> None:
        """Take the text of an element."""
        raise NotImplementedError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path:
            self._root(name, attributes)
        elif name == "namespace":
            self.namespace_key = attributes.get("key")
        self.path.append(name)
        self.text.clear()
        self.opened(name, attributes)

    def _end(self, name: str) -> None:
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
            number = parse_number_or_none(self.namespace_key or "", NAMESPACES)
            if number is not None:
                self.namespaces[text.strip()] = number
        elif name == "siteinfo":
            self.head_is_read = True
        else:
            self.closed(parent, name, text)

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        if name != "mediawiki":
            raise DumpError(f"the outermost element is {name}, not mediawiki: no dump", *self.place())
        found = _VERSION.search(attributes.get("version", "") or attributes.get("xmlns", ""))
        if found:
            self.version = (int(found[1]), int(found[2]))

    def _doctype(self, name: str, *_: object) -> None:
        raise DumpError(f"a document type ({name}) is refused: dumps have none", *self.place())
