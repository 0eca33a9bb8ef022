"""A dump of log entries (pages-logging.xml) as states: log rows, the accounts that they name, and the wiki's namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shared_logic.entities import Entity, State, log_row, user
from shared_logic.eventify.dump_elements import SiteInfo
from shared_logic.eventify.lifecycle_tables import created_account, site_told
from shared_logic.eventify.log_items import LogItem
from shared_logic.eventify.rows import beginning_stamp
from shared_logic.states.log_state import LogState, LogTitle
from shared_logic.states.user_state import named
from shared_logic.titles import MAIN, split_title


def said_by_log_items(
    wiki: str, items: Iterable[LogItem], namespaces: Mapping[str, int], beginning: int
) -> Iterator[tuple[Entity, State]]:
    """What each entry says: the log row, who made it, and the account whose creation it tells."""
    at = beginning_stamp(beginning)
    seen: set[tuple[int, str]] = set()
    for item in items:
        title = None if item.title is None else split_title(item.title, namespaces)
        state = LogState(
            log_type=item.type,
            log_action=item.action or "",
            at=item.timestamp,
            namespace=title[0] if title else None,
            title=LogTitle(beginning, title[1]) if title else None,
            user_id=item.user_id,
            user_name=item.user_text,
            comment=item.comment,
            params=item.params or None,
        )
        yield log_row(wiki, item.log_id), state
        if state.log_type == "newusers":
            yield from created_account(wiki, state)
        author = item.user_id, item.user_text or ""
        if all(author) and author not in seen:
            seen.add(author)
            yield user(wiki, author[0]), named(author[1], at)


def said_by_head(wiki: str, site: SiteInfo, beginning: int) -> Iterator[tuple[Entity, State]]:
    """The namespaces that the head of a dump tells; which of them are content it does not: the main one is."""
    if site.namespaces:
        names = sorted(
            (number, "", name.replace(" ", "_"), number == MAIN) for name, number in site.namespaces.items()
        )
        yield site_told(wiki, "", tuple(names), beginning)
