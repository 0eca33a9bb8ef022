"""What is said of relocated revisions in the end, over states in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared_logic import relocations
from shared_logic.datasets.page_history import namespaces_of
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.entities import join, page
from shared_logic.events.read import DeadLetter, OutOfScope, read
from shared_logic.history.page_events import Namespaces
from shared_logic.reference import States, reference
from shared_logic.registry import registry
from shared_logic.relocations import MergeOrRestore, Unresolved, resolved
from shared_logic.states.page_state import PageState

TITLES = registry.closure(["page_titles", "site_namespaces"])


@dataclass(frozen=True)
class PagesInMemory:
    """All pages of some states; see `Pages`."""

    states: States

    def namespaces(self, wiki: str) -> Namespaces:
        """See `Pages`."""
        rows = reference(TITLES, self.states)["site_namespaces"]
        schema = registry["site_namespaces"].schema
        named = {key[0]: schema.record(key, values) for key, values in rows.items()}
        return namespaces_of(SiteNamespaces(**named[wiki]) if wiki in named else None)

    def called(self, wiki: str, title: str) -> Mapping[int, PageState]:
        """See `Pages`."""
        schema = registry["page_titles"].schema
        rows = reference(TITLES, self.states)["page_titles"]
        said = (schema.record(key, row) for key, row in rows.items() if key[:2] == (wiki, title))
        states = {
            page_id: self.states.get(page(wiki, page_id))
            for row in said
            if (page_id := row["page_id"] if row["said_by"] == "log" else row["id"])
        }
        return {page_id: state for page_id, state in states.items() if isinstance(state, PageState)}


def told_by(events: Iterable[bytes]) -> list[MergeOrRestore]:
    """What the events tell of revisions that went elsewhere."""
    found = list[MergeOrRestore]()
    for raw in events:
        try:
            what = relocations.told(read(raw))
        except (DeadLetter, OutOfScope):
            continue
        if what is not None and what not in found:
            found.append(what)
    return found


def found_out(states: States, told: Iterable[MergeOrRestore]) -> tuple[list[bytes], list[Unresolved]]:
    """The events that say what of it can be resolved, and why the rest can't."""
    said, failed = list[bytes](), list[Unresolved]()
    for _, events in resolved(told, PagesInMemory(states)):
        if isinstance(events, Unresolved):
            failed.append(events)
        else:
            said.extend(events)
    return said, failed


def relocated(states: States, events: Iterable[bytes]) -> States:
    """The states with what is found out of the revisions that went elsewhere, of which these events told; all can be resolved."""
    said, failed = found_out(states, told_by(events))
    assert failed == []
    result = dict(states)
    for raw in said:
        found = read(raw)
        for entity in found.entities:
            result[entity] = join(result[entity], found.state(entity))
    return result
