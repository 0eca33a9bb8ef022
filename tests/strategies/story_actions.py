"""What can be done on a wiki in a story.

Actions name pages, users and revisions by small numbers, taken modulo what there is when their turn comes, so that a story stays
playable when parts of it are taken away; an action for which there is nothing is skipped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.strategies.wiki import ADMIN, DAY, NEVER, TAGS, TEXTS, TITLES, Protection, User, Wiki

Item = TypeVar("Item")

NAMES = ("Alice", "Carol", "Helper Bot", "Mr. Abbott", "Zoë")
"""Of new accounts, and of old ones from a rename on; one is given to somebody from the start."""
TEMPORARY_NAMES = ("~2026-17", "~2026-18-9")
REDIRECT = TEXTS.index("#REDIRECT [[Kettle]]")
GROUPS = ("rollbacker", "sysop", "suppress")


@dataclass(frozen=True)
class Action(ABC):
    """Something done, so many seconds after what was done before."""

    gap: int

    @abstractmethod
    def act(self, wiki: Wiki, clock: int) -> None:
        """Do it, if it can be done."""


@dataclass(frozen=True)
class Create(Action):
    user: int
    title: int
    text: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.create(clock, pick(wiki.users, self.user), pick(TITLES, self.title), pick(TEXTS, self.text))


@dataclass(frozen=True)
class Recreate(Action):
    """A page under the title of an archived one."""

    user: int
    page: int
    text: int

    def act(self, wiki: Wiki, clock: int) -> None:
        archived = wiki.archived_pages()
        if archived:
            title = wiki.archived(pick(archived, self.page))[-1].title
            wiki.create(clock, pick(wiki.users, self.user), title, pick(TEXTS, self.text))


@dataclass(frozen=True)
class Edit(Action):
    user: int
    page: int
    text: int
    minor: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.edit(clock, user, page_id, pick(TEXTS, self.text), minor=self.minor)


@dataclass(frozen=True)
class TaggedEdit(Action):
    """An edit that is tagged as it is saved."""

    user: int
    page: int
    text: int
    tags: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.edit(clock, user, page_id, pick(TEXTS, self.text), tags=chosen_tags(self.tags))


@dataclass(frozen=True)
class NullEdit(Action):
    user: int
    page: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.null_edit(clock, pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page))


@dataclass(frozen=True)
class Move(Action):
    user: int
    page: int
    title: int
    redirect: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users, self.user), pick(sorted(wiki.pages), self.page)
            wiki.move(clock, user, page_id, pick(TITLES, self.title), redirect=self.redirect)


@dataclass(frozen=True)
class Swap(Action):
    user: int
    page: int
    other: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            pages = sorted(wiki.pages)
            wiki.swap(clock, pick(wiki.users, self.user), pick(pages, self.page), pick(pages, self.other))


@dataclass(frozen=True)
class Protect(Action):
    page: int
    seconds: int
    """0: no end; -1: no protection any more."""

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            end = clock + self.seconds if self.seconds else NEVER
            protections = [Protection("edit", "sysop", end)] if self.seconds >= 0 else []
            wiki.protect(clock, wiki.users[ADMIN], pick(sorted(wiki.pages), self.page), protections)


@dataclass(frozen=True)
class Delete(Action):
    page: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.delete(clock, wiki.users[ADMIN], pick(sorted(wiki.pages), self.page))


@dataclass(frozen=True)
class Undelete(Action):
    page: int
    part: int
    """0: all; else the bits choose among the archived revisions, from the oldest on, again and again."""

    def act(self, wiki: Wiki, clock: int) -> None:
        archived = wiki.archived_pages()
        if not archived:
            return
        page_id = pick(archived, self.page)
        chosen = None
        if self.part:
            rows = wiki.archived(page_id)
            chosen = [row.revision.rev_id for n, row in enumerate(rows) if self.part >> n % 3 & 1]
        wiki.undelete(clock, wiki.users[ADMIN], page_id, chosen)


@dataclass(frozen=True)
class CreateAccount(Action):
    name: int
    creator: int
    """0: whoever will use it; else a user, and who has no account makes none for others."""

    def act(self, wiki: Wiki, clock: int) -> None:
        creator = pick(wiki.users, self.creator)
        if not self.creator:
            wiki.create_account(clock, pick(NAMES, self.name))
        elif creator.user_id is not None:
            wiki.create_account_for(clock, creator, pick(NAMES, self.name))


@dataclass(frozen=True)
class AutocreateAccount(Action):
    name: int
    is_temporary: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.autocreate_account(clock, pick(TEMPORARY_NAMES if self.is_temporary else NAMES, self.name))


@dataclass(frozen=True)
class Rename(Action):
    user: int
    name: int = 0
    """0: a name that nobody ever had."""

    def act(self, wiki: Wiki, clock: int) -> None:
        user = pick(people(wiki), self.user)
        fresh = f"{user.name.partition(' (')[0]} ({clock % 1000})"
        wiki.rename_user(clock, wiki.users[ADMIN], user, pick(NAMES, self.name) if self.name else fresh)


@dataclass(frozen=True)
class Block(Action):
    user: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.block(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), seconds=self.seconds)


@dataclass(frozen=True)
class BlockFromPage(Action):
    user: int
    page: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            user, page_id = pick(wiki.users[1:], self.user), pick(sorted(wiki.pages), self.page)
            wiki.block_from_pages(clock, wiki.users[ADMIN], user, [page_id], seconds=self.seconds)


@dataclass(frozen=True)
class HideName(Action):
    user: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.block_and_hide_name(clock, wiki.users[ADMIN], pick(people(wiki), self.user))


@dataclass(frozen=True)
class Unblock(Action):
    user: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.unblock(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user))


@dataclass(frozen=True)
class Rights(Action):
    user: int
    group: int

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.rights(clock, wiki.users[ADMIN], pick(wiki.users[1:], self.user), pick(GROUPS, self.group))


@dataclass(frozen=True)
class RightsUntil(Action):
    user: int
    group: int
    seconds: int

    def act(self, wiki: Wiki, clock: int) -> None:
        admin, user = wiki.users[ADMIN], pick(wiki.users[1:], self.user)
        wiki.rights_until(clock, admin, user, pick(GROUPS, self.group), seconds=self.seconds)


@dataclass(frozen=True)
class Hide(Action):
    revision: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            wiki.hide(clock, wiki.users[ADMIN], pick(sorted(wiki.revisions), self.revision), self.hidden)


@dataclass(frozen=True)
class HideArchived(Action):
    revision: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.archive:
            row = wiki.archive[pick(sorted(wiki.archive), self.revision)]
            rev_id = row.revision.rev_id
            wiki.hide_archived(clock, wiki.users[ADMIN], rev_id, self.hidden, row.title)


@dataclass(frozen=True)
class Tag(Action):
    revision: int
    tags: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.revisions:
            revision = pick(sorted(wiki.revisions), self.revision)
            wiki.tag(clock, wiki.users[ADMIN], revision, chosen_tags(self.tags))


@dataclass(frozen=True)
class HideLogRow(Action):
    row: int
    hidden: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.log:
            wiki.hide_log_row(clock, wiki.users[ADMIN], pick(wiki.log, self.row).log_id, self.hidden)


@dataclass(frozen=True)
class Import(Action):
    title: int
    texts: tuple[int, ...]
    author: int
    """0: a name from elsewhere; else a user."""
    chained: bool
    null_top: bool

    def act(self, wiki: Wiki, clock: int) -> None:
        wiki.import_page(
            clock,
            wiki.users[ADMIN],
            pick(TITLES, self.title),
            [pick(TEXTS, text) for text in self.texts],
            author=pick(wiki.users, self.author) if self.author else None,
            chained=self.chained,
            null_top=self.null_top,
        )


@dataclass(frozen=True)
class ImportInto(Action):
    """Into a page that is there."""

    page: int
    texts: tuple[int, ...]
    author: int
    days: int
    """Age of the oldest, so that it comes before or among what is there."""

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            wiki.import_into(
                clock,
                wiki.users[ADMIN],
                pick(sorted(wiki.pages), self.page),
                [pick(TEXTS, text) for text in self.texts],
                author=pick(wiki.users, self.author) if self.author else None,
                age=self.days * DAY,
            )


@dataclass(frozen=True)
class Merge(Action):
    """A history merge, up to the time of a revision: the newest is all."""

    source: int
    target: int
    revision: int

    def act(self, wiki: Wiki, clock: int) -> None:
        if wiki.pages:
            pages, user = sorted(wiki.pages), wiki.users[ADMIN]
            source = pick(pages, self.source)
            upto = pick(wiki.history(source), self.revision).timestamp
            wiki.merge(clock, user, source, pick(pages, self.target), upto)


def pick(items: Sequence[Item], number: int) -> Item:
    """The item with that number, modulo how many there are."""
    return items[number % len(items)]


def people(wiki: Wiki) -> Sequence[User]:
    """The accounts that are no temporary ones and not the administrator's."""
    return [user for user in wiki.users[1:] if user.user_id is not None and not user.is_temp]


def chosen_tags(bits: int) -> list[str]:
    """The tags whose bits are set."""
    return [tag for n, tag in enumerate(TAGS) if bits >> n & 1]
