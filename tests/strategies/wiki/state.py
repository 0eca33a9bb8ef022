"""What a wiki holds: pages, revisions, the archive, users, the log; and what of its changes no event told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from tests.strategies.wiki.text import Title, is_redirect, sha1_base36

NEVER = 0
"""The end of what does not end by itself."""


class Age(IntEnum):
    """The year whose MediaWiki a wiki runs."""

    OF_2008 = 2008
    """Log parameters are lines of text, log rows name no page ids, no event is posted."""
    OF_2023 = 2023
    """MediaWiki 1.39, with the EventBus of that year."""
    OF_2026 = 2026
    """MediaWiki 1.46: page_change 1.11, user_change, merges logged on both pages."""


class Untold(StrEnum):
    """What no event tells; the values say why."""

    MERGE = "a history merge's log row names titles and a time, no revisions"
    HIDDEN_NAME = "hiding a user's name changes the bits of all their revisions without an event for any"
    HIDDEN_IN_ARCHIVE = "of a revision in the archive only the log tells that something was hidden"
    SUPPRESSED = "events tell what is hidden, not that it is suppressed"
    MARKS = "no event tells the new page id what tables knew to be tagged or hidden of a restored revision"
    DEPARTURE = "a restore brings back all revisions of a title, and names one of the page ids that they were archived under"


@dataclass(eq=False)
class User:
    """A row of actor and, with an id, of user."""

    actor_id: int
    user_id: int | None
    name: str
    groups: dict[str, int | None] = field(default_factory=dict)
    """Explicit groups, with the second at which a membership ends (None: it does not)."""
    edits: int = 0
    block_expiry: int | None = None
    """The second at which the newest block ends (`NEVER`, or None: no block)."""
    registered: int | None = None
    is_hidden: bool = False
    """By a block that hides the name."""

    @property
    def is_temp(self) -> bool:
        """Whether the account is temporary: by the usual pattern of names, or by another one."""
        return self.name.startswith(("~2", "*"))

    @property
    def title(self) -> Title:
        """Of the user page."""
        return 2, self.name.replace(" ", "_")

    def groups_at(self, second: int) -> list[str]:
        """The explicit groups then, sorted."""
        return sorted(group for group, expiry in self.groups.items() if expiry is None or expiry > second)

    def all_groups(self, second: int) -> list[str]:
        """The groups then, with those that come by themselves."""
        if self.user_id is None:
            return ["*"]
        return [*self.groups_at(second), "*", "temp" if self.is_temp else "user"]


@dataclass(frozen=True)
class Revision:
    """One revision, live or archived."""

    rev_id: int
    page_id: int
    """Where it is live, or whose archive it is in."""
    timestamp: int
    parent_id: int
    text: str
    content_id: int
    origin: int
    user: User
    comment: str
    minor: bool
    hidden: int = 0
    tags: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, int]:
        """The own order of revisions."""
        return self.timestamp, self.rev_id

    @property
    def size(self) -> int:
        """Bytes of text."""
        return len(self.text.encode())

    @property
    def sha1(self) -> str:
        """Of the text, base 36."""
        return sha1_base36(self.text)


@dataclass(frozen=True)
class Protection:
    """What only some may do with a page."""

    action: str
    level: str
    expiry: int
    """Second, or `NEVER`."""


@dataclass
class Page:
    """A live page."""

    page_id: int
    title: Title
    latest: int
    is_new: bool = True
    touched: int = 0
    protections: tuple[Protection, ...] = ()


@dataclass(frozen=True)
class Archived:
    """A revision in the archive, under the title that its page had."""

    ar_id: int
    title: Title
    revision: Revision


@dataclass
class LogRow:
    """A row of logging."""

    log_id: int
    second: int
    kind: str
    action: str
    user: User
    title: Title
    page_id: int
    comment: str
    params: str
    """As stored."""
    hidden: int = 0
    """Bits of log_deleted."""


@dataclass(frozen=True)
class Gap:
    """Something that happened to revisions and that no event told."""

    why: Untold
    second: int
    rev_ids: frozenset[int]


class WikiState:
    """All that a wiki holds at a moment."""

    def __init__(self, name: str, age: Age, users: Iterable[User], start: int) -> None:
        """An empty wiki with users."""
        self.name, self.age = name, age
        self.domain = f"{name}.example.org"
        self.now = start
        self.users = list(users)
        self.imported_users: list[User] = []
        """Names from elsewhere, without an account here."""
        self.pages: dict[int, Page] = {}
        self.revisions: dict[int, Revision] = {}
        """The live ones."""
        self.archive: dict[int, Archived] = {}
        """By rev_id."""
        self.log: list[LogRow] = []
        self.comments: dict[str, int] = {"": 1}
        self.tag_ids: dict[str, int] = {}
        self.untold: list[Gap] = []
        self._next: dict[str, int] = {}

    # --- what there is ----------------------------------------------------------------------------------------

    def page_at(self, title: Title) -> Page | None:
        """The live page with that title."""
        return next((page for page in self.pages.values() if page.title == title), None)

    def history(self, page_id: int) -> list[Revision]:
        """The live revisions of a page, in own order."""
        found = [revision for revision in self.revisions.values() if revision.page_id == page_id]
        return sorted(found, key=lambda revision: revision.order)

    def archived(self, page_id: int) -> list[Archived]:
        """What is in the archive under a page id, in own order."""
        return _in_order(row for row in self.archive.values() if row.revision.page_id == page_id)

    def archived_under(self, title: Title) -> list[Archived]:
        """What is in the archive under a title, of whatever page ids, in own order."""
        return _in_order(row for row in self.archive.values() if row.title == title)

    def archived_pages(self) -> list[int]:
        """The page ids in the archive."""
        return sorted({row.revision.page_id for row in self.archive.values()})

    def latest(self, page: Page) -> Revision:
        """The current revision of a page."""
        return self.revisions[page.latest]

    def is_redirect(self, page: Page) -> bool:
        """Whether the page is a redirect now."""
        return is_redirect(self.latest(page).text)

    def named(self, name: str) -> User | None:
        """The account or address of that name."""
        return next((user for user in self.users if user.name == name), None)

    @property
    def everything(self) -> list[Revision]:
        """All revisions, live and archived, by id."""
        found = [*self.revisions.values(), *(row.revision for row in self.archive.values())]
        return sorted(found, key=lambda revision: revision.rev_id)

    @property
    def accounts(self) -> Mapping[int, User]:
        """Accounts by user id."""
        return {user.user_id: user for user in self.users if user.user_id is not None}

    # --- numbers ----------------------------------------------------------------------------------------------

    def number(self, what: str) -> int:
        """The next number of a sequence."""
        self._next[what] = self._next.get(what, 0) + 1
        return self._next[what]

    def comment_id(self, text: str) -> int:
        """The id of a comment's text."""
        return self.comments.setdefault(text, len(self.comments) + 1)

    def anonymous(self, name: str) -> User:
        """The address of that name, with a row of actor from its first act on."""
        return self.named(name) or self.add_user(User(self.next_actor, None, name))

    def imported_user(self, name: str) -> User:
        """A name from elsewhere (`wiki>Name`), with a row of actor from its first revision on."""
        known = next((user for user in self.imported_users if user.name == name), None)
        if known is None:
            known = User(self.next_actor, None, name)
            self.imported_users.append(known)
        return known

    def add_user(self, user: User) -> User:
        """One more account or address."""
        self.users.append(user)
        return user

    @property
    def next_actor(self) -> int:
        """The actor id of who comes next."""
        return 1 + max((user.actor_id for user in (*self.users, *self.imported_users)), default=0)

    @property
    def next_user(self) -> int:
        """The user id of the next account."""
        return 1 + max(self.accounts, default=0)


def _in_order(rows: Iterable[Archived]) -> list[Archived]:
    return sorted(rows, key=lambda row: row.revision.order)
