"""Accounts and rows of the log as MediaWiki's tables tell them (1.1 and 1.2 of the reference)."""

from __future__ import annotations

import pytest

from shared_logic.clock import from_iso
from shared_logic.eventify.problems import Problem
from shared_logic.eventify.tables import states
from shared_logic.states.log_state import LogState
from shared_logic.states.user_state import UserState

BEGINNING = from_iso("2023-01-01T00:00:00Z")
Row = dict[str, str | None]
USER: Row = {"user_id": "4", "user_name": "Alice", "user_registration": "20210101000000", "user_is_temp": "0"}
ENTRY: Row = {
    "log_id": "1",
    "log_type": "delete",
    "log_action": "delete",
    "log_timestamp": "20210102000000",
    "log_actor": "3",
    "log_namespace": "0",
    "log_title": "A_page",
    "log_page": "8",
    "log_comment_id": "7",
    "log_params": "a:0:{}",
    "log_deleted": "0",
}


def read(**tables: list[Row]) -> tuple[dict[int, UserState], dict[int, LogState], list[Problem]]:
    """Accounts and rows of the log by id, and the problems."""
    problems: list[Problem] = []
    given: dict[str, list[Row]] = {"page": [], "revision": []} | tables
    said = list(states(given, "testwiki", BEGINNING, problems.append))
    accounts = {entity.id: state for entity, state in said if isinstance(state, UserState)}
    entries = {entity.id: state for entity, state in said if isinstance(state, LogState)}
    return accounts, entries, problems


# --- accounts ---------------------------------------------------------------------------------------------------


def test_an_account_with_its_groups_and_its_central_id() -> None:
    # given two groups, one of which is listed twice, and central ids of two wikis
    groups: list[Row] = [{"ug_user": "4", "ug_group": name} for name in ("sysop", "bot", "sysop")]
    central: list[Row] = [
        {"lu_wiki": wiki, "lu_local_id": "4", "lu_global_id": number}
        for wiki, number in (("testwiki", "40"), ("otherwiki", "41"))
    ]
    accounts, _, problems = read(user=[USER], user_groups=groups, centralauth_localuser=central)
    # then each group is there once, and the id is this wiki's
    assert problems == []
    account = accounts[4]
    assert [name for name, _ in account.names] == ["Alice"]
    assert account.registration == from_iso("2021-01-01T00:00:00Z")
    assert account.is_temporary is False
    assert account.groups is not None
    assert account.groups.names == ("bot", "sysop")
    assert account.central_id == 40


def test_what_a_table_of_accounts_does_not_tell_stays_unknown() -> None:
    accounts, _, _ = read(user=[{"user_id": "4", "user_name": "Alice", "user_registration": None}])
    account = accounts[4]
    assert (account.registration, account.is_temporary, account.central_id) == (None, None, None)
    assert account.groups is not None
    assert account.groups.names == ()


@pytest.mark.parametrize(
    "change, field, code",
    [
        ({"user_id": "0"}, "user_id", "not_positive"),
        ({"user_name": None}, "user_name", "no_name"),
        ({"user_name": ""}, "user_name", "no_name"),
        ({"user_registration": "2021"}, "user_registration", "bad_timestamp"),
    ],
)
def test_an_account_without_id_or_name_is_a_problem(change: Row, field: str, code: str) -> None:
    accounts, _, (problem,) = read(user=[USER | change])
    assert accounts == {}
    assert (problem.table, problem.field, problem.code) == ("user", field, code)


def test_a_group_without_name_is_a_problem_of_its_own() -> None:
    accounts, _, (problem,) = read(user=[USER], user_groups=[{"ug_user": "4", "ug_group": ""}])
    assert set(accounts) == {4}
    assert (problem.table, problem.field, problem.code) == ("user_groups", "ug_group", "no_group")


# --- rows of the log --------------------------------------------------------------------------------------------

ACTORS: list[Row] = [
    {"actor_id": "3", "actor_user": "4", "actor_name": "Alice"},
    {"actor_id": "5", "actor_user": None, "actor_name": "192.0.2.1"},
]
COMMENTS: list[Row] = [{"comment_id": "7", "comment_text": "why"}]


def entry(**changes: str | None) -> LogState:
    """What one row of the log tells."""
    _, entries, problems = read(logging=[ENTRY | changes], actor=ACTORS, comment=COMMENTS)
    assert problems == []
    return entries[1]


def test_a_row_of_the_log() -> None:
    found = entry()
    assert (found.log_type, found.log_action, found.at) == (
        "delete",
        "delete",
        from_iso("2021-01-02T00:00:00Z"),
    )
    assert found.title is not None
    assert (found.namespace, found.title.title, found.page_id) == (0, "A_page", 8)
    assert (found.user_id, found.user_name, found.comment, found.params) == (4, "Alice", "why", "a:0:{}")


def test_an_address_is_an_actor_without_account_and_a_missing_actor_is_unknown() -> None:
    address, missing, untold = entry(log_actor="5"), entry(log_actor="99"), entry(log_actor=None)
    assert (address.user_id, address.user_name) == (0, "192.0.2.1")
    assert (missing.user_id, missing.user_name) == (None, None)
    assert (untold.user_id, untold.user_name) == (None, None)


def test_page_0_and_empty_parameters_are_none() -> None:
    found = entry(log_page="0", log_params="")
    assert (found.page_id, found.params) == (None, None)


@pytest.mark.parametrize(
    "bits, hidden",
    [
        ("1", {"title", "params"}),
        ("2", {"comment"}),
        ("4", {"user_id", "user_name"}),
        ("7", {"title", "params", "comment", "user_id", "user_name"}),
        ("8", set()),
    ],
)
def test_what_of_a_row_is_hidden_is_not_taken(bits: str, hidden: set[str]) -> None:
    found = entry(log_deleted=bits)
    columns = ("title", "params", "comment", "user_id", "user_name")
    assert {name for name in columns if getattr(found, name) is None} == hidden


@pytest.mark.parametrize("timestamp", [None, "", "2021", "19891231235959", "20210102000000Z"])
def test_a_row_without_a_time_that_can_be_is_a_problem(timestamp: str | None) -> None:
    _, entries, (problem,) = read(logging=[ENTRY | {"log_timestamp": timestamp}])
    assert entries == {}
    assert (problem.table, problem.row, problem.field, problem.code) == (
        "logging", "1", "log_timestamp", "bad_timestamp",
    )  # fmt: skip
