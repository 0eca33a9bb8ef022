"""Stories of a wiki: short lists of actions that Hypothesis draws and shrinks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from hypothesis import strategies as st

from tests.strategies.story_actions import (
    REDIRECT,
    Action,
    AutocreateAccount,
    Block,
    BlockFromPage,
    Create,
    CreateAccount,
    Delete,
    Edit,
    Hide,
    HideArchived,
    HideLogRow,
    HideName,
    Import,
    ImportInto,
    Merge,
    Move,
    NullEdit,
    Protect,
    Recreate,
    Rename,
    Rights,
    RightsUntil,
    Swap,
    Tag,
    TaggedEdit,
    Unblock,
    Undelete,
)
from tests.strategies.wiki import Wiki


@dataclass(frozen=True)
class Story:
    """What happened on a wiki."""

    actions: tuple[Action, ...]
    modern: bool = False
    """Events in the shapes of 2026, not in those of MediaWiki 1.39."""


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
