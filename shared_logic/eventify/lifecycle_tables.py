"""The tables `user`, `user_groups`, `localuser` and `logging`, and the names of namespaces, as states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from shared_logic.clock import Rank, from_mediawiki, stamp
from shared_logic.entities import Entity, State, log_row, site, user
from shared_logic.eventify.rows import (
    NAMESPACES,
    NUMBERS,
    BadRowError,
    Row,
    beginning_stamp,
    check_timestamp,
    nullable_number,
    number,
    positive,
)
from shared_logic.history import php
from shared_logic.states.log_state import (
    ACTION_HIDDEN,
    COMMENT_HIDDEN,
    USER_HIDDEN,
    LogState,
    LogTitle,
    LogVisibility,
)
from shared_logic.states.site_state import Configuration, Namespace, SiteState
from shared_logic.states.user_state import Groups, Seen, UserState, named

Value = TypeVar("Value")


class Tables(Protocol):
    """The tables of one wiki, with those that rows refer to."""

    tables: Mapping[str, Iterable[Row]]
    wiki: str
    beginning: int

    @property
    def actors(self) -> Mapping[int, tuple[int, str | None]]:
        """User id (0: none) and name by actor id."""

    @property
    def comments(self) -> Mapping[int, str | None]:
        """Text by comment id."""

    def rows(
        self, table: str, key: str, read: Callable[[Row], tuple[int, Value]]
    ) -> Iterator[tuple[int, Value]]:
        """What `read` makes of each row of a table; what it refuses is a problem."""


def site_told(
    wiki: str, hostname: str, namespaces: tuple[Namespace, ...], beginning: int
) -> tuple[Entity, State]:
    """The site with these namespaces, as of the beginning."""
    return site(wiki), SiteState(told=Configuration(*beginning_stamp(beginning), hostname, namespaces))


def accounts(tables: Tables) -> Iterator[tuple[Entity, State]]:
    """All accounts, whether they ever did something or not."""
    at = beginning_stamp(tables.beginning)
    groups: dict[int, set[str]] = {}
    for user_id, group in tables.rows("user_groups", "ug_user", _group):
        groups.setdefault(user_id, set()).add(group)
    listed = False
    central = {
        user_id: central_id
        for name in ("localuser", "centralauth_localuser")
        for user_id, central_id in tables.rows(name, "lu_local_id", _central(tables.wiki))
        if central_id
    }
    for user_id, (name, registration, temporary) in tables.rows("user", "user_id", _user):
        listed = True
        state = UserState(
            names=((name, Seen(*at)),),
            registration=registration,
            is_temporary=temporary,
            central_id=central.get(user_id),
            groups=Groups(*at, tuple(sorted(groups.get(user_id, ())))),
        )
        yield user(tables.wiki, user_id), state
    for user_id, name_now in tables.actors.values():
        if user_id > 0 and name_now and not listed:
            yield user(tables.wiki, user_id), named(name_now, at)


def log_rows(tables: Tables) -> Iterator[tuple[Entity, State]]:
    """All rows of the log, and where no table lists accounts, those whose creation it tells."""

    def read(row: Row) -> tuple[int, LogState]:
        timestamp = row.get("log_timestamp") or ""
        check_timestamp("log_timestamp", timestamp)
        user_id, name = tables.actors.get(nullable_number(row, "log_actor") or 0, (None, None))
        comment, title = nullable_number(row, "log_comment_id"), row.get("log_title")
        hidden = nullable_number(row, "log_deleted") or 0
        params = row.get("log_params") or None
        if hidden & ACTION_HIDDEN:
            title = params = None
        if hidden & COMMENT_HIDDEN:
            comment = None
        if hidden & USER_HIDDEN:
            user_id, name = None, None
        return positive(row, "log_id"), LogState(
            log_type=row.get("log_type") or "",
            log_action=row.get("log_action") or "",
            at=from_mediawiki(timestamp),
            namespace=nullable_number(row, "log_namespace", NAMESPACES),
            title=None if title is None else LogTitle(tables.beginning, title),
            page_id=nullable_number(row, "log_page") or None,
            user_id=user_id,
            user_name=name,
            comment=tables.comments.get(comment) if comment else None,
            visibility=LogVisibility(tables.beginning, hidden),
            params=params,
        )

    for log_id, state in tables.rows("logging", "log_id", read):
        yield log_row(tables.wiki, log_id), state
        if "user" not in tables.tables and state.log_type == "newusers":
            yield from created_account(tables.wiki, state)


def created_account(wiki: str, row: LogState) -> Iterator[tuple[Entity, State]]:
    """The account whose creation a log row tells, if it tells its id."""
    user_id = php.parsed(row.params).get("4::userid")
    if not isinstance(user_id, int) or user_id <= 0 or user_id not in NUMBERS:
        return
    if row.title is not None and row.at is not None:
        name = row.title.title.replace("_", " ")
        seen = Seen(*stamp(row.title.at, 0, Rank.EDIT))
        yield user(wiki, user_id), UserState(names=((name, seen),), registration=row.at)


def _user(row: Row) -> tuple[int, tuple[str, int | None, bool | None]]:
    name = row.get("user_name")
    if not name:
        raise BadRowError("user_name", "no_name", "user_name is empty")
    registration = row.get("user_registration")
    if registration:
        check_timestamp("user_registration", registration)
    temporary = nullable_number(row, "user_is_temp")
    return positive(row, "user_id"), (
        name,
        from_mediawiki(registration) if registration else None,
        None if temporary is None else bool(temporary),
    )


def _group(row: Row) -> tuple[int, str]:
    group = row.get("ug_group")
    if not group:
        raise BadRowError("ug_group", "no_group", "ug_group is empty")
    return positive(row, "ug_user"), group


def _central(wiki: str) -> Callable[[Row], tuple[int, int]]:
    """The central id of a local one; 0 in rows of other wikis."""
    return lambda row: (
        positive(row, "lu_local_id"),
        number(row, "lu_global_id") if row.get("lu_wiki", wiki) == wiki else 0,
    )
