"""Events that are told late: what was done first comes first, within one second too."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from shared_logic import things
from shared_logic.entities import page
from shared_logic.reference import told
from shared_logic.states.page_state import TEXT_HIDDEN, PageState

SECOND = "2024-01-01T00:00:05"
PAGE = {"page_id": 1, "page_title": "A", "page_namespace": 0}


def event(schema: str, sent: str, **fields: object) -> bytes:
    return json.dumps(
        {"$schema": f"/mediawiki/{schema}/1.0.0", "meta": {"stream": "s", "dt": sent}, **fields}
    ).encode()


def revision(rev_id: int, sent: str, *, redirect: bool = False) -> bytes:
    return event(
        "revision/create",
        sent,
        database="w",
        **PAGE,
        page_is_redirect=redirect,
        rev_id=rev_id,
        rev_timestamp=f"{SECOND}Z",
    )


def changed(rev_id: int, sent: str, kind: str = "edit", **told: bool) -> bytes:
    return event(
        "page/change",
        sent,
        wiki_id="w",
        dt=f"{SECOND}Z",
        page_change_kind=kind,
        page={"page_id": 1, "page_title": "A", "namespace_id": 0, "is_redirect": False},
        revision={"rev_id": rev_id, "rev_dt": f"{SECOND}Z", **told},
    )


def described(*events: bytes) -> things.Page:
    state = told(events).states[page("w", 1)]
    assert isinstance(state, PageState)
    return things.page("w", 1, state)


@pytest.mark.parametrize("edit", [revision, changed])
def test_an_edit_told_after_the_deletion_of_its_second_is_deleted(edit: object) -> None:
    # given an edit and a deletion within one second, of which the deletion is told first
    assert callable(edit)
    late = edit(2, f"{SECOND}.900Z")
    deletion = event("page/delete", f"{SECOND}.600Z", database="w", **PAGE, rev_id=2)
    # when they are joined
    found = described(deletion, late)
    # then the page is deleted, and with it the edit
    assert found.is_deleted
    assert [one.is_deleted for one in found.history] == [True]


def test_a_restore_within_the_second_brings_it_back() -> None:
    # given an old revision, whose deletion and restore are of one second
    old = event(
        "revision/create", "2023-01-01T00:00:00Z", database="w", **PAGE, rev_id=1,
        rev_timestamp="2023-01-01T00:00:00Z",
    )  # fmt: skip
    copy = event(
        "revision/create", f"{SECOND}.700Z", database="w", **PAGE, rev_id=1,
        rev_timestamp="2023-01-01T00:00:00Z",
    )  # fmt: skip
    deletion = event("page/delete", f"{SECOND}.200Z", database="w", **PAGE, rev_id=1)
    # when they are joined
    found = described(old, deletion, copy)
    # then it is there
    assert [one.is_deleted for one in found.history] == [False]


def test_of_one_seconds_edits_the_last_counts_however_late_the_first_is_told() -> None:
    # given two edits of a second, of which the second makes no redirect any more; the first is told last
    first, second = revision(1, f"{SECOND}.900Z", redirect=True), revision(2, f"{SECOND}.300Z")
    # then the page is none, whatever comes first
    assert {described(*order).is_redirect for order in permutations([first, second])} == {False}


def test_what_is_hidden_and_shown_again_within_a_second_is_shown() -> None:
    # given an edit whose text is hidden, then shown again, all in one second
    shown = {"is_content_visible": True, "is_comment_visible": True, "is_editor_visible": True}
    edit = changed(9, f"{SECOND}.050Z", **shown)
    hide = changed(9, f"{SECOND}.100Z", "visibility_change", **(shown | {"is_content_visible": False}))
    show = changed(9, f"{SECOND}.900Z", "visibility_change", **shown)
    # then nothing is hidden, whatever comes first, and without the last the text is
    assert {described(*order).history[0].hidden for order in permutations([edit, hide, show])} == {0}
    assert {described(*order).history[0].hidden for order in permutations([edit, hide])} == {TEXT_HIDDEN}


def test_tags_that_an_edit_is_given_one_by_one_within_a_second_are_all_there() -> None:
    # given an edit and two lists of its tags, both of one second; of the shorter one the name is greater
    edit = revision(3, f"{SECOND}Z")
    lists = [
        event(
            "revision/tags-change",
            f"{SECOND}Z",
            database="w",
            **PAGE,
            rev_id=3,
            rev_timestamp=f"{SECOND}Z",
            tags=tags,
        )
        for tags in (["mw-undo"], ["mw-undo", "mw-blank"])
    ]
    # then the longer list is the later one, whatever comes first
    told_tags = {described(*order).history[0].tags for order in permutations([edit, *lists])}
    assert told_tags == {("mw-blank", "mw-undo")}
