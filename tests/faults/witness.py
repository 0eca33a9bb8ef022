"""A reader that polls all the while, and whether each of its answers is one that could be given at that time.

A row of `page_current` says what one page is, so that every answer can be held against the log: it must be what the page was after
some message of its own, and one that is not older than what the answer says that it includes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from serving.cassandra_session import Unreachable
from serving.reader import Reader
from shared_logic.entities import Entity, State, entity, join, page
from shared_logic.events.read import DeadLetter, read
from shared_logic.kernel import Described, entity_rows, told_elsewhere
from shared_logic.partitions import partition
from shared_logic.protocols import Cut, Log, Store
from shared_logic.registry import registry

TOLD = ("title", "namespace", "is_deleted", "revisions", "latest_rev_id")
"""Columns that every way of reading tells alike."""
SECONDS_BETWEEN_ANSWERS = 0.02
Seen = tuple[Any, ...] | None
"""Values of those columns; None: no such row."""


class Testimony(NamedTuple):
    """One answer."""

    page: Entity
    generation: int
    through: Cut
    row: Seen


class Witness:
    """Polls in a thread of its own while inside."""

    def __init__(self, ask: Callable[[Entity], Testimony | None], pages: Sequence[Entity]) -> None:
        """`ask` gives an answer about a page, or None where it can't be known."""
        self.answers: list[Testimony] = []
        self.unknown = 0
        self._ask, self._pages = ask, pages
        self._failure: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _poll(self) -> None:
        number = 0
        try:
            while not self._over.wait(SECONDS_BETWEEN_ANSWERS):
                found = self._ask(self._pages[number % len(self._pages)])
                number += 1
                if found is None:
                    self.unknown += 1
                else:
                    self.answers.append(found)
        except BaseException as error:  # noqa: BLE001  told when the test looks
            self._failure = error

    def contradictions(self, log: Log, base: Mapping[Entity, State]) -> list[Testimony]:
        """Answers that could not be given: no page was ever so, or it was before what the answer includes."""
        lives = _lives(log, base, {found.page for found in self.answers})
        return [found for found in self.answers if not _is_possible(found, lives[found.page])]


def asking(opened: Callable[[], AbstractContextManager[Store]]) -> Callable[[Entity], Testimony | None]:
    """Asks a store, which is opened in the thread that asks."""
    readers: list[Reader] = []
    stack = ExitStack()
    dataset = registry["page_current"]

    def ask(one: Entity) -> Testimony | None:
        try:
            if not readers:
                readers.append(Reader(stack.enter_context(opened())))
            found = readers[0].get(dataset, (one.wiki, one.id))
        except Unreachable:
            return None
        row = tuple(found.rows[0][name] for name in TOLD) if found.rows else None
        return Testimony(one, found.generation, found.through, row)

    return ask


def asking_over_http(asked: Callable[[str], tuple[int, bytes]]) -> Callable[[Entity], Testimony | None]:
    """Asks the API; what it can't know, and no answer, are one here."""

    def ask(one: Entity) -> Testimony | None:
        status, body = asked(f"/v1/page_current/{one.wiki}?page_id={one.id}")
        if status == 404:
            return Testimony(one, 0, (), None)
        if status != 200:
            assert status in {0, 503}, (status, body)
            return None
        (row,) = msgspec.json.decode(body)["items"]
        return Testimony(one, 0, (), tuple(row[name] for name in TOLD))

    return ask


def pages_of(wikis: Sequence[str], numbers: range) -> list[Entity]:
    """Pages to ask about."""
    return [page(wiki, number) for number in numbers for wiki in wikis]


def _lives(
    log: Log, base: Mapping[Entity, State], wanted: set[Entity]
) -> dict[Entity, list[tuple[int, Seen]]]:
    """By page: after which offset it was what."""
    lives: dict[Entity, list[tuple[int, Seen]]] = {}
    states = {one: base[one] for one in wanted if one in base}
    for one in wanted:
        lives[one] = [(0, _row(one, states[one]) if one in states else None)]
    for number, end in enumerate(log.ends()):
        for message in log.read(number, 0, end):
            one = entity(message.key)
            if one not in wanted:
                continue
            try:
                said = read(message.value).state(one)
            except DeadLetter:
                continue
            states[one] = join(states[one], said) if one in states else said
            lives[one].append((message.offset + 1, _row(one, states[one])))
    return lives


def _row(one: Entity, state: State) -> Seen:
    dataset = registry["page_current"]
    for key, values in entity_rows(dataset, Described(one, state), told_elsewhere).items():
        record = dataset.schema.record(key, values)
        return tuple(record[name] for name in TOLD)
    return None


def _is_possible(found: Testimony, life: Sequence[tuple[int, Seen]]) -> bool:
    at = found.through[partition(found.page.key, len(found.through))] if found.through else 0
    current = max(number for number, (offset, _) in enumerate(life) if offset <= at)
    return found.row in [row for _, row in life[current:]]
