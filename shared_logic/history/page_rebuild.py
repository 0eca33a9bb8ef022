"""The lives of pages, rebuilt backwards: only the present is certain, so the sweep starts there and undoes one event at a time.

Log rows mostly tell titles, and titles are used again; so what a page was called is known only step by step, the newest event
first. A page that an event fits is *rewound*: it is output as it was since the event, and put back as it was before.

The rules, their order and the values of upstream's columns are those of Wikimedia's monthly rebuild (`PageHistoryBuilder` of
analytics/refinery/source 0.3.22), but for this:

* The id of a lineage without page id is a hash of the log row of its deletion, the same in every run; upstream draws it.
* Every deleted page is a seed, by its page id. Upstream leaves out those whose title a present page bears, and of several
  of one title forgets all but the last (T320860); their deletions then begin lineages without first edit and creator.
* A deletion that tells a page id is that page's. Where the archive has no such page, upstream takes another one of the
  title, and so the wrong page id.
* A deletion without id takes, of the deleted pages of its title, the last that began before it. Upstream takes the last of
  all. `link_quality` says where there were several.
* A state in whose place another one has to be put waits on and is output in the end; upstream forgets it.
* What went by another title, or no title at all, becomes an Issue, as does each event that fits no page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec

from shared_logic.history.log_row import Actor, Issue
from shared_logic.history.page_events import PageEvent, PageEventType, PageKey
from shared_logic.history.page_history import InferredFrom, LinkQuality, PageHistoryState, PageSeed
from shared_logic.history.page_lineages import propagated
from shared_logic.history.page_stores import Archive, Held, StateStore

Item = TypeVar("Item", PageSeed, PageEvent)


class Rebuilt(NamedTuple):
    """What became of one component."""

    states: tuple[PageHistoryState, ...]
    """Every state of every page, in order of page and time."""
    issues: tuple[Issue, ...]


def rebuilt(seeds: Iterable[PageSeed], events: Iterable[PageEvent], content: AbstractSet[int]) -> Rebuilt:
    """Every state of every page of one component; each event ends in a state or an Issue.

    Args:
        seeds: the pages whose title is in the component, present and deleted, in any order.
        events: the events between titles of the component, in any order; equal ones count once.
        content: numbers of the namespaces whose pages are counted as content.
    """
    sweep = _Sweep(content)
    for seed in _in_order(seeds, _seed_order):
        sweep.start(seed)
    newest_first = _in_order(events, _event_order)
    for event in newest_first:
        sweep.undo(event)
    sweep.finish(has_events=bool(newest_first))
    return Rebuilt(tuple(propagated(sweep.done)), tuple(sweep.issues))


def artificial_page_id(event: PageEvent) -> str:
    """What stands for the page id in the lineage that begins, seen backwards, with this deletion."""
    return blake2b(f"{event.wiki}/{event.log_id}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


class _Sweep:
    """The state of one rebuild."""

    def __init__(self, content: AbstractSet[int]) -> None:
        self._content = content
        self._open = StateStore()
        """Present pages and whatever was rewound to when it existed."""
        self._restored = StateStore()
        """Pages rewound to just before a restore; the deletion before it is still to come."""
        self._archive = Archive()
        self._seeded: set[tuple[str, int]] = set()
        self.done: list[PageHistoryState] = []
        self.issues: list[Issue] = []

    def start(self, seed: PageSeed) -> None:
        """Take in a page as it is at present."""
        if (seed.wiki, seed.page_id) in self._seeded:
            self._report_seed(seed, "page_id", "id-twice", "another page has that id; this one is not used")
            return
        self._seeded.add((seed.wiki, seed.page_id))
        state = self._first_state(
            wiki=seed.wiki,
            page_id=seed.page_id,
            name=(seed.namespace, seed.title),
            first_edit=seed.first_edit,
            is_deleted=seed.is_deleted,
        )
        state = msgspec.structs.replace(
            _caused_by(state, PageEventType.CREATE, seed.creator or Actor()),
            page_creation_timestamp=seed.creation,
            page_is_redirect=seed.is_redirect,
            inferred_from=InferredFrom.DELETED if seed.is_deleted else InferredFrom.LIVE,
        )
        if seed.is_deleted:
            self._archive.put(state)
        elif before := self._open.put(Held(state, seed.key, _positive(seed.page_id))):
            self._report_seed(
                seed, "page_title", "title-twice", f"page {before.state.page_id} has the same title"
            )

    def undo(self, event: PageEvent) -> None:
        """Go back to before the event."""
        for store in (self._open, self._restored):
            self._close_younger(event, store)
        match event.event_type:
            case PageEventType.DELETE:
                self._undo_deletion(event)
            case PageEventType.RESTORE:
                self._undo_restore(event)
            case PageEventType.MOVE:
                self._close_conflict(event, InferredFrom.MOVE_CONFLICT)
                self._rewind_match(event, self._open)
            case _:
                self._rewind_match(event, self._open)
        self._bound_restored(event)

    def finish(self, *, has_events: bool) -> None:
        """Output what no event touched any more."""
        for held in (*self._open, *self._restored):
            self._close_unbegun(held.state, held.not_before, has_events=has_events)
        for state in self._archive:
            self.issues.append(
                Issue(
                    wiki=state.wiki_db,
                    table="archive",
                    key=str(state.page_id),
                    field="ar_page_id",
                    code="deletion-unknown",
                    detail=f"no log row tells when {state.page_title!r} was deleted; it seems to exist",
                )
            )
            self._close_unbegun(state, None, has_events=has_events)

    # --- closing --------------------------------------------------------------------------------------------

    def _close_younger(self, event: PageEvent, store: StateStore) -> None:
        """A page that is known to have been made after the event can't be what the event tells of."""
        identified = store.identified(event.wiki, event.usable_page_id)
        titled = store.titled(event.new_key)
        if not (_is_younger(identified, event) or _is_younger(titled, event)):
            return
        held = identified or titled
        if held is None:
            return
        state = store.take(held)
        self._close_inferred(state, event, InferredFrom.EVENT_BEFORE_CREATION, state.page_creation_timestamp)

    def _close_conflict(self, event: PageEvent, why: InferredFrom) -> PageHistoryState | None:
        """What has the title that the page had before the event must have been made since."""
        held = self._open.titled(event.old_key)
        if held is None:
            return None
        state = self._open.take(held)
        if not _is_same_page(state, event):
            state = msgspec.structs.replace(state, page_creation_timestamp=event.at)
        return self._close_inferred(state, event, why, event.at)

    def _close_restored(self, event: PageEvent) -> PageHistoryState | None:
        """Before ids were kept, what was restored under the title of a deletion was another page."""
        held = self._restored.titled(event.old_key)
        if held is None or event.usable_page_id is not None:
            return None
        state = self._restored.take(held)
        if not _is_same_page(state, event):
            state = msgspec.structs.replace(state, page_creation_timestamp=state.start_timestamp)
        return self._close_inferred(state, event, InferredFrom.DELETE_CONFLICT, state.start_timestamp)

    def _close_inferred(
        self, state: PageHistoryState, event: PageEvent, why: InferredFrom, start: int | None
    ) -> PageHistoryState:
        """Output a state that began no later than that, for what the event implies of another page."""
        closed = msgspec.structs.replace(
            _logged(state, event),
            start_timestamp=start,
            inferred_from=why,
            link_quality=LinkQuality.INFERRED,
            valid_from=_begun_between(start, state.page_first_edit_timestamp, state.end_timestamp),
        )
        self.done.append(closed)
        return closed

    def _close_unbegun(self, state: PageHistoryState, not_before: int | None, *, has_events: bool) -> None:
        """Output a state whose beginning only its first edit tells."""
        first_edit = state.page_first_edit_timestamp
        self.done.append(
            msgspec.structs.replace(
                state,
                start_timestamp=first_edit,
                inferred_from=state.inferred_from if has_events else InferredFrom.UNCLOSED,
                valid_from=_begun_between(not_before, first_edit, state.end_timestamp),
            )
        )

    # --- rewinding ------------------------------------------------------------------------------------------

    def _undo_restore(self, event: PageEvent) -> None:
        both = self._open.match(event) and self._restored.match(event)
        self._rewind_match(event, self._open if both else self._restored)

    def _undo_deletion(self, event: PageEvent) -> None:
        restored = self._close_restored(event)
        conflict = self._close_conflict(event, InferredFrom.DELETE_CONFLICT) or restored
        held = self._restored.match(event)
        if held is not None:
            self._rewind(event, held, self._restored, self._open)
        else:
            self._begin_deleted(event, conflict)

    def _rewind_match(self, event: PageEvent, destination: StateStore) -> None:
        for store in (self._open, self._restored):
            held = store.match(event)
            if held is not None:
                self._rewind(event, held, store, destination)
                return
        how = f"page id {event.usable_page_id}" if event.usable_page_id else f"title {event.new_title!r}"
        self._report(event, "", "unmatched", f"{event.event_type} fits no page by {how}; it is not used")

    def _rewind(self, event: PageEvent, held: Held, origin: StateStore, destination: StateStore) -> None:
        """Output the page as it was since the event, and put it back as it was before."""
        if held.key != event.new_key:
            self._report(
                event,
                "log_title",
                "other-title",
                f"{event.event_type} to {event.new_title!r}, but page {held.state.page_id} was called"
                f" {held.state.page_title_historical!r} then; its id counts",
            )
        state = origin.take(held)
        began = msgspec.structs.replace(
            _caused_by(_logged(state, event), event.event_type, event.caused_by),
            start_timestamp=event.at,
            inferred_from=None,
            valid_from=event.at,
            link_quality=LinkQuality.BY_TITLE if event.usable_page_id is None else LinkQuality.BY_ID,
        )
        self.done.append(began)
        before = self._named(state, event.old_namespace, event.old_title)
        was_restored = event.event_type is PageEventType.RESTORE
        before = msgspec.structs.replace(
            before,
            start_timestamp=event.at if was_restored else state.start_timestamp,
            end_timestamp=event.at,
        )
        self._put(event, before, destination)

    def _begin_deleted(self, event: PageEvent, conflict: PageHistoryState | None) -> None:
        """A page is known from its deletion on only; before, it was there."""
        base, quality = self._archived(event)
        known = conflict if conflict is not None and _is_same_page(conflict, event) else base
        page_id = event.page_id if base is None else base.page_id
        unnamed = self._first_state(
            wiki=event.wiki,
            page_id=page_id,
            name=(event.old_namespace, event.old_title),
            first_edit=known.page_first_edit_timestamp if known else None,
            is_deleted=known.page_is_deleted if known else True,
        )
        lineage = _logged(
            msgspec.structs.replace(
                unnamed,
                page_artificial_id=None if _positive(page_id) else artificial_page_id(event),
                page_creation_timestamp=known.page_creation_timestamp if known else None,
                start_timestamp=None,
                valid_from=None,
            ),
            event,
        )
        self.done.append(
            msgspec.structs.replace(
                _caused_by(lineage, PageEventType.DELETE, event.caused_by),
                start_timestamp=event.at,
                end_timestamp=conflict.start_timestamp if conflict else None,
                valid_from=event.at,
                link_quality=quality,
            )
        )
        if base is None:
            before = msgspec.structs.replace(lineage, inferred_from=InferredFrom.DELETE)
        else:
            # Its title in the archive may be that of an older deletion.
            before = msgspec.structs.replace(
                self._named(base, event.old_namespace, event.old_title),
                page_artificial_id=lineage.page_artificial_id,
                page_title=lineage.page_title,
                page_namespace=lineage.page_namespace,
                page_namespace_is_content=lineage.page_namespace_is_content,
            )
        self._put(event, msgspec.structs.replace(before, end_timestamp=event.at), self._open)

    def _archived(self, event: PageEvent) -> tuple[PageHistoryState | None, LinkQuality]:
        """The deleted page that the event tells of, if the archive has it, and how sure that is."""
        page_id = _positive(event.page_id)
        if page_id is not None:
            return self._archive.take_identified(event.wiki, page_id), LinkQuality.BY_ID
        found = self._archive.take_titled(event.new_key, event.at)
        if found is None:
            return None, LinkQuality.BY_TITLE
        return found.state, LinkQuality.AMBIGUOUS if found.is_ambiguous else LinkQuality.BY_TITLE

    def _put(self, event: PageEvent, state: PageHistoryState, destination: StateStore) -> None:
        """Keep it under the title that the page had before the event."""
        before = destination.put(Held(state, event.old_key, event.usable_page_id))
        # Any number of pages of one title may have been deleted, to be restored one after the other.
        if before is not None and destination is self._open:
            self._report(
                event,
                "log_title",
                "title-taken",
                f"pages {before.state.page_id} and {state.page_id} were both called {event.old_title!r} before"
                f" this {event.event_type}",
            )

    def _bound_restored(self, event: PageEvent) -> None:
        """A restored page whose title another one gives up now was not there before, unless an older event says so."""
        if event.event_type not in {PageEventType.MOVE, PageEventType.DELETE}:
            return
        held = self._restored.titled(event.old_key)
        if held is not None and held.not_before is None:
            held.not_before = event.at

    # --- states and issues ----------------------------------------------------------------------------------

    def _first_state(
        self,
        *,
        wiki: str,
        page_id: int | None,
        name: tuple[int, str],
        first_edit: int | None,
        is_deleted: bool,
    ) -> PageHistoryState:
        namespace, title = name
        is_content = namespace in self._content
        return PageHistoryState(
            wiki_db=wiki,
            page_id=page_id,
            page_artificial_id=None,
            page_creation_timestamp=None,
            page_first_edit_timestamp=first_edit,
            page_title_historical=title,
            page_title=title,
            page_namespace_historical=namespace,
            page_namespace_is_content_historical=is_content,
            page_namespace=namespace,
            page_namespace_is_content=is_content,
            page_is_redirect=None,
            page_is_deleted=is_deleted,
            start_timestamp=first_edit,
            end_timestamp=None,
            caused_by_event_type=PageEventType.CREATE,
            caused_by_user_id=None,
            caused_by_user_central_id=None,
            caused_by_user_text=None,
            caused_by_anonymous_user=None,
            caused_by_temporary_user=None,
            caused_by_permanent_user=None,
            inferred_from=None,
            source_log_id=None,
            source_log_comment=None,
            source_log_params=None,
            page_first_state=False,
            valid_from=first_edit,
            valid_to=None,
            page_valid_from=None,
            link_quality=LinkQuality.INFERRED,
        )

    def _named(self, state: PageHistoryState, namespace: int, title: str) -> PageHistoryState:
        """The state under the title that the page had then."""
        return msgspec.structs.replace(
            state,
            page_title_historical=title,
            page_namespace_historical=namespace,
            page_namespace_is_content_historical=namespace in self._content,
        )

    def _report(self, event: PageEvent, column: str, code: str, detail: str) -> None:
        self.issues.append(
            Issue(
                wiki=event.wiki,
                table="logging",
                key=str(event.log_id),
                field=column,
                code=code,
                detail=detail,
            )
        )

    def _report_seed(self, seed: PageSeed, column: str, code: str, detail: str) -> None:
        table = "archive" if seed.is_deleted else "page"
        self.issues.append(
            Issue(wiki=seed.wiki, table=table, key=str(seed.page_id), field=column, code=code, detail=detail)
        )


def _logged(state: PageHistoryState, event: PageEvent) -> PageHistoryState:
    """The state with the log row that tells of it."""
    return msgspec.structs.replace(
        state,
        source_log_id=event.log_id,
        source_log_comment=event.comment,
        source_log_params=event.params,
    )


def _caused_by(state: PageHistoryState, event_type: PageEventType, actor: Actor) -> PageHistoryState:
    return msgspec.structs.replace(
        state,
        caused_by_event_type=event_type,
        caused_by_user_id=actor.user_id,
        caused_by_user_central_id=actor.central_id,
        caused_by_user_text=actor.name,
        caused_by_anonymous_user=actor.is_anonymous,
        caused_by_temporary_user=actor.is_temporary,
        caused_by_permanent_user=actor.is_permanent,
    )


def _is_younger(held: Held | None, event: PageEvent) -> bool:
    creation = held.state.page_creation_timestamp if held is not None else None
    return creation is not None and event.at < creation


def _is_same_page(state: PageHistoryState, event: PageEvent) -> bool:
    """By the ids, even where the event's is not trusted to find a page by."""
    return _positive(event.page_id) is not None and event.page_id == state.page_id


def _positive(page_id: int | None) -> int | None:
    return page_id if page_id is not None and page_id > 0 else None


def _begun_between(not_before: int | None, first_edit: int | None, end: int | None) -> int | None:
    """When a state began that ends then and can't have begun before: with its first edit, where that lies in between.

    A first edit after the end: those that it began with have gone to another page.
    """
    if first_edit is None or (end is not None and end < first_edit):
        return not_before
    return first_edit if not_before is None else max(not_before, first_edit)


def _in_order(items: Iterable[Item], order: Callable[[Item], Any]) -> list[Item]:
    """The items by that order, then by their whole content, equal ones once."""
    ordered: list[Item] = []
    for _, group in groupby(sorted(items, key=order), key=order):
        alike = list(group)
        if len(alike) > 1:
            contents = {repr(item): item for item in alike}
            alike = [contents[content] for content in sorted(contents)]
        ordered.extend(alike)
    return ordered


def _seed_order(seed: PageSeed) -> tuple[bool, PageKey, int, int]:
    return seed.is_deleted, seed.key, seed.first_edit or 0, seed.page_id


def _event_order(event: PageEvent) -> tuple[int, bool, int]:
    """Newest first. A move over a redirect deletes it in the same second, and before that it was moved away."""
    return -event.at, event.event_type is not PageEventType.MOVE, -event.log_id
