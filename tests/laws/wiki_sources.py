"""What each source of a model wiki tells of it (tables, dump, events), and what it cannot tell."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic import things
from shared_logic.clock import SECOND_MS
from shared_logic.entities import Entity, Kind, State
from shared_logic.entities import page as page_entity
from shared_logic.eventify.authors import with_authors
from shared_logic.eventify.dump import DumpReader
from shared_logic.eventify.tables import states
from shared_logic.reference import States, told, united
from shared_logic.registry import registry
from shared_logic.states.log_state import ACTION_HIDDEN, LogState
from shared_logic.states.page_state import SUPPRESSED, USER_HIDDEN, PageState
from tests.strategies.differences import Differing, differing
from tests.strategies.relocated import relocated
from tests.strategies.wiki import Untold, Wiki

WIKI = "testwiki"

EVIDENCE = MappingProxyType(
    {
        "page_titles": "its rows are what each source said of a title, not what follows from that",
        "user_names": "its rows are what each source said of a name, not what follows from that",
        "page_lives": "rebuilt from log rows; events tell neither those of creations nor a row's page id and user id",
        "user_lives": "rebuilt from log rows; events tell neither those of automatic creations nor who made a row by id",
        "page_life_keys": "says where rows of page_lives are",
        "user_life_keys": "says where rows of user_lives are",
    }
)
"""Datasets that differ between tables and events, with the reason; that they agree between engines is the law of `test_stories`."""
ISSUES = frozenset({"input_issues", "page_issues", "user_issues", "site_namespaces"})
"""Datasets about sources, not about wikis: each source has its own."""
COMPARED = tuple(dataset for name, dataset in registry.items() if name not in EVIDENCE.keys() | ISSUES)
NAMES_OF_THEIR_DAY = MappingProxyType({"revision_facts": frozenset({"user_text"})})
"""Columns that after a rename have the old name where an event told it; `user_current` says who bears which name now."""
NOTHING: Mapping[str, frozenset[str]] = MappingProxyType({})
LOOKED_UP = frozenset({Untold.MERGE, Untold.DEPARTURE, Untold.MARKS})
"""What no event of a wiki tells, and `shared_logic.relocations` finds out."""
NOT_IN_DUMPS = MappingProxyType(
    {"revision_facts": frozenset({"revision_tags"}), "user_current": frozenset({"is_bot_by", "is_hidden"})}
)
"""Columns of which a dump of pages tells nothing."""
GROUPS_OF_THE_CAST = MappingProxyType({"user_current": frozenset({"is_bot_by"})})
"""The wiki's first accounts were given groups that no row of the log and no event tells."""


# --- the sources ----------------------------------------------------------------------------------------------


def by_tables(wiki: Wiki) -> States:
    """What the tables of this moment say."""
    problems: list[object] = []
    found = united(states(wiki.tables(), WIKI, wiki.now * SECOND_MS, problems.append))
    assert problems == []
    return found


def by_tables_of(wiki: Wiki, page_ids: set[int]) -> States:
    """What the rows of these pages say of them at this moment, in a bootstrap of their own."""
    tables = dict(wiki.tables())
    for name, column in (("page", "page_id"), ("revision", "rev_page"), ("archive", "ar_page_id")):
        tables[name] = [row for row in tables[name] if int(row[column] or 0) in page_ids]
    said = states(tables, WIKI, wiki.now * SECOND_MS, lambda _: None)
    return united((entity, state) for entity, state in said if entity.kind is Kind.PAGE)


def by_dump(wiki: Wiki) -> States:
    """What the dump of this moment says, with the accounts that it names."""
    problems: list[object] = []

    def pages() -> Iterator[tuple[Entity, State]]:
        for page_id, state in DumpReader(io.BytesIO(wiki.dump()), wiki.now * SECOND_MS, problems.append):
            yield page_entity(WIKI, page_id), state

    found = united(with_authors(pages()))
    assert problems == []
    return found


def by_events(wiki: Wiki, since: int = 0, before: States = MappingProxyType({})) -> States:
    """What the events say, from a number of them on, beside what was known before; relocated revisions are looked up."""
    events = wiki.events[since:]
    found = told(events)
    assert (found.dead, found.out_of_scope) == ([], [])
    return relocated(united(before.items(), found.states.items()), events)


# --- what a source cannot tell --------------------------------------------------------------------------------


def in_gaps(wiki: Wiki, since: int, *sources: States, known: frozenset[Untold] = LOOKED_UP) -> set[Entity]:
    """Pages that hold, or held, a revision to which something happened, from that second on, that is not known."""
    rev_ids = {
        rev_id
        for gap in wiki.untold
        if gap.second >= since and gap.why not in known
        for rev_id in gap.rev_ids
    }
    rev_ids |= {one.rev_id for one in wiki.everything if one.hidden & SUPPRESSED}
    return {
        entity
        for states in sources
        for entity, state in states.items()
        if isinstance(state, PageState) and not rev_ids.isdisjoint(state.revisions)
    }


def forgotten(wiki: Wiki, events: States) -> set[Entity]:
    """Deleted pages of whose last title the archive has nothing any more: all went to another page id.

    Tables then know an older title of the page id, or nothing of it; events know the last.
    """
    found = set()
    for entity, state in events.items():
        if isinstance(state, PageState) and entity.id not in wiki.pages:
            page = things.page(entity.wiki, entity.id, state)
            titles = {row.title for row in wiki.archived(entity.id)}
            is_empty = not page.history and not titles
            if page.is_deleted and (is_empty or (titles and (page.namespace, page.title) not in titles)):
                found.add(entity)
    return found


def never_told(tables: States, events: States) -> set[Entity]:
    """Accounts that did nothing, and rows of the log that are no recent changes: no event names them.

    And rows of the log whose titles were hidden after an event told them.
    """
    unnamed = {entity for entity in tables if entity.kind in {Kind.USER, Kind.LOG} and entity not in events}
    hidden = {
        entity
        for entity, state in tables.items()
        if isinstance(state, LogState) and state.visibility and state.visibility.bits & ACTION_HIDDEN
    }
    return unnamed | hidden


def not_in_dumps(wiki: Wiki, tables: States) -> set[Entity]:
    """Pages with something in the archive or suppressed; accounts of which no edit can be seen; the log."""
    archived = {row.revision.page_id for row in wiki.archive.values()}
    suppressed = {one.page_id for one in wiki.revisions.values() if one.hidden & SUPPRESSED}
    seen = {
        revision.user.user_id for revision in wiki.revisions.values() if not revision.hidden & USER_HIDDEN
    }
    unseen = wiki.accounts.keys() - seen
    left_out = {Kind.PAGE: archived | suppressed, Kind.USER: unseen}
    return {
        entity for entity in tables if entity.kind is Kind.LOG or entity.id in left_out.get(entity.kind, ())
    }


def bots_of_tables(wiki: Wiki) -> set[Entity]:
    """Accounts that are bots by a group of which tables alone tell."""
    return {
        Entity(WIKI, Kind.USER, user_id) for user_id, user in wiki.accounts.items() if "bot" in user.groups
    }


def names_of_their_day(wiki: Wiki) -> Mapping[str, frozenset[str]]:
    return NAMES_OF_THEIR_DAY if any(row.kind == "renameuser" for row in wiki.log) else NOTHING


def told_otherwise(
    one: States,
    other: States,
    in_doubt: set[Entity],
    untold: Mapping[str, frozenset[str]] = NOTHING,
) -> list[Differing]:
    return differing(COMPARED, one, other, in_doubt, untold)
