"""What MediaWiki does, and the model wiki with it: one small story each."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared_logic.history import php
from shared_logic.states.page_state import SUPPRESSED, USER_HIDDEN
from tests.strategies.agreement import check, states_of
from tests.strategies.stories import Story, play
from tests.strategies.story_actions import Create, Delete, Edit, Hide, Import, Merge, Move, Tag, Undelete
from tests.strategies.wiki import ADMIN, DAY, START, TEXTS, TITLES, Wiki, sha1_base36
from tests.strategies.wiki import php as serialised

ACTS = {
    "partial restore": [Create(1, 1, 0, 0), Edit(1, 2, 0, 1, False), Delete(1, 0), Undelete(1, 0, 1)],
    "restore onto a new page": [Create(1, 1, 0, 0), Delete(1, 0), Create(1, 2, 0, 1), Undelete(1, 0, 0)],
    "restore after the id moved on": [
        *(Create(1, 1, 0, 0), Edit(1, 2, 0, 1, False), Delete(1, 0)),
        *(Undelete(1, 0, 1), Move(1, 0, 0, 1, False), Undelete(1, 0, 0)),
    ],
    "move over a redirect": [Create(1, 1, 0, 0), Move(1, 1, 0, 1, True), Move(1, 1, 0, 0, True)],
    "import, with all in one second": [Import(0, 0, (0, 1), 0, True, True), Delete(0, 0), Undelete(0, 0, 0)],
    "hidden and shown in one second": [Create(1, 1, 0, 0), Hide(0, 0, 7), Hide(0, 0, 0), Hide(0, 0, 2)],
}


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("modern", [False, True])
def test_a_known_story(name: str, modern: bool) -> None:
    # given a story of which each action can be done
    story = Story(tuple(ACTS[name]), modern)
    steps = [len(play(story, upto).events) for upto in range(len(story.actions) + 1)]
    assert sorted(set(steps)) == steps
    # when its events are joined
    wiki = play(story)
    # then they tell what the tables hold
    check(wiki, states_of(wiki.events))


def test_restored_copies_come_first_and_share_the_request() -> None:
    # given a restore onto another page
    wiki = play(Story(tuple(ACTS["restore onto a new page"])))
    # when its events are looked at
    last = [json.loads(raw) for raw in wiki.events[-4:]]
    # then they are as MediaWiki posts them
    assert len({event["meta"]["request_id"] for event in last}) == 1
    assert [event["meta"]["stream"].partition(".")[2] for event in last] == [
        *("revision-create", "page-undelete", "page_change", "recentchange"),
    ]
    assert last[0]["rev_timestamp"] < last[0]["meta"]["dt"]
    assert (last[1]["prior_state"], last[2]["prior_state"]) == ({"page_id": 1}, {"page": {"page_id": 1}})
    assert (last[0]["page_id"], last[2]["revision"]["rev_id"]) == (2, 2)


@pytest.mark.parametrize("mark", [Hide(1, 0, 7), Tag(1, 0, 1)])
def test_marks_follow_to_another_page_id(mark: Hide | Tag) -> None:
    # given a marked revision that is restored onto a page made under its title meanwhile
    wiki = play(Story((Create(1, 1, 0, 0), mark, Delete(1, 0), Create(1, 2, 0, 1), Undelete(1, 0, 0))))
    # when the events are joined
    states = states_of(wiki.events)
    # then the mark is on the new page
    check(wiki, states)


def test_a_history_merge_is_told_by_a_log_row_only() -> None:
    # given two pages of which one has two revisions
    start = (Create(1, 1, 0, 0), Edit(1, 1, 0, 1, False), Create(1, 1, 1, 0))
    before = play(Story(start))
    # when the older one is merged into the other page
    wiki = play(Story((*start, Merge(1, 0, 1, 0))))
    # then one event tells, of the log, and the tables have it there
    (event,) = wiki.events[len(before.events) :]
    assert json.loads(event)["log_action"] == "merge"
    assert [one.rev_id for one in wiki.history(2)] == [1, 3]


def test_texts_and_titles_are_few_and_differ() -> None:
    # given MediaWiki's own sha1 of the empty text, and its serialisation of a move
    params = {"4::target": "Zoë", "5::noredir": "0", "associated_rev_id": 48}
    # when the model makes them
    made = sha1_base36(""), serialised(params)
    # then they are the same, and all texts and titles differ
    assert made == (
        "phoiac9h4m842xq45sp7s6u21eteeq1",
        'a:3:{s:9:"4::target";s:4:"Zoë";s:10:"5::noredir";s:1:"0";s:17:"associated_rev_id";i:48;}',
    )
    assert len({sha1_base36(text) for text in TEXTS}) == len(TEXTS)
    assert len(set(TITLES)) == len(TITLES)


def log_of(wiki: Wiki) -> list[tuple[str, str]]:
    return [(f"{row.kind}/{row.action}", row.params) for row in wiki.log]


def test_old_log_rows_are_lines_of_text_and_nothing_is_posted() -> None:
    # given a wiki of 2008
    wiki = Wiki.of_2008()
    admin, alice, bob = wiki.users[:3]
    wiki.create(START, alice, TITLES[0], "alpha")
    wiki.create(START + 1, alice, TITLES[2], "beta")
    # when this and that happens
    wiki.move(START + 2, alice, 1, TITLES[1], redirect=False)
    wiki.block(START + 3, admin, bob, seconds=60)
    wiki.block(START + 4, admin, bob, seconds=0)
    wiki.rights(START + 5, admin, alice, "sysop")
    wiki.rename_user(START + 6, admin, bob, "Robert")
    wiki.create_account(START + 7, "Carol")
    wiki.hide(START + 8, admin, 1, 2)
    wiki.delete(START + 9, admin, 1)
    # then creations of pages are not logged, no row names a page id, and parameters are lines
    assert log_of(wiki) == [
        ("move/move", "Tea pot\n1"),
        ("block/block", "2024-01-01T22:01:03Z\nnocreate"),
        ("block/reblock", "infinite\nnocreate"),
        ("rights/rights", "\nsysop"),
        ("renameuser/renameuser", "Robert"),
        ("newusers/create", "6"),
        ("delete/revision", "revision\n1\nofield=0\nnfield=2"),
        ("delete/delete", ""),
    ]
    assert {row.page_id for row in wiki.log} == {0}
    assert wiki.events == []


@pytest.mark.parametrize(
    "made, expected",
    [
        (
            Wiki.of_2023,
            [("merge/merge", {"4::dest": "Tea pot", "5::mergepoint": "20240101220001"})],
        ),
        (
            Wiki.of_today,
            [
                (
                    "merge/merge",
                    {"4::dest": "Tea pot", "5::mergepoint": "20240101220001", "6::mergerevid": None},
                ),
                ("merge/merge-into", {"4::src": "Kettle", "5::mergepoint": "20240101220001"}),
            ],
        ),
    ],
)
def test_a_whole_merge_leaves_a_redirect(made: Callable[[], Wiki], expected: object) -> None:
    # given two pages
    wiki = made()
    wiki.create(START + 1, wiki.users[1], TITLES[0], "alpha")
    wiki.create(START + 2, wiki.users[1], TITLES[1], "beta")
    # when all of one is merged into the other, which is younger
    assert wiki.merge(START + 3, wiki.users[ADMIN], 1, 2, START + 1)
    # then a redirect is left
    assert [one.rev_id for one in wiki.history(2)] == [1, 2]
    assert [one.text for one in wiki.history(1)] == ["#REDIRECT [[Tea pot]]"]
    merges = [(name, php.parsed(params)) for name, params in log_of(wiki) if name.startswith("merge")]
    assert merges == expected
    # and the other way round it is refused, as is what would mix both histories
    assert not wiki.merge(START + 4, wiki.users[ADMIN], 2, 1, START + 9)


def test_a_rename_takes_rows_about_the_user_along_but_not_those_of_renames() -> None:
    # given somebody who was blocked and renamed
    wiki = Wiki.of_today()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.block(START, admin, alice, seconds=60)
    wiki.rename_user(START + 1, admin, alice, "Alicia")
    # when renamed again
    wiki.rename_user(START + 2, admin, alice, "Alix")
    # then the block's row names the user of today, each rename's row the name that it took
    assert [row.title for row in wiki.log] == [(2, "Alix"), (2, "Alice"), (2, "Alicia")]
    last = json.loads(wiki.events[-1])
    assert (last["user"]["user_text"], last["prior_state"]) == ("Alix", {"user": {"user_text": "Alicia"}})


def test_a_hidden_name_is_hidden_everywhere_and_shown_again() -> None:
    # given somebody who edited a page that is there and one that is deleted
    wiki = Wiki.of_2023()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.create(START + 1, alice, TITLES[0], "alpha")
    wiki.create(START + 2, alice, TITLES[1], "beta")
    wiki.delete(START + 3, admin, 2)
    # when the name is hidden
    wiki.block_and_hide_name(START + 4, admin, alice)
    # then their revisions and log rows say so, and the row of it is in no dump
    assert {one.hidden for one in wiki.everything} == {USER_HIDDEN | SUPPRESSED}
    assert [row.hidden for row in wiki.log] == [USER_HIDDEN | SUPPRESSED] * 2 + [0, 0]
    assert b"Alice" not in wiki.dump() + wiki.log_dump()
    # when the block ends, then it is as before
    wiki.unblock(START + 5, admin, alice)
    assert {one.hidden for one in wiki.everything} == {0}
    assert {row.hidden for row in wiki.log} == {0}


def test_groups_that_are_taken_away_leave_holes_in_the_list() -> None:
    # given somebody in two groups
    wiki = Wiki.of_2023()
    admin, alice = wiki.users[ADMIN], wiki.users[1]
    wiki.rights(START, admin, alice, "sysop")
    wiki.rights_until(START + 1, admin, alice, "bot", seconds=60)
    # when one is taken away
    wiki.rights(START + 2, admin, alice, "bot")
    # then the other keeps its place, as in MediaWiki's own rows
    assert php.parsed(wiki.log[-1].params) == {
        "4::oldgroups": {"0": "bot", "1": "sysop"},
        "5::newgroups": {"1": "sysop"},
        "oldmetadata": {"0": {"expiry": "20240101220101"}, "1": {"expiry": None}},
        "newmetadata": {"1": {"expiry": None}},
    }


def test_imported_revisions_follow_what_was_before_them() -> None:
    # given a page of two days
    wiki = Wiki.of_2023()
    wiki.create(START, wiki.users[1], TITLES[0], "alpha")
    wiki.edit(START + 2 * DAY, wiki.users[1], 1, "beta")
    # when two revisions are imported, one from before it and one of its second day
    wiki.import_into(START + 3 * DAY - 60, wiki.users[ADMIN], 1, ["old", "between"], age=3 * DAY)
    # then each has the one before it as parent, and the importer's mark is the newest
    assert [(one.rev_id, one.parent_id) for one in wiki.history(1)] == [
        (3, 0),
        (1, 0),
        (4, 1),
        (2, 1),
        (5, 2),
    ]
    assert wiki.pages[1].latest == 5
    assert {one.user.name for one in wiki.history(1)} == {"imported>Zoë", "Alice", "Admin"}


def test_a_restore_by_title_brings_all_page_ids_to_one() -> None:
    # given two pages that were deleted under one title
    wiki = Wiki.of_2023()
    admin = wiki.users[ADMIN]
    wiki.create(START, admin, TITLES[0], "alpha")
    wiki.delete(START + 1, admin, 1)
    wiki.create(START + 2, admin, TITLES[0], "beta")
    wiki.delete(START + 3, admin, 2)
    # when the title is restored
    wiki.undelete(START + 60, admin, 1)
    # then one page has both, under the id of the newer
    assert {page_id: len(wiki.history(page_id)) for page_id in wiki.pages} == {2: 2}
