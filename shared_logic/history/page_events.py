"""Log rows as page events: what happened to which title, and which page id the row tells.

| log type, action | event |
| --- | --- |
| `move`, any | `move`, from the row's title to the target in its parameters |
| `delete`, `delete` or `delete_redir` | `delete` |
| `delete`, `restore` | `restore` |
| `create`, `create` | `create-page` (`create` is kept for the first revision) |
| `merge`, `merge` | `merge`, of the page whose revisions went away |

All other rows are no page events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from shared_logic.clock import EARLIEST, from_mediawiki
from shared_logic.history import php
from shared_logic.history.log_row import Actor, Issue, LogRow
from shared_logic.states.site_state import Namespace
from shared_logic.titles import MAIN, database_key

PageKey = tuple[str, int, str]
"""Wiki, namespace number, bare title: what a page is called."""

NO_NAMESPACE = -(2**31)
"""Stands for a namespace that the log row does not tell, as upstream has it."""

MOVES_NAME_THE_PAGE_FROM = from_mediawiki("20140926000000")
"""Before, the page id of a move was that of the redirect that it left."""

RESTORES_KEEP_THE_ID_FROM = from_mediawiki("20160506000000")
"""Before, a restored page got a new id."""


class PageEventType(StrEnum):
    """What may begin a state of a page."""

    CREATE = "create"
    """The first revision."""
    CREATE_PAGE = "create-page"
    """The log row of a creation; there are such rows since June 2018."""
    MOVE = "move"
    DELETE = "delete"
    RESTORE = "restore"
    MERGE = "merge"


class PageEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A log row that tells of a page."""

    wiki: str
    log_id: int
    at: int
    """Own time, milliseconds since 1970 UTC."""
    event_type: PageEventType
    page_id: int | None
    """As the row has it; `usable_page_id` says whether it can be trusted."""
    old_namespace: int
    old_title: str
    new_namespace: int
    """The same as before for all but moves, as is the title."""
    new_title: str
    caused_by: Actor
    comment: str | None
    params: Mapping[str, str]

    @property
    def old_key(self) -> PageKey:
        """What the page was called before."""
        return self.wiki, self.old_namespace, self.old_title

    @property
    def new_key(self) -> PageKey:
        """What the page was called after."""
        return self.wiki, self.new_namespace, self.new_title

    @property
    def usable_page_id(self) -> int | None:
        """The page id, unless rows of this type and time tell the id of another page."""
        if self.page_id is None or self.page_id <= 0:
            return None
        match self.event_type:
            case PageEventType.MOVE:
                usable = self.at >= MOVES_NAME_THE_PAGE_FROM
            case PageEventType.DELETE | PageEventType.RESTORE:
                usable = self.at >= RESTORES_KEEP_THE_ID_FROM
            case _:
                usable = True
        return self.page_id if usable else None


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The namespaces of a wiki. Names are written as in titles: blanks are underscores."""

    localized: Mapping[str, int] = field(default_factory=dict)
    canonical: Mapping[str, int] = field(default_factory=dict)
    content: frozenset[int] = frozenset({MAIN})
    """Numbers of the namespaces whose pages are counted as content."""

    @classmethod
    def of(cls, namespaces: Iterable[Namespace]) -> Namespaces:
        """The namespaces as a site tells them.

        >>> Namespaces.of([(4, "Project", "Wiki nova", False)])
        Namespaces(localized={'Wiki_nova': 4}, canonical={'Project': 4}, content=frozenset())
        """
        told = tuple(namespaces)
        return cls(
            localized={database_key(localized): number for number, _, localized, _ in told if localized},
            canonical={database_key(canonical): number for number, canonical, _, _ in told if canonical},
            content=frozenset(number for number, _, _, is_content in told if is_content),
        )

    def number(self, name: str) -> int | None:
        """The namespace of a name: localized, canonical, or either in another case, as MediaWiki reads prefixes.

        >>> Namespaces(localized={"Diskussion": 1}, canonical={"Talk": 1}).number("talk")
        1
        """
        for names in (self.localized, self.canonical):
            if name in names:
                return names[name]
        folded = name.casefold()
        for names in (self.localized, self.canonical):
            for other, number in names.items():
                if other.casefold() == folded:
                    return number
        return None


def normalized_title(title: str) -> str:
    r"""A title in the form of the page table, less a trailing line feed and 1 that old log rows have.

    >>> normalized_title(" A title\n1")
    'A_title'
    """
    return title.strip(_TRIMMED).replace(" ", "_").removesuffix("\n1")


def page_events(row: LogRow, namespaces: Namespaces) -> Iterator[PageEvent | Issue]:
    """What a log row tells of a page: one event, none where it tells of something else, and what is doubtful about it.

    The target of a move is split at its first colon. Where no namespace is called so, the target is in the main namespace
    and the colon belongs to its title (`Mission:_Impossible`); upstream takes the row for an error and loses the move. That
    is doubtful only where a lost namespace is as likely.
    """
    event_type = _event_type(row)
    if event_type is None:
        return
    if row.at < EARLIEST:
        yield _issue(row, "log_timestamp", "bad-timestamp", "before 1990; the row is not used")
        return
    if not row.title:
        yield _issue(row, "log_title", "no-title", "hidden or never written; the row is not used")
        return
    yield from _doubts_of_actor(row)
    if event_type is not PageEventType.MOVE:
        yield _event(row, event_type, row.title, (_namespace(row), row.title))
        return
    target = _target(row)
    if target is None:
        yield _issue(row, "log_params", "no-target", f"{row.params!r} tells no title; the move is not used")
        return
    old_title = normalized_title(row.title)
    new = split(target, namespaces)
    if not new[1]:
        yield _issue(row, "log_params", "no-target", f"{target!r} is a namespace only; the move is not used")
        return
    if new == (MAIN, target) and _is_doubtful(target, _namespace(row), old_title):
        yield _issue(
            row,
            "log_params",
            "unknown-prefix",
            f"no namespace is called as {target!r} begins; taken for a title in the main namespace",
        )
    yield _event(row, event_type, old_title, new)


def split(target: str, namespaces: Namespaces) -> tuple[int, str]:
    """Namespace and title of a normalized title with its prefix; a prefix that names no namespace is part of the title."""
    prefix, colon, rest = target.partition(":")
    if not colon:
        return MAIN, target
    if not prefix:
        return MAIN, rest
    number = namespaces.number(prefix)
    return (MAIN, target) if number is None else (number, rest)


_TRIMMED = "".join(map(chr, range(ord(" ") + 1)))
"""What Java's trim takes off."""

_EVENT_TYPES: Mapping[tuple[str, str], PageEventType] = {
    ("delete", "delete"): PageEventType.DELETE,
    ("delete", "delete_redir"): PageEventType.DELETE,
    ("delete", "restore"): PageEventType.RESTORE,
    ("create", "create"): PageEventType.CREATE_PAGE,
    ("merge", "merge"): PageEventType.MERGE,
}


def _event_type(row: LogRow) -> PageEventType | None:
    return PageEventType.MOVE if row.log_type == "move" else _EVENT_TYPES.get((row.log_type, row.log_action))


def _namespace(row: LogRow) -> int:
    return NO_NAMESPACE if row.namespace is None else row.namespace


def _target(row: LogRow) -> str | None:
    """The target of a move, normalized."""
    params = php.parsed(row.params)
    told = params.get(php.UNPARSED, params.get("4::target"))
    return normalized_title(told) or None if isinstance(told, str) else None


def _is_doubtful(target: str, old_namespace: int, old_title: str) -> bool:
    """Whether text before a colon that names no namespace may be that of a namespace that the wiki had then.

    A blank after the colon is seen in titles only; and a page of the main namespace that began so before still does.
    """
    prefix, colon, rest = target.partition(":")
    if not colon or not prefix or rest.startswith("_"):
        return False
    return old_namespace != MAIN or not old_title.startswith(prefix + colon)


def _doubts_of_actor(row: LogRow) -> Iterator[Issue]:
    if row.actor is not None and row.actor.is_anonymous and row.actor.is_temporary:
        yield _issue(
            row,
            "log_actor",
            "anonymous-and-temporary",
            f"actor {row.actor.name!r} can't be both; neither is told",
        )


def _event(row: LogRow, event_type: PageEventType, old_title: str, new: tuple[int, str]) -> PageEvent:
    return PageEvent(
        wiki=row.wiki,
        log_id=row.log_id,
        at=row.at,
        event_type=event_type,
        page_id=row.page_id,
        old_namespace=_namespace(row),
        old_title=old_title,
        new_namespace=new[0],
        new_title=new[1],
        caused_by=_cause(row.actor),
        comment=row.comment,
        params=php.as_text(php.parsed(row.params)),
    )


def _cause(actor: Actor | None) -> Actor:
    """Who it was, with each flag that follows from the others; ids only of whom the name is known."""
    if actor is None:
        return Actor()
    named = actor.name is not None
    anonymous, temporary, permanent = _flags(actor.is_anonymous, actor.is_temporary)
    return Actor(
        user_id=actor.user_id if named else None,
        central_id=actor.central_id if named else None,
        name=actor.name,
        is_anonymous=anonymous,
        is_temporary=temporary,
        is_permanent=permanent,
    )


def _flags(
    anonymous: bool | None,  # noqa: FBT001  flags of the actor
    temporary: bool | None,  # noqa: FBT001
) -> tuple[bool | None, bool | None, bool | None]:
    """Anonymous, temporary, permanent."""
    if anonymous:
        return (None, None, None) if temporary else (True, False, False)
    if temporary is not None:
        return False, temporary, not temporary
    return anonymous, None, None


def _issue(row: LogRow, column: str, code: str, detail: str) -> Issue:
    return Issue(wiki=row.wiki, table="logging", key=str(row.log_id), field=column, code=code, detail=detail)
