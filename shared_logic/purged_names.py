"""What is left of states and events when the names of hidden accounts are taken out of them for good.

Who did something, what an account is called, and whom a log row about accounts names: a pseudonym stands there then (see
`shared_logic.hidden_names`), so that what belongs together still does, and rows stay as they were but for names that nobody is
shown. Titles of pages and what others write of an account stay, as they do on the wiki.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from shared_logic.hidden_names import name_digest, pseudonym
from shared_logic.history.spelling import (
    ABOUT_ACCOUNTS,
    RENAMES,
    LogTexts,
    in_params,
    in_text,
    in_title,
    respelled,
    texts,
)
from shared_logic.states.log_state import LogState, LogTitle
from shared_logic.states.page_state import PageState, RevisionState
from shared_logic.states.user_state import Seen, UserState
from shared_logic.titles import USER, user_name

WikiAndDigest = tuple[str, str]


class Pseudonyms:
    """What stands in the place of names of one wiki's hidden accounts: see `shared_logic.history.spelling.Spelling`."""

    def __init__(self, wiki: str, hidden: Collection[WikiAndDigest]) -> None:
        """Names are known by their digests; of those of all wikis one wiki's count."""
        self._wiki, self._hidden = wiki, hidden

    def __bool__(self) -> bool:
        """Whether any wiki has hidden names."""
        return bool(self._hidden)

    def shown(self, name: str) -> str:
        """The name, or what stands in its place; of an imported one, in the place of the name behind the mark."""
        if self._hides(name):
            return pseudonym(name)
        if ">" not in name:
            return name
        wiki, mark, own = name.rpartition(">")
        own = user_name(own)
        return f"{wiki}{mark}{pseudonym(own)}" if self._hides(own) else name

    def _hides(self, name: str) -> bool:
        return (self._wiki, name_digest(name)) in self._hidden


def page_without_names(state: PageState, names: Pseudonyms) -> PageState:
    """A page whose revisions and happenings are by pseudonyms, where they are by hidden accounts."""
    revisions = {rev_id: revision_without_name(told, names) for rev_id, told in state.revisions.items()}
    happenings = tuple(
        told if told.user_name is None else told._replace(user_name=names.shown(told.user_name))
        for told in state.happenings
    )
    if revisions == state.revisions and happenings == state.happenings:
        return state
    return msgspec.structs.replace(state, revisions=revisions, happenings=happenings)


def revision_without_name(state: RevisionState, names: Pseudonyms) -> RevisionState:
    """A revision by a pseudonym, if it is by a hidden account."""
    if state.author is None:
        return state
    shown = names.shown(state.author.name)
    if shown == state.author.name:
        return state
    return msgspec.structs.replace(state, author=msgspec.structs.replace(state.author, name=shown))


def user_without_names(state: UserState, names: Pseudonyms) -> UserState:
    """An account under pseudonyms, for those of its names that are hidden."""
    seen: dict[str, Seen] = {}
    for name, at in state.names:
        shown = names.shown(name)
        seen[shown] = max(seen.get(shown, at), at)
    told = tuple(sorted(seen.items()))
    return state if told == state.names else msgspec.structs.replace(state, names=told)


def log_row_without_names(state: LogState, names: Pseudonyms) -> LogState:
    """A log row by a pseudonym, if a hidden account made it, and about one, if it tells of a hidden account."""
    told = LogTexts(state.title.title if state.title else None, state.params, state.comment, state.user_name)
    shown = respelled(state.log_type, state.namespace, told, names)
    if shown == told:
        return state
    title = (
        state.title if state.title is None or shown.title is None else LogTitle(state.title.at, shown.title)
    )
    return msgspec.structs.replace(
        state, title=title, params=shown.params, comment=shown.comment, user_name=shown.by
    )


def event_without_names(event: dict[str, Any], names: Pseudonyms) -> bool:
    """Put pseudonyms in an event, in the place of hidden accounts' names; whether there were any."""
    is_about_accounts = event.get("log_type") in ABOUT_ACCOUNTS and event.get("namespace") in {None, USER}
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


def text_without_names(text: str, names: Pseudonyms) -> str:
    """Free text with pseudonyms wherever words of it, up to `_MOST_WORDS` in a row, are the name of a hidden account.

    They are also where they are written in small or in large letters only, or as in an address (`Alice%27s`), which is decoded then.
    """
    decoded = _ESCAPED.sub(_unescaped, text)
    shown = _without_names(decoded, names)
    return text if shown == decoded else shown


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode(errors="replace")


def _without_names(text: str, names: Pseudonyms) -> str:
    words = [(word.start(), word.end(), _GENITIVE.sub("", word[0])) for word in _WORD.finditer(text)]
    starts = [start for start, _, _ in words]
    ends = sorted({end for start, whole, bare in words for end in (whole, start + len(bare))})
    shown, done = [], 0
    for start in starts:
        if start < done:
            continue
        for end in reversed([end for end in ends if start < end][: 2 * _MOST_WORDS]):
            name = user_name(text[start:end])
            spelled = (name, name.capitalize(), name.title())
            instead = next((other for one in spelled if (other := names.shown(one)) != one), None)
            if instead is not None:
                shown += [text[done:start], instead]
                done = end
                break
    return "".join((*shown, text[done:]))


_MOST_WORDS = 8
"""Of a name; MediaWiki's are up to 255 bytes long, hardly any has more words."""
_WORD = re.compile(r"[^\s_,;:()\[\]\"“”]*[^\s_,;:()\[\]\"“”.!?'’]")
"""What stands between blanks or underscores, without marks around it."""
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
"""Bytes of UTF-8 as addresses have them."""
_GENITIVE = re.compile(r"['’]s$")
_ABOUT_ACCOUNTS = ("/mediawiki/user/", "/development/mediawiki_user_change/")
"""How the names of schemas of events about accounts begin."""


def _users(record: dict[str, Any], names: Pseudonyms) -> bool:
    """Whoever is named as a user, at any depth."""
    changed = False
    records = [record]
    while records:
        within = records.pop()
        for key, value in within.items():
            if key in _USER_FIELDS and isinstance(value, str):
                within[key] = shown = names.shown(value)
                changed |= shown != value
            else:
                inner = value if isinstance(value, list) else [value]
                records += [one for one in inner if isinstance(one, dict)]
    return changed


_USER_FIELDS = frozenset({"user_text", "user"})


def _log_event(event: dict[str, Any], names: Pseudonyms, by: str) -> bool:
    """The title, the parameters and the comment of a log row about accounts."""
    before = dict(event)
    prefix, colon, title = str(event.get("title")).partition(":")
    if colon:
        event["title"] = f"{prefix}:{in_title(title, names)}"
    params = event.get("log_params")
    named = [title, by]
    if event.get("log_type") in RENAMES and isinstance(params, dict):
        named += texts(params)
        event["log_params"] = in_params(params, names)
    elif event.get("log_type") in RENAMES and isinstance(params, str):
        event["log_params"] = in_title(params, names)
    if isinstance(event.get("comment"), str):
        event["comment"] = in_text(event["comment"], named, names)
    return event != before
