"""Which revisions a history merge or a restore took along, and what of them is said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from shared_logic.clock import Rank, from_iso, stamp
from shared_logic.events.read import read
from shared_logic.events.records import RevisionsRelocated
from shared_logic.history.page_events import Namespaces
from shared_logic.relocations import Merge, MergeOrRestore, Restore, Unresolved, resolved, told
from shared_logic.states.page_state import Author, Happening, PageState, Presence, RevisionState, Tags, Title

MERGED = from_iso("2026-05-05T05:05:05Z")
EARLIER = from_iso("2026-01-01T00:00:00Z")


@dataclass
class Pages:
    """By id the pages that there are; see `shared_logic.relocations.Pages`."""

    states: Mapping[int, PageState]
    names: Namespaces = field(default_factory=lambda: Namespaces(canonical={"Talk": 1}))

    def namespaces(self, wiki: str) -> Namespaces:
        return self.names

    def called(self, wiki: str, title: str) -> Mapping[int, PageState]:
        return self.states


def revision(number: int, page_id: int, **more: object) -> RevisionState:
    """Of the second of that number, live on that page."""
    at = EARLIER + number * 1_000
    known = RevisionState(timestamp=at, presence=Presence(*stamp(at, number, Rank.EDIT), page_id, True))
    return RevisionState(**{**{name: getattr(known, name) for name in known.__struct_fields__}, **more})


def page(title: str, revisions: Mapping[int, RevisionState], **more: object) -> PageState:
    return PageState(title=Title(*stamp(EARLIER, 0, Rank.EDIT), 0, title), revisions=dict(revisions), **more)  # type: ignore[arg-type]


def told_by_log_row(params: object) -> MergeOrRestore | None:
    event = {
        "$schema": "/mediawiki/recentchange/1.0.0",
        "meta": {"stream": "mediawiki.recentchange", "dt": "2026-05-05T05:05:05Z"},
        "wiki": "w",
        "type": "log",
        "log_id": 9,
        "log_type": "merge",
        "log_action": "merge",
        "namespace": 0,
        "title": "Left",
        "timestamp": MERGED // 1_000,
        "log_params": params,
    }
    return told(read(json.dumps(event).encode()))


def merge(**params: object) -> MergeOrRestore:
    found = told_by_log_row({"dest": "Reached", **params})
    assert found is not None
    return found


def said(what: MergeOrRestore, states: Mapping[int, PageState]) -> RevisionsRelocated | None:
    """The event that tells it; None: nothing is to be told."""
    ((_, events),) = resolved([what], Pages(states))
    assert not isinstance(events, Unresolved), events
    if not events:
        return None
    (raw,) = events
    event = read(raw).event
    assert isinstance(event, RevisionsRelocated)
    return event


TWO_OF_A_SECOND = {1: revision(1, 7), 2: revision(2, 7), 3: revision(2, 7), 4: revision(3, 7)}


@pytest.mark.parametrize(
    "params, expected",
    [
        ({"mergepoint": "20260101000002"}, [1, 2, 3]),
        ({"mergepoint": "20260101000002", "mergerevid": None}, [1, 2, 3]),
        ({"mergepoint": "20260101000002", "mergerevid": "2"}, [1, 2]),
        ({"mergepoint": "20260101000003", "mergestart": "20260101000002"}, [2, 3, 4]),
        ({"mergepoint": "20260101000003", "mergestart": "20260101000002", "mergestartid": 3}, [3, 4]),
    ],
)
def test_a_merge_takes_what_lies_between_its_bounds(
    params: Mapping[str, object], expected: Sequence[int]
) -> None:
    # given a page with two revisions of one second, and a merge that names bounds
    event = said(merge(**params), {7: page("Left", TWO_OF_A_SECOND), 8: page("Reached", {9: revision(9, 8)})})
    # then these revisions are live on the other page since then
    assert event is not None
    assert (event.from_page_id, event.to_page_id, event.log_id) == (7, 8, 9)
    assert sorted(event.revisions) == expected
    assert {
        (one.presence.page_id, one.presence.is_live) for one in event.revisions.values() if one.presence
    } == {(8, True)}


@pytest.mark.parametrize(
    "params",
    [
        {"dest": "Reached"},
        {"dest": "Reached", "mergepoint": "soon"},
        {"dest": 7, "mergepoint": "20260101000002"},
        ["Reached", "20260101000002"],
    ],
)
def test_a_merge_without_bounds_or_target_tells_nothing(params: object) -> None:
    assert told_by_log_row(params) is None


def test_what_was_in_the_archive_or_came_later_stays() -> None:
    # given a page that was deleted before the merge and restored in part, and edited after it
    deleted = MERGED - 60_000
    states = {
        1: revision(1, 7),
        2: revision(2, 7, presence=Presence(*stamp(deleted + 10_000, 0, Rank.RESTORE), 7, True)),
        3: revision(3, 7, presence=Presence(*stamp(MERGED + 60_000, 0, Rank.EDIT), 7, True)),
    }
    left = page("Left", states, cleared=stamp(deleted, deleted, Rank.DELETE))
    event = said(merge(mergepoint="20260301000000"), {7: left, 8: page("Reached", {})})
    # then only what was restored went along
    assert event is not None
    assert sorted(event.revisions) == [2]


def moved(at: int, old: str, new: str) -> Happening:
    return Happening(at, "move", 0, old, 0, new, 1, "A", None)


def test_moves_since_are_undone_also_two_of_one_second() -> None:
    # given a page that was moved on twice within a second, and stands in the list in whatever order
    later = MERGED + 60_000
    chain = (moved(later, "Elsewhere", "Nowhere"), moved(later, "Left", "Elsewhere"))
    left = page("Nowhere", {1: revision(1, 7)}, happenings=chain)
    event = said(merge(mergepoint="20260301000000"), {7: left, 8: page("Reached", {})})
    # then it was called as before the first of them
    assert event is not None
    assert event.from_page_id == 7


def test_two_pages_of_one_title_are_not_guessed_at() -> None:
    states = {7: page("Left", {1: revision(1, 7)}), 8: page("Reached", {}), 9: page("Reached", {})}
    ((_, found),) = resolved([merge(mergepoint="20260301000000")], Pages(states))
    assert str(found) == "pages 8, 9 were called Reached on 2026-05-05T05:05:05Z"


def test_what_was_hidden_in_the_archive_stays_with_the_old_page() -> None:
    # given a deleted page that knows the comment and the author of a revision, and its tags
    old = revision(
        1, 7, comment="secret", author=Author(1, 1, 0, 3, "U"), sha1="abc", tags=Tags(1, 1, 0, ("kept",))
    )
    # and the copy that was restored to another page, which lacks them, since they were hidden in the archive
    restored = revision(1, 8, presence=Presence(*stamp(MERGED, MERGED, Rank.RESTORE), 8, True), size=5)
    states = {7: page("Kettle", {1: old}), 8: page("Kettle", {1: restored})}
    # when the old page is looked up
    event = said(Restore(wiki="w", page_id=8, at=MERGED, title="Kettle"), states)
    # then the new page is told of the tags, and of nothing that the copy did not say
    assert event is not None
    both = event.revisions[1]
    assert (both.comment, both.author, both.sha1) == (None, None, None)
    assert (both.tags, both.size, both.presence) == (old.tags, 5, restored.presence)
    # nor is it when the old page is restored itself, and both know by now who holds it
    equal = {7: page("Kettle", {1: msgspec.structs.replace(old, presence=restored.presence)}), 8: states[8]}
    again = said(Restore(wiki="w", page_id=7, at=MERGED, title="Kettle"), equal)
    assert again is None or again.revisions[1].comment is None
    # and when that is known, nothing is said again
    known = {7: page("Kettle", {1: both}), 8: page("Kettle", {1: both})}
    assert said(Restore(wiki="w", page_id=8, at=MERGED, title="Kettle"), known) is None


def test_merges_are_followed_in_their_order_whatever_came_first() -> None:
    # given two merges of one page after another, told the other way round
    one = merge(mergepoint="20260301000000")
    assert isinstance(one, Merge)
    states = {7: page("Left", {1: revision(1, 7)}), 8: page("Reached", {}), 9: page("Third", {})}
    other = Merge(
        wiki="w",
        log_id=10,
        at=MERGED + 5_000,
        namespace=0,
        title="Reached",
        destination="Third",
        last=(MERGED, None),
    )
    found = [what for what, _ in resolved([other, one], Pages(states))]
    assert found == [one, other]
    *_, (_, events) = resolved([other, one], Pages(states))
    assert not isinstance(events, Unresolved)
    last = read(events[0]).event
    assert isinstance(last, RevisionsRelocated)
    assert (last.from_page_id, last.to_page_id, sorted(last.revisions)) == (8, 9, [1])
