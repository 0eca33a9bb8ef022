"""What a page alone tells of its revisions (1.8 of the reference), a rule at a time: from rows of tables to `revision_facts`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import shared_logic.datasets  # noqa: F401  registers them
from shared_logic.eventify.tables import states
from shared_logic.reference import reference, united
from shared_logic.registry import registry

START = datetime(2021, 1, 1, tzinfo=UTC)
Row = dict[str, str | None]


def written(second: int) -> str:
    return f"{START + timedelta(seconds=second):%Y%m%d%H%M%S}"


def live(rev_id: int, second: int, **told: str | None) -> Row:
    """A row of `revision`, of page 1, whose comment is the one there is."""
    return {
        "rev_id": f"{rev_id}",
        "rev_page": "1",
        "rev_timestamp": written(second),
        "rev_comment_id": "9",
    } | told


def archived(rev_id: int, second: int, **told: str | None) -> Row:
    """A row of `archive`, of page 1 if no other is told."""
    return {
        "ar_id": f"{rev_id}",
        "ar_rev_id": f"{rev_id}",
        "ar_page_id": "1",
        "ar_namespace": "4",
        "ar_title": "Gone",
        "ar_timestamp": written(second),
        "ar_comment_id": "9",
    } | told


def facts(*rows: Row, **tables: list[Row]) -> dict[int, dict[str, Any]]:
    """The facts of these revisions, by id."""
    given: dict[str, list[Row]] = {
        "page": [{"page_id": "1", "page_namespace": "0", "page_title": "A"}],
        "revision": [row for row in rows if "rev_id" in row],
        "archive": [row for row in rows if "ar_id" in row],
        "comment": [{"comment_id": "9", "comment_text": "why"}],
    } | tables
    problems: list[object] = []
    known = united(states(given, "w", int(START.timestamp() * 1000) + 10**9, problems.append))
    assert problems == []
    dataset = registry["revision_facts"]
    found = reference([dataset], known)["revision_facts"]
    records = [dataset.schema.record(key, values) for key, values in found.items()]
    return {record["rev_id"]: record for record in records}


def test_revisions_of_a_page_are_numbered_by_time_and_id_archived_ones_too() -> None:
    # given revisions that were saved in another order than their ids tell, two of them in one second
    found = facts(live(5, 0), live(3, 60), archived(4, 60), live(2, 90))
    # then they count in order of time, then of id
    numbers = {rev_id: row["page_revision_count"] for rev_id, row in found.items()}
    assert numbers == {5: 1, 3: 2, 4: 3, 2: 4}
    seconds = {rev_id: row["page_seconds_since_previous_revision"] for rev_id, row in found.items()}
    assert seconds == {5: None, 3: 60, 4: 0, 2: 30}


def test_numbers_of_one_page_are_not_those_of_another() -> None:
    other = {"page_id": "2", "page_namespace": "0", "page_title": "B"}
    page = {"page_id": "1", "page_namespace": "0", "page_title": "A"}
    found = facts(live(1, 0), live(2, 5, rev_page="2"), live(3, 9), page=[page, other])
    assert {rev_id: row["page_revision_count"] for rev_id, row in found.items()} == {1: 1, 2: 1, 3: 2}


def test_a_reverted_revision_tells_by_which_and_after_how_long() -> None:
    # given two edits that a third one takes back, and a fourth that takes back all of it again
    rows = [
        live(rev_id, second, rev_sha1=text, rev_parent_id=f"{rev_id - 1}")
        for rev_id, second, text in ((1, 0, "a"), (2, 10, "b"), (3, 25, "c"), (4, 40, "a"), (5, 70, "b"))
    ]
    found = facts(*rows)
    # then each tells of the first that reverted it
    told = {
        rev_id: (
            row["revision_is_identity_reverted"],
            row["revision_first_identity_reverting_revision_id"],
            row["revision_seconds_to_identity_revert"],
            row["revision_is_identity_revert"],
        )
        for rev_id, row in found.items()
    }
    assert told == {
        1: (False, None, None, False),
        2: (True, 4, 30, False),
        3: (True, 4, 15, False),
        4: (True, 5, 30, True),
        5: (False, None, None, True),
    }


def test_a_revision_whose_text_is_hidden_can_be_reverted_only() -> None:
    # given a hidden revision between two of one text, and another hidden one of that text
    rows = [
        live(1, 0, rev_sha1="a", rev_parent_id="0"),
        live(2, 1, rev_sha1="b", rev_parent_id="1", rev_deleted="1"),
        live(3, 2, rev_sha1="a", rev_parent_id="2"),
        live(4, 3, rev_sha1="c", rev_parent_id="3"),
        live(5, 4, rev_sha1="a", rev_parent_id="4", rev_deleted="1"),
    ]
    found = facts(*rows)
    # then it has no digest, and is no revert
    assert [row["revision_text_sha1"] for row in found.values()] == ["a", None, "a", "c", None]
    assert [rev_id for rev_id, row in found.items() if row["revision_is_identity_revert"]] == [3]
    assert [rev_id for rev_id, row in found.items() if row["revision_is_identity_reverted"]] == [2]


def test_an_archived_revision_has_no_comment_but_the_title_of_its_day() -> None:
    found = facts(live(1, 0), archived(2, 5, ar_page_id="7"))
    assert [row["event_comment"] for row in found.values()] == ["why", None]
    assert [row["revision_is_deleted"] for row in found.values()] == [False, True]
    titles = [(row["page_title_at_deletion"], row["page_namespace_at_deletion"]) for row in found.values()]
    assert titles == [(None, None), ("Gone", 4)]


def test_the_largest_archived_time_of_a_page_is_that_of_all_its_archived_revisions() -> None:
    found = facts(live(1, 99), archived(2, 5), archived(3, 50))
    times = {rev_id: row["page_last_archived_at"] for rev_id, row in found.items()}
    assert times == {1: None, 2: START + timedelta(seconds=50), 3: START + timedelta(seconds=50)}


def test_who_has_no_account_has_no_id() -> None:
    actors: list[Row] = [
        {"actor_id": "1", "actor_user": "7", "actor_name": "Alice"},
        {"actor_id": "2", "actor_user": None, "actor_name": "192.0.2.1"},
    ]
    rows = [live(1, 0, rev_actor="1"), live(2, 1, rev_actor="2"), live(3, 2, rev_actor="1", rev_deleted="4")]
    found = facts(*rows, actor=actors)
    told = [(row["user_id"], row["user_text"]) for row in found.values()]
    assert told == [(7, "Alice"), (None, "192.0.2.1"), (None, None)]


def test_tags_are_sorted_names_and_null_where_there_are_none() -> None:
    # given two tags of one revision, one of them twice, and one that nothing names
    given = [("1", "1", "11"), ("2", "1", "10"), ("3", "1", "11"), ("4", "2", "99")]
    found = facts(
        live(1, 0),
        live(2, 1),
        change_tag=[{"ct_id": one, "ct_rev_id": rev, "ct_tag_id": tag} for one, rev, tag in given],
        change_tag_def=[
            {"ctd_id": "10", "ctd_name": "mobile edit"},
            {"ctd_id": "11", "ctd_name": "bot trial"},
        ],
    )
    assert [row["revision_tags"] for row in found.values()] == [("bot trial", "mobile edit"), None]
