"""What a user_change tells of an account: how it was made, and what no event of an edit tells of it."""

from __future__ import annotations

import json

import pytest

from shared_logic.clock import from_iso
from shared_logic.entities import user
from shared_logic.reference import told
from shared_logic.states.user_state import CreatedBy, Creation, UserState

ALICE = {"user_id": 7, "user_text": "Alice"}
ADMIN = {"user_id": 1, "user_text": "Admin"}
MADE = from_iso("2026-01-01T00:00:05Z")


def state(kind: str, **more: object) -> UserState:
    event = {
        "$schema": "/development/mediawiki_user_change/1.3.0",
        "meta": {"stream": "mediawiki.user_change.dev0", "dt": "2026-01-01T00:00:06.250Z"},
        "wiki_id": "w",
        "changelog_kind": "insert" if kind == "create" else "update",
        "user_change_kind": kind,
        "dt": "2026-01-01T00:00:05.400Z",
        "user": ALICE,
    }
    found = told([json.dumps(event | more).encode()])
    assert not found.dead
    account = found.states[user("w", 7)]
    assert isinstance(account, UserState)
    return account


@pytest.mark.parametrize(
    "performer, is_autocreate, by",
    [
        (ALICE, True, CreatedBy.SYSTEM),
        (ALICE, False, CreatedBy.SELF),
        (ADMIN, False, CreatedBy.PEER),
    ],
)
def test_a_creation_tells_when_and_by_whom(performer: object, is_autocreate: bool, by: CreatedBy) -> None:
    made = state("create", performer=performer, is_autocreate=is_autocreate)
    assert made.creation == Creation(MADE, by)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"is_autocreate": False},
        {"performer": ALICE},
        {"is_autocreate": False, "performer": {"user_text": "Admin"}},
    ],
)
def test_a_creation_that_leaves_open_by_whom_tells_none(more: dict[str, object]) -> None:
    assert state("create", **more).creation is None


@pytest.mark.parametrize("kind", ["rename", "groups_change"])
def test_another_change_is_no_creation(kind: str) -> None:
    assert state(kind, performer=ALICE).creation is None


def test_an_account_has_a_central_id_and_is_temporary_or_not() -> None:
    found = state("rename", user={**ALICE, "user_central_id": 70, "is_temp": False})
    assert (found.central_id, found.is_temporary) == (70, False)
    # 0 stands for none
    assert state("rename", user={**ALICE, "user_central_id": 0}).central_id is None
