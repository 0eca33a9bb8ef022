"""Everything that can be told of a wiki is in some story that is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import Phase, given, settings

from tests.strategies.stories import Story, play, stories
from tests.strategies.wiki import Revision, Untold, Wiki

DRAWN = (
    *("block/block", "block/reblock", "block/unblock", "create/create", "delete/delete"),
    *("delete/delete_redir", "delete/delete_redir2", "delete/event", "delete/restore", "delete/revision"),
    *("import/upload", "merge/merge", "merge/merge-into", "move/move", "move/move_redir"),
    *("newusers/autocreate", "newusers/create", "newusers/create2", "protect/modify", "protect/move_prot"),
    *("protect/protect", "protect/unprotect", "renameuser/renameuser", "rights/rights", "suppress/block"),
    *("suppress/event", "suppress/reblock", "suppress/revision"),
)


@cache
def many() -> list[Wiki]:
    """The wikis of many stories, the same ones in every run."""
    found: list[Wiki] = []

    @given(stories())
    @settings(max_examples=3_000, derandomize=True, phases=[Phase.generate], database=None)
    def collect(story: Story) -> None:
        found.append(play(story))

    collect()
    return found


def drawn(wanted: Callable[[Wiki], bool]) -> bool:
    """Whether that is so of the wiki of some story."""
    return any(map(wanted, many()))


@pytest.mark.parametrize("row", DRAWN)
def test_stories_have_every_kind_of_log_row(row: str) -> None:
    assert drawn(lambda wiki: any(f"{one.kind}/{one.action}" == row for one in wiki.log))


def test_stories_have_no_other_kind_of_log_row() -> None:
    assert {f"{one.kind}/{one.action}" for wiki in many() for one in wiki.log} <= {*DRAWN}


@pytest.mark.parametrize("why", Untold)
def test_stories_have_everything_that_no_event_tells(why: Untold) -> None:
    assert drawn(lambda wiki: any(gap.why == why and gap.rev_ids for gap in wiki.untold))


def test_stories_have_restores_to_page_ids_that_are_new() -> None:
    def made_by_a_restore(wiki: Wiki) -> bool:
        created = {row.page_id for row in wiki.log if row.kind in {"create", "import"}}
        left = {page for page, one in firsts(wiki).items() if "moved page" in one.comment}
        restored = {row.page_id for row in wiki.log if row.action == "restore"}
        return bool(restored - created - left)

    def firsts(wiki: Wiki) -> dict[int, Revision]:
        return {page_id: wiki.history(page_id)[0] for page_id in wiki.pages}

    assert drawn(made_by_a_restore)


def test_stories_have_whole_merges_swaps_and_ends_of_memberships() -> None:
    def has_whole_merge(wiki: Wiki) -> bool:
        return any(one.comment.startswith("Merged [[:") for one in wiki.everything)

    def has_swap(wiki: Wiki) -> bool:
        return sum(one.comment == "swap" for one in wiki.log) >= 3

    def has_ended(wiki: Wiki) -> bool:
        return any(len(user.groups_at(wiki.now)) < len(user.groups) for user in wiki.users)

    for wanted in (has_whole_merge, has_swap, has_ended):
        assert drawn(wanted)
