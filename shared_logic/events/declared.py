"""Events that authors declare: of streams that are no part of MediaWiki's history. Each is a thing that datasets read.

    @event("mediawiki/image_suggestions_feedback", identity=("page_id", "filename", "user_id"))
    class Feedback(DeclaredEvent, frozen=True, kw_only=True):
        wiki: str
        page_id: int
        filename: str
        user_id: int
        is_rejected: bool

Of the events of one wiki with one identity the newest counts, by its own clock: so that a copy, a late one and a correction are told apart
without anything being done for it. Without an identity each message is an event for itself, however often it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from shared_logic.clock import milliseconds
from shared_logic.entities import Entity, declared_event
from shared_logic.events.read import DeadLetter
from shared_logic.events.records import Event, decoder
from shared_logic.events.streams import KINDS, OF_STREAMS, EventKind
from shared_logic.states.event_state import Copy, EventState
from shared_logic.tables import DefinitionError


class DeclaredEvent(Event, frozen=True, kw_only=True):
    """Base of the records that authors declare: fields of the event by name, those without a default are required.

    A record has `wiki`, the database name of the wiki that the event is of, as a field or a property.
    """

    @property
    def id(self) -> str:
        """Of the message (meta.id)."""
        return self.meta.id

    @property
    def clock(self) -> datetime:
        """From when on what it says is so; a record may tell it otherwise, else when the message was sent (meta.dt)."""
        return self.meta.dt


E = TypeVar("E", bound=DeclaredEvent)


def event(
    schema: str,
    *,
    stream: str | None = None,
    identity: tuple[str, ...] = ("id",),
    majors: Collection[int] = (1,),
) -> Callable[[type[E]], type[E]]:
    """Decorator: have events with that schema title read as this record.

    With a `stream` those of that stream only, also where others with the same schema are read as something else. `identity` names
    the fields or properties that say what within its wiki an event is about; `majors` are the versions of the schema that the record
    understands: events of another are dead letters.

    Raises:
        DefinitionError: the title can't be one or is read as something else already, or the record has no such fields.
    """

    def declare(record: type[E]) -> type[E]:
        declaration = _Declaration(schema, stream, record, identity)
        _check(declaration)
        kind = EventKind(
            title=schema,
            record=record,
            majors=frozenset(majors),
            times=declaration.times,
            entities=declaration.entities,
            declared=declaration.state,
        )
        if stream is None:
            KINDS[schema] = kind
        else:
            OF_STREAMS[schema, stream] = kind
        _declared[record] = declaration
        return record

    return declare


def declared_modules() -> tuple[str, ...]:
    """The modules that have declared events, which another process has to import in order to read what this one reads."""
    return tuple(sorted({record.__module__ for record in _declared}))


def identity_of(record: type) -> tuple[str, ...]:
    """The names of what says what an event is about.

    Raises:
        KeyError: the record is not declared.
    """
    return _declared[record].identity


def title_and_stream(record: type) -> tuple[str, str | None]:
    """The title of the schema of its events, and their stream, if it is of one only.

    Raises:
        KeyError: the record is not declared.
    """
    return _declared[record].title, _declared[record].stream


def is_declared(thing: object) -> bool:
    """Whether it is a record that was declared."""
    return isinstance(thing, type) and thing in _declared


class Declared:
    """What the state of a declared event tells."""

    def __init__(self, state: EventState) -> None:
        """Keep it; events are decoded for whoever reads them."""
        self._state = state

    def read_as(self, records: Iterable[type]) -> list[DeclaredEvent]:
        """The events that are of these records; what a record can't read any more, such as without what a purge took out, says nothing."""
        found = []
        for record in records:
            declaration = _declared[record]
            for identity, copy in self._state.told.items():
                if identity.startswith(declaration.prefix):
                    try:
                        found.append(decoder(declaration.record).decode(copy.raw))
                    except msgspec.DecodeError:
                        continue
        return found


@dataclass(frozen=True, slots=True)
class _Declaration:
    title: str
    stream: str | None
    record: type[DeclaredEvent]
    identity: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """How the identities of its events begin."""
        return f"{self.title} {self.stream or '*'} "

    def times(self, event: Any) -> tuple[int, ...]:
        """Its own clock.

        Raises:
            DeadLetter: nothing says what the event is about.
        """
        self._identity(event)
        try:
            return (milliseconds(event.clock),)
        except Exception as error:  # as above; a time without a time zone is one
            raise self._unreadable(error) from error

    def entities(self, event: Any) -> Iterator[Entity]:
        """The event itself."""
        yield declared_event(event.wiki, self._identity(event))

    def state(self, event: Any, raw: bytes) -> EventState:
        """The event, whole."""
        copy = Copy(milliseconds(event.clock), milliseconds(event.meta.dt), raw)
        return EventState(told={self._identity(event): copy})

    def _identity(self, event: Any) -> str:
        try:
            wiki, names = event.wiki, [getattr(event, name) for name in self.identity]
            told = msgspec.json.encode(names).decode()
        except Exception as error:  # whatever an author's property raises concerns this event only
            raise self._unreadable(error) from error
        if not isinstance(wiki, str) or not wiki or "/" in wiki:
            raise DeadLetter("wrong-schema", f"{self.title}: its wiki is {wiki!r}, no name of a database")
        missing = [
            name for name, value in zip(self.identity, names, strict=True) if value is None or value == ""
        ]
        if missing:
            raise DeadLetter(
                "wrong-schema",
                f"{self.title}: nothing says what it is about: {', '.join(missing)} is missing",
            )
        return self.prefix + told

    def _unreadable(self, error: Exception) -> DeadLetter:
        return DeadLetter("wrong-schema", f"{self.title}: {type(error).__name__}: {error}")


_declared: dict[type, _Declaration] = {}


def _check(declaration: _Declaration) -> None:
    title, record = declaration.title, declaration.record
    name = record.__name__
    if fault := _fault(record, declaration.identity):
        message = f"event {name}: {fault}"
        raise DefinitionError(message)
    stream = declaration.stream
    known = KINDS.get(title) if stream is None else OF_STREAMS.get((title, stream))
    if known is not None and _place(known.record) != _place(record):
        message = f"event {name}: {title} is read as {known.record.__name__} of {known.record.__module__} already; read that"
        raise DefinitionError(message)
    if not title or title.startswith("/") or any(sign.isspace() for sign in title):
        message = f"event {name}: {title!r} is no title of a schema; write it as mediawiki/page/change, without the version"
        raise DefinitionError(message)
    if not declaration.identity:
        message = (
            f"event {name}: its identity is empty; name what says what an event is about, or leave it out"
        )
        raise DefinitionError(message)
    known_names = {*record.__struct_fields__, *dir(record)}
    for wanted in ("wiki", *declaration.identity):
        if wanted not in known_names:
            message = f"event {name}: it has no {wanted}; name a field of the event so, or make it a property"
            raise DefinitionError(message)


def _fault(record: object, identity: object) -> str:
    """What is wrong with what was declared, whatever it is."""
    if not (isinstance(record, type) and issubclass(record, DeclaredEvent)):
        return "it must extend DeclaredEvent, as in class Feedback(DeclaredEvent, frozen=True, kw_only=True)"
    if isinstance(identity, str):
        return f'its identity is a tuple of names; write it as identity=("{identity}",)'
    return ""


def _place(record: type) -> tuple[str, str]:
    return record.__module__, record.__qualname__
