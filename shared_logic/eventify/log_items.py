"""The entries of a dump of MediaWiki's log (pages-logging.xml), as the dump has them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared_logic.clock import from_mediawiki
from shared_logic.eventify.dump_elements import DumpError, ElementHandler, Source
from shared_logic.eventify.dump_revision import author_of, id_of, timestamp_of
from shared_logic.eventify.problems import Problem, Report
from shared_logic.eventify.rows import BadRowError, check_timestamp


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


def read_logging(stream: Source, problems: Report | None = None) -> Iterator[LogItem]:
    """The entries of a dump of log entries (pages-logging.xml).

    Raises:
        DumpError: the file is damaged, or an entry can't be read and nobody asked to be told of problems.
    """
    for part in _LogHandler(problems).parts(stream):
        yield from part


class _LogHandler(ElementHandler[LogItem]):
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
        timestamp = timestamp_of(fields.get("timestamp", ""))
        check_timestamp("timestamp", timestamp)
        user_id, user_text = author_of(self.contributor)
        return LogItem(
            log_id=id_of(fields),
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
