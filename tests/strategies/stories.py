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

from tests.strategies.wiki import ADMIN, DAY, NEVER, TAGS, TEXTS, TITLES, Protection, User, Wiki

Item = TypeVar("Item")

NAMES = ("Alice", "Carol", "Helper Bot", "Mr. Abbott", "Zoë")
"""Of new accounts, and of old ones from a rename on; one is given to somebody from the start."""
TEMPORARY_NAMES = ("~2026-17", "~2026-18-9")
REDIRECT = TEXTS.index("#REDIRECT [[Kettle]]")
GROUPS = ("rollbacker", "sysop", "suppress")


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
class TaggedEdit(Action):
    """An edit that is tagged as it is saved."""

    user: int
    page: int
    text: int
    tags: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.edit(clock, user, page_id, pick(TEXTS, self.text), tags=chosen_tags(self.tags))


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
class Swap(Action):
    user: int
    page: int
    other: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            pages = sorted(wiki.pages)
            wiki.swap(clock, pick(wiki.users, self.user), pick(pages, self.page), pick(pages, self.other))


@dataclass(frozen=True)
class Protect(Action):
    page: int
    seconds: int
    """0: no end; -1: no protection any more."""

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            end = clock + self.seconds if self.seconds else NEVER
            protections = [Protection("edit", "sysop", end)] if self.seconds >= 0 else []
            wiki.protect(clock, wiki.users[ADMIN], pick(sorted(wiki.pages), self.page), protections)


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
class CreateAccount(Action):
    name: int
    creator: int
    """0: whoever will use it; else a user, and who has no account makes none for others."""

    def act(self, wiki: Wiki, clock: int) -> None:
        creator = pick(wiki.users, self.creator)
        if not self.creator:
            wiki.create_account(clock, pick(NAMES, self.name))
        elif creator.user_id is not None:
            wiki.create_account_for(clock, creator, pick(NAMES, self.name))


@dataclass(frozen=True)
class AutocreateAccount(Action):
    name: int
    is_temporary: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.autocreate_account(clock, pick(TEMPORARY_NAMES if self.is_temporary else NAMES, self.name))


@dataclass(frozen=True)
class Rename(Action):
    user: int
    name: int = 0
    """0: a name that nobody ever had."""

    def act(self, wiki: Wiki, clock: int) -> None:
        user = pick(people(wiki), self.user)
        fresh = f"{user.name.partition(' (')[0]} ({clock % 1000})"
        wiki.rename_user(clock, wiki.users[ADMIN], user, pick(NAMES, self.name) if self.name else fresh)


@dataclass(frozen=True)
class Block(Action):
    user: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.block(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), seconds=self.seconds)


@dataclass(frozen=True)
class BlockFromPage(Action):
    user: int
    page: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users[1:], self.user), pick(sorted(wiki.pages), self.page)
            wiki.block_from_pages(clock, wiki.users[ADMIN], user, [page_id], seconds=self.seconds)


@dataclass(frozen=True)
class HideName(Action):
    user: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.block_and_hide_name(clock, wiki.users[ADMIN], pick(people(wiki), self.user))


@dataclass(frozen=True)
class Unblock(Action):
    user: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.unblock(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user))


@dataclass(frozen=True)
class Rights(Action):
    user: int
    group: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.rights(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), pick(GROUPS, self.group))


@dataclass(frozen=True)
class RightsUntil(Action):
    user: int
    group: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        admin, user = wiki.users[ADMIN], pick(wiki.users[1:], self.user)
        wiki.rights_until(clock, admin, user, pick(GROUPS, self.group), seconds=self.seconds)


@dataclass(frozen=True)
class Hide(Action):
    revision: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            wiki.hide(clock, wiki.users[ADMIN], pick(sorted(wiki.revisions), self.revision), self.hidden)


@dataclass(frozen=True)
class HideArchived(Action):
    revision: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.archive:
            row = wiki.archive[pick(sorted(wiki.archive), self.revision)]
            rev_id = row.revision.rev_id
            wiki.hide_archived(clock, wiki.users[ADMIN], rev_id, self.hidden, row.title)


@dataclass(frozen=True)
class Tag(Action):
    revision: int
    tags: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            revision = pick(sorted(wiki.revisions), self.revision)
            wiki.tag(clock, wiki.users[ADMIN], revision, chosen_tags(self.tags))


@dataclass(frozen=True)
class HideLogRow(Action):
    row: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.log:
            wiki.hide_log_row(clock, wiki.users[ADMIN], pick(wiki.log, self.row).log_id, self.hidden)


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
class ImportInto(Action):
    """Into a page that is there."""

    page: int
    texts: tuple[int, ...]
    author: int
    days: int
    """Age of the oldest, so that it comes before or among what is there."""

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.import_into(
                clock,
                wiki.users[ADMIN],
                pick(sorted(wiki.pages), self.page),
                [pick(TEXTS, text) for text in self.texts],
                author=pick(wiki.users, self.author) if self.author else None,
                age=self.days * DAY,
            )


@dataclass(frozen=True)
class Merge(Action):
    """A history merge, up to the time of a revision: the newest is all."""

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


def people(wiki: Wiki) -> Sequence[User]:
    """The accounts that are no temporary ones and not the administrator's."""
    return [user for user in wiki.users[1:] if user.user_id is not None and not user.is_temp]


def chosen_tags(bits: int) -> list[str]:
    """The tags whose bits are set."""
    return [tag for n, tag in enumerate(TAGS) if bits >> n & 1]


def play(story: Story, upto: int | None = None, name: str = "testwiki") -> Wiki:
    """The wiki after the story, or after its first `upto` actions; always the same one."""
    return play_on(Wiki.of_today(name) if story.modern else Wiki.of_2023(name), story, upto)


def play_on(wiki: Wiki, story: Story, upto: int | None = None) -> Wiki:
    """The same wiki, with the actions done on it."""
    for action in story.actions[:upto]:
        action.act(wiki, wiki.now + action.gap)
    return wiki


_small = st.integers(0, 7)
_bits = st.sampled_from((0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 15))
_gaps = st.sampled_from((1, 0, 0, 0, 2, 60, 3_600, 86_400))
_seconds = st.sampled_from((3_600, 0, 1, 86_400))
_texts = st.lists(_small, min_size=1, max_size=3).map(tuple)
_creates = st.builds(Create, gap=_gaps, user=_small, title=_small, text=_small)
_edits = st.builds(Edit, gap=_gaps, user=_small, page=_small, text=_small, minor=st.booleans())
_moves = st.builds(Move, gap=_gaps, user=_small, page=_small, title=_small, redirect=st.booleans())
_deletes = st.builds(Delete, gap=_gaps, page=_small)
_undeletes = st.builds(Undelete, gap=_gaps, page=_small, part=_small)
_recreates = st.builds(Recreate, gap=_gaps, user=_small, page=_small, text=_small)
_hides = st.builds(Hide, gap=_gaps, revision=_small, hidden=_bits)
_tags = st.builds(Tag, gap=_gaps, revision=_small, tags=_small)
_accounts = st.one_of(
    st.builds(CreateAccount, gap=_gaps, name=_small, creator=_small),
    st.builds(AutocreateAccount, gap=_gaps, name=_small, is_temporary=st.booleans()),
    st.builds(Rename, gap=_gaps, user=_small, name=_small),
    st.builds(Rights, gap=_gaps, user=_small, group=_small),
    st.builds(RightsUntil, gap=_gaps, user=_small, group=_small, seconds=st.sampled_from((3_600, 1, 86_400))),
)
_blocks = st.one_of(
    st.builds(Block, gap=_gaps, user=_small, seconds=_seconds),
    st.builds(BlockFromPage, gap=_gaps, user=_small, page=_small, seconds=_seconds),
    st.builds(Unblock, gap=_gaps, user=_small),
    st.builds(HideName, gap=_gaps, user=_small),
)
_imports = st.one_of(
    st.builds(
        Import,
        gap=_gaps,
        title=_small,
        texts=_texts,
        author=_small,
        chained=st.booleans(),
        null_top=st.booleans(),
    ),
    st.builds(
        ImportInto, gap=_gaps, page=_small, texts=_texts, author=_small, days=st.sampled_from((1000, 1, 3))
    ),
)
_merges = st.builds(Merge, gap=_gaps, source=_small, target=_small, revision=_small)
_others: st.SearchStrategy[Action] = st.one_of(
    st.builds(NullEdit, gap=_gaps, user=_small, page=_small),
    st.builds(TaggedEdit, gap=_gaps, user=_small, page=_small, text=_small, tags=_small),
    st.builds(Swap, gap=_gaps, user=_small, page=_small, other=_small),
    _imports,
    _merges,
    _accounts,
    _blocks,
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
    _others,
)

_restores = st.tuples(_deletes, _undeletes)
_restores_elsewhere = st.tuples(_deletes, _recreates, _undeletes)
_restores_of_many = st.tuples(_deletes, _recreates, _deletes, _undeletes)
_restores_in_parts = st.tuples(_edits, _deletes, _undeletes, st.one_of(_moves, _edits), _undeletes)
_moves_and_back = st.tuples(_moves, _moves)
_merges_of_new = st.tuples(_creates, _merges)
_blocks_and_back = st.builds(
    lambda user, block, hide: (
        *block * (Block(1, user, 0),),
        *hide * (HideName(1, user),),
        Unblock(60, user),
    ),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 1),
)
_moves_onto_redirects = st.builds(
    lambda user, page, title: (Create(1, user, title, REDIRECT), Move(1, user, page, title, redirect=False)),
    _small,
    _small,
    _small,
)
_hides_of_rows = st.builds(HideLogRow, gap=_gaps, row=_small, hidden=_bits)
_hides_in_archive = st.builds(HideArchived, gap=_gaps, revision=_small, hidden=_bits)
_protects = st.builds(Protect, gap=_gaps, page=_small, seconds=st.sampled_from((3_600, 0, -1)))
_protects_and_moves = st.tuples(_protects, st.one_of(_protects, _moves), _protects)
_chunks = st.one_of(
    st.tuples(_actions),
    st.tuples(_actions),
    st.tuples(st.one_of(_hides, _tags)),
    st.tuples(_others),
    st.tuples(_accounts, _edits),
    st.tuples(_blocks, _blocks),
    st.tuples(_edits, _edits),
    _restores,
    _restores_elsewhere,
    _restores_of_many,
    _restores_in_parts,
    _moves_and_back,
    _merges_of_new,
    _blocks_and_back,
    _protects_and_moves,
    _moves_onto_redirects,
    st.tuples(_hides_of_rows),
    st.tuples(_edits, _deletes, _hides_in_archive, _undeletes),
)


def stories(max_actions: int = 25, *, without: tuple[type[Action], ...] = ()) -> st.SearchStrategy[Story]:
    """Stories that begin with a page and go on in any way, often with what belongs together in a row.

    Actions of the kinds `without` are taken out.
    """

    def story(first: Action, rest: list[tuple[Action, ...]], modern: bool) -> Story:
        actions = (first, *chain.from_iterable(rest))
        kept = [action for action in actions if not isinstance(action, without)]
        return Story(tuple(kept[:max_actions]), modern)

    return st.builds(story, _creates, st.lists(_chunks, max_size=max_actions - 1), st.booleans())


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
