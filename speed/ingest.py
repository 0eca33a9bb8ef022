"""From source streams to the canonical log: files of events, one JSON text a line, folders of them, or standard input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType

from shared_logic.entities import Entity
from shared_logic.events import records as r
from shared_logic.events.read import DeadLetter, OutOfScope, Read, read, unknown_fields
from shared_logic.routing import Router
from speed.sqlite_log import SqliteLog

KnownFields = Mapping[str, tuple[int, frozenset[str]]]
"""By schema title: the newest minor version that is known, and the paths of all its fields."""
LINES_PER_COMMIT = 5_000
_ROUTING = "routing"


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
    new_fields: Counter[str] = field(default_factory=Counter)
    """Fields that no known schema has, in events of a minor version newer than the known ones; they are kept in the log."""

    @property
    def balanced(self) -> bool:
        """Whether every event is accounted for."""
        return self.read == self.kept + self.copies + self.dead + self.out_of_scope + self.canaries


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is wanted, and what is known of it."""

    wikis: frozenset[str]
    known: KnownFields


def ingest(
    log: SqliteLog,
    source: str,
    lines: Iterable[bytes],
    *,
    wikis: Collection[str] = (),
    known: KnownFields = MappingProxyType({}),
    committed: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Append the events of a source to the canonical log, going on after the lines that were done before.

    `source` identifies the lines: the same name means the same lines, perhaps more of them. Only events of `wikis` are kept,
    of all if it is empty. Empty lines are no events. `known` tells which fields are not new. Each commit is told.
    """
    counts = Counts()
    done = log.source_position(source)
    rest = islice(lines, done, None)
    router = Router(log.recall(_ROUTING), log)
    while chunk := list(islice(rest, LINES_PER_COMMIT)):
        with log.atomically():
            log.append(_messages(log, source, done, chunk, router, _Scope(frozenset(wikis), known), counts))
            done += len(chunk)
            log.advance_source(source, done)
            log.remember(_ROUTING, router.encoded())
        committed(counts)
    return counts


def replay(log: SqliteLog, numbers: Collection[int] = ()) -> tuple[int, int]:
    """Read dead letters again (all, or those of these numbers); returns how many are in the log now, and how many still dead."""
    alive = dead = 0
    router = Router(log.recall(_ROUTING), log)
    for letter in log.dead_letters():
        if letter.replayed or (numbers and letter.id not in numbers):
            continue
        try:
            found = read(letter.value)
        except (DeadLetter, OutOfScope):
            dead += 1
            continue
        with log.atomically():
            log.append(router.routed(found, letter.value))
            log.mark_replayed(letter.id)
            log.remember(_ROUTING, router.encoded())
        alive += 1
    return alive, dead


def _messages(
    log: SqliteLog,
    source: str,
    done: int,
    chunk: Iterable[bytes],
    router: Router,
    scope: _Scope,
    counts: Counts,
) -> Iterator[tuple[Entity, bytes]]:
    for position, line in enumerate(chunk, done + 1):
        raw = line.strip()
        if not raw:
            continue
        counts.read += 1
        try:
            found = read(raw)
        except DeadLetter as why:
            counts.dead += 1
            counts.reasons[why.code] += 1
            log.bury(source, position, why.code, why.detail, raw)
            continue
        except OutOfScope as why:
            if str(why) == "canary":
                counts.canaries += 1
            else:
                counts.out_of_scope += 1
                counts.reasons[str(why)] += 1
            continue
        messages = list(router.routed(found, raw))
        minor, fields = scope.known.get(found.kind.title, (found.minor, frozenset()))
        if found.minor > minor:
            counts.new_fields.update(f"{found.kind.title} {path}" for path in unknown_fields(raw, fields))
        outside = _outside(found, messages, scope.wikis)
        if outside:
            counts.out_of_scope += 1
            counts.reasons[outside] += 1
        elif log.delivered(raw):
            counts.copies += 1
        else:
            counts.kept += 1
            yield from messages


def _outside(found: Read, messages: Collection[object], wikis: frozenset[str]) -> str:
    """Why nothing here wants the event; empty: it is wanted."""
    if isinstance(found.event, r.RecentChange) and not messages:
        return "recentchange other than log"
    wiki = next((entity.wiki for entity in found.entities), "")
    return f"wiki {wiki}" if wikis and wiki not in wikis else ""
