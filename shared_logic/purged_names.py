"""What is left of states and events when the names of hidden accounts are taken out of them for good.

Who did something, what an account is called, and whom a log row about accounts names: a pseudonym stands there then (see
`shared_logic.hidden_names`), so that what belongs together still does, and rows stay as they were but for names that nobody is
shown. Titles of pages and what others write of an account stay, as they do on the wiki.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from shared_logic.hidden_names import name_digest, pseudonym
from shared_logic.history import php
from shared_logic.history.user_events import LINK, LOGS_OF_HIDING, TYPES
from shared_logic.log_state import LogState
from shared_logic.page_state import PageState, RevisionState
from shared_logic.titles import USER
from shared_logic.user_state import UserState

WikiAndDigest = tuple[str, str]
RENAMES = "renameuser"
ABOUT_ACCOUNTS = TYPES.keys() | LOGS_OF_HIDING
"""Types of log rows whose titles are names."""


class HiddenNames:
    """The names of one wiki's hidden accounts, known by their digests."""

    def __init__(self, wiki: str, hidden: Collection[WikiAndDigest]) -> None:
        """Of all wikis' names those of one count."""
        self._wiki, self._hidden = wiki, hidden

    def __bool__(self) -> bool:
        """Whether any wiki has hidden names."""
        return bool(self._hidden)

    def shown(self, name: str) -> str:
        """The name, or what stands in its place."""
        return pseudonym(name) if (self._wiki, name_digest(name)) in self._hidden else name

    def titled(self, title: str) -> str:
        """The same of a title without prefix."""
        name = title.replace("_", " ")
        shown = self.shown(name)
        return title if shown == name else shown

    def without_mentions(self, text: str, names: Collection[str]) -> str:
        """The text with pseudonyms for those of these names, and of names that it links to, that are hidden."""
        for name in sorted({*names, *LINK.findall(text)}, key=len, reverse=True):
            spoken = name.replace("_", " ").strip()
            shown = self.shown(spoken)
            if spoken and shown != spoken:
                written = re.escape(spoken).replace(r"\ ", "[ _]")
                text = re.sub(rf"(?<!\w){written}(?!\w)", shown, text)
        return text


def page_without_names(state: PageState, names: HiddenNames) -> PageState:
    """A page whose revisions and happenings are by pseudonyms, where they are by hidden accounts."""
    revisions = {rev_id: revision_without_name(told, names) for rev_id, told in state.revisions.items()}
    happenings = tuple(
        told if told.user_name is None else told._replace(user_name=names.shown(told.user_name))
        for told in state.happenings
    )
    if revisions == state.revisions and happenings == state.happenings:
        return state
    return msgspec.structs.replace(state, revisions=revisions, happenings=happenings)


def revision_without_name(state: RevisionState, names: HiddenNames) -> RevisionState:
    """A revision by a pseudonym, if it is by a hidden account."""
    if state.author is None:
        return state
    *known, name = state.author
    shown = names.shown(name)
    return state if shown == name else msgspec.structs.replace(state, author=(*known, shown))


def user_without_names(state: UserState, names: HiddenNames) -> UserState:
    """An account under pseudonyms, for those of its names that are hidden."""
    shown = tuple(sorted((names.shown(name), seen) for name, seen in state.names))
    return state if shown == state.names else msgspec.structs.replace(state, names=shown)


def log_row_without_names(state: LogState, names: HiddenNames) -> LogState:
    """A log row by a pseudonym, if a hidden account made it, and about one, if it tells of a hidden account."""
    by, title, params, comment = state.user_name, state.title, state.params, state.comment
    shown_by = None if by is None else names.shown(by)
    if state.log_type in ABOUT_ACCOUNTS:
        renamed = _texts(php.parsed(params)) if state.log_type == RENAMES else ()
        told = [title[1] if title else "", by or "", *renamed]
        title = None if title is None else (title[0], names.titled(title[1]))
        params = params if state.log_type != RENAMES or params is None else _params(params, names)
        comment = None if comment is None else names.without_mentions(comment, told)
    made = msgspec.structs.replace(state, user_name=shown_by, title=title, params=params, comment=comment)
    return state if made == state else made


def _params(text: str, names: HiddenNames) -> str:
    told = php.parsed(text)
    if php.UNPARSED in told:
        return names.titled(text)
    shown = _titled(told, names)
    return text if shown == told else php.serialised(shown)


def _titled(told: Mapping[str, Any], names: HiddenNames) -> dict[str, Any]:
    return {key: names.titled(value) if isinstance(value, str) else value for key, value in told.items()}


def _texts(told: Mapping[str, Any]) -> list[str]:
    return [value for value in told.values() if isinstance(value, str)]


def event_without_names(event: dict[str, Any], names: HiddenNames) -> bool:
    """Put pseudonyms in an event, in the place of hidden accounts' names; whether there were any."""
    is_about_accounts = event.get("log_type") in ABOUT_ACCOUNTS
    by = event.get("user")
    changed = _users(event, names)
    if is_about_accounts:
        changed |= _log_event(event, names, by if isinstance(by, str) else "")
    if changed and (is_about_accounts or str(event.get("$schema")).startswith(_ABOUT_ACCOUNTS)):
        # The same in other forms, which nothing reads.
        for name in ("title_url", "notify_url", "log_action_comment", "parsedcomment"):
            event.pop(name, None)
        if isinstance(event.get("meta"), dict):
            event["meta"].pop("uri", None)
    return changed


_ABOUT_ACCOUNTS = ("/mediawiki/user/", "/development/mediawiki_user_change/")
"""How the names of schemas of events about accounts begin."""


def _users(record: dict[str, Any], names: HiddenNames) -> bool:
    """Whoever is named as a user, at any depth."""
    changed = False
    for key, value in record.items():
        if isinstance(value, dict):
            changed |= _users(value, names)
        elif key in _USER_FIELDS and isinstance(value, str):
            record[key] = shown = names.shown(value)
            changed |= shown != value
    return changed


_USER_FIELDS = frozenset({"user_text", "user"})


def _log_event(event: dict[str, Any], names: HiddenNames, by: str) -> bool:
    """The title, the parameters and the comment of a log row about accounts."""
    before = dict(event)
    prefix, colon, title = str(event.get("title")).partition(":")
    if colon and event.get("namespace") == USER:
        event["title"] = f"{prefix}:{names.titled(title)}"
    params = event.get("log_params")
    told = [title, by]
    if event.get("log_type") == RENAMES and isinstance(params, dict):
        told += _texts(params)
        event["log_params"] = _titled(params, names)
    if isinstance(event.get("comment"), str):
        event["comment"] = names.without_mentions(event["comment"], told)
    return event != before
