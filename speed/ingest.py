"""From source streams to the canonical log: files of events, one JSON text a line, folders of them, or standard input."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import msgspec

from shared_logic import relocations
from shared_logic.clock import FUTURE_LIMIT_MS, milliseconds
from shared_logic.entities import Entity
from shared_logic.events import records as r
from shared_logic.events.dates import stream_and_time
from shared_logic.events.read import Canary, DeadLetter, OutOfScope, Read, UnknownSchema, read, unknown_fields
from shared_logic.routing import Router
from speed.facts import ROUTING
from speed.left_out import LeftOut, UnnamedStream
from speed.sqlite_log import SqliteLog

KnownFields = Mapping[str, tuple[int, frozenset[str]]]
"""By schema title: the newest minor version that is known, and the paths of all its fields; `*` in one is any name, `**` any path."""
LINES_PER_COMMIT = 5_000
BYTES_PER_COMMIT = 32 * 1024 * 1024
"""A commit ends with the line that goes beyond it: events with pages' content are long."""

_DEAD = b"dead letter\n"
"""Before an event, in what is remembered of deliveries: a service that sends one again doesn't fill the table, nor raise the alarm."""


@dataclass
class Counts:
    """What became of every event: read = kept + copies + dead + out of scope + canaries."""

    read: int = 0
    kept: int = 0
    copies: int = 0
    dead: int = 0
    out_of_scope: int = 0
    canaries: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why events are dead or out of scope."""
    streams: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Streams of the events that were kept, each with the kind of change."""
    new_fields: Counter[str] = field(default_factory=Counter)
    """Fields that no known schema has, in events of a minor version newer than the known ones; they are kept in the log."""
    before: int = 0
    """Lines that were done before these: they are not read again."""

    def add(self, other: Counts) -> None:
        """Count what became of others too."""
        self.read += other.read
        self.kept += other.kept
        self.copies += other.copies
        self.dead += other.dead
        self.out_of_scope += other.out_of_scope
        self.canaries += other.canaries
        self.reasons.update(other.reasons)
        self.streams.update(other.streams)
        self.new_fields.update(other.new_fields)
        self.before += other.before


@dataclass(frozen=True, slots=True)
class Scope:
    """What is wanted, and what is known of it."""

    wikis: frozenset[str] = frozenset()
    """Events of these only; of all, if it is empty."""
    streams: Mapping[str, str] = field(default_factory=dict)
    """Events of these streams only, each with the title of its schema; of all, if it is empty."""
    known: KnownFields = field(default_factory=dict)
    """Which fields are not new."""

    def believed(self, raw: bytes) -> Read:
        """The event, if it can be read and its stream carries such.

        Raises:
            DeadLetter: it can't be read, was sent more than a day ahead of this machine's clock, or its stream has another schema.
            OutOfScope: see `read`; or the stream is not configured.
        """
        try:
            found = _believed(raw)
        except UnknownSchema as why:
            stream, _ = stream_and_time(raw) or ("", 0)
            if stream in self.streams:
                raise self._wrong(stream, why.title) from why
            raise
        stream = found.event.meta.stream
        if self.streams and stream not in self.streams:
            raise UnnamedStream(stream)
        if self.streams and self.streams[stream] != found.kind.title:
            raise self._wrong(stream, found.kind.title)
        return found

    def _wrong(self, stream: str, title: str) -> DeadLetter:
        reason = f"the stream {stream} carries {self.streams[stream]}, and this is {title[:200]}"
        return DeadLetter("wrong-stream", reason)

    def named(self, source: str) -> str:
        """The name by which is remembered how much of a source was read for these wikis: what others want of it is still to be read."""
        return f"{source} for {','.join(sorted(self.wikis))}" if self.wikis else source

    def covered(self, source: str, names: Iterable[str]) -> list[str]:
        """Those of a source's names under which it was read for all that is wanted here, whatever else was."""
        read = {name: _wikis_of(source, name) for name in names}
        return [name for name, wikis in read.items() if not wikis or (self.wikis and self.wikis <= wikis)]

    def touched(self, source: str, names: Iterable[str]) -> list[str]:
        """Those under which it was read for some of what is wanted here."""
        read = {name: _wikis_of(source, name) for name in names}
        return [name for name, wikis in read.items() if not (wikis and self.wikis) or self.wikis & wikis]


def _wikis_of(source: str, name: str) -> frozenset[str]:
    """For which wikis a source was read that is remembered by that name (see `Scope.named`); none: for all."""
    told = name.removeprefix(source).removeprefix(" for ")
    return frozenset(told.split(",")) if told else frozenset()


class Arrived(NamedTuple):
    """One event as it came."""

    source: str
    position: int
    """In its source: a line from 1, or an offset."""
    raw: bytes


class Ingestion:
    """Appends events to a log, and counts what became of each."""

    def __init__(self, log: SqliteLog, scope: Scope) -> None:
        """Go on where the log is."""
        self.counts = Counts()
        self.canaries: dict[str, int] = {}
        """By stream the time (milliseconds since 1970 UTC) of the newest canary that came."""
        self._log, self._scope = log, scope
        self._router = Router(log.facts.recall(ROUTING), log.marks)

    def add(self, events: Iterable[Arrived], note: Callable[[], None]) -> None:
        """Append what is wanted of them, bury what can't be read, and call `note`: all of that or nothing."""
        with self._log.atomically():
            self._log.append(self._messages(events))
            note()
            self._log.facts.remember(ROUTING, self._router.encoded())

    def _messages(self, events: Iterable[Arrived]) -> Iterator[tuple[Entity, bytes]]:
        for event in events:
            self.counts.read += 1
            try:
                found = self._scope.believed(event.raw)
            except DeadLetter as why:
                self._bury(event, why)
            except Canary:
                self._count_canary(event.raw)
            except OutOfScope as why:
                self._count_out_of_scope(str(why))
            else:
                yield from self._messages_of(found, event.raw)

    def _messages_of(self, found: Read, raw: bytes) -> Iterator[tuple[Entity, bytes]]:
        """What the event, whose bytes these are, adds to the log: nothing, if nobody wants it or it is a copy."""
        messages = list(self._router.routed(found, raw))
        self._count_new_fields(found, raw)
        outside = _outside(found, messages, self._scope.wikis)
        if outside:
            self._count_out_of_scope(outside)
        elif self._log.delivered(raw):
            self.counts.copies += 1
        else:
            self.counts.kept += 1
            self.counts.streams[found.event.meta.stream, found.event.change] += 1
            _note_relocation(self._log, found, raw)
            yield from messages

    def _bury(self, event: Arrived, why: DeadLetter) -> None:
        if self._log.delivered(_DEAD + event.raw):
            self.counts.copies += 1
            return
        self.counts.dead += 1
        self.counts.reasons[why.code] += 1
        self._log.dead_letters.bury(event.source, event.position, why.code, why.detail, event.raw)

    def _count_canary(self, raw: bytes) -> None:
        self.counts.canaries += 1
        if (told := stream_and_time(raw)) is not None:
            stream, at = told
            self.canaries[stream] = max(at, self.canaries.get(stream, at))

    def _count_out_of_scope(self, why: str) -> None:
        self.counts.out_of_scope += 1
        self.counts.reasons[why] += 1

    def _count_new_fields(self, found: Read, raw: bytes) -> None:
        """Those of an event of a newer minor version than the known ones."""
        title = found.kind.title
        minor, fields = self._scope.known.get(title, (found.minor, frozenset()))
        if found.minor > minor:
            new = (path for path in unknown_fields(raw, fields) if not _any_of(fields).fullmatch(path))
            self.counts.new_fields.update(f"{title} {path}" for path in new)


def ingest(
    log: SqliteLog,
    source: str,
    lines: Iterable[bytes],
    scope: Scope | None = None,
    committed: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Append the events of a source to the canonical log, going on after the lines that were done before.

    `source` identifies the lines: the same name means the same lines, perhaps more of them; those that were done for some wikis
    are still to be done for others; and all are, if streams or schemas of which events were left out are wanted by now: what is in the log
    already is a copy then. Empty lines are no events. Each commit is told. What reading the lines raises is raised when those before are in
    the log.
    """
    scope = scope or Scope()
    ingestion, remembered = Ingestion(log, scope), scope.named(source)
    left_out, done = LeftOut(log, remembered), log.source_position(remembered)
    if left_out.is_wanted_in(scope.streams):
        left_out.forget()
        done = 0
    ingestion.counts.before = done
    for chunk in _chunks(islice(lines, done, None)):
        events = [
            Arrived(source, position, raw)
            for position, line in enumerate(chunk, done + 1)
            if (raw := line.strip())
        ]
        done += len(chunk)

        def note(done: int = done) -> None:
            log.advance_source(remembered, done)
            left_out.note(ingestion.counts.reasons)

        ingestion.add(events, note)
        committed(ingestion.counts)
    return ingestion.counts


def written(lines: Iterable[bytes], left: Callable[[], None]) -> Iterator[bytes]:
    """The lines of a file that may still be written to: a last one without an end is given if it is JSON already, else `left` is told."""
    for line in lines:
        if line.endswith(b"\n") or _is_json(line):
            yield line
        else:
            left()


@lru_cache
def _any_of(fields: frozenset[str]) -> re.Pattern[str]:
    """What matches the paths that lie in maps."""
    maps = [re.escape(field) for field in fields if "*" in field]
    return re.compile(
        "|".join(field.replace(r"\*\*", ".+").replace(r"\*", "[^.]+") for field in maps) or "(?!)"
    )


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines in lists for one commit each; where reading fails, first those before that."""
    chunk: list[bytes] = []
    size = 0
    try:
        for line in lines:
            chunk.append(line)
            size += len(line)
            if len(chunk) == LINES_PER_COMMIT or size > BYTES_PER_COMMIT:
                yield chunk
                chunk, size = [], 0
    except Exception:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def replay(log: SqliteLog, numbers: Collection[int] = (), scope: Scope | None = None) -> tuple[int, int]:
    """Read dead letters again (all, or those of these numbers); returns how many are in the log now, and how many still dead."""
    scope = scope or Scope()
    alive = dead = 0
    router = Router(log.facts.recall(ROUTING), log.marks)
    for letter in log.dead_letters.kept():
        if letter.replayed or (numbers and letter.id not in numbers):
            continue
        try:
            found = scope.believed(letter.value)
        except (DeadLetter, OutOfScope):
            dead += 1
            continue
        with log.atomically():
            log.append(router.routed(found, letter.value))
            _note_relocation(log, found, letter.value)
            log.dead_letters.mark_replayed(letter.id)
            log.facts.remember(ROUTING, router.encoded())
        alive += 1
    return alive, dead


def _believed(raw: bytes) -> Read:
    """The event, unless it says that it was sent in the future: it would be newer than all that is ever said.

    Raises:
        DeadLetter: it can't be read, or was sent more than a day ahead of this machine's clock.
        OutOfScope: see `read`.
    """
    found = read(raw)
    ahead = milliseconds(found.event.meta.dt) - milliseconds(datetime.now(tz=UTC))
    if ahead > FUTURE_LIMIT_MS:
        raise DeadLetter(
            "future-message",
            f"meta.dt is {ahead // 1000} s ahead of this machine's clock; if that clock is wrong, set it, then replay",
        )
    return found


def _note_relocation(log: SqliteLog, found: Read, raw: bytes) -> None:
    """Have what the event tells of revisions that went elsewhere looked up later, if it tells of such."""
    if (elsewhere := relocations.told(found)) is not None:
        log.relocations.note(raw, time.time(), elsewhere.wiki)


def _outside(found: Read, messages: Collection[object], wikis: frozenset[str]) -> str:
    """Why nothing here wants the event; empty: it is wanted."""
    if isinstance(found.event, r.RecentChange) and not messages:
        return "recentchange other than log"
    wiki = next((entity.wiki for entity in found.entities), "")
    return f"wiki {wiki}" if wikis and wiki not in wikis else ""
