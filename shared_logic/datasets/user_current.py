"""What every account is called now.

Copies of revisions tell the name of their moment only, and a rename tells two names but no id. So both become rows by name,
and rows that name one another tell together which account bears which name: from the newest name that an account was seen
under, its renames since are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple

from shared_logic.clock import instant
from shared_logic.history import php
from shared_logic.language import Clustering, Link, Linked, Partition, Table, about, dataset
from shared_logic.things import Account, LogEntry, User

_PERSONAL = "a name that its bearer may have given up or that may have been hidden"


class UserName(Table, frozen=True, kw_only=True):
    """A name, with an account that was seen under it or a rename from or to it."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    name: Annotated[Partition[str], about("the name", private=_PERSONAL)]
    said_by: Annotated[Clustering[str], about("what says so", one_of=("account", "creation", "rename"))]
    id: Annotated[Clustering[int], about("user id of the account, log id of the rename", at_least=1)]
    at: Annotated[
        datetime,
        about(
            "newest moment at which the account was surely called so (events tell the day); time of the creation or rename",
            unit="UTC",
        ),
    ]
    other_names: Annotated[Link[tuple[str, ...]], about("the subject's other names", private=_PERSONAL)]
    old_name: Annotated[str | None, about("what the rename took", private=_PERSONAL)]
    new_name: Annotated[str | None, about("what the rename gave", private=_PERSONAL)]


@dataset
def user_names(subject: Account | LogEntry) -> Iterator[UserName]:
    """Names with the accounts that bore them and the renames from and to them."""
    if isinstance(subject, Account):
        names = {name for name, _ in subject.names}
        for name, seen in subject.names:
            yield _seen(subject.wiki, name, "account", subject.user_id, seen, tuple(sorted(names - {name})))
        return
    created = _created(subject)
    if created is not None:
        yield _seen(subject.wiki, created[0], "creation", created[1], subject.at, ())
    renamed = _renamed(subject)
    if renamed is not None:
        for name, other in (renamed, reversed(renamed)):
            yield UserName(
                wiki=subject.wiki,
                name=name,
                said_by="rename",
                id=subject.log_id,
                at=instant(subject.at),
                other_names=(other,),
                old_name=renamed[0],
                new_name=renamed[1],
            )


class UserCurrent(Table, frozen=True, kw_only=True):
    """One row per account that was ever seen."""

    wiki: Annotated[Partition[str], about("database name of the wiki")]
    editor: Annotated[Partition[str], about("`#` and the user id; the key of an account among editors")]
    user_id: Annotated[int, about("id on the wiki", at_least=1)]
    name: Annotated[str, about("name now")]
    user_kind: Annotated[
        str, about("by the name: temporary, bot or account", one_of=("temporary", "bot", "account"))
    ]


@dataset
def user_current(said: Linked[UserName]) -> Iterator[UserCurrent]:
    """The name that every account bears now."""
    seen: dict[int, tuple[datetime, str]] = {}
    renames: dict[str, set[_Rename]] = {}
    for row in said.rows:
        if row.old_name is not None and row.new_name is not None:
            renames.setdefault(row.old_name, set()).add(_Rename(row.at, row.id, row.new_name))
        else:
            known = seen.get(row.id)
            seen[row.id] = (row.at, row.name) if known is None else max(known, (row.at, row.name))
    wiki = said.rows[0].wiki
    for user_id, (at, name) in seen.items():
        user = User(user_id, _name_since(name, at, renames))
        yield UserCurrent(wiki=wiki, editor=user.key, user_id=user_id, name=user.name, user_kind=user.kind)


class _Rename(NamedTuple):
    at: datetime
    log_id: int
    new_name: str


def _name_since(name: str, at: datetime, renames: dict[str, set[_Rename]]) -> str:
    """What whoever bore that name then is called after all later renames."""
    last = _Rename(at, 0, "")
    while later := [rename for rename in renames.get(name, ()) if rename > last]:
        last = min(later)
        name = last.new_name
    return name


def _seen(wiki: str, name: str, said_by: str, user_id: int, at: int, others: tuple[str, ...]) -> UserName:
    return UserName(
        wiki=wiki,
        name=name,
        said_by=said_by,
        id=user_id,
        at=instant(at),
        other_names=others,
        old_name=None,
        new_name=None,
    )


def _created(entry: LogEntry) -> tuple[str, int] | None:
    """Name and id of the account that the row tells the creation of."""
    if entry.log_type != "newusers" or entry.title is None:
        return None
    user_id = php.parsed(entry.params).get("4::userid")
    return (entry.title.replace("_", " "), user_id) if isinstance(user_id, int) and user_id > 0 else None


def _renamed(entry: LogEntry) -> tuple[str, str] | None:
    """Old and new name."""
    if entry.log_type != "renameuser":
        return None
    params = php.parsed(entry.params)
    old, new = params.get("4::olduser"), params.get("5::newuser")
    return (old, new) if isinstance(old, str) and isinstance(new, str) and old != new else None
