"""What mediawiki_history makes of facts and lives (1.8 and 1.9 of the reference), a rule at a time."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from batch.issues import with_issues
from shared_logic.datasets.input_issues import UnusedRow
from shared_logic.datasets.revision_history import StrayFacts
from shared_logic.datasets.sites import SiteNamespaces
from shared_logic.eventify.tables import states
from shared_logic.reference import reference, united
from shared_logic.registry import registry
from tests.serving.history_rows import Row, account, at, columns, history, made, page, revision, text, viewed


def test_bytes_are_compared_with_the_parent_wherever_it_is() -> None:
    found = history(
        revision(1, 1, revision_text_bytes=10, revision_parent_id=0),
        revision(2, 2, revision_text_bytes=25, revision_parent_id=1, page_id=2),
        revision(3, 3, revision_text_bytes=30, revision_parent_id=99),
        revision(4, 4, revision_text_bytes=30, revision_parent_id=None),
        revision(5, 5, revision_text_bytes=None, revision_parent_id=1),
        revision(6, 6, revision_text_bytes=3, revision_parent_id=5),
        revision(7, 7, revision_text_bytes=3, revision_parent_id=1, revision_is_deleted=True),
    )
    assert [row["revision_text_bytes_diff"] for row in found] == [10, 15, None, 30, None, None, -7]


def test_revisions_of_an_account_are_numbered_archived_ones_too() -> None:
    found = history(
        revision(2, 1),
        revision(1, 1),
        revision(3, 3, page_id=2, revision_is_deleted=True),
        revision(4, 4, user_id=8),
        revision(5, 4, user_id=None),
        made(StrayFacts, rev_id=6, event_timestamp=at(6), user_id=7, user_text="Alice"),
    )
    assert [row["revision_id"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert [row["event_user_revision_count"] for row in found] == [1, 2, 3, 1, None, 4]
    seconds = [row["event_user_seconds_since_previous_revision"] for row in found]
    assert seconds == [None, 0, 120, None, None, 180]


def test_revisions_of_an_account_are_numbered_by_time_first() -> None:
    # given revisions whose ids tell another order, as of an import
    found = history(revision(9, 1), revision(5, 2), revision(7, 4))
    assert [(row["revision_id"], row["event_user_revision_count"]) for row in found] == [
        (9, 1),
        (5, 2),
        (7, 3),
    ]
    assert [row["event_user_seconds_since_previous_revision"] for row in found] == [None, 60, 120]


def test_the_state_of_an_account_is_that_of_the_moment_its_start_included() -> None:
    found = history(
        account(0, 0, 5, starts_with_first_edit=False),
        account(1, 5, None),
        revision(1, 4),
        revision(2, 5),
        revision(3, 6, user_id=99, user_text="Nobody"),
    )
    revisions = [row for row in found if row["event_entity"] == "revision"]
    assert [row["event_user_text_historical"] for row in revisions] == ["A0", "A1", "Nobody"]
    assert [row["event_user_text"] for row in revisions] == ["Alice", "Alice", None]


def test_between_two_states_an_account_has_none() -> None:
    found = history(account(0, 0, 5), account(1, 7, None), *(revision(n, n) for n in range(4, 8)))
    revisions = [row for row in found if row["event_entity"] == "revision"]
    # what the revision tells itself is there: the name
    assert [row["event_user_text_historical"] for row in revisions] == ["A0", "Alice", "Alice", "A1"]
    assert [row["event_user_text"] for row in revisions] == ["Alice", None, None, "Alice"]


def test_without_a_state_of_its_author_a_revision_is_of_a_bot_by_the_name_alone() -> None:
    found = history(
        revision(1, 1, user_id=None, user_text="CleanupBot"),
        revision(2, 2, user_id=None, user_text="Abbott"),
        revision(3, 3, user_id=None, user_text=None),
        account(0, 0, None, is_bot_by_historical=("name", "group")),
        revision(4, 4),
    )
    bots = [row["event_user_is_bot_by_historical"] for row in found if row["revision_id"]]
    assert bots == [["name"], [], [], ["name", "group"]]


def test_an_archived_revision_of_no_page_that_is_known_has_the_title_of_its_day() -> None:
    named: Row = {"page_title_at_deletion": "Gone", "page_namespace_at_deletion": 4}
    found = history(
        made(StrayFacts, rev_id=1, event_timestamp=at(1), **named),
        revision(2, 2, page_id=2, revision_is_deleted=True, **named),
        page(0, 0, None),
        revision(3, 3, revision_is_deleted=True, **named),
    )
    told = [
        (row["page_title_historical"], row["page_namespace_historical"], row["page_title"])
        for row in found
        if row["revision_id"]
    ]
    assert told == [("Gone", 4, None), ("Gone", 4, None), ("T0", 1, "")]


@pytest.mark.parametrize("content, told", [((), (True, False)), (("4", "10"), (False, True))])
def test_an_archived_revision_of_no_page_that_is_known_is_content_as_the_site_says(
    content: tuple[str, ...], told: tuple[bool, bool]
) -> None:
    # given archived revisions of no state of a page, in namespaces 0 and 4, and one that is not archived
    site = [made(SiteNamespaces, numbers=("0", "4", "10"), content=content)] if content else []
    found = history(
        *site,
        made(StrayFacts, rev_id=1, event_timestamp=at(1), page_namespace_at_deletion=0),
        revision(2, 2, page_id=2, revision_is_deleted=True, page_namespace_at_deletion=4),
        revision(3, 3, page_id=3),
    )
    # then they carry what counts as content, the main namespace where nobody says; of now nothing is known
    assert [row["page_namespace_is_content_historical"] for row in found] == [*told, None]
    assert {row["page_namespace_is_content"] for row in found} == {None}


def test_a_state_of_a_page_is_an_event_by_who_caused_it_as_they_were() -> None:
    # given an account that was renamed, and moved a page before
    mover: Row = {"caused_by_user_id": 7, "caused_by_user_text": "Alice"}
    found = history(
        account(0, 0, 5, user_groups_historical=("sysop",)),
        account(1, 5, None),
        page(1, 4, None, caused_by_event_type="move", source_log_id=12, source_log_comment="why", **mover),
    )
    (event,) = (row for row in found if row["event_entity"] == "page")
    # then the event is of the log row, at the start of the state, by the account as it was; its comment is null
    assert (event["event_type"], event["event_log_id"], event["event_timestamp"]) == ("move", 12, text(4))
    assert event["event_comment"] is None
    assert (event["event_user_id"], event["event_user_text_historical"], event["event_user_text"]) == (
        7,
        "A0",
        "Alice",
    )
    assert event["event_user_groups_historical"] == ["sysop"]
    assert event["page_title_historical"] == "T1"
    assert (event["revision_id"], event["user_id"], event["event_user_revision_count"]) == (None, None, None)


def test_a_state_of_an_account_is_an_event_by_who_caused_it() -> None:
    found = history(
        account(0, 0, None),
        account(
            0, 3, None, user_id=8, user_text="Bob", user_text_historical="B0", caused_by_event_type="rename",
            caused_by_user_id=7, source_log_id=13, source_log_comment="why",
        ),
    )  # fmt: skip
    (event,) = (row for row in found if row["user_id"] == 8)
    assert (event["event_entity"], event["event_type"], event["event_log_id"]) == ("user", "rename", 13)
    assert (event["event_timestamp"], event["event_comment"]) == (text(3), None)
    assert (event["event_user_id"], event["event_user_text_historical"]) == (7, "A0")
    assert (event["user_text_historical"], event["user_text"]) == ("B0", "Bob")
    assert (event["page_id"], event["revision_id"]) == (None, None)


def test_two_states_of_all_time_of_one_account_are_both_left_out() -> None:
    # given two states that neither begin nor end
    found = history(account(0, None, None), account(1, None, None), revision(1, 4))
    assert [row["event_user_text_historical"] for row in found if row["revision_id"]] == ["Alice"]
    # but one alone is a state of all time
    found = history(account(0, None, None), revision(1, 4))
    assert [row["event_user_text_historical"] for row in found if row["revision_id"]] == ["A0"]


def test_two_states_of_all_time_of_one_page_are_both_left_out() -> None:
    found = history(page(0, None, None), page(1, None, None), revision(1, 4))
    assert [row["page_title_historical"] for row in found if row["revision_id"]] == [None]
    found = history(page(0, None, None), revision(1, 4))
    assert [row["page_title_historical"] for row in found if row["revision_id"]] == ["T0"]


def test_the_first_state_of_a_page_reaches_back_to_its_first_edit_later_ones_do_not() -> None:
    first_edit = {"page_first_edit_timestamp": at(1)}
    found = history(
        page(0, 3, 5, **first_edit), page(1, 6, None, **first_edit), revision(1, 1), revision(2, 5)
    )
    assert [row["page_title_historical"] for row in found if row["revision_id"]] == ["T0", None]


def test_a_revision_from_before_the_creation_of_its_page() -> None:
    life = page(0, 0, None, page_creation_timestamp=at(3))
    found = history(life, revision(1, 2), revision(2, 3), revision(3, 4), revision(4, 4, page_id=2))
    flags = [row["revision_is_from_before_page_creation"] for row in found if row["revision_id"]]
    assert flags == [True, False, False, False]


def test_an_archived_revision_was_deleted_by_the_first_deletion_after_it() -> None:
    deletions = [page(n, minute, None, caused_by_event_type="delete") for n, minute in ((1, 5), (2, 9))]
    archived: Row = {"revision_is_deleted": True, "page_last_archived_at": at(20)}
    found = history(
        *deletions,
        revision(1, 4, **archived),
        revision(2, 5, **archived),
        revision(3, 10, **archived),
        revision(4, 11, page_id=2, revision_is_deleted=True),
        revision(5, 12),
    )
    told = [row["revision_deleted_by_page_deletion_timestamp"] for row in found if row["revision_id"]]
    assert told == [text(5), text(9), text(20), text(11), None]


def test_names_that_tell_of_imports_are_of_other_wikis_on_every_kind_of_event() -> None:
    found = history(
        revision(1, 1, user_id=None, user_text="de>Bert"),
        revision(2, 2, user_id=None, user_text="192.0.2.1"),
        revision(3, 3, user_text="a>b"),
        revision(4, 4, user_id=None, user_text=None),
        page(0, 5, None, caused_by_anonymous_user=True, caused_by_user_text="de>Bert"),
        page(1, 6, None),
    )
    assert [row["event_user_is_cross_wiki"] for row in found] == [True, False, False, False, True, False]


def test_addresses_are_anonymous_and_hidden_authors_are_unknown() -> None:
    found = history(
        revision(1, 1, user_id=None, user_text="192.0.2.1"),
        revision(2, 2, user_id=None, user_text=None),
        account(0, 0, None, is_temporary=True),
        revision(3, 3),
    )
    revisions = [row for row in found if row["revision_id"]]
    assert [row["event_user_is_anonymous"] for row in revisions] == [True, None, False]
    # (upstream says neither of who has no account)
    assert [row["event_user_is_temporary"] for row in revisions] == [None, None, True]
    assert [row["event_user_is_permanent"] for row in revisions] == [None, None, False]
    assert [row["event_user_text"] for row in revisions] == ["192.0.2.1", None, "Alice"]


def test_a_state_begins_with_the_first_edit_where_nothing_earlier_is_told() -> None:
    first = account(0, 5, None, starts_with_first_edit=True)
    assert [row["event_timestamp"] for row in history(first, revision(1, 2)) if row["user_id"]] == [text(2)]
    assert [row["event_timestamp"] for row in history(first, revision(1, 9)) if row["user_id"]] == [text(5)]


def test_an_account_of_which_nothing_tells_a_time_is_left_out() -> None:
    nothing = account(0, None, None, user_registration_timestamp=None)
    assert history(nothing) == []
    assert [row["user_id"] for row in history(nothing, revision(1, 2)) if row["event_entity"] == "user"] == [
        7
    ]


@pytest.mark.parametrize("told", ["user_registration_timestamp", "user_creation_timestamp"])
def test_an_account_of_which_one_time_is_told_is_kept(told: str) -> None:
    found = history(account(0, None, None, **({"user_registration_timestamp": None} | {told: at(1)})))
    assert [row["user_id"] for row in found] == [7]


def test_the_end_of_a_block_is_told_by_the_log_row_that_made_it() -> None:
    # given a block for some time, one without end, an unblock, and a block that ended by itself
    block: Row = {"caused_by_event_type": "alterblocks", "is_blocked": True}
    found = viewed(
        "user_history",
        account(0, 0, 1),
        account(1, 1, 2, **block, caused_by_block_expiration=at(90)),
        account(2, 2, 3, **block),
        account(3, 3, 4, caused_by_event_type="alterblocks"),
        account(4, 4, 5, caused_by_event_type="rename", is_blocked=True),
        account(5, 5, None, caused_by_event_type="alterblocks", inferred_from="unblock"),
    )
    assert [row["caused_by_block_expiration"] for row in found] == [
        None,
        "20200101013000",
        "indefinite",
        None,
        None,
        None,
    ]


def test_who_caused_a_state_is_known_by_id_or_by_the_name_of_then_and_called_as_now() -> None:
    # given a name that an account gave up for another account
    bearers = [
        account(0, 0, 5, user_text_historical="Alice", user_text="Carol", user_central_id=70),
        account(1, 5, None, user_text_historical="Carol", user_text="Carol", user_central_id=70),
        account(0, 5, None, user_id=8, user_text_historical="Alice", user_text="Alice"),
    ]
    # when pages were moved by it before, in that minute, and since, and one by an id
    by_name: Row = {"caused_by_user_text": "Alice", "source_log_id": 1}
    moves = [page(n, minute, None, **by_name) for n, minute in enumerate((4, 5, 6))]
    by_id = page(3, 7, None, caused_by_user_text="Alice", caused_by_user_id=7)
    found = viewed("page_history", *bearers, *moves, by_id)
    # then it was whoever bore it then, by the name and central id of now
    causers = [
        (row["caused_by_user_id"], row["caused_by_user_text"], row["caused_by_user_central_id"])
        for row in found
    ]
    assert causers == [(7, "Carol", 70), (8, "Alice", None), (8, "Alice", None), (7, "Carol", 70)]


def test_whether_a_temporary_account_caused_a_state_is_known_of_log_rows_only() -> None:
    found = viewed(
        "page_history",
        account(0, 0, None, is_temporary=True),
        page(0, 1, None, caused_by_user_id=7),
        page(1, 2, None, caused_by_user_id=7, source_log_id=1),
    )
    flags = [(row["caused_by_temporary_user"], row["caused_by_permanent_user"]) for row in found]
    assert flags == [(None, None), (True, False)]


def test_a_block_has_not_ended_yet_at_the_instant_of_reading() -> None:
    # given a block whose end nothing tells but its own duration
    states = [
        account(0, 0, 60, caused_by_event_type="alterblocks", user_blocks_historical=("nocreate",)),
        account(1, 60, None, caused_by_event_type="alterblocks", inferred_from="unblock"),
    ]
    during = history(*states, now=at(59))
    assert [(row["event_timestamp"], row["user_blocks"]) for row in during] == [(text(0), ["nocreate"])]
    after = history(*states, now=at(60))
    assert [(row["event_timestamp"], row["user_blocks"]) for row in after] == [(text(0), []), (text(60), [])]


@pytest.mark.parametrize("minute", [-10, 5, 10, 25, 35, 59, 60, 75, 300])
def test_at_whatever_instant_it_is_read_states_never_overlap(minute: int) -> None:
    # given a life that goes on after the instant: what log rows tell, and two blocks that ended by themselves
    blocked: Row = {"caused_by_event_type": "alterblocks", "user_blocks_historical": ("nocreate",)}
    unblocked: Row = {"caused_by_event_type": "alterblocks", "inferred_from": "unblock"}
    life = [
        account(0, 0, 10),
        account(1, 10, 20, **blocked),
        account(2, 20, 30, **unblocked),
        account(3, 30, 50, caused_by_event_type="rename", caused_by_user_id=7),
        account(4, 50, 60, caused_by_user_id=7, **blocked),
        account(5, 60, None, **unblocked),
    ]
    found = history(*life, *(revision(n, n) for n in range(70)), now=at(minute))
    # then what the log tells is there, and what it does not tell only once it has happened
    states = [row["event_timestamp"] for row in found if row["event_entity"] == "user"]
    assert states == [text(n) for n in (0, 10, 20, 30, 50, 60) if n not in {20, 60} or n <= minute]
    # and every revision is one row, by its author as they were
    revisions = [row for row in found if row["event_entity"] == "revision"]
    assert [row["revision_id"] for row in revisions] == list(range(70))
    then = [max(state for state in states if state <= row["event_timestamp"]) for row in revisions]
    names = {text(n): f"A{ordinal}" for ordinal, n in enumerate((0, 10, 20, 30, 50, 60))}
    assert [row["event_user_text_historical"] for row in revisions] == [names[state] for state in then]


def test_an_issue_of_the_input_names_the_column_at_fault() -> None:
    # given a row of which two columns can't be read, of which the first is told
    row = {
        "rev_id": "5",
        "rev_page": "1",
        "rev_timestamp": "20200101000000",
        "rev_len": "-5",
        "rev_minor_edit": "x",
    }
    told = with_issues("w", Counter(), partial(states, {"page": [], "revision": [row]}, "w", 0))
    # when it is taken
    dataset = registry["input_issues"]
    found = reference([dataset], united(told))["input_issues"]
    # then the view of issues names it
    rows = [UnusedRow(**dataset.schema.record(key, values)) for key, values in found.items()]
    (issue,) = viewed("issues", *rows)
    assert (issue["table"], issue["key"], issue["field"], issue["code"]) == (
        "revision",
        "5",
        "rev_minor_edit",
        "not_a_number",
    )


def test_a_revision_that_went_to_another_page_is_one_row_and_counts_once() -> None:
    # given a revision in the archive of one page, that a restore took to another
    found = history(
        revision(1, 1, page_id=9, revision_is_deleted=True),
        revision(1, 1, page_id=2),
        revision(2, 2, page_id=2),
    )
    assert [(row["revision_id"], row["page_id"]) for row in found] == [(1, 2), (2, 2)]
    assert [row["event_user_revision_count"] for row in found] == [1, 2]
    assert not found[0]["revision_is_deleted_by_page_deletion"]


PLACES = {0: "A", 1: "Talk:A", 100: "Special:Badtitle/NS100:A", 200: "Special:Badtitle/NS200:A"}
NAMED = {"numbers": ("0", "1", "100"), "content": ("0",), "hostname": "aa.example.org"}


@pytest.mark.parametrize(
    "site, titles",
    [
        ((), PLACES),
        (
            # a dump's head tells the names of the wiki's language only
            [{"canonical_names": ("", "", ""), "localized_names": ("", "Diskussion", "Portal")}],
            PLACES | {100: "Portal:A"},
        ),
        (
            [{"canonical_names": ("", "Talk", "Gate"), "localized_names": ("", "Diskussion", "Portal")}],
            PLACES | {100: "Gate:A"},
        ),
    ],
)
def test_pages_of_several_namespaces_are_never_one_title(site: list[Row], titles: dict[int, str]) -> None:
    # given pages of one bare title in namespaces that have a name and in those that have none
    pages = [
        page(0, 0, None, page=f"{n}", page_id=n, page_namespace=namespace, page_namespace_historical=namespace,
             page_title="A", page_is_redirect=False)
        for n, namespace in enumerate(titles, 1)
    ]  # fmt: skip
    edits = [revision(n, n, page_id=n) for n, _ in enumerate(titles, 1)]
    # when they are reduced
    told = [made(SiteNamespaces, **NAMED, **names) for names in site]
    found = viewed("mediawiki_history_reduced", *told, *pages, *edits)
    # then each has a title, and digests, of its own
    digests = [row for row in found if row["event_type"] == "daily_digest" and row["page_title"]]
    assert {row["page_title"]: row["revisions"] for row in digests} == dict.fromkeys(titles.values(), 1)
    assert {row["page_namespace"]: row["page_title"] for row in found if row["page_id"]} == titles


@pytest.mark.parametrize("view", ["mediawiki_history", "page_history", "mediawiki_history_reduced"])
def test_numbers_of_namespaces_have_upstreams_type(view: str) -> None:
    types = columns(view)
    small = {name for name, kind in types.items() if kind == "INTEGER"}
    assert small == types.keys() & {"page_namespace", "page_namespace_historical"}
