"""Names in log rows about accounts, wherever a row has them, written in another way."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

from shared_logic.history import php
from shared_logic.history.user_events import LINK, LOGS_OF_HIDING, NOT_A_NAME, TYPES
from shared_logic.titles import USER

RENAMES = "renameuser"
ABOUT_ACCOUNTS = TYPES.keys() | LOGS_OF_HIDING | {"thanks", "gblblock", "globalauth", "usermerge"}
"""Types of log rows whose titles, in the namespace of users, are names."""


class Spelling(Protocol):
    """How names are to be written."""

    def shown(self, name: str) -> str:
        """What is to stand in the place of a name; the name itself, where it stays."""


class Told(NamedTuple):
    """What a log row says in which names are."""

    title: str | None
    """No prefix, blanks mostly underscores."""
    params: str | None
    """As MediaWiki stores them."""
    comment: str | None
    by: str | None
    """Who made it."""


def respelled(log_type: str | None, namespace: int | None, told: Told, spelling: Spelling) -> Told:
    """What the row says with names written so; of a row that is not about accounts, who made it."""
    by = None if told.by is None else spelling.shown(told.by)
    if log_type not in ABOUT_ACCOUNTS or namespace not in {None, USER}:
        return told._replace(by=by)
    params = told.params
    renamed: list[str] = []
    if log_type == RENAMES and params is not None:
        parsed = php.parsed(params)
        renamed = texts(parsed)
        shown = in_params(parsed, spelling)
        if shown != parsed:
            params = shown[php.UNPARSED] if php.UNPARSED in parsed else php.serialised(shown)
    named = [told.title or "", told.by or "", *renamed]
    return Told(
        title=None if told.title is None else in_title(told.title, spelling),
        params=params,
        comment=None if told.comment is None else in_text(told.comment, named, spelling),
        by=by,
    )


def in_title(title: str, spelling: Spelling) -> str:
    """A title of a row about accounts; one of another wiki's account has that wiki after an @."""
    if NOT_A_NAME.search(title):
        return title
    name, at, wiki = title.replace("_", " ").partition("@")
    shown = spelling.shown(name)
    return title if shown == name else f"{shown}{at}{wiki}"


def in_params(told: Mapping[str, Any], spelling: Spelling) -> dict[str, Any]:
    """The parameters of a rename."""
    return {
        key: in_title(value, spelling) if isinstance(value, str) else value for key, value in told.items()
    }


def texts(told: Mapping[str, Any]) -> list[str]:
    """The texts among parameters."""
    return [value for value in told.values() if isinstance(value, str)]


def in_text(text: str, named: Collection[str], spelling: Spelling) -> str:
    """A comment that may mention these names, or link to others; a name within a longer word is none."""
    spoken = {name.replace("_", " ").strip() for name in (*named, *LINK.findall(text))}
    shown = {name: other for name in spoken if name and (other := spelling.shown(name)) != name}
    if not shown:
        return text
    longest_first = sorted(shown, key=len, reverse=True)
    written = "|".join(re.escape(name).replace(r"\ ", "[ _]") for name in longest_first)

    def replaced(found: re.Match[str]) -> str:
        before, after = text[: found.start()][-1:], text[found.end() :][:1]
        if _are_one_word(before, found[0][:1]) or _are_one_word(found[0][-1:], after):
            return found[0]
        return shown[found[0].replace("_", " ")]

    return re.sub(rf"(?:{written}){_NO_PSEUDONYM}", replaced, text)


_NO_PSEUDONYM = r"(?!#[0-9a-f]{32})"
"""Not where what stands in the place of a name begins."""


def _are_one_word(one: str, other: str) -> bool:
    """Whether two characters side by side are of one word, in scripts that part words by blanks."""
    return all(char.isdigit() or char.lower() != char.upper() for char in (one, other) if char) and bool(
        one and other
    )
