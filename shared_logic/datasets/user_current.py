"""What every account is called now.

Copies of revisions tell the name of their moment only, and a rename tells two names but no id. So both become rows by name,
and rows that name one another tell together which account bears which name: from the newest name that an account was seen
under, its renames since are followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, NamedTuple

from msgspec.structs import replace

from shared_logic.clock import instant, instant_or_none, milliseconds
from shared_logic.hidden_names import is_pseudonym, name_digest
from shared_logic.history.log_row import Actor, Issue, LogRow
from shared_logic.history.names import Renames, name_since, renames_of
from shared_logic.history.spelling import LogTexts, respelled
from shared_logic.history.user_events import UserEvent, UserEventType, hides_name, user_events
from shared_logic.history.user_history import UserSeed, bot_by
from shared_logic.language import Clustering, Link, Linked, Partition, Table, about, dataset
from shared_logic.states.user_state import CreatedBy, Creation
from shared_logic.things import Account, LogEntry, User

_PERSONAL = "a name that its bearer may have given up or that may have been hidden"


class UserName(Table, frozen=True, kw_only=True):
    """A name, with an account that was seen under it or a log row that tells of it."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    digest: Annotated[Partition[str], about("of the name, see `hidden_names`", private=_PERSONAL)]
    said_by: Annotated[Clustering[str], about("what says so", one_of=("account", "log"))]
    id: Annotated[Clustering[int], about("user id or log id", at_least=1)]
    name: Annotated[
        str,
        about(
            "the name, or what stands in its place after a purge", private=_PERSONAL, hidden_with="account"
        ),
    ]
    other_names: Annotated[
        Link[tuple[str, ...]], about("digests of the subject's other names", private=_PERSONAL)
    ]
    at: Annotated[
        datetime,
        about(
            "newest moment at which the account was surely called so (events tell the day); time of the log row",
            unit="UTC",
        ),
    ]
    registration: Annotated[datetime | None, about("of an account", unit="UTC")] = None
    is_temporary: Annotated[bool | None, about("of an account")] = None
    central_id: Annotated[int | None, about("of an account", private="links accounts of several wikis")] = (
        None
    )
    groups: Annotated[tuple[str, ...] | None, about("of an account, as tables listed them")] = None
    groups_at: Annotated[datetime | None, about("when they did", unit="UTC")] = None
    is_hidden: Annotated[
        bool | None, about("of an account whether its newest event of a block hides the name")
    ] = None
    hiding_at: Annotated[datetime | None, about("when that event was", unit="UTC")] = None
    created_at: Annotated[
        datetime | None, about("of an account when it was made, as an event told it", unit="UTC")
    ] = None
    created_by: Annotated[str | None, about("by whom, as that event told it", one_of=tuple(CreatedBy))] = None
    log_type: Annotated[str | None, about("of a log row")] = None
    log_action: Annotated[str | None, about("of a log row")] = None
    title: Annotated[str | None, about("of a log row log_title as stored", private=_PERSONAL)] = None
    title_at: Annotated[
        datetime | None, about("when it was stored so: renames rewrite titles of earlier rows", unit="UTC")
    ] = None
    user_id: Annotated[
        int | None, about("of a log row who made it; 0: nobody with an account", hidden_with="user_name")
    ] = None
    user_name: Annotated[str | None, about("of a log row who made it", hidden_with="account")] = None
    comment: Annotated[str | None, about("of a log row", private="may have been hidden since")] = None
    params: Annotated[str | None, about("of a log row log_params as stored", private=_PERSONAL)] = None


@dataset
def user_names(subject: Account | LogEntry) -> Iterator[UserName]:
    """Names with the accounts that bore them and the log rows that tell of them."""
    return _of_account(subject) if isinstance(subject, Account) else _of_log_row(subject)


def _of_account(account: Account) -> Iterator[UserName]:
    seen_under = _by_digest(account.names)
    for digest, (name, seen) in seen_under.items():
        yield UserName(
            wiki=account.wiki,
            digest=digest,
            said_by="account",
            id=account.user_id,
            name=name,
            other_names=tuple(sorted(seen_under.keys() - {digest})),
            at=instant(seen),
            registration=instant_or_none(account.registration),
            is_temporary=account.is_temporary,
            central_id=account.central_id,
            groups=account.groups,
            groups_at=instant_or_none(account.groups_at),
            is_hidden=account.is_hidden,
            hiding_at=instant_or_none(account.hiding_at),
            created_at=instant_or_none(account.created_at),
            created_by=account.created_by,
        )


def _of_log_row(entry: LogEntry) -> Iterator[UserName]:
    names = {name_digest(name): name for name in _names_in(entry)}
    for digest, name in names.items():
        yield UserName(
            wiki=entry.wiki,
            digest=digest,
            said_by="log",
            id=entry.log_id,
            name=name,
            other_names=tuple(sorted(names.keys() - {digest})),
            at=instant(entry.at),
            log_type=entry.log_type,
            log_action=entry.log_action,
            title=entry.title,
            title_at=instant_or_none(entry.title_at),
            user_id=entry.user_id,
            user_name=entry.user_name,
            comment=entry.comment,
            params=entry.params,
        )


def _by_digest(names: Iterable[tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """The names with when each was seen last; a name, and not what stands in its place, if both were."""
    found: dict[str, tuple[str, int]] = {}
    for name, seen in names:
        digest = name_digest(name)
        known, at = found.get(digest, (name, seen))
        found[digest] = name if is_pseudonym(known) else known, max(at, seen)
    return found


class _Spelled(NamedTuple):
    """Names by digest, of which pseudonyms stand in the place: see `shared_logic.history.spelling.Spelling`."""

    names: Mapping[str, str]

    def shown(self, name: str) -> str:
        """The name in whose place it stands, where that is known again."""
        return self.names.get(name_digest(name), name) if is_pseudonym(name) else name


def spelled(said: Linked[UserName]) -> Linked[UserName]:
    """The rows with names where pseudonyms are that a purge left, if the names were told again since: both are one name."""
    if not any(is_pseudonym(row.name) for row in said.rows):
        return said
    names = {row.digest: row.name for row in said.rows if not is_pseudonym(row.name)}
    return Linked(tuple(_respelled(row, _Spelled(names)) for row in said.rows))


def _respelled(row: UserName, spelling: _Spelled) -> UserName:
    told = respelled(
        row.log_type, None, LogTexts(row.title, row.params, row.comment, row.user_name), spelling
    )
    return replace(
        row,
        name=spelling.shown(row.name),
        title=told.title,
        params=told.params,
        comment=told.comment,
        user_name=told.by,
    )


class UserCurrent(Table, frozen=True, kw_only=True):
    """One row per account that was ever seen; no reader sees those whose names are hidden (see `hidden_names`)."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[Partition[str], about("`#` and the user id; the key of an account among editors")]
    user_id: Annotated[int, about("id on the wiki", at_least=1)]
    name: Annotated[str, about("name now", hidden_with="account")]
    user_kind: Annotated[
        str,
        about("by the name; temporary as tables tell, if they do", one_of=("temporary", "bot", "account")),
    ]
    is_bot_by: Annotated[tuple[str, ...], about("by what it is a bot now: name, group")]
    is_hidden: Annotated[
        bool, about("whether a block hides the name; readers see no such row", hides_row=True)
    ]


@dataset
def user_current(said: Linked[UserName]) -> Iterator[UserCurrent]:
    """The name that every account bears now, and whether it is a bot."""
    said = spelled(said)
    renames = renames_in(said)
    groups = _groups_told(said, renames)
    hidden = hidden_now(said, renames)
    for account in accounts_now(said, renames):
        user = User(account.user_id, account.name, account.is_temporary)
        changed_at, changed = groups.get(account.name, (None, ()))
        is_later = changed_at is not None and (account.groups_at is None or changed_at > account.groups_at)
        yield UserCurrent(
            wiki=account.wiki,
            editor=user.key,
            user_id=user.user_id,
            name=user.name,
            user_kind=user.kind,
            is_bot_by=bot_by(user.name, changed if is_later else account.groups),
            is_hidden=user.name in hidden,
        )


def _groups_told(said: Linked[UserName], renames: Renames) -> dict[str, tuple[int, tuple[str, ...]]]:
    """By the name of now, when the log last told groups, and which."""
    newest: dict[str, tuple[int, int, tuple[str, ...]]] = {}
    for row in said.rows:
        told = next(user_events(log_row(row)), None) if row.log_type == "rights" else None
        if isinstance(told, UserEvent) and told.event_type is UserEventType.ALTERGROUPS:
            name = name_since(told.new_name, milliseconds(row.title_at or row.at), renames)
            newest[name] = max(newest.get(name, (0, 0, ())), (told.at, row.id, told.groups))
    return {name: (at, groups) for name, (at, _, groups) in newest.items()}


class UserByName(Table, frozen=True, kw_only=True):
    """The account that bears a name now."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    name: Annotated[Partition[str], about("the name", private=_PERSONAL, hidden_with="account")]
    editor: Annotated[str, about("`#` and the user id")]


@dataset
def user_by_name(said: Linked[UserName]) -> Iterator[UserByName]:
    """Whom every name means now; of several accounts that were last seen under one, the newest."""
    said = spelled(said)
    for account in sorted(accounts_now(said, renames_in(said)), key=lambda account: account.user_id):
        user = User(account.user_id, account.name)
        yield UserByName(wiki=account.wiki, name=user.name, editor=user.key)


class HiddenName(Table, frozen=True, kw_only=True):
    """A name that is hidden on the wiki: it is in no answer (see `serving.redaction`), nor in this table."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    digest: Annotated[Partition[str], about("of the name, see `name_digest`", private=_PERSONAL)]


@dataset
def hidden_names(said: Linked[UserName]) -> Iterator[HiddenName]:
    """Names of accounts that a block hides: that of now and those of before, unless another account bears them now.

    Of what log rows and the newest event of an account tell, the newest is so; of two of one time, that the name is hidden.
    """
    said = spelled(said)
    renames = renames_in(said)
    name_now = {account.user_id: account.name for account in accounts_now(said, renames)}
    names: dict[str, set[str]] = {}
    for row in said.rows:
        now = _name_now(row, name_now, renames)
        names.setdefault(now, {now}).add(row.name)
    hidden = hidden_now(said, renames)
    shown = {name_digest(name) for name in set(name_now.values()) - hidden}
    for digest in {name_digest(name) for now in hidden for name in names[now]} - shown:
        yield HiddenName(wiki=said.rows[0].wiki, digest=digest)


def hidden_now(said: Linked[UserName], renames: Renames) -> set[str]:
    """The names of now of accounts that a block hides."""
    name_now = {account.user_id: account.name for account in accounts_now(said, renames)}
    newest: dict[str, tuple[datetime, bool]] = {}
    for row in said.rows:
        told = _hiding(row)
        if told is not None:
            now = _name_now(row, name_now, renames)
            newest[now] = max(newest.get(now, told), told)
    return {name for name, (_, is_hidden) in newest.items() if is_hidden}


def _hiding(row: UserName) -> tuple[datetime, bool] | None:
    """Since when a row tells its account to be hidden, or shown; None: it doesn't tell."""
    if row.said_by == "account":
        return None if row.is_hidden is None or row.hiding_at is None else (row.hiding_at, row.is_hidden)
    is_hidden = hides_name(log_row(row)) if row.title else None
    return None if is_hidden is None else (row.at, is_hidden)


def _name_now(row: UserName, name_now: dict[int, str], renames: Renames) -> str:
    """What whom the row tells of is called now."""
    if row.said_by == "account":
        return name_now[row.id]
    # Renames rewrite titles of rows about blocks and groups, but neither their own nor those of the suppress log.
    is_rewritten = row.title_at is not None and row.log_type not in {"renameuser", "suppress"}
    at = row.title_at if is_rewritten and row.title_at else row.at
    return name_since(row.name, milliseconds(at), renames)


def renames_in(said: Linked[UserName]) -> Renames:
    """The renames that linked rows tell of, by old name."""
    return renames_of(log_row(row) for row in said.rows if row.log_type == "renameuser")


def accounts_now(said: Linked[UserName], renames: Renames) -> Iterator[UserSeed]:
    """The accounts that linked rows tell of, each under the name that it bears now."""
    accounts: dict[int, UserName] = {}
    for row in said.rows:
        if row.said_by == "account":
            known = accounts.get(row.id)
            accounts[row.id] = (
                row if known is None or (known.at, known.digest) < (row.at, row.digest) else known
            )
    for user_id, account in accounts.items():
        yield UserSeed(
            wiki=account.wiki,
            user_id=user_id,
            central_id=account.central_id,
            name=name_since(account.name, milliseconds(account.at), renames),
            is_temporary=account.is_temporary,
            registration=None if account.registration is None else milliseconds(account.registration),
            groups=account.groups or (),
            groups_at=None if account.groups_at is None else milliseconds(account.groups_at),
            told_creation=_creation(account),
        )


def _creation(account: UserName) -> Creation | None:
    if account.created_at is None or account.created_by is None:
        return None
    return Creation(milliseconds(account.created_at), CreatedBy(account.created_by))


def log_row(row: UserName) -> LogRow:
    """The log row that a row of names tells of."""
    known = row.user_name is not None
    return LogRow(
        wiki=row.wiki,
        log_id=row.id,
        log_type=row.log_type or "",
        log_action=row.log_action or "",
        at=milliseconds(row.at),
        title=row.title,
        actor=Actor(user_id=row.user_id or None, name=row.user_name, is_anonymous=row.user_id == 0)
        if known
        else None,
        comment=row.comment,
        params=row.params,
    )


def _names_in(entry: LogEntry) -> set[str]:
    """Every name by which the log row calls an account, where it tells of accounts at all."""
    row = LogRow(
        wiki=entry.wiki,
        log_id=entry.log_id,
        log_type=entry.log_type,
        log_action=entry.log_action,
        at=entry.at,
        title=entry.title,
        comment=entry.comment,
        params=entry.params,
    )
    titled = {entry.title.replace("_", " ")} if entry.title else {""}
    told = next(user_events(row), None)
    if told is None:
        is_told = entry.log_type == "suppress" and bool(entry.title) and hides_name(row) is not None
        return titled if is_told else set()
    return titled if isinstance(told, Issue) else titled | {told.old_name, told.new_name}
