"""Stories of a wiki: short lists of actions that Hypothesis draws and shrinks, and the noise of delivery.

Actions name pages, users and revisions by small numbers, taken modulo what there is when their turn comes, so that a story stays
playable when parts of it are taken away; an action for which there is nothing is skipped.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from hypothesis import strategies as st

from tests.strategies.wiki import ADMIN, TAGS, TEXTS, TITLES, Wiki

Item = TypeVar("Item")


@dataclass(frozen=True)
class Action(ABC):
    """Something done, so many seconds after what was done before."""

    gap: int

    @abstractmethod
    def act(self, wiki: Wiki, clock: int) -> None:
        """Do it, if it can be done."""


@dataclass(frozen=True)
class Create(Action):
    user: int
    title: int
    text: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.create(clock, pick(wiki.users, self.user), pick(TITLES, self.title), pick(TEXTS, self.text))


@dataclass(frozen=True)
class Recreate(Action):
    """A page under the title of an archived one."""

    user: int
    page: int
    text: int

    def act(self, wiki: Wiki, clock: int) -> None:
        archived = wiki.archived_pages()
        if archived:
            title = wiki.archived(pick(archived, self.page))[-1].title
            wiki.create(clock, pick(wiki.users, self.user), title, pick(TEXTS, self.text))


@dataclass(frozen=True)
class Edit(Action):
    user: int
    page: int
    text: int
    minor: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.edit(clock, user, page_id, pick(TEXTS, self.text), minor=self.minor)


@dataclass(frozen=True)
class NullEdit(Action):
    user: int
    page: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.null_edit(clock, pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page))


@dataclass(frozen=True)
class Move(Action):
    user: int
    page: int
    title: int
    redirect: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.move(clock, user, page_id, pick(TITLES, self.title), redirect=self.redirect)


@dataclass(frozen=True)
class Delete(Action):
    page: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.delete(clock, wiki.users[ADMIN], pick(sorted(wiki.pages), self.page))


@dataclass(frozen=True)
class Undelete(Action):
    page: int
    part: int
    """0: all; else the bits choose among the archived revisions, from the oldest on, again and again."""

    def act(self, wiki: Wiki, clock: int) -> None:
        archived = wiki.archived_pages()
        if not archived:
            return
        page_id = pick(archived, self.page)
        chosen = None
        if self.part:
            rows = wiki.archived(page_id)
            chosen = [row.revision.rev_id for n, row in enumerate(rows) if self.part >> n % 3 & 1]
        wiki.undelete(clock, wiki.users[ADMIN], page_id, chosen)


@dataclass(frozen=True)
class Rename(Action):
    user: int

    def act(self, wiki: Wiki, clock: int) -> None:
        # Only people: a bot is one by its name.
        user = pick(wiki.users[1:3], self.user)
        wiki.rename_user(clock, wiki.users[ADMIN], user, f"{user.name.partition(' (')[0]} ({clock % 1000})")


@dataclass(frozen=True)
class Block(Action):
    user: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.block(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), seconds=self.seconds)


@dataclass(frozen=True)
class Rights(Action):
    user: int
    group: int

    def act(self, wiki: Wiki, clock: int) -> None:
        group = pick(("rollbacker", "sysop", "suppress"), self.group)
        wiki.rights(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), group)


@dataclass(frozen=True)
class Hide(Action):
    revision: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            wiki.hide(clock, wiki.users[ADMIN], pick(sorted(wiki.revisions), self.revision), self.hidden)


@dataclass(frozen=True)
class Tag(Action):
    revision: int
    tags: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            tags = [tag for n, tag in enumerate(TAGS) if self.tags >> n & 1]
            wiki.tag(clock, wiki.users[ADMIN], pick(sorted(wiki.revisions), self.revision), tags)


@dataclass(frozen=True)
class Import(Action):
    title: int
    texts: tuple[int, ...]
    author: int
    """0: a name from elsewhere; else a user."""
    chained: bool
    null_top: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.import_page(
            clock,
            wiki.users[ADMIN],
            pick(TITLES, self.title),
            [pick(TEXTS, text) for text in self.texts],
            author=pick(wiki.users, self.author) if self.author else None,
            chained=self.chained,
            null_top=self.null_top,
        )


@dataclass(frozen=True)
class Merge(Action):
    """History merge; no event tells what it does, so no story draws it unless asked."""

    source: int
    target: int
    revision: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            pages, user = sorted(wiki.pages), wiki.users[ADMIN]
            source = pick(pages, self.source)
            upto = pick(wiki.history(source), self.revision).timestamp
            wiki.merge(clock, user, source, pick(pages, self.target), upto)


@dataclass(frozen=True)
class Story:
    """What happened on a wiki."""

    actions: tuple[Action, ...]
    modern: bool = False
    """Events in the shapes of 2026, not in those of MediaWiki 1.39."""


def pick(items: Sequence[Item], number: int) -> Item:
    """The item with that number, modulo how many there are."""
    return items[number % len(items)]


def play(story: Story, upto: int | None = None, name: str = "testwiki") -> Wiki:
    """The wiki after the story, or after its first `upto` actions; always the same one."""
    wiki = Wiki(name, modern=story.modern)
    for action in story.actions[:upto]:
        action.act(wiki, wiki.now + action.gap)
    return wiki


_small = st.integers(0, 7)
_gaps = st.sampled_from((1, 0, 0, 0, 2, 60, 3_600, 86_400))
_creates = st.builds(Create, gap=_gaps, user=_small, title=_small, text=_small)
_edits = st.builds(Edit, gap=_gaps, user=_small, page=_small, text=_small, minor=st.booleans())
_moves = st.builds(Move, gap=_gaps, user=_small, page=_small, title=_small, redirect=st.booleans())
_deletes = st.builds(Delete, gap=_gaps, page=_small)
_undeletes = st.builds(Undelete, gap=_gaps, page=_small, part=_small)
_recreates = st.builds(Recreate, gap=_gaps, user=_small, page=_small, text=_small)
_hides = st.builds(Hide, gap=_gaps, revision=_small, hidden=_small)
_tags = st.builds(Tag, gap=_gaps, revision=_small, tags=_small)
_others: tuple[st.SearchStrategy[Action], ...] = (
    st.builds(NullEdit, gap=_gaps, user=_small, page=_small),
    st.builds(
        Import,
        gap=_gaps,
        title=_small,
        texts=st.lists(_small, min_size=1, max_size=3).map(tuple),
        author=_small,
        chained=st.booleans(),
        null_top=st.booleans(),
    ),
    st.builds(Rename, gap=_gaps, user=_small),
    st.builds(Block, gap=_gaps, user=_small, seconds=st.sampled_from((3_600, 0, 1, 86_400))),
    st.builds(Rights, gap=_gaps, user=_small, group=_small),
)
_actions = st.one_of(
    _creates,
    _edits,
    _edits,
    _edits,
    _deletes,
    _deletes,
    _undeletes,
    _undeletes,
    _moves,
    _moves,
    _recreates,
    _hides,
    _tags,
    *_others,
)
merges: st.SearchStrategy[Merge] = st.builds(Merge, gap=_gaps, source=_small, target=_small, revision=_small)
"""History merges, for tests of what events cannot tell; `stories` draws none."""


_restores = st.tuples(_deletes, _undeletes)
_restores_elsewhere = st.tuples(_deletes, _recreates, _undeletes)
_restores_in_parts = st.tuples(_edits, _deletes, _undeletes, st.one_of(_moves, _edits), _undeletes)
_moves_and_back = st.tuples(_moves, _moves)
_chunks = st.one_of(
    st.tuples(_actions),
    st.tuples(_actions),
    st.tuples(st.one_of(_hides, _tags)),
    st.tuples(st.one_of(_others)),
    st.tuples(_edits, _edits),
    _restores,
    _restores_elsewhere,
    _restores_in_parts,
    _moves_and_back,
)


def stories(max_actions: int = 25) -> st.SearchStrategy[Story]:
    """Stories that begin with a page and go on in any way, often with what belongs together in a row."""
    return st.builds(
        lambda first, rest, modern: Story((first, *chain.from_iterable(rest))[:max_actions], modern),
        _creates,
        st.lists(_chunks, max_size=max_actions - 1),
        st.booleans(),
    )


# --- the noise of delivery ------------------------------------------------------------------------------------


@st.composite
def repeated(draw: st.DrawFn, events: Sequence[Item], most: int = 5) -> list[Item]:
    """The events in their order, some of them again at some later place."""
    told = list(events)
    for _ in range(draw(st.integers(0, most)) if events else 0):
        at = draw(st.integers(0, len(told) - 1))
        told.insert(draw(st.integers(at + 1, len(told))), told[at])
    return told


@st.composite
def nearly_sorted(draw: st.DrawFn, events: Sequence[Item], reach: int = 5) -> list[Item]:
    """The events, each at most `reach` places later than it was due."""
    seed = draw(st.integers(0, 2**32 - 1))
    if not seed:
        return list(events)
    chance = random.Random(seed)
    due = [place + chance.randint(0, reach) for place in range(len(events))]
    return [events[place] for place in sorted(range(len(events)), key=due.__getitem__)]


@st.composite
def shuffled(draw: st.DrawFn, events: Sequence[Item]) -> list[Item]:
    """The events in any order; seed 0, to which failures shrink, keeps theirs."""
    seed, told = draw(st.integers(0, 2**32 - 1)), list(events)
    if seed:
        random.Random(seed).shuffle(told)
    return told


@st.composite
def noisy(draw: st.DrawFn, events: Sequence[Item], most: int = 5, reach: int = 5) -> list[Item]:
    """The events with repeats, in their order, nearly so, or in none."""
    told: list[Item] = draw(repeated(events, most))
    return draw(st.one_of(st.just(told), nearly_sorted(told, reach), shuffled(told)))
