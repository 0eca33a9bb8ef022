"""The lives of accounts: name, groups and blocks of each, from when to when, and who made it so.

Accounts and log rows are rows by name (see `user_names`); those that name one another are rebuilt together, backwards from the
present (see `shared_logic.history.user_rebuild`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from shared_logic.clock import instant_or_none, milliseconds
from shared_logic.datasets.user_current import (
    UserName,
    accounts_now,
    log_row,
    renames_in,
    spelled,
)
from shared_logic.history.log_row import Issue, LogRow, params_as_json, without_copies
from shared_logic.history.names import Renames, name_since
from shared_logic.history.user_events import UserEvent, user_events
from shared_logic.history.user_history import UserHistoryState
from shared_logic.history.user_rebuild import Rebuilt, rebuilt
from shared_logic.language import Clustering, Linked, Partition, Table, about, dataset

_PERSONAL = "a name that its bearer may have given up or that may have been hidden"


class UserLife(Table, frozen=True, kw_only=True):
    """An account from one instant to another, in upstream's columns (see `UserHistoryState`)."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    user_id: Annotated[Partition[int], about("id on the wiki", at_least=1)]
    ordinal: Annotated[
        Clustering[int], about("number of the state in the account's life, from 0", at_least=0)
    ]
    user_central_id: Annotated[int | None, about("central id", private="links accounts of several wikis")]
    user_text_historical: Annotated[
        str, about("name in this state", private=_PERSONAL, hidden_with="account")
    ]
    user_text: Annotated[str, about("name at present", hidden_with="account")]
    user_groups_historical: Annotated[tuple[str, ...], about("groups in this state")]
    user_groups: Annotated[tuple[str, ...], about("groups at present")]
    user_blocks_historical: Annotated[tuple[str, ...], about("flags of the block in this state")]
    is_blocked: Annotated[bool, about("whether a block was in force, with flags or without")]
    is_partially_blocked: Annotated[bool, about("whether that was of some pages or namespaces only")]
    is_bot_by_historical: Annotated[tuple[str, ...], about("by what it was a bot: name, group")]
    is_bot_by: Annotated[tuple[str, ...], about("by what it is a bot at present")]
    user_registration_timestamp: Annotated[datetime | None, about("registration", unit="UTC")]
    user_creation_timestamp: Annotated[
        datetime | None, about("of the creation in the log, or else of its event", unit="UTC")
    ]
    created_by_self: Annotated[bool | None, about("made by who uses it; null: nothing tells who made it")]
    created_by_system: Annotated[bool | None, about("made by a login on another wiki; null: as before")]
    created_by_peer: Annotated[bool | None, about("made by somebody else; null: as before")]
    is_temporary: Annotated[bool | None, about("whether it is a temporary account; null: no table tells")]
    start_timestamp: Annotated[
        datetime | None, about("beginning of the state, but for the first edit", unit="UTC")
    ]
    starts_with_first_edit: Annotated[bool, about("whether an earlier first edit is the beginning")]
    end_timestamp: Annotated[datetime | None, about("end of the state; null: it lasts", unit="UTC")]
    caused_by_event_type: Annotated[str, about("what began it")]
    caused_by_user_id: Annotated[int | None, about("who did that", hidden_with="caused_by_user_text")]
    caused_by_user_text: Annotated[str | None, about("who did that", hidden_with="account")]
    caused_by_anonymous_user: Annotated[bool | None, about("whether that was an address")]
    caused_by_temporary_user: Annotated[bool | None, about("whether that was a temporary account")]
    caused_by_permanent_user: Annotated[bool | None, about("whether that was a named account")]
    caused_by_block_expiration: Annotated[
        datetime | None, about("when the block ends; null: never", unit="UTC")
    ]
    inferred_from: Annotated[str | None, about("why it is known, where no event of its own began it")]
    source_log_id: Annotated[int | None, about("the log row that began it")]
    source_log_comment: Annotated[str | None, about("its comment", private="may have been hidden since")]
    source_log_params: Annotated[
        str | None, about("its parameters, a JSON object of texts", private=_PERSONAL)
    ]

    growth = (
        "ordinal = 0",
        "is_temporary",
        "created_by_self",
        "array_contains(is_bot_by, 'group')",
        "caused_by_event_type = 'create'",
        "caused_by_event_type = 'rename'",
        "caused_by_event_type = 'altergroups'",
        "caused_by_event_type = 'alterblocks'",
    )


@dataset
def user_lives(said: Linked[UserName]) -> Iterator[UserLife]:
    """Every state of every account."""
    yield from user_states(said)


def user_states(said: Linked[UserName]) -> Iterator[UserLife]:
    """The states of the accounts that linked names tell of, numbered."""
    ordinals: dict[int, int] = {}
    for state in _rebuilt(said).states:
        ordinal = ordinals.get(state.user_id, 0)
        ordinals[state.user_id] = ordinal + 1
        yield _life(state, ordinal)


class UserIssue(Table, frozen=True, kw_only=True):
    """Something that told nothing of accounts, or that had to be guessed at."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    table: Annotated[Clustering[str], about("the table that the row is of")]
    key: Annotated[Clustering[str], about("its id")]
    field: Annotated[Clustering[str], about("the column at fault; empty: the whole row")]
    code: Annotated[Clustering[str], about("what is wrong, in a word")]
    detail: Annotated[str, about("what is wrong, and what was made of it", private="quotes the row")]


@dataset
def user_issues(said: Linked[UserName]) -> Iterator[UserIssue]:
    """Log rows of accounts that could not be used, or only by a guess."""
    for issue in _rebuilt(said).issues:
        yield UserIssue(
            wiki=issue.wiki,
            table=issue.table,
            key=issue.key,
            field=issue.field,
            code=issue.code,
            detail=issue.detail,
        )


@lru_cache(maxsize=2)  # every dataset of lives asks it of the same rows, as they were and as they are
def _rebuilt(said: Linked[UserName]) -> Rebuilt:
    said = spelled(said)
    renames = renames_in(said)
    rows = {row.id: _titled_as_now(row, renames) for row in said.rows if row.said_by == "log"}
    events: list[UserEvent] = []
    issues: list[Issue] = []
    for row in without_copies(rows.values()):
        told = row if isinstance(row, Issue) else next(user_events(row), None)
        if isinstance(told, UserEvent):
            events.append(told)
        elif told is not None:
            issues.append(told)
    made = rebuilt(accounts_now(said, renames), events)
    return made._replace(issues=(*issues, *made.issues))


def _titled_as_now(row: UserName, renames: Renames) -> LogRow:
    """The log row as the table has it at present: with the name of now in its title, unless it is a rename."""
    told = log_row(row)
    if row.title is None or row.title_at is None or row.log_type == "renameuser":
        return told
    return msgspec.structs.replace(
        told, title=name_since(row.title.replace("_", " "), milliseconds(row.title_at), renames)
    )


def _life(state: UserHistoryState, ordinal: int) -> UserLife:
    return UserLife(
        wiki=state.wiki_db,
        user_id=state.user_id,
        ordinal=ordinal,
        user_central_id=state.user_central_id,
        user_text_historical=state.user_text_historical,
        user_text=state.user_text,
        user_groups_historical=state.user_groups_historical,
        user_groups=state.user_groups,
        user_blocks_historical=state.user_blocks_historical,
        is_blocked=state.is_blocked,
        is_partially_blocked=state.is_partially_blocked,
        is_bot_by_historical=state.is_bot_by_historical,
        is_bot_by=state.is_bot_by,
        user_registration_timestamp=instant_or_none(state.user_registration_timestamp),
        user_creation_timestamp=instant_or_none(state.user_creation_timestamp),
        created_by_self=state.created_by_self,
        created_by_system=state.created_by_system,
        created_by_peer=state.created_by_peer,
        is_temporary=state.is_temporary,
        start_timestamp=instant_or_none(state.start_timestamp),
        starts_with_first_edit=state.starts_with_first_edit,
        end_timestamp=instant_or_none(state.end_timestamp),
        caused_by_event_type=state.caused_by_event_type,
        caused_by_user_id=state.caused_by_user_id,
        caused_by_user_text=state.caused_by_user_text,
        caused_by_anonymous_user=state.caused_by_anonymous_user,
        caused_by_temporary_user=state.caused_by_temporary_user,
        caused_by_permanent_user=state.caused_by_permanent_user,
        caused_by_block_expiration=instant_or_none(state.caused_by_block_expiration),
        inferred_from=state.inferred_from,
        source_log_id=state.source_log_id,
        source_log_comment=state.source_log_comment,
        source_log_params=params_as_json(state.source_log_params),
    )
