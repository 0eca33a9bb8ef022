"""Names are followed through the renames after the moment at which they were seen, and through no earlier one."""

from __future__ import annotations

from shared_logic.history.names import Rename, name_since, renames_of
from tests.history.users import SECOND, START, renamed

RENAMES = renames_of([renamed(2, "A", "B"), renamed(4, "B", "C"), renamed(6, "D", "A"), renamed(8, "A", "E")])


def at(second: int) -> int:
    return START + second * SECOND


def test_renames_are_known_by_the_old_name() -> None:
    assert RENAMES.keys() == {"A", "B", "D"}
    assert {rename.new_name for rename in RENAMES["A"]} == {"B", "E"}
    assert all(isinstance(rename, Rename) for rename in RENAMES["A"])


def test_later_renames_are_followed_one_after_the_other() -> None:
    assert name_since("A", at(1), RENAMES) == "C"
    assert name_since("B", at(3), RENAMES) == "C"
    # whoever bears the name since is another account
    assert name_since("A", at(5), RENAMES) == "E"
    assert name_since("D", at(1), RENAMES) == "E"


def test_earlier_renames_say_nothing() -> None:
    assert name_since("B", at(5), RENAMES) == "B"
    assert name_since("E", at(9), RENAMES) == "E"
    assert name_since("Z", at(0), RENAMES) == "Z"


def test_a_rename_to_the_same_name_is_none() -> None:
    assert renames_of([renamed(2, "A", "A")]) == {}
