"""Which log rows tell of accounts, and what they tell (1.6 of the reference)."""

from __future__ import annotations

import pytest

from shared_logic.history.log_row import Issue, LogRow
from shared_logic.history.user_events import UserEvent, UserEventType, user_events
from tests.history.users import SECOND, START, blocked, created, granted, renamed, row, unblocked


def told(log_row: LogRow) -> UserEvent:
    (found,) = user_events(log_row)
    assert isinstance(found, UserEvent), found
    return found


def refused(log_row: LogRow) -> Issue:
    (found,) = user_events(log_row)
    assert isinstance(found, Issue), found
    return found


@pytest.mark.parametrize(
    "title", ["192.0.2.1", "192.0.2.0/24", "Not 192.0.2.1 again", "2001:DB8:0:0:0:0:0:1", "#12"]
)
def test_rows_about_addresses_are_skipped(title: str) -> None:
    assert list(user_events(blocked(1, title))) == []


@pytest.mark.parametrize("name", ["192.0.2", "2001:db8:0:0:0:0:0:1", "A#12", "#12a", "#"])
def test_what_only_looks_like_an_address_is_a_name(name: str) -> None:
    assert told(blocked(1, name)).new_name == name


def test_rows_of_other_types_are_skipped() -> None:
    assert list(user_events(row(1, "move", "move", "A", {"target": "B"}))) == []


def test_a_row_from_before_1990_is_an_issue() -> None:
    assert refused(renamed(1, "A", "B", at=0)).code == "bad-timestamp"


# --- renames


def test_a_rename_tells_both_names() -> None:
    event = told(renamed(1, "Old_name", "New name"))
    assert (event.event_type, event.old_name, event.new_name) == (
        UserEventType.RENAME,
        "Old name",
        "New name",
    )


def test_an_old_rename_tells_them_by_links_of_its_comment() -> None:
    comment = "Renamed [[User:Old|Old]] to [[User:New|New]]"
    event = told(row(1, "renameuser", "renameuser", "Old", None, comment=comment))
    assert (event.old_name, event.new_name) == ("Old", "New")


def test_an_older_one_by_title_and_raw_parameters() -> None:
    event = told(row(1, "renameuser", "renameuser", "Old_one", "New one"))
    assert (event.old_name, event.new_name) == ("Old one", "New one")


def test_of_several_tellings_of_a_rename_parameters_come_first_and_links_before_raw_ones() -> None:
    # given rows that tell other names by the links of the comment
    comment = "Renamed [[User:Old|Old]] to [[User:New|New]]"
    # then parameters that name both come first
    event = told(renamed(1, "A", "B", comment=comment))
    assert (event.old_name, event.new_name) == ("A", "B")
    # and raw ones last
    event = told(row(1, "renameuser", "renameuser", "A", "B", comment=comment))
    assert (event.old_name, event.new_name) == ("Old", "New")


def test_one_link_names_no_two_accounts() -> None:
    event = told(row(1, "renameuser", "renameuser", "A", "B", comment="asked by [[User:C|C]]"))
    assert (event.old_name, event.new_name) == ("A", "B")


def test_a_rename_that_tells_no_names_is_an_issue() -> None:
    assert refused(row(1, "renameuser", "renameuser", "Old", None)).code == "no-names"


# --- creations


@pytest.mark.parametrize(
    "action, how",
    [
        ("create", (True, False, False)),
        ("newusers", (True, False, False)),
        ("autocreate", (False, True, False)),
        ("create2", (False, False, True)),
        ("byemail", (False, False, True)),
        ("other", (False, False, False)),
    ],
)
def test_who_made_an_account(action: str, how: tuple[bool, bool, bool]) -> None:
    event = told(created(1, "New_one", action))
    assert (event.created_by_self, event.created_by_system, event.created_by_peer) == how
    assert event.new_name == "New one"


def test_a_creation_is_named_by_the_first_link_of_its_comment() -> None:
    assert told(created(1, "Maker", "create2", comment="made [[User:Made|Made]]")).new_name == "Made"
    comment = "[[User:Made|Made]] for [[User:Other|Other]]"
    assert told(created(1, "Maker", "create2", comment=comment)).new_name == "Made"


def test_a_creation_without_a_name_is_an_issue() -> None:
    assert refused(row(1, "newusers", "create", None)).code == "no-name"


# --- groups


def test_groups_are_those_after_the_change() -> None:
    assert told(granted(1, "A", ["sysop"], ["sysop", "bot"])).groups == ("sysop", "bot")


def test_old_rows_list_them_in_the_second_of_two_lines() -> None:
    assert told(row(1, "rights", "rights", "A", "sysop\nsysop, bot")).groups == ("sysop", "bot")
    assert told(row(1, "rights", "rights", "A", "sysop")).groups == ()


def test_older_rows_tell_them_in_the_comment() -> None:
    assert told(row(1, "rights", "rights", "A", None, comment="=sysop, bot")).groups == ("sysop", "bot")
    assert told(row(1, "rights", "rights", "A", None, comment="now +sysop +bot")).groups == ("sysop", "bot")
    assert told(row(1, "rights", "rights", "A", None, comment=" =sysop+x")).groups == ("sysop+x",)
    assert told(row(1, "rights", "rights", "A", None, comment="+ sysop, +bot, +x")).groups == ("bot", "x")


@pytest.mark.parametrize("params", ["a\nb\nc", 'a:1:{s:1:"x";i:1;}'])
def test_other_parameters_are_an_issue(params: str) -> None:
    assert refused(row(1, "rights", "rights", "A", params)).code == "no-groups"
    assert refused(row(1, "rights", "rights", "A", None, comment="because")).field == "log_comment"


@pytest.mark.parametrize("params", ['a:1:{s:1:"x";i:1;}', 'a:1:{s:12:"5::newgroups";a:1:{i:0;s:3:"bot";}}'])
def test_parameters_that_tell_no_groups_are_an_issue_whatever_the_comment(params: str) -> None:
    assert refused(row(1, "rights", "rights", "A", params, comment="=sysop")).field == "log_params"


# --- blocks


def test_a_block_has_flags_and_an_end() -> None:
    event = told(blocked(1, "A", "1 day", "nocreate, noemail"))
    assert (event.blocks, event.is_block) == (("nocreate", "noemail"), True)
    assert event.block_expiry == START + SECOND + 86_400_000


def test_an_unblock_has_none() -> None:
    event = told(unblocked(1, "A"))
    assert (event.event_type, event.blocks, event.is_block) == (UserEventType.ALTERBLOCKS, (), False)


def test_a_partial_block_is_told_apart() -> None:
    params = {"duration": "1 day", "flags": "", "sitewide": False}
    assert told(row(1, "block", "block", "A", params)).is_partial
    assert not told(blocked(1, "A")).is_partial


def test_a_block_may_tell_its_duration_alone() -> None:
    event = told(row(1, "block", "block", "A", 'a:1:{s:11:"5::duration";s:5:"1 day";}'))
    assert (event.blocks, event.is_block) == ((), True)
    assert event.block_expiry == START + SECOND + 86_400_000


def test_old_blocks_are_lines() -> None:
    assert told(row(1, "block", "block", "A", "3 days")).blocks == ()
    assert told(row(1, "block", "block", "A", "3 days\nanononly,nocreate")).blocks == ("anononly", "nocreate")


@pytest.mark.parametrize(
    "params, code", [("a\nb\nc", "no-duration"), (None, "no-duration"), ("forever and a day", "bad-duration")]
)
def test_other_blocks_are_an_issue(params: str | None, code: str) -> None:
    assert refused(row(1, "block", "block", "A", params)).code == code


def test_a_hidden_title_is_an_issue() -> None:
    assert refused(row(1, "rights", "rights", None, "sysop")).code == "no-name"
