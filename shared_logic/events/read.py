"""From bytes to events: the one pure rule by which both layers decide what is read, what is dead and what is out of scope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from shared_logic.clock import EARLIEST, FUTURE_LIMIT_MS, LATEST, milliseconds
from shared_logic.entities import Entity, State, entity
from shared_logic.events.records import Event, decoder
from shared_logic.events.streams import KINDS, OF_STREAMS, EventKind, Named

CANARY_DOMAIN = "canary"
LARGEST_EVENT = 10 * 1024 * 1024
"""Bytes; the largest message that Wikimedia's enrichment producers send."""


class DeadLetter(Exception):  # noqa: N818  an event's fate, named by the field's term
    """An event that can't be read: `code` says why in one word, `detail` where and what to do."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep both."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class OutOfScope(Exception):  # noqa: N818
    """An event that nothing here reads, with the reason by which it is counted."""


class Canary(OutOfScope):
    """An event that only says that its stream lives."""

    def __init__(self) -> None:
        """It is what it is."""
        super().__init__("canary")


class UnknownSchema(OutOfScope):
    """An event of a schema that nothing reads."""

    def __init__(self, title: str) -> None:
        """`title` is the schema's."""
        super().__init__(f"schema {title}")
        self.title = title


class Read(NamedTuple):
    """An event that was understood, with its row of the table."""

    kind: EventKind
    event: Event
    minor: int
    raw: bytes
    """Its JSON text."""

    @property
    def entities(self) -> tuple[Entity, ...]:
        """What it tells of."""
        return tuple(self.kind.entities(self.event))

    @property
    def named(self) -> Named | None:
        """Whom it names with an id."""
        return self.kind.named(self.event)

    def state(self, entity: Entity) -> State:
        """What it says of that entity."""
        return self.kind.state(self.event, self.raw, entity)


def read(raw: bytes) -> Read:
    """The event in one JSON text.

    Raises:
        DeadLetter: not JSON, a required field missing or of another type, an unknown major version, an own clock more than a
            day ahead of the message, a time before 1990 or after 2099, or too large.
        OutOfScope: a canary, or a schema that nothing reads.
    """
    if len(raw) > LARGEST_EVENT:
        raise DeadLetter("too-large", f"{len(raw)} bytes, the limit is {LARGEST_EVENT}")
    found = _read_at_once(raw) or _read_by_header(raw)
    _check(found.kind.times(found.event), milliseconds(found.event.meta.dt))
    return found


def said_by(messages: Iterable[tuple[str, bytes]]) -> Iterator[tuple[Entity, State]]:
    """What messages of the log, as key and event, say of the entities of these keys.

    Dead letters are left out, and events of an author's package that is no longer installed.
    """
    for key, value in messages:
        about = entity(key)
        try:
            yield about, read(value).state(about)
        except (DeadLetter, OutOfScope):
            continue


def _read_at_once(raw: bytes) -> Read | None:
    """The event, where its first field names a schema that is read, as senders have it; None: the header has to decide."""
    if not raw.startswith(_SCHEMA_FIRST):
        return None
    named = _named(raw[len(_SCHEMA_FIRST) : raw.find(b'"', len(_SCHEMA_FIRST))])
    if named is None:
        return None
    schema, title, major, minor = named
    kind = KINDS.get(title)
    if kind is None or major not in kind.majors:
        return None
    try:
        event = decoder(kind.record).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # A field that comes twice counts as it comes last: the schema may be another one after all.
    if (
        event.schema != schema
        or event.meta.domain == CANARY_DOMAIN
        or (title, event.meta.stream) in OF_STREAMS
    ):
        return None
    return Read(kind, event, minor, raw)


@lru_cache(maxsize=1_000)
def _named(name: bytes) -> tuple[str, str, int, int] | None:
    """The schema of that name, if it can be one: its name, title, major and minor version."""
    try:
        schema = name.decode()
        return schema, *_version(schema)
    except (DeadLetter, UnicodeDecodeError):
        return None


def _read_by_header(raw: bytes) -> Read:
    header = _decode(decoder(Event), raw, "header")
    if header.meta.domain == CANARY_DOMAIN:
        raise Canary
    title, major, minor = _version(header.schema)
    kind = OF_STREAMS.get((title, header.meta.stream)) or KINDS.get(title)
    if kind is None:
        raise UnknownSchema(title)
    if major not in kind.majors:
        known = ", ".join(f"{m}.x" for m in sorted(kind.majors))
        raise DeadLetter(
            "new-major-version", f"{header.schema}: this version reads {known}; update wikibraid, then replay"
        )
    return Read(kind, _decode(decoder(kind.record), raw, title), minor, raw)


def unknown_fields(raw: bytes, known: frozenset[str]) -> frozenset[str]:
    """Paths of fields in the event (as `page.wikibase_item_id`) that `known` does not name."""
    return frozenset(path for path in _paths(msgspec.json.decode(raw)) if path not in known)


_SCHEMA_FIRST = b'{"$schema":"'
_SCHEMA = re.compile(r"^/?(?P<title>.+)/(?P<major>\d+)\.(?P<minor>\d+)\.\d+$")


def _decode(decoder: msgspec.json.Decoder[Any], raw: bytes, what: str) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise DeadLetter("wrong-schema", f"{what}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeadLetter("not-json", str(error)) from error
    except RecursionError as error:
        raise DeadLetter("not-json", "nested too deeply") from error


def _check(times: tuple[int, ...], sent: int) -> None:
    ahead = times[0] - sent
    if ahead > FUTURE_LIMIT_MS:
        raise DeadLetter(
            "future-clock", f"its own clock is {ahead // 1000} s ahead of meta.dt; at most a day is believed"
        )
    if min(times) < EARLIEST or max(times) >= LATEST:
        raise DeadLetter("odd-clock", "it tells of a time before 1990 or after 2099")


def _version(schema: str) -> tuple[str, int, int]:
    found = _SCHEMA.match(schema)
    if found is None:
        raise DeadLetter("wrong-schema", f"$schema {schema[:200]!r} is not /title/major.minor.patch")
    return found["title"], int(found["major"]), int(found["minor"])


def _paths(event: object) -> Iterator[str]:
    within = [("", event)]
    while within:
        path, value = within.pop()
        for name, inner in value.items() if isinstance(value, dict) else ():
            yield f"{path}{name}"
            within.append((f"{path}{name}.", inner))
